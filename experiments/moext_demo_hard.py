"""MoExt on the demo's synthetic faces, hard to read, for two processor cores.

Data     442 clips of 68 drawn people, skin moving by 0.3 to 1.6 of 128 pixels, blinks
         and twitches, a tenth of the labels wrong; to pre-train, 600 such clips of
         others and 600 of ordinary expressions. Scores on them say nothing about real
         corpora.
Rows     full, no_pretraining, and apex_only, which sees no motion.
Setting  as moext_demo, but 20 epochs of pre-training and 40 of classifying.
Measured 20 November 2026, the ten folds of moext_demo, seeds 0 and 1, 127 clips,
         SYNTHETIC: UF1 full 0.477 [0.368, 0.561]; minus full, paired: no_pretraining
         -0.206 [-0.308, -0.117], apex_only -0.161 [-0.244, -0.095]. 15 minutes of
         processor time.
Run      mer run moext_demo_hard --seeds 0,1 --folds FOLDS
"""

import dataclasses

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.moext import MoExt

MICRO, MACRO = "synthetic/others", "synthetic/macro"
SMALL = MoExt(
    size=32,
    backbone="plain",
    width=16,
    aug10="online_uniform",
    copies=1,
    learning_rate=1e-3,
    pretrain_epochs=20,
    epochs=40,
)


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full system first."""
    return (
        row("full"),
        row("no_pretraining", pretrain=False),
        row("apex_only", pretrain=False, motion_block="apex"),
    )


def row(name: str, pool: tuple[str, ...] = (MICRO, MACRO), **changes) -> Experiment:
    """Returns a row that differs from the full system by `changes`."""
    system = dataclasses.replace(SMALL, **changes)
    pretraining = Pool(name="pretraining", data=Data(corpora=pool))
    return Experiment(
        name=f"moext_hard_{name}",
        system=system,
        protocol=Protocol(name="demo3"),
        data=Data(corpora=("synthetic/demo",)),
        pools=(pretraining,) if system.pretrain else (),
        eval_every=5,
    )
