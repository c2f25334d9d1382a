"""Four systems and a baseline on drawn faces, side by side, for two processor cores.

Data     442 drawn clips of 68 people, 16 frames of 64 pixels, ten folds of people; for
         moext and minet 600 clips of 100 other people, whose expressions are plain.
         Scores on them say nothing about real corpora.
Rows     as four_systems_cde3, each at the size of its own demo; only the clips, and
         for moext the pool, are others than there.
Cost     minutes of processor time for ten folds and one seed, reckoned from three folds
         of each on 27 November 2026: ststnet 1, moext 5, menet 19, minet 12, mfvan 12.
         Together less than an hour on two cores.
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
