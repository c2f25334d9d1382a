"""Pixels on their way to a net: the range of their values, and places between them.

Shapes: F frames of a clip, H W image, C channels.
"""

import jax
import jax.numpy as jnp

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of values in [0, 1]
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def unit_range(frames: jax.Array) -> jax.Array:
    """Returns uint8 values over 255, as float32; floats as they are."""
    if jnp.issubdtype(frames.dtype, jnp.floating):
        return frames
    return frames.astype(jnp.float32) / 255


def by_imagenet(images: jax.Array) -> jax.Array:
    """Returns RGB, float[..., 3] in [0, 1], less ImageNet's mean, by its deviation."""
    leading = tuple(range(images.ndim - 1))
    each = lambda values: jnp.expand_dims(jnp.array(values, images.dtype), leading)
    return (images - each(IMAGENET_MEAN)) / each(IMAGENET_DEVIATION)


def sampled(frames: jax.Array, rows: jax.Array, columns: jax.Array) -> jax.Array:
    """Looks all frames of a clip up at the same places, between pixels bilinearly.

    Beyond the edge the nearest pixel is repeated; whole numbers give the very pixels.

    Args:
      frames: float[F, H, W, C].
      rows: float[h, w], 0 in the middle of the first row.
      columns: float[h, w], 0 in the middle of the first column.

    Returns:
      float[F, h, w, C].
    """
    count, height, width, channels = frames.shape
    top, below, down = _between(rows, height)
    left, right, along = _between(columns, width)
    # One row of memory per pixel holds all frames: each is looked up once for all.
    pixels = jnp.moveaxis(frames, 0, 2).reshape(height * width, count * channels)
    at = lambda y, x: pixels[(y * width + x).ravel()].reshape(*rows.shape, -1)
    down, along = (w[..., None].astype(frames.dtype) for w in (down, along))
    upper = at(top, left) * (1 - along) + at(top, right) * along
    lower = at(below, left) * (1 - along) + at(below, right) * along
    mixed = upper * (1 - down) + lower * down
    return jnp.moveaxis(mixed.reshape(*rows.shape, count, channels), 2, 0)


def _between(position, size):
    """Returns the two pixels around a position, and the weight of the second."""
    position = jnp.clip(position, 0, size - 1)
    before = jnp.floor(position).astype(jnp.int32)
    return before, jnp.minimum(before + 1, size - 1), position - before
