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


def focal(
    logits: jax.Array,
    labels: jax.Array,
    *,
    gamma: float = 2.0,
    class_weights: jax.Array | None = None,
    where: jax.Array | None = None,
) -> jax.Array:
    r"""Cross-entropy that counts clips the less, the surer the net is of them.

    .. math::
      L = -\frac{1}{|V|} \sum_{i \in V} w_{y_i} (1 - p_i)^\gamma \log p_i, \qquad
      p_i = \mathrm{softmax}(z_i)_{y_i}

    Lin et al. 2017 (arXiv 1708.02002), section 3.2. Computed from how far the true
    class is behind all others together, so that neither p nor 1 - p is rounded to 0:
    the power would have an infinite slope there for gamma < 1.

    Args:
      logits: float[B, K], z, of two classes at least.
      labels: int[B], y in [0, K).
      gamma: not negative; 0 for cross-entropy.
      class_weights: float[K], w, e.g. of `inverse_frequency`; 1 unless given.
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over the valid rows, in nats: the weights of the clips of a
      batch need not have mean 1.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> logits = jnp.zeros((2, 2))
      >>> focal(logits, jnp.array([0, 1])).item().__round__(4)  # log 2 / 4
      0.1733
    """
    chex.assert_rank([logits, labels], [2, 1])
    chex.assert_equal_shape_prefix([logits, labels], 1)
    chex.assert_axis_dimension_gteq(logits, 1, 2)
    z = logits.astype(jnp.promote_types(logits.dtype, "f4"))
    own = labels[:, None] == jnp.arange(z.shape[1])[None]
    others = jax.nn.logsumexp(jnp.where(own, -jnp.inf, z), axis=1)
    behind = others - jnp.take_along_axis(z, labels[:, None], axis=1)[:, 0]
    unsure = jnp.exp(-gamma * jax.nn.softplus(-behind))  # (1 - p) ** gamma
    terms = unsure * jax.nn.softplus(behind)
    if class_weights is not None:
        chex.assert_shape(class_weights, z.shape[1:])
        terms = jnp.asarray(class_weights)[labels] * terms
    return masked_mean(terms, where)


def inverse_frequency(counts: jax.Array) -> jax.Array:
    r"""Weights of classes, such that all that occur weigh the same together.

    .. math::
      w_c = \frac{1 / n_c}{\frac{1}{|C|} \sum_{k \in C} 1 / n_k}, \qquad
      C = \{c : n_c > 0\}

    Args:
      counts: int or float[K], n, clips of each class among those that train; at least
        one must be positive.

    Returns:
      float32[K], of mean 1 over the classes that occur, 0 for the others.

    Raises:
      AssertionError: at trace time, if `counts` is not a vector.

    Example:
      >>> inverse_frequency(jnp.array([4, 4, 2, 1, 0])).tolist()
      [0.5, 0.5, 1.0, 2.0, 0.0]
    """
    chex.assert_rank(counts, 1)
    occurs = counts > 0
    inverse = jnp.where(occurs, 1 / jnp.where(occurs, counts, 1), 0)
    return inverse / masked_mean(inverse, occurs)


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
