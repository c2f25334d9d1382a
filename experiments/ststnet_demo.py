"""STSTNet on a synthetic twin of the MEGC2019 composite: the demo, no data needed.

Data     442 drawn clips of 68 drawn people in the composite's proportions. Scores on
         it say nothing about real corpora; they show that the path works.
Cost     68 runs of a few epochs, shuffled, at a higher learning rate than the
         paper's: two to three minutes on two cores.
Run      mer run ststnet_demo
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.ststnet import STSTNet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="ststnet_demo",
        system=STSTNet(learning_rate=1e-3, batch=32, epochs=20, order="shuffled"),
        protocol=Protocol(name="demo3"),
        data=Data(corpora=("synthetic/demo",)),
    )
