"""MENet on SDU, or whatever six-class corpus of one's own: five folds of people.

Paper    accuracy 0.539 on SDU (Xie et al. 2022, PeerJ CS 1140), 855 clips of 73 people,
         which was never released: nobody can compare with that figure.
Data     a corpus in the layout of datasets_tfds/custom/README.md, its emotions named as
         in datasets_tfds/protocols/sdu_6.toml. To try it without one:
         mer data synth custom DIR; mer data prepare custom --release DIR.
Cost     `mer plan menet_sdu_6`; a GPU is needed.
Run      mer run menet_sdu_6 --seeds 0,1,2
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.metrics.published import Published
from mer_jax.systems.menet import MENet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="menet_sdu_6",
        system=MENet(),
        protocol=Protocol(name="sdu_6", division="5fold"),
        data=Data(corpora=("custom",), align="template", crop=256),
        eval_every=10,
        published=(
            Published(
                source="paper (PeerJ CS 1140), SDU, unreleased, 5-fold", accuracy=0.539
            ),
        ),
    )
