"""MFVAN on CASME II: 5 classes, LOSO: a reconstruction.

Paper    accuracy 0.7945, F1 0.7816 of the best row of its ablation, identity
         removal and the scale of the image; all scales are below that, its text says.
Data     CASME II, prepared once: mer data prepare casme2 --release DIR.
Frames   a teacher sees all from onset to offset, on the device or streamed from disk:
         `mer run --frames`. All else is of onset and apex.
System   a reconstruction: no equation and no number of the paper is left
         (systems/mfvan/README.md). A score of it is not the paper's.
Cost     `mer plan mfvan_casme2_5`; a GPU is needed.
Run      mer run mfvan_casme2_5 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.mfvan import MFVAN


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="mfvan_casme2_5",
        system=MFVAN(),
        protocol=Protocol(name="casme2_5"),
        data=Data(corpora=("casme2",), align="template", crop=224),
        eval_every=10,
        published=(
            Published(
                source="paper, best row of its ablation", accuracy=0.7945, uf1=0.7816
            ),
        ),
    )
