"""MoExt on CAS(ME)^3: SDE, 3 classes, LOSO.

Paper    UF1 0.5457, UAR 0.5784 (arXiv 2407.07345), on 773 clips by its class counts.
         Lists differ: the protocol has 699 clips of 88 people, others 687.
         How the epoch was chosen is not stated.
Data     CAS(ME)^3's micro-expressions; to pre-train, CASME II, as the macro-expressions
         of CAS(ME)^3 show the people that are tested.
         Each is prepared once: mer data prepare NAME --release DIR.
Scope    disjoint: nobody of the sample is pre-trained on, unlike in the paper.
Cost     `mer plan moext_casme3_3`; a GPU is needed.
Run      mer run moext_casme3_3 --seeds 0,1,2
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
    pool = Data(corpora=("casme2",), **FACES)
    return Experiment(
        name="moext_casme3_3",
        system=MoExt(),
        protocol=Protocol(name="casme3_3"),
        data=Data(corpora=("casme3/micro",), **FACES),
        pools=(Pool(name="pretraining", data=pool),),
        eval_every=10,
        published=(
            Published(source="paper (arXiv 2407.07345), SDE", uf1=0.5457, uar=0.5784),
        ),
    )
