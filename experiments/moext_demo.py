"""MoExt and its ablation on synthetic faces, at a size for two processor cores.

Data     442 clips of 68 drawn people in the proportions of the MEGC2019 composite, the
         expressions plain to see; to pre-train, 1200 clips of 194 others. Scores on
         them say nothing about real corpora. moext_demo_hard has fainter ones.
Rows     the six of the paper's ablation, and apex_only, which sees no motion.
Setting  32 pixels, width 16, five plain convolutions instead of a ResNet-18, any angle
         within 10 degrees, 10 epochs of pre-training and 20 of 22 steps, rate 1e-3.
Folds    ten people who show all three classes, whom the figures below are of:
         synthetic_casme2/sub01,synthetic_casme2/sub04,synthetic_casme2/sub07,
         synthetic_casme2/sub14,synthetic_samm/sub03,synthetic_samm/sub13,
         synthetic_smic/sub03,synthetic_smic/sub06,synthetic_smic/sub13,
         synthetic_smic/sub16
Measured 20 November 2026, these folds, seeds 0 and 1, 127 clips, SYNTHETIC: UF1 full
         0.705 [0.624, 0.782]; minus full, paired: no_pretraining -0.271 [-0.329,
         -0.178], apex_only -0.096 [-0.247, +0.002], no_macro -0.155 [-0.226, -0.103],
         absdiff +0.168 [+0.083, +0.250], no_L_st +0.028 [-0.079, +0.112], no_L_ss
         -0.181 [-0.255, -0.113]. 28 minutes of processor time.
Run      mer run moext_demo --seeds 0,1 --folds FOLDS
"""

import dataclasses

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.moext import MoExt

MICRO, MACRO = "synthetic/clear_others", "synthetic/macro"
SMALL = MoExt(
    size=32,
    backbone="plain",
    width=16,
    aug10="online_uniform",
    copies=1,
    learning_rate=1e-3,
    pretrain_epochs=10,
    epochs=20,
)


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full system first."""
    return (
        row("full"),
        row("no_pretraining", pretrain=False),
        row("apex_only", pretrain=False, motion_block="apex"),
        row("no_macro", pool=(MICRO,)),
        row("absdiff", motion_block="absdiff"),
        row("no_L_st", a1=0.0),
        row("no_L_ss", a2=0.0),
    )


def row(name: str, pool: tuple[str, ...] = (MICRO, MACRO), **changes) -> Experiment:
    """Returns a row that differs from the full system by `changes`."""
    system = dataclasses.replace(SMALL, **changes)
    pretraining = Pool(name="pretraining", data=Data(corpora=pool))
    return Experiment(
        name=f"moext_{name}",
        system=system,
        protocol=Protocol(name="demo3"),
        data=Data(corpora=("synthetic/clear",)),
        pools=(pretraining,) if system.pretrain else (),
        eval_every=5,
    )
