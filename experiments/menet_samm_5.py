"""MENet on SAMM: 5 classes, five folds of people.

Paper    accuracy 0.714 (Xie et al. 2022, PeerJ CS 1140), five-fold; whether its folds
         share people, and how the epoch was chosen, is not stated. Its discussion
         names other classes than these: protocol samm_5_alt, a guess.
Data     SAMM, prepared once: mer data prepare samm --release DIR.
Cost     `mer plan menet_samm_5`; a GPU is needed.
Run      mer run menet_samm_5 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.menet import MENet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="menet_samm_5",
        system=MENet(),
        protocol=Protocol(name="samm_5", division="5fold"),
        data=Data(corpora=("samm",), align="template", crop=256),
        eval_every=10,
        published=(Published(source="paper (PeerJ CS 1140), 5-fold", accuracy=0.714),),
    )
