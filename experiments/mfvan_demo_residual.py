"""Where MFVAN looks if its transformers see what identity removal leaves.

Data     as mfvan_demo.
Rows     with all three scales and identity removal, ri_feature=residual: transformers
         see the apex without the onset that the student makes of it, with two layers
         and with one. The same with ri_feature=encoder is mfvan_demo's first row.
Setting  as mfvan_demo.
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
