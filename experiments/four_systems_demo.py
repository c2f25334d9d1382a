"""Four systems and a baseline on drawn faces, side by side, for two processor cores.

Data     442 drawn clips of 68 people, 16 frames of 64 pixels, ten folds of people; for
         moext and minet 600 clips of 100 other people, whose expressions are plain.
         Scores on them say nothing about real corpora.
Rows     as four_systems_cde3, each at the size of its own demo; only the clips, and
         for moext the pool, are others than there.
Measured 27 November 2026, seed 0, SYNTHETIC: UF1 of ststnet 0.642 [0.575, 0.703],
         moext 0.547 [0.484, 0.606], menet 0.618 [0.533, 0.685], minet 0.695 [0.618,
         0.754], mfvan 0.624 [0.554, 0.684]. From ststnet, paired: moext -0.096 [-0.175,
         -0.011], p 0.034; menet -0.024, minet +0.053 and mfvan -0.018 cannot be told
         from it, p 0.64, 0.24 and 0.70. Of people held out a linear probe names 0.407
         by ststnet's features, no more than chance (0.414), and 0.898, 0.896, 1.000 and
         0.979 by the others'. 26 minutes on two cores as two devices, with XLA_FLAGS=
         "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false".
Run      mer run four_systems_demo --seeds 0
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.menet import MENet
from mer_jax.systems.mfvan import MFVAN
from mer_jax.systems.minet import MiNet
from mer_jax.systems.moext import MoExt
from mer_jax.systems.ststnet import STSTNet
from mer_jax.train.stage import SystemConfig

MACRO = Data(corpora=("synthetic/macro_moving",))
PRETRAINING = Pool(name="pretraining", data=MACRO)
LABELLED = Pool(name="macro", data=MACRO, protocol=Protocol(name="demo_macro3"))

BASELINE = STSTNet(learning_rate=1e-3, batch=32, epochs=20, order="shuffled")
MOEXT_SMALL = MoExt(
    size=32,
    backbone="plain",
    width=16,
    aug10="online_uniform",
    copies=1,
    learning_rate=1e-3,
    pretrain_epochs=10,
    epochs=20,
)
MENET_SMALL = MENet(
    frames=4,
    size=32,
    identity_size=16,
    width=8,
    blocks=1,
    critic_projected=64,
    critic_norm=True,
    critic_rate=1.0,
    critic_learning_rate=3e-3,
    num_critic=10,
    learning_rate=1e-3,
    identity_epochs=8,
    epochs=40,
)
MINET_SMALL = MiNet(
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
MFVAN_SMALL = MFVAN(
    size=48,
    aug="flip",
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


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the baseline first."""
    return (
        row("ststnet", BASELINE),
        row("moext", MOEXT_SMALL, PRETRAINING),
        row("menet", MENET_SMALL),
        row("minet", MINET_SMALL, LABELLED),
        row("mfvan", MFVAN_SMALL),
    )


def row(name: str, system: SystemConfig, *pools: Pool) -> Experiment:
    """Returns the row of a system."""
    return Experiment(
        name=name,
        system=system,
        protocol=Protocol(name="demo3", division="10fold"),
        data=Data(corpora=("synthetic/moving",), flow_limit=1.5),  # px, of 64
        pools=pools,
        eval_every=5,
    )
