"""Images turned: mirrored and rotated, all frames of a clip alike.

Shapes: B clips, F frames of each, H W image, C channels.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.models.images import sampled
from mer_jax.typing import Key

GREATEST = 10.0  # degrees, either way


class Pose(NamedTuple):
    """How clips are turned: mirrored left to right, then rotated about the centre.

    Attributes:
      mirror: bool[B].
      degrees: float32[B], counter-clockwise.
    """

    mirror: jax.Array
    degrees: jax.Array


def drawn_turn(key: Key, count: int) -> Pose:
    """Draws for each of `count` clips whether it is mirrored, and any angle allowed."""
    for_mirror, for_angle = jax.random.split(key)
    angle = jax.random.uniform(for_angle, (count,), jnp.float32, -GREATEST, GREATEST)
    return Pose(jax.random.bernoulli(for_mirror, shape=(count,)), angle)


def posed(frames: jax.Array, pose: Pose) -> jax.Array:
    """Mirrors and rotates clips, all frames of one alike.

    Bilinear between pixels; beyond the edge the nearest pixel is repeated. Angle 0
    gives the very pixels.

    Args:
      frames: float[B, F, H, W, C].
      pose: of each clip.

    Returns:
      float[B, F, H, W, C].
    """
    return jax.vmap(_posed)(frames, pose.mirror, pose.degrees)


def _posed(frames, mirror, degrees):
    _, height, width, _ = frames.shape
    return sampled(frames, *_sources(height, width, mirror, degrees))


def _sources(height, width, mirror, degrees):
    """Returns the row and the column, float32[H, W], that each pixel comes from."""
    angle = jnp.deg2rad(degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    y, x = (jnp.arange(n, dtype=jnp.float32) - (n - 1) / 2 for n in (height, width))
    y, x = y[:, None], x[None]
    rows = y * cos + x * sin + (height - 1) / 2
    columns = x * cos - y * sin
    columns = jnp.where(mirror, -columns, columns) + (width - 1) / 2
    return rows, columns
