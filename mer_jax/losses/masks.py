"""Losses on masks: what is kept of an image, and what is still seen in it.

Shapes: B clips, N patches, K classes. Losses of MFVAN (Pan et al., Front. Neurosci.
2023) by our choice, as its printed ones are lost.
"""

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean


def consistency(
    logits: jax.Array, masked_logits: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    r"""Patches that are kept are to say what all patches say.

    .. math::
      L = \frac{1}{|V|} \sum_{i \in V} \sum_c p_{ic} (\log p_{ic} - \log q_{ic}),
      \qquad p = \mathrm{softmax}(z), \quad q = \mathrm{softmax}(\tilde z)

    The divergence of Kullback and Leibler, KL(p || q). p is the target and has no
    gradient.

    Args:
      logits: float[B, K], z, of all patches.
      masked_logits: float[B, K], of those kept.
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over the valid rows, in nats, not negative but for rounding.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> sure, unsure = jnp.array([[9.0, -9.0]]), jnp.zeros((1, 2))
      >>> consistency(sure, unsure).item().__round__(4), consistency(sure, sure).item()
      (0.6931, 0.0)
    """
    chex.assert_rank(logits, 2)
    chex.assert_equal_shape([logits, masked_logits])
    log_p = jax.nn.log_softmax(_single(jax.lax.stop_gradient(logits)))
    log_q = jax.nn.log_softmax(_single(masked_logits))
    return masked_mean((jnp.exp(log_p) * (log_p - log_q)).sum(-1), where)


def kept_area(
    kept: jax.Array, rho: float = 0.5, *, where: jax.Array | None = None
) -> jax.Array:
    r"""As many patches are to be kept as asked for, in every clip.

    .. math::
      L = \frac{1}{|V|} \sum_{i \in V}
        \left( \frac{1}{N} \sum_n k_{in} - \rho \right)^2

    Args:
      kept: float[B, N], k, in [0, 1].
      rho: the share that is to be kept, in [0, 1].
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over the valid rows, in [0, 1].

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> kept_area(jnp.array([[1.0, 0, 0, 0], [1, 1, 0, 0]])).item()
      0.03125
    """
    chex.assert_rank(kept, 2)
    return masked_mean(jnp.square(_single(kept).mean(-1) - rho), where)


def _single(x):
    """Returns `x` as float32, or as float64 if it is that."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
