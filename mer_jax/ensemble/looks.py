"""What a program may ask a stage's `inspect` for, and what that must return."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from mer_jax.data.clips import gather


def looking(look: Callable, only: str = "") -> Callable:
    """Returns `(params, model_state, index [B], clips)` -> what a look finds of them.

    Args:
      look: an `inspect` of a stage.
      only: what to return of it; '' for everything, by name.
    """

    def inspect(params, model_state, index, clips):
        found = dict(look(params, model_state, gather(clips, index)))
        return found[only] if only else found

    return inspect


def picture(stage: str, name: str, found: Mapping[str, jax.Array]) -> jax.Array:
    """Returns what a stage shows under a name.

    Raises:
      ValueError: if it is not among what was found, or is no picture.
    """
    if name not in found:
        raise ValueError(f"stage {stage!r} shows {name!r}; it inspects {sorted(found)}")
    array = found[name]
    floating = jnp.issubdtype(array.dtype, jnp.floating)
    if not floating or not (array.ndim == 3 or array.shape[3:] == (3,)):
        raise ValueError(
            f"stage {stage!r} shows {name!r}, {array.dtype}{list(array.shape)}: a "
            "picture is float[B, H, W] or [B, H, W, 3]"
        )
    return array


def check_features(
    stage: str, found: jax.ShapeDtypeStruct, lanes_and_batch: tuple[int, ...]
) -> None:
    """Checks the features of a batch.

    Args:
      stage: whose they are.
      found: of all lanes.
      lanes_and_batch: L and B.

    Raises:
      ValueError: if they are not float[L, B, D].
    """
    floating = jnp.issubdtype(found.dtype, jnp.floating)
    if not floating or found.ndim != 3 or found.shape[:2] != lanes_and_batch:
        raise ValueError(
            f"stage {stage!r} inspects 'features', {found.dtype}"
            f"{list(found.shape[1:])} of {lanes_and_batch[1]} clips: the probes need "
            "float[B, D]"
        )
