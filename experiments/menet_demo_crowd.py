"""MENet with and without its information term, and many strangers. To be measured."""

import dataclasses

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.menet import MENet

SMALL = MENet(
    frames=4,
    size=32,
    identity_size=16,
    width=8,
    blocks=1,
    critic_projected=64,
    critic_norm=True,
    marginals="all",
    mi=1.0,
    mi_clip="none",
    critic_rate=1.0,
    critic_learning_rate=3e-3,
    num_critic=10,
    learning_rate=1e-3,
    identity_epochs=8,
    epochs=35,
)


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full system first."""
    return (
        row("full"),
        row("no_information", mi=0.0, epochs=2 * SMALL.epochs),
    )


def row(name: str, **changes) -> Experiment:
    """Returns a row that differs from the full system by `changes`."""
    return Experiment(
        name=f"menet_crowd_{name}",
        system=dataclasses.replace(SMALL, **changes),
        protocol=Protocol(name="crowd3", division="corpus"),
        data=Data(corpora=("synthetic/crowd",)),
        eval_every=5,
    )
