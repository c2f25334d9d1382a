"""The shared types and the only legend of axis names.

B clips in a batch, T frames, H W C image, D features, K classes,
N clips in a corpus, M test clips of a fold, E stored epochs, S steps in an epoch,
L runs trained together (lanes times devices).
"""

from collections.abc import Mapping
from typing import Any, Literal

import jax

PyTree = Any
Order = Literal["shuffled", "subject", "label"]  # of clips in an epoch
Draw = Literal["random", "class_matched"]  # of clips that come beside these
Of = Literal["clips", "frames"]  # what the rows of a batch are
Key = jax.Array  # typed PRNG key, shape []
Params = Mapping[str, PyTree]  # net name -> linen "params"
ModelState = Mapping[str, PyTree]  # net name -> what changes but has no gradient
# feature -> [B, ...]; "mask" is False on padding rows; a second input is a Batch in it
Batch = Mapping[str, Any]
Metrics = Mapping[str, jax.Array]  # name -> scalar
