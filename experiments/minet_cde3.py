"""MiNet on the MEGC2019 composite: CDE, 3 classes, 442 clips, 68 LOSO folds.

Paper    UF1 / UAR (Xia & Wang 2021, IJCAI, table of CDE): with CK+ 0.883 / 0.876, SMIC
         0.873 / 0.867, CASME II 0.881 / 0.881, SAMM 0.896 / 0.884; with MMI 0.863 /
         0.860. How the epoch was chosen is not stated.
Data     CASME II, SAMM and SMIC; CK+ or MMI beside them. Each prepared once:
         mer data prepare NAME --release DIR.
Rows     one a set of macro-expressions. Nobody in these is in the composite, so that
         MaNet trains once a seed.
Weights  drawn at random. The paper reaches 0.80 by L_c alone, which hints at weights of
         ImageNet: --set system.init_weights=FILE.safetensors takes them.
Cost     `mer plan minet_cde3`; a GPU is needed. --set system.size=112 is 3.7 times
         cheaper.
Run      mer run minet_cde3 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.minet import MiNet

FACES = {"align": "template", "crop": 256}
PAPER = "paper (Xia & Wang 2021), CDE"


def get() -> tuple[Experiment, ...]:
    """Returns the rows."""
    return (
        row(
            "ckplus",
            Published(source=PAPER, uf1=0.883, uar=0.876),
            Published(source=PAPER, subset="smic", uf1=0.873, uar=0.867),
            Published(source=PAPER, subset="casme2", uf1=0.881, uar=0.881),
            Published(source=PAPER, subset="samm", uf1=0.896, uar=0.884),
        ),
        row("mmi", Published(source=PAPER, uf1=0.863, uar=0.860)),
    )


def row(macro: str, *published: Published) -> Experiment:
    """Returns the row with a set of macro-expressions."""
    pool = Pool(
        name="macro",
        data=Data(corpora=(macro,), **FACES),
        protocol=Protocol(name="macro3"),
    )
    return Experiment(
        name=f"minet_cde3_{macro}",
        system=MiNet(),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), **FACES),
        pools=(pool,),
        eval_every=10,
        published=published,
    )
