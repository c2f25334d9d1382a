"""MFVAN on the MEGC2019 composite: CDE, 68 LOSO folds: a reconstruction.

Paper    its tables are lost. Its text gives differences to AU-GCN on two datasets,
         three pairs of them, and it is unclear which columns they are of.
Data     CASME II, SAMM and SMIC, each prepared once:
         mer data prepare NAME --release DIR.
Frames   a teacher sees all from onset to offset, on the device or streamed from disk:
         `mer run --frames`. All else is of onset and apex.
System   a reconstruction: no equation and no number of the paper is left
         (systems/mfvan/README.md). A score of it is not the paper's.
Cost     `mer plan mfvan_cde3`; a GPU is needed.
Run      mer run mfvan_cde3 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="mfvan_cde3",
        system=MFVAN(),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), align="template", crop=224),
        eval_every=10,
    )
