"""Where MFVAN looks if its transformers see what identity removal leaves.

Data     as mfvan_demo.
Rows     with all three scales and identity removal, ri_feature=residual: transformers
         see the apex without the onset that the student makes of it, with two layers
         and with one. The same with ri_feature=encoder is mfvan_demo's first row.
Setting  as mfvan_demo.
Measured 27 November 2026, two seeds, SYNTHETIC: UF1 0.618 [0.555, 0.676] with two
         layers, 0.674 [0.616, 0.725] with one. From mfvan_demo's first row, 0.716,
         paired: -0.098 [-0.154, -0.041], p 0.002, and -0.043 [-0.084, -0.000], p 0.055.
         Of kept attention there lies inside what moves, minus the share of the area,
         people drawn anew: with two layers 0.009 [0.005, 0.014] at the scale of the
         image, 0.023 [0.016, 0.031] and 0.038 [0.029, 0.048] at those of the maps; with
         one 0.059 [0.042, 0.077], 0.054 [0.040, 0.068] and 0.067 [0.056, 0.079]. So
         transformers find what moves, and that does not help what is classified.
         21 minutes on one core.
Run      mer run mfvan_demo_residual --seeds 0,1
         then, where of the face kept attention lies:
         python -m experiments.mfvan_attention WORKDIR --experiment mfvan_demo_residual
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN


def get() -> tuple[Experiment, ...]:
    """Returns the two rows."""
    return (row("mfvan_residual", depth=2), row("mfvan_residual_shallow", depth=1))


def row(name: str, *, depth: int) -> Experiment:
    """Returns a row with so many layers in each transformer."""
    system = MFVAN(
        size=48,
        aug="flip",
        ri_feature="residual",
        width=8,
        blocks=1,
        patch=8,
        features=32,
        depth=depth,
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
        data=Data(corpora=("synthetic/plain",)),
        seeds=(0, 1),
        eval_every=10,
    )
