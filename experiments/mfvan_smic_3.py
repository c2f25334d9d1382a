"""MFVAN on SMIC-HS: 3 classes, LOSO: a reconstruction.

Paper    its tables are lost. Its text says that accuracy is 12.19 points above
         OFF-Apex's and 4.23 above KTGSL's, and F1 0.13 and 0.1109.
Data     SMIC-HS, prepared once: mer data prepare smic --release DIR; the apex is
         the middle frame.
Frames   a teacher sees all from onset to offset, on the device or streamed from disk:
         `mer run --frames`. All else is of onset and apex.
System   a reconstruction: no equation and no number of the paper is left
         (systems/mfvan/README.md). A score of it is not the paper's.
Cost     `mer plan mfvan_smic_3`; a GPU is needed.
Run      mer run mfvan_smic_3 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="mfvan_smic_3",
        system=MFVAN(),
        protocol=Protocol(name="smic_3"),
        data=Data(corpora=("smic",), align="template", crop=224),
        eval_every=10,
    )
