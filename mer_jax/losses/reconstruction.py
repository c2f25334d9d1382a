"""Losses on images that a net rebuilds."""

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean


def mean_absolute_error(
    found: jax.Array, target: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    r"""Mean absolute difference of pixels, L_re of MoExt (arXiv 2407.07345).

    .. math::
      L_{re} = \frac{1}{|V| R H W C} \sum_{i \in V} \sum_{r,h,w,c}
        |A_{irhwc} - \hat A_{irhwc}|

    The paper leaves open how pixels are reduced; a sum would outweigh its other
    losses 150 000 times at 224 pixels.

    Args:
      found: float[B, ...], the rebuilt images, values in [0, 1].
      target: float[B, ...], A, the true ones.
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over pixels, channels and valid rows.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> half = jnp.full((2, 4, 4, 3), 0.5)
      >>> float(mean_absolute_error(half, jnp.zeros((2, 4, 4, 3))))
      0.5
    """
    chex.assert_equal_shape([found, target])
    dtype = jnp.promote_types(found.dtype, jnp.float32)
    apart = jnp.abs(found.astype(dtype) - target.astype(dtype))
    return masked_mean(apart.reshape(len(found), -1).mean(1), where)
