"""MiNet on SMIC-HS: 3 classes, LOSO.

Paper    accuracy / F1 (Xia & Wang 2021, IJCAI, ablation, all losses): with CK+ 0.786 /
         0.778, with MMI 0.774 / 0.761. F1 is taken as UF1; how the epoch was chosen
         is not stated.
Data     SMIC-HS; CK+ or MMI beside it. Each prepared once:
         mer data prepare NAME --release DIR.
Rows     one a set of macro-expressions, whose emotions become the classes of
         smic_3 as `macro3` has it.
Cost     `mer plan minet_smic_3`; a GPU is needed.
Run      mer run minet_smic_3 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.minet import MiNet

FACES = {"align": "template", "crop": 256}
PAPER = "paper (Xia & Wang 2021), SDE"


def get() -> tuple[Experiment, ...]:
    """Returns the rows."""
    return (
        row("ckplus", Published(source=PAPER, accuracy=0.786, uf1=0.778)),
        row("mmi", Published(source=PAPER, accuracy=0.774, uf1=0.761)),
    )


def row(macro: str, published: Published) -> Experiment:
    """Returns the row with a set of macro-expressions."""
    pool = Pool(
        name="macro",
        data=Data(corpora=(macro,), **FACES),
        protocol=Protocol(name="macro3"),
    )
    return Experiment(
        name=f"minet_smic_3_{macro}",
        system=MiNet(),
        protocol=Protocol(name="smic_3"),
        data=Data(corpora=("smic",), **FACES),
        pools=(pool,),
        eval_every=10,
        published=(published,),
    )
