"""STSTNet on the MEGC2019 composite: CDE, 3 classes, 442 clips, 68 LOSO folds.

Paper    UF1 0.735, UAR 0.761 (arXiv 1902.03634); its authors' PyTorch log re-scores
         to 0.7209 / 0.7250 at the last epoch, which is the number to hold ours to.
Data     the 442 flow images its authors publish: --set data.release=DIR
Cost     68 runs of 800 epochs; `mer plan` prints waves, programs, bytes and FLOPs.
Run      mer run experiments/ststnet_cde3.py --set data.release=DIR
Order    mer run experiments/ststnet_cde3.py --set data.release=DIR \
             --set system.order=label,subject,shuffled
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.ststnet import STSTNet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="ststnet_cde3",
        system=STSTNet(),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("megc2019_flow",)),
        published=(
            Published(
                source="authors' PyTorch log, re-scored",
                uf1=0.7209,
                uar=0.7250,
                selection="last epoch",
            ),
            Published(
                source="paper (arXiv 1902.03634)",
                uf1=0.735,
                uar=0.761,
                selection="not stated",
            ),
        ),
    )
