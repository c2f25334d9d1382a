"""MiNet with and without its transfer, on drawn faces.

To be measured.
Run      mer run minet_demo --seeds 0,1,2
"""

import dataclasses

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.minet import MiNet

SMALL = MiNet(
    frames=8,
    size=32,
    aug="flip",
    encoder="plain",
    width=16,
    disc_features=64,
    minet_init="manet",
    learning_rate=3e-4,
    macro_epochs=60,
    micro_epochs=20,
    epochs=30,
)
L_C_ALONE = {"ls": 0.0, "lsam": 0.0, "lt": 0.0, "lcon": 0.0}


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full loss first."""
    return (
        row("full"),
        row("l_c_alone", minet_init="own", **L_C_ALONE),
        row("l_c_from_manet", **L_C_ALONE),
        row("full_from_own", minet_init="own"),
    )


def row(name: str, **changes) -> Experiment:
    """Returns a row that differs from the full loss by `changes`."""
    pool = Pool(
        name="macro",
        data=Data(corpora=("synthetic/macro_moving",)),
        protocol=Protocol(name="demo_macro3"),
    )
    return Experiment(
        name=f"minet_{name}",
        system=dataclasses.replace(SMALL, **changes),
        protocol=Protocol(name="demo3", division="5fold"),
        data=Data(corpora=("synthetic/moving",)),
        pools=(pool,),
        eval_every=5,
    )
