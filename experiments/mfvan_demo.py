"""MFVAN's ablation grid on drawn faces, whose expressions are plain to see.

Data     442 drawn clips of 68 people in the composite's proportions, five folds of
         people. Scores on them say nothing about real corpora. The expressions are far
         stronger than micro-expressions: of a clip that is tested MFVAN sees the apex
         alone, which must tell something.
Rows     identity removal or none, times all three scales, two, one and none; the first
         is everything.
Setting  48 pixels, patches of 8, 4 and 2 pixels, width 8, two layers of 32 features,
         mirrored at random, 1e-3, one pass over all frames, 20 of identity removal and
         40 of classification.
Run      mer run mfvan_demo --seeds 0,1
         then, where of the face kept attention lies:
         python -m experiments.mfvan_attention WORKDIR
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN

CORPUS = "synthetic/plain"
SCALES = {"s012": (0, 1, 2), "s01": (0, 1), "s0": (0,), "global": ()}


def get() -> tuple[Experiment, ...]:
    """Returns the eight rows."""
    return tuple(
        row(f"mfvan_{'ri_' if ri else ''}{name}", ri=ri, scales=scales)
        for ri in (True, False)
        for name, scales in SCALES.items()
    )


def row(name: str, *, ri: bool, scales: tuple[int, ...]) -> Experiment:
    """Returns a row of the grid."""
    system = MFVAN(
        size=48,
        aug="flip",
        ri=ri,
        scales=scales,
        width=8,
        blocks=1,
        patch=8,
        features=32,
        depth=2,
        heads=2,
        hidden=64,
        fusion=64,
        learning_rate=1e-3,
        teacher_epochs=1,
        removal_epochs=20,
        epochs=40,
    )
    return Experiment(
        name=name,
        system=system,
        protocol=Protocol(name="demo3", division="5fold"),
        data=Data(corpora=(CORPUS,)),
        seeds=(0, 1),
        eval_every=10,
    )
