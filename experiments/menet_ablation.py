"""What each part of MENet is worth: the six rows of its ablation, on MMEW.

Paper    accuracy on SDU, which was never released (Xie et al. 2022, PeerJ CS 1140):
         0.399 plain, 0.428 with diverse attention, 0.463 with it and L_div; 0.446 with
         IDNet and L_MI alone, 0.487 with both, 0.539 with everything. The check marks
         are lost in the text at hand and were put back by what its discussion says.
Data     MMEW stands in for SDU, so only the order of the rows can be compared.
         mer data prepare mmew --release DIR.
Rows     without L_MI only stage `expression` runs, as in the paper: half the epochs.
Cost     `mer plan menet_ablation`; a GPU is needed.
Run      mer run menet_ablation --seeds 0,1
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.menet import MENet


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the full system first."""
    return (
        row("full", MENet(), 0.539),
        row("dao_mi", MENet(div=0.0), 0.487),
        row("mi", MENet(dao=False), 0.446),
        row("dao_div", MENet(mi=0.0), 0.463),
        row("dao", MENet(mi=0.0, div=0.0), 0.428),
        row("plain", MENet(mi=0.0, dao=False), 0.399),
    )


def row(name: str, system: MENet, accuracy: float) -> Experiment:
    """Returns a row with the paper's accuracy on SDU."""
    return Experiment(
        name=f"menet_{name}",
        system=system,
        protocol=Protocol(name="mmew_6", division="5fold"),
        data=Data(corpora=("mmew/micro",), align="template", crop=256),
        eval_every=10,
        published=(
            Published(
                source="paper (PeerJ CS 1140), ablation on SDU, not MMEW",
                accuracy=accuracy,
            ),
        ),
    )
