"""MENet on MMEW: 6 classes, five folds, of people and, as the paper may have, of clips.

Paper    accuracy 0.703 (Xie et al. 2022, PeerJ CS 1140), five-fold; whether its folds
         share people, and how the epoch was chosen, is not stated.
Data     MMEW, prepared once: mer data prepare mmew --release DIR.
Rows     menet_mmew_6 holds people out and is the result. menet_mmew_6_leaky deals clips
         at random within classes, so that faces of test clips were trained on: for
         comparison with the paper only, and labelled.
Cost     `mer plan menet_mmew_6`; a GPU is needed.
Run      mer run menet_mmew_6 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.folds import Division
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.menet import MENet


def get() -> tuple[Experiment, ...]:
    """Returns the rows, the result first."""
    return (
        row("menet_mmew_6", "5fold"),
        row("menet_mmew_6_leaky", "5fold-leaky"),
    )


def row(name: str, division: Division) -> Experiment:
    """Returns a row divided so."""
    return Experiment(
        name=name,
        system=MENet(),
        protocol=Protocol(name="mmew_6", division=division),
        data=Data(corpora=("mmew/micro",), align="template", crop=256),
        eval_every=10,
        published=(Published(source="paper (PeerJ CS 1140), 5-fold", accuracy=0.703),),
    )
