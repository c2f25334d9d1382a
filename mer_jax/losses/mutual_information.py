"""Mutual information of features, as a critic finds it, and what training on it needs.

Shapes: N pairs of features, B clips. A critic T scores pairs that belong together, the
joint ones, and pairs that do not, the marginal ones; its scores have no unit.
Information is in nats.
"""

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean
from mer_jax.typing import Key, PyTree


def donsker_varadhan(
    joint: jax.Array,
    marginal: jax.Array,
    *,
    where: jax.Array | None = None,
    where_marginal: jax.Array | None = None,
) -> jax.Array:
    r"""Mutual information that the critic's scores give evidence of.

    .. math::
      I = \frac{1}{|V|} \sum_{i \in V} T_i
        - \log \frac{1}{|W|} \sum_{i \in W} e^{\tilde T_i}

    Equation 10 of Belghazi et al. 2018 (arXiv 1801.04062). In expectation over pairs
    it is a lower bound; on the critic's own training pairs it may exceed the truth,
    and for a poor critic it is negative. Maximise it by `corrected`.

    Args:
      joint: float[N], T of pairs that belong together.
      marginal: float[M], of pairs that do not.
      where: bool[N], V: False on padding rows; at least one row must be True.
      where_marginal: bool[M], W, likewise; V where None.

    Returns:
      float32[], in nats.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> donsker_varadhan(jnp.ones(4), jnp.zeros(4)).item()
      1.0
    """
    mean, log_mean = _terms(joint, marginal, where, where_marginal)
    return mean - log_mean


def corrected(
    joint: jax.Array,
    marginal: jax.Array,
    log_average: jax.Array,
    *,
    rate: float = 0.01,
    where: jax.Array | None = None,
    where_marginal: jax.Array | None = None,
) -> tuple[jax.Array, jax.Array]:
    r"""`donsker_varadhan`, with a gradient that small batches do not bias.

    .. math::
      \bar a \leftarrow (1 - r) \bar a + \frac{r}{|W|} \sum_{i \in W} e^{\tilde T_i},
      \qquad
      \nabla I = \frac{1}{|V|} \sum_{i \in V} \nabla T_i
        - \frac{1}{\bar a |W|} \sum_{i \in W} e^{\tilde T_i} \nabla \tilde T_i

    Section 3.2 of Belghazi et al. 2018: the plain gradient divides by the batch's own
    average, and a ratio of two averages is biased. The running one, which this batch
    already counts in, replaces it.

    Args:
      joint: float[N], T of pairs that belong together.
      marginal: float[M], of pairs that do not.
      log_average: float32[], the log of the running average; -inf before the first
        batch, whose average then becomes the running one.
      rate: r, in (0, 1]; at 1 the gradient is the plain one.
      where: bool[N], V: False on padding rows; at least one row must be True.
      where_marginal: bool[M], W, likewise; V where None.

    Returns:
      float32[], in nats; and float32[], the new `log_average`, without gradient.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> value, log_average = corrected(jnp.ones(4), jnp.zeros(4), -jnp.inf)
      >>> value.item(), log_average.item()
      (1.0, 0.0)
    """
    mean, log_mean = _terms(joint, marginal, where, where_marginal)
    now, before = jax.lax.stop_gradient((log_mean, jnp.asarray(log_average)))
    moved = jnp.logaddexp(jnp.log1p(-rate) + before, jnp.log(rate) + now)
    average = jnp.where(jnp.isneginf(before), now, moved)
    # The gradient of log mean e^T, times mean e^T over its running average: <= 1 / r,
    # which rounding of great scores exceeds.
    weight = jnp.minimum(jnp.exp(now - average), 1 / rate)
    log_term = now + weight * (log_mean - now)
    return mean - log_term, average.astype(now.dtype)


def derangement(key: Key, where: jax.Array) -> jax.Array:
    """Draws another valid row for every valid row, to make marginal pairs of.

    The draw is a cycle through all valid rows in random order, so that all ordered
    pairs of different rows are equally likely.

    Args:
      key: key[].
      where: bool[B], False on padding rows, which may be anywhere.

    Returns:
      int32[B], a permutation: of valid rows without a fixed point, while padding rows
      stay; all rows stay if fewer than two are valid.

    Example:
      >>> derangement(key, jnp.array([True, False, True])).tolist()
      [2, 1, 0]
    """
    chex.assert_rank(where, 1)
    position = jnp.arange(len(where))
    luck = jax.random.bits(key, where.shape)
    order = jnp.lexsort((luck, ~where))  # the valid rows first
    following = jnp.where(position + 1 < where.sum(), position + 1, 0)
    partner = jnp.where(where[order], order[following], order)
    return jnp.zeros_like(position).at[order].set(partner).astype(jnp.int32)


def clip_to(gradient: PyTree, reference: PyTree) -> tuple[PyTree, jax.Array]:
    r"""Adaptive clipping: one loss's gradient, no longer than that of another.

    .. math::
      g \min\left(1, \frac{\lVert g_{ref} \rVert}{\lVert g \rVert}\right)

    Belghazi et al. 2018, appendix 8.2: the information has no upper bound, so its
    gradient may drown that of the task. Norms are over all leaves.

    Args:
      gradient: pytree of float arrays, g.
      reference: pytree of float arrays, of any structure.

    Returns:
      g scaled, in its dtypes; and float32[], the factor, in [0, 1].

    Example:
      >>> clipped, factor = clip_to({"w": jnp.full(4, 2.0)}, jnp.ones(1))
      >>> clipped["w"].tolist(), factor.item()
      ([0.5, 0.5, 0.5, 0.5], 0.25)
    """
    length, limit = _norm(gradient), _norm(reference)
    factor = jnp.where(length > limit, limit / jnp.where(length > 0, length, 1), 1)
    scaled = lambda leaf: (leaf * factor).astype(leaf.dtype)
    return jax.tree.map(scaled, gradient), factor


def _terms(joint, marginal, where, where_marginal):
    """Returns mean T of the joint pairs and log mean e^T of the marginal ones."""
    chex.assert_rank([joint, marginal], 1)
    joint, marginal = _single(joint), _single(marginal)
    where = jnp.ones(joint.shape, bool) if where is None else where
    valid = where if where_marginal is None else where_marginal
    chex.assert_equal_shape([joint, where])
    chex.assert_equal_shape([marginal, valid])
    scores = jnp.where(valid, marginal, -jnp.inf)
    log_mean = jax.nn.logsumexp(scores) - jnp.log(valid.sum().astype(scores.dtype))
    return masked_mean(joint, where), log_mean


def _norm(tree):
    """Returns the Euclidean norm over all leaves, which nobody differentiates."""
    leaves = jax.tree.leaves(tree)
    return jnp.sqrt(sum(jnp.square(_single(leaf)).sum() for leaf in leaves))


def _single(x):
    """Returns `x` as float32, or as float64 if it is that."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
