"""What each loss of MiNet is worth: the six rows of its Tables 2 and 3, by CK+ and MMI.

Paper    UF1 / UAR on the composite (Xia & Wang 2021, IJCAI), CK+ | MMI: L_c .801 / .798
         in both; + L_s .843 / .840 | .835 / .835; + L_sam + L_t .855 / .853 | .851 /
         .848; + L_s + L_sam + L_t .871 / .866 | .851 / .848, which repeats the row
         above it; + L_con .839 / .835 | .820 / .822; all .883 / .876 | .863 / .860.
         Its Table 2 has the same six on CASME II, SMIC and SAMM alone.
Data     as minet_cde3.
Rows     the first is everything, by CK+. Without a term that needs macro-expressions
         MaNet is not trained, and MiNet as long.
Cost     `mer plan minet_ablation`; a GPU is needed.
Run      mer run minet_ablation --seeds 0,1
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.minet import MiNet

FACES = {"align": "template", "crop": 256}
NOTHING = {"ls": 0.0, "lsam": 0.0, "lt": 0.0, "lcon": 0.0}
ROWS = {  # what is left out, and (UF1, UAR) by CK+ and by MMI
    "all": ({}, (0.883, 0.876), (0.863, 0.860)),
    "s_sam_t": ({"lcon": 0.0}, (0.871, 0.866), (0.851, 0.848)),
    "sam_t": ({"ls": 0.0, "lcon": 0.0}, (0.855, 0.853), (0.851, 0.848)),
    "s": ({"lsam": 0.0, "lt": 0.0, "lcon": 0.0}, (0.843, 0.840), (0.835, 0.835)),
    "con": ({"ls": 0.0, "lsam": 0.0, "lt": 0.0}, (0.839, 0.835), (0.820, 0.822)),
}


def get() -> tuple[Experiment, ...]:
    """Returns five rows by CK+, five by MMI, and L_c alone, which needs neither."""
    by_ckplus, by_mmi = (
        tuple(
            row(f"{name}_{macro}", macro, published[i], changes)
            for name, (changes, *published) in ROWS.items()
        )
        for i, macro in enumerate(("ckplus", "mmi"))
    )
    return *by_ckplus, *by_mmi, row("c", None, (0.801, 0.798), NOTHING)


def row(name: str, macro: str | None, published, changes) -> Experiment:
    """Returns a row with some losses left out."""
    uf1, uar = published
    pool = Pool(
        name="macro",
        data=Data(corpora=(macro or "",), **FACES),
        protocol=Protocol(name="macro3"),
    )
    return Experiment(
        name=f"minet_{name}",
        system=MiNet(**changes),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), **FACES),
        pools=(pool,) if macro else (),
        eval_every=10,
        published=(Published(source="paper (Xia & Wang 2021)", uf1=uf1, uar=uar),),
    )
