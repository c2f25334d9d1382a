"""MENet with a heavy information term and without one, and many strangers.

Data     1161 clips of 129 drawn people. 39 train, each of whom shows the label that
         goes with their surroundings in 5 of 9 clips. The other 90, who are held out,
         show everything everywhere. Scores on them say nothing about real corpora.
Rows     full, and no_information, in which IDNet and critic are left out; both train
         MENet for as long.
Setting  that of menet_demo_few, but: L_MI weighs 1.
Measured 27 November 2026, seeds 0 to 7, 810 clips of the 90 people, SYNTHETIC: UF1 full
         0.793 [0.775, 0.810], no_information 0.861 [0.844, 0.876], the difference
         -0.068 [-0.083, -0.053]: the term costs expressions and takes no identity out.
         A linear probe names the unseen people at 0.583 [least 0.412, greatest 0.727]
         against 0.575 [0.491, 0.653]. A ridge classifier reads these people at 0.97
         from apex minus onset. README.md of the system says why. 20 minutes in all, on
         two cores, one for seeds 0 to 3, one for the others.
Run      mer run menet_demo_crowd --folds synthetic_strangers --seeds 0,1,2,3,4,5,6,7
"""

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
