"""What each loss of MiNet does where few people are filmed, on drawn faces.

Data     as minet_demo, but in each of ten folds some fourteen people train, 88 clips,
         and the next seven are tested. Scores say nothing about real corpora.
Rows     l_c_alone; full, with the paper's weights; domains, L_s and L_t alone of the
         further losses, ten and fifty times the paper's weights; con, L_con alone at
         ten times; con_turned, the same with macro-expressions of the wrong class.
         MiNet begins by itself in all of them, so that these losses are all that macro-
         expressions can tell it by.
Setting  32 pixels, 8 frames, five plain convolutions of width 16, mirrored at random,
         3e-4, MaNet 60 epochs, MiNet 20 and then 60.
Measured 27 November 2026, seed 0, SYNTHETIC: UF1 l_c_alone 0.436 [0.380, 0.485]; from
         it full +0.007 [-0.019, +0.033], domains -0.003 [-0.050, +0.045], con -0.028
         [-0.080, +0.024], con_turned -0.016 [-0.058, +0.026]: none can be told from
         L_c alone, nor the right classes from the wrong ones. A fresh discriminator
         tells domains of unseen clips at 0.910 before `align`; after it at 0.968 with
         the paper's weights, 0.906 in domains. 16 minutes on two busy cores.
Run      mer run minet_demo_few --seeds 0
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
    learning_rate=3e-4,
    macro_epochs=60,
    micro_epochs=20,
    epochs=60,
)
NOTHING = {"ls": 0.0, "lsam": 0.0, "lt": 0.0, "lcon": 0.0}


def get() -> tuple[Experiment, ...]:
    """Returns the rows, L_c alone first."""
    domains = {**NOTHING, "ls": 1.0, "lt": 10.0, "grl": "const1"}
    con = {**NOTHING, "lcon": 1.0}
    return (
        row("l_c_alone", NOTHING),
        row("full", {}),
        row("domains", domains),
        row("con", con),
        row("con_turned", con, classes="demo_macro3_turned"),
    )


def row(name: str, changes, classes: str = "demo_macro3") -> Experiment:
    """Returns a row with other weights, or other classes of macro-expressions."""
    pool = Pool(
        name="macro",
        data=Data(corpora=("synthetic/macro_moving",)),
        protocol=Protocol(name=classes),
    )
    return Experiment(
        name=f"minet_few_{name}",
        system=dataclasses.replace(SMALL, **changes),
        protocol=Protocol(name="demo3", division="10fold-few"),
        data=Data(corpora=("synthetic/moving",)),
        pools=(pool,),
        eval_every=20,
    )
