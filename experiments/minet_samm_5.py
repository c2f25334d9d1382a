"""MiNet on SAMM: 5 classes, LOSO.

Paper    accuracy / F1 (Xia & Wang 2021, IJCAI, ablation, all losses): with CK+ 0.767 /
         0.764, with MMI 0.758 / 0.754. F1 is taken as UF1; how the epoch was chosen
         is not stated.
Data     SAMM; CK+ or MMI beside it. Each prepared once:
         mer data prepare NAME --release DIR.
Rows     one a set of macro-expressions, whose emotions become the classes of
         samm_5 as `macro_samm_5_fold` has it. The other way, those without a
         class of their own left out, is macro_samm_5_mask.
Cost     `mer plan minet_samm_5`; a GPU is needed.
Run      mer run minet_samm_5 --seeds 0,1,2
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
        row("ckplus", Published(source=PAPER, accuracy=0.767, uf1=0.764)),
        row("mmi", Published(source=PAPER, accuracy=0.758, uf1=0.754)),
    )


def row(macro: str, published: Published) -> Experiment:
    """Returns the row with a set of macro-expressions."""
    pool = Pool(
        name="macro",
        data=Data(corpora=(macro,), **FACES),
        protocol=Protocol(name="macro_samm_5_fold"),
    )
    return Experiment(
        name=f"minet_samm_5_{macro}",
        system=MiNet(),
        protocol=Protocol(name="samm_5"),
        data=Data(corpora=("samm",), **FACES),
        pools=(pool,),
        eval_every=10,
        published=(published,),
    )
