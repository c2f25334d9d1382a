"""MFVAN on SAMM: 5 classes, LOSO: a reconstruction.

Paper    its tables are lost, and its text names no number of SAMM.
Data     SAMM, prepared once: mer data prepare samm --release DIR.
Frames   a teacher sees all from onset to offset, on the device or streamed from disk:
         `mer run --frames`. All else is of onset and apex.
System   a reconstruction: no equation and no number of the paper is left
         (systems/mfvan/README.md). A score of it is not the paper's.
Cost     `mer plan mfvan_samm_5`; a GPU is needed.
Run      mer run mfvan_samm_5 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="mfvan_samm_5",
        system=MFVAN(),
        protocol=Protocol(name="samm_5"),
        data=Data(corpora=("samm",), align="template", crop=224),
        eval_every=10,
    )
