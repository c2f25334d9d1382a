"""Four systems and a baseline on the MEGC2019 composite: CDE, 442 clips, 68 LOSO folds.

Rows     ststnet, the baseline that all are compared with, on flow computed from the
         frames; moext; menet; minet, with CK+; mfvan, a reconstruction. Each has its
         defaults, published where something was.
Budget   alike for all: clips, classes, folds, seeds, random nets to begin with, and the
         last epoch, fixed beforehand, as the only result. Each row's own: epochs, image
         size and further clips, which are part of what was published. The report's
         first table says what a row takes.
Weights  drawn at random in every row; the papers' may be ImageNet's, see moext_cde3.
Data     CASME II, SAMM and SMIC; CAS(ME)^3 for moext, CK+ for minet. Each prepared
         once: mer data prepare NAME --release DIR. Faces are cut out as in each
         system's own experiment; clips and folds are those of all (equal hashes).
Looks    test logits are stored every tenth epoch in every row: the more looks, the more
         would selecting on test subjects gain.
Cost     PFLOP to train one of 68 folds, as `mer plan` counts them for a GPU: ststnet
         0.001, moext 3.5, menet 135, minet 10.4, mfvan 2.5. To this come, once a seed,
         0.031 for each clip of CAS(ME)^3 and 0.010 for each of CK+; in every fold,
         0.0011 for each frame that the teacher of mfvan sees. A GPU is needed.
Run      mer run four_systems_cde3 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.menet import MENet
from mer_jax.systems.mfvan import MFVAN
from mer_jax.systems.minet import MiNet
from mer_jax.systems.moext import MoExt
from mer_jax.systems.ststnet import STSTNet
from mer_jax.train.stage import SystemConfig

FACES = {"align": "template", "crop": 256}
MOEXT = {"align": "moext", "crop": 224}
PRETRAINING = Pool(
    name="pretraining",
    data=Data(corpora=("casme3/micro", "casme3/macro"), macro_apex=4, **MOEXT),
)
MACRO = Pool(
    name="macro",
    data=Data(corpora=("ckplus",), **FACES),
    protocol=Protocol(name="macro3"),
)


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the baseline first."""
    return (
        row("ststnet", STSTNet(), align="template"),
        row("moext", MoExt(), PRETRAINING, **MOEXT),
        row("menet", MENet(), **FACES),
        row("minet", MiNet(), MACRO, **FACES),
        row("mfvan", MFVAN(), align="template", crop=224),
    )


def row(name: str, system: SystemConfig, *pools: Pool, **faces) -> Experiment:
    """Returns the row of a system; `faces` is how they are cut out, see `Data`."""
    return Experiment(
        name=name,
        system=system,
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), **faces),
        pools=pools,
        eval_every=10,
    )
