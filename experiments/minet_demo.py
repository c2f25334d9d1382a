"""MiNet with and without its transfer, on drawn faces.

Data     442 drawn clips of 68 people, five folds of people; beside them 600 clips of
         100 other people, whose expressions are plain. Scores on them say nothing about
         real corpora.
Rows     full; l_c_alone, which sees no macro-expression, as the paper's row L_c;
         l_c_from_manet, L_c alone too, but fine-tuned from MaNet; full_from_own.
Setting  32 pixels, 8 frames, five plain convolutions of width 16, mirrored at random,
         3e-4, MaNet 60 epochs, MiNet 20 and then 30; MiNet begins as MaNet ended
         but in the rows l_c_alone and full_from_own.
Measured 27 November 2026, seed 0, SYNTHETIC: UF1 full 0.641 [0.559, 0.705], l_c_alone
         0.522 [0.444, 0.586], which is -0.119 [-0.196, -0.045]; l_c_from_manet 0.655
         [0.577, 0.719], +0.015 [-0.030, +0.059]; full_from_own 0.520 [0.445, 0.582],
         -0.121 [-0.189, -0.054]. So it is MaNet's weights that transfer; the losses
         beside L_c add nothing that can be told here. A fresh discriminator tells
         domains of unseen clips at 0.816 before `align` and 0.771 after it, of
         full_from_own at 0.989 and 0.988. 14 minutes in all, on one core.
Run      mer run minet_demo --seeds 0
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
