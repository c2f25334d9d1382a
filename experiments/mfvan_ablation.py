"""What MFVAN's parts are worth: its ablation grid, on the MEGC2019 composite.

Paper    its tables are lost. Its text says that identity removal helps with and without
         scales on all three corpora, that more scales help on SMIC and SAMM, and that
         on CASME II the scale of the image alone is best.
Data     as mfvan_cde3.
Rows     identity removal or none, times no scale, the image, the image and the first
         map, all three; the first is everything. Without identity removal there is no
         teacher, and the student begins as it is drawn.
Cost     `mer plan mfvan_ablation`; a GPU is needed.
Run      mer run mfvan_ablation --seeds 0,1
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.mfvan import MFVAN

SCALES = {"s012": (0, 1, 2), "s01": (0, 1), "s0": (0,), "global": ()}


def get() -> tuple[Experiment, ...]:
    """Returns the eight rows."""
    return tuple(
        Experiment(
            name=f"mfvan_{'ri_' if ri else ''}{name}",
            system=MFVAN(ri=ri, scales=scales),
            protocol=Protocol(name="cde3"),
            data=Data(corpora=("casme2", "samm", "smic"), align="template", crop=224),
            eval_every=10,
        )
        for ri in (True, False)
        for name, scales in SCALES.items()
    )
