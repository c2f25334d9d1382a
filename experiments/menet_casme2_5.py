"""MENet on CASME II: 5 classes, five folds of people.

Paper    accuracy 0.707 (Xie et al. 2022, PeerJ CS 1140), five-fold; whether its folds
         share people, and how the epoch was chosen, is not stated. Its discussion
         names other classes than these: protocol casme2_5_alt, a guess.
Data     CASME II, prepared once: mer data prepare casme2 --release DIR.
Cost     `mer plan menet_casme2_5`; a GPU is needed.
Run      mer run menet_casme2_5 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.menet import MENet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="menet_casme2_5",
        system=MENet(),
        protocol=Protocol(name="casme2_5", division="5fold"),
        data=Data(corpora=("casme2",), align="template", crop=256),
        eval_every=10,
        published=(Published(source="paper (PeerJ CS 1140), 5-fold", accuracy=0.707),),
    )
