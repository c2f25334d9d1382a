"""MiNet on CASME II: 5 classes, LOSO.

Paper    accuracy / F1 (Xia & Wang 2021, IJCAI, ablation, all losses): with CK+ 0.791 /
         0.748, with MMI 0.799 / 0.759. F1 is taken as UF1; how the epoch was chosen
         is not stated.
Data     CASME II; CK+ or MMI beside it. Each prepared once:
         mer data prepare NAME --release DIR.
Rows     one a set of macro-expressions, whose emotions become the classes of
         casme2_5 as `macro_casme2_5_fold` has it. The other way, those without a
         class of their own left out, is macro_casme2_5_mask.
Cost     `mer plan minet_casme2_5`; a GPU is needed.
Run      mer run minet_casme2_5 --seeds 0,1,2
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
        row("ckplus", Published(source=PAPER, accuracy=0.791, uf1=0.748)),
        row("mmi", Published(source=PAPER, accuracy=0.799, uf1=0.759)),
    )


def row(macro: str, published: Published) -> Experiment:
    """Returns the row with a set of macro-expressions."""
    pool = Pool(
        name="macro",
        data=Data(corpora=(macro,), **FACES),
        protocol=Protocol(name="macro_casme2_5_fold"),
    )
    return Experiment(
        name=f"minet_casme2_5_{macro}",
        system=MiNet(),
        protocol=Protocol(name="casme2_5"),
        data=Data(corpora=("casme2",), **FACES),
        pools=(pool,),
        eval_every=10,
        published=(published,),
    )
