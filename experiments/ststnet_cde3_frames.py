"""STSTNet on the MEGC2019 composite, flow computed here from the corpora's frames.

Data     CASME II, SAMM and SMIC, each prepared once: mer data prepare NAME --release
         DIR. Faces are cut out by landmarks of the onset frame, one transform per
         clip; flow and strain are drawn on a fixed scale, unlike the published
         images of ststnet_cde3. SMIC has no apexes: the middle frame is taken.
Sample   the 442 clips of ststnet_cde3: equal hashes, so both may be compared.
Option   --set data.stabilise=true takes head motion out of the apex. On synthetic
         twins, 20 epochs, seed 0: UF1 0.724 [0.671, 0.770] instead of 0.659
         [0.593, 0.721]; on real faces it has not been measured.
Cost     68 runs of 800 epochs, as ststnet_cde3; aligning takes minutes, once.
Run      mer run ststnet_cde3_frames
Twins    mer data synth NAME DIR writes a synthetic release where no licence is; add
         --set system.epochs=20 --set system.learning_rate=1e-3 --set
         system.batch=32 --set system.order=shuffled for minutes instead of an hour.
"""

from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.ststnet import STSTNet


def get() -> Experiment:
    """Returns the experiment."""
    return Experiment(
        name="ststnet_cde3_frames",
        system=STSTNet(),
        protocol=Protocol(name="cde3"),
        data=Data(corpora=("casme2", "samm", "smic"), align="template"),
    )
