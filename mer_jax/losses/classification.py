"""Losses on class logits."""

import chex
import jax
import jax.numpy as jnp


def cross_entropy(
    logits: jax.Array, labels: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    r"""Mean cross-entropy of the true classes.

    .. math::
      L_c = -\frac{1}{|V|} \sum_{i \in V} \log \mathrm{softmax}(z_i)_{y_i}

    Args:
      logits: float[B, K], z.
      labels: int[B], y in [0, K).
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over the valid rows, in nats.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> float(cross_entropy(jnp.zeros((2, 4)), jnp.array([0, 3]))).__round__(4)
      1.3863
    """
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    log_p = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, "f4")))
    picked = jnp.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
    return -masked_mean(picked, where)


def binary_cross_entropy(
    logits: jax.Array, labels: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    r"""Mean cross-entropy of answers to a yes-or-no question.

    .. math::
      L = -\frac{1}{|V|} \sum_{i \in V}
        y_i \log \sigma(z_i) + (1 - y_i) \log (1 - \sigma(z_i))

    Computed from the logits, so that no probability is rounded to 0 or 1.

    Args:
      logits: float[B], z.
      labels: float, int or bool[B], y in [0, 1].
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over the valid rows, in nats.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> logits = jnp.array([0.0, 100.0])
      >>> binary_cross_entropy(logits, jnp.array([1, 0])).item().__round__(4)
      50.3466
    """
    chex.assert_rank([logits, labels], 1)
    chex.assert_equal_shape([logits, labels])
    z = logits.astype(jnp.promote_types(logits.dtype, "f4"))
    y = labels.astype(z.dtype)
    return masked_mean(y * jax.nn.softplus(-z) + (1 - y) * jax.nn.softplus(z), where)


def masked_mean(values: jax.Array, where: jax.Array | None = None) -> jax.Array:
    """Returns the mean of float[B] values over the rows in bool[B] `where`."""
    if where is None:
        return values.mean()
    chex.assert_equal_shape([values, where])
    return jnp.where(where, values, 0).sum() / where.sum()


def accuracy(
    logits: jax.Array, labels: jax.Array, *, where: jax.Array | None = None
) -> jax.Array:
    """Returns the share of valid rows whose largest logit is the true class."""
    hit = logits.argmax(axis=-1) == labels
    return masked_mean(hit.astype(jnp.float32), where)
