"""The resident clips and the gather that makes a batch of them."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.typing import Batch

Clips = Mapping[str, jax.Array]  # feature -> [N, ...]; "label", "subject" int32[N]


def gather(clips: Clips, index: jax.Array | np.ndarray) -> Batch:
    """Returns the batch at `index`.

    Args:
      clips: feature -> [N, ...] arrays of the whole corpus.
      index: int32[B] clip positions, -1 on padding rows.

    Returns:
      feature -> [B, ...] in the clips' dtypes plus "mask" bool[B]. Padding rows
      are 0, whatever the clips hold: a NaN behind a mask still poisons gradients.
    """
    mask = index >= 0
    safe = jnp.maximum(index, 0)  # -1 would wrap to the last clip

    def rows(array):
        picked = array[safe]
        valid = mask.reshape(mask.shape + (1,) * (picked.ndim - 1))
        return jnp.where(valid, picked, jnp.zeros((), picked.dtype))

    return {**{name: rows(array) for name, array in clips.items()}, "mask": mask}


def gather_inputs(
    clips: Clips,
    index: jax.Array | np.ndarray,
    inputs: Mapping[str, int],
    remembered: Mapping[str, Any] | None = None,
) -> Batch:
    """Returns the batch of a step that has several inputs.

    Args:
      clips: see `gather`.
      index: int32[sum of B], the positions of one input after those of another.
      inputs: name -> B; the first is called ''.
      remembered: of some inputs, by name, "row" int32[N], a clip's position in what
        is "found", name -> [n, ...].

    Returns:
      The batch of '', with that of every other input under its name; and in it under
      "remembered" what was found in its clips.
    """
    ends = np.cumsum([*inputs.values()]).tolist()
    parts = [index[end - b : end] for end, b in zip(ends, inputs.values(), strict=True)]
    batches = dict(zip(inputs, (gather(clips, part) for part in parts), strict=True))
    for name, part in zip(inputs, parts, strict=True):
        if remembered and name in remembered:
            row = jnp.where(part >= 0, remembered[name]["row"][part], -1)
            found = {**gather(remembered[name]["found"], row)}
            batches[name] = {**batches[name], "remembered": found}
            del found["mask"]
    return {**batches.pop(""), **batches}
