"""Convolution as one matrix product (im2col)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def patches(images: jax.Array, size: int, padding: int) -> jax.Array:
    """Returns every `size` x `size` window, flattened, at stride 1.

    XLA's CPU backend runs the weight gradient of a padded or looped convolution
    ten to fifty times slower than the matrix product of these windows.

    Args:
      images: [B, H, W, C].
      size: window edge, pixels.
      padding: zeros added on each side, pixels.

    Returns:
      [B, H', W', size * size * C], H' = H + 2 * padding - size + 1; the last axis
      runs over rows, then columns, then channels, like a reshaped HWIO kernel.
    """
    border = (padding, padding)
    return windows(images, (size, size), (1, 1), (border, border))


def windows(
    images: jax.Array,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
) -> jax.Array:
    """Returns the windows of any shape and stride, see `patches`.

    Args:
      images: [B, H, W, C].
      size: rows and columns of a window.
      strides: of rows and columns.
      padding: zeros (before, after) rows and columns.

    Returns:
      [B, H', W', rows * columns * C].
    """
    padded = jnp.pad(images, ((0, 0), *padding, (0, 0)))
    # Columns first, then rows: two concatenations of long runs move the same
    # values three times faster than one of many short ones.
    for axis in (2, 1):
        step, length = strides[axis - 1], size[axis - 1]
        last = step * ((padded.shape[axis] - length) // step) + 1
        shifted = [
            jax.lax.slice_in_dim(padded, i, i + last, step, axis) for i in range(length)
        ]
        padded = jnp.concatenate(shifted, axis=-1)
    return padded
