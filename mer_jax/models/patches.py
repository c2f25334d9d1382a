"""Convolution as one matrix product (im2col)."""

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
    padded = jnp.pad(images, ((0, 0), border, border, (0, 0)))
    height = padded.shape[1] - size + 1
    width = padded.shape[2] - size + 1
    # Columns first, then rows: two concatenations of long runs move the same
    # values three times faster than one of size * size short ones.
    columns = jnp.concatenate(
        [padded[:, :, j : j + width] for j in range(size)], axis=-1
    )
    return jnp.concatenate([columns[:, i : i + height] for i in range(size)], axis=-1)
