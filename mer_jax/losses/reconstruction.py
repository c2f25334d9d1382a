"""Losses on images that a net rebuilds."""

from typing import Literal

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean

Reduction = Literal["mean", "sum"]


def absolute_error(
    found: jax.Array,
    target: jax.Array,
    *,
    reduction: Reduction = "mean",
    where: jax.Array | None = None,
) -> jax.Array:
    r"""Absolute difference of pixels, L_re of MoExt (arXiv 2407.07345).

    .. math::
      L_{re} = \frac{1}{|V| R H W C} \sum_{i \in V} \sum_{r,h,w,c}
        |A_{irhwc} - \hat A_{irhwc}|

    The paper leaves open how pixels are reduced; a sum outweighs its other losses
    150 000 times at 224 pixels.

    Args:
      found: float[B, ...], the rebuilt images, values in [0, 1].
      target: float[B, ...], A, the true ones.
      reduction: over the values of an image, "mean" as above, or "sum".
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over valid rows.

    Raises:
      AssertionError: at trace time, if shapes disagree.
      ValueError: for another reduction.

    Example:
      >>> half = jnp.full((2, 4, 4, 3), 0.5)
      >>> float(absolute_error(half, jnp.zeros((2, 4, 4, 3))))
      0.5
    """
    chex.assert_equal_shape([found, target])
    dtype = jnp.promote_types(found.dtype, jnp.float32)
    apart = jnp.abs(found.astype(dtype) - target.astype(dtype))
    flat = apart.reshape(len(found), -1)
    if reduction not in ("mean", "sum"):
        raise ValueError(f"recon_reduction must be mean or sum, got {reduction!r}")
    return masked_mean(flat.mean(1) if reduction == "mean" else flat.sum(1), where)


def squared_error(
    found: jax.Array, target: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    r"""Mean squared difference of pixels, L_pre and the parts of L_RI of MFVAN.

    .. math::
      L = \frac{1}{|V| H W C} \sum_{i \in V} \sum_{h,w,c} (X_{ihwc} - \hat X_{ihwc})^2

    The paper says "mean squared error"; its formula is lost.

    Args:
      found: float[B, ...], the rebuilt images, values in [0, 1].
      target: float[B, ...], X, what they are to be.
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over valid rows.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> half = jnp.full((2, 4, 4, 3), 0.5)
      >>> float(squared_error(half, jnp.zeros((2, 4, 4, 3))))
      0.25
    """
    chex.assert_equal_shape([found, target])
    dtype = jnp.promote_types(found.dtype, jnp.float32)
    apart = jnp.square(found.astype(dtype) - target.astype(dtype))
    return masked_mean(apart.reshape(len(found), -1).mean(1), where)
