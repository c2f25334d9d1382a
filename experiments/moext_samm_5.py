"""MoExt on SAMM: SDE, 5 classes, LOSO.

Paper    accuracy 0.7903, UF1 0.7875 (arXiv 2407.07345).
         How the epoch was chosen is not stated.
Data     SAMM; to pre-train, micro- and macro-expressions of CAS(ME)^3, the apex of a
         macro clip being its fifth frame.
         Each is prepared once: mer data prepare NAME --release DIR.
Scope    disjoint: nobody of the sample is pre-trained on, unlike in the paper.
Cost     `mer plan moext_samm_5`; a GPU is needed.
Run      mer run moext_samm_5 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.moext import MoExt

FACES = {"align": "moext", "crop": 224}


def get() -> Experiment:
    """Returns the experiment."""
    pool = Data(corpora=("casme3/micro", "casme3/macro"), macro_apex=4, **FACES)
    return Experiment(
        name="moext_samm_5",
        system=MoExt(),
        protocol=Protocol(name="samm_5"),
        data=Data(corpora=("samm",), **FACES),
        pools=(Pool(name="pretraining", data=pool),),
        eval_every=10,
        published=(
            Published(
                source="paper (arXiv 2407.07345), SDE", accuracy=0.7903, uf1=0.7875
            ),
        ),
    )
