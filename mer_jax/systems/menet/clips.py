"""What MENet and IDNet see of a clip.

Shapes: B clips, T frames from onset to offset, S pixels of MENet's edge, s of IDNet's.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.typing import Key

Augmentation = Literal["flip", "none"]
IdentityInput = Literal["same", "independent"]


class Seen(NamedTuple):
    """What each net sees.

    Attributes:
      menet: float32[B, T, S, S, 3] in [0, 1].
      idnet: float32[B, T, s, s, 3] in [0, 1].
    """

    menet: jax.Array
    idnet: jax.Array


def unchanged(clip: jax.Array, size: int) -> Seen:
    """Returns clips as they are, for evaluation.

    Args:
      clip: uint8[B, T, S, S, 3].
      size: s, a divisor of S.
    """
    frames = clip.astype(jnp.float32) / 255
    return Seen(frames, smaller(frames, size))


def drawn(
    clip: jax.Array, key: Key, size: int, aug: Augmentation, identity: IdentityInput
) -> Seen:
    """Returns clips augmented for training, all frames of one alike.

    Args:
      clip: uint8[B, T, S, S, 3].
      key: key[].
      size: s, a divisor of S.
      aug: "flip" mirrors each clip or not, as likely.
      identity: whether IDNet sees what MENet does, or is augmented by a draw of its
        own.
    """
    if aug not in ("flip", "none"):
        raise ValueError(f"aug must be flip or none, got {aug!r}")
    if identity not in ("same", "independent"):
        raise ValueError(f"identity_input: same or independent, got {identity!r}")
    frames = clip.astype(jnp.float32) / 255
    first, second = jax.random.split(key)
    if aug == "none":
        return Seen(frames, smaller(frames, size))
    motion = _mirrored(frames, first)
    still = motion if identity == "same" else _mirrored(frames, second)
    return Seen(motion, smaller(still, size))


def _mirrored(frames: jax.Array, key: Key) -> jax.Array:
    mirror = jax.random.bernoulli(key, shape=(len(frames), 1, 1, 1, 1))
    return jnp.where(mirror, frames[:, :, :, ::-1], frames)


def smaller(frames: jax.Array, size: int) -> jax.Array:
    """Returns float[B, T, s, s, 3], the means of squares of S / s pixels."""
    *leading, edge, _, channels = frames.shape
    square = edge // size
    blocks = frames.reshape(*leading, size, square, size, square, channels)
    return blocks.mean((-4, -2))


def strip(frames: jax.Array) -> jax.Array:
    """Returns [B, H, T * W, ...], frames [B, T, H, W, ...] side by side."""
    batch, count, height, width, *rest = frames.shape
    return jnp.moveaxis(frames, 1, 2).reshape(batch, height, count * width, *rest)
