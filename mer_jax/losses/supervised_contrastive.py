"""The supervised contrastive loss, within a domain and from one to another.

Shapes: B clips, the anchors; A clips of another domain, which may be missing;
N = B + A clips, the anchors first; D features. What counts of an embedding is its
direction.
"""

from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


def supervised_contrastive(
    anchors: jax.Array,
    labels: jax.Array,
    others: jax.Array | None = None,
    other_labels: jax.Array | None = None,
    *,
    temperature: float = 0.07,
    where: jax.Array | None = None,
    other_where: jax.Array | None = None,
) -> jax.Array:
    r"""Anchors turn towards all of their class, away from everybody else.

    .. math::
      L = \frac{1}{|J|} \sum_{j \in J} \frac{1}{|P_j|} \sum_{k \in P_j}
        \left( \log \sum_{u \ne j} e^{q_{ju}} - q_{jk} \right), \qquad
      q_{jk} = \frac{\cos(z_j, z_k)}{\tau}

    Equation 2 of Khosla et al. 2020 (arXiv 2004.11362); u and k run over `others`, too,
    which are no anchors themselves. P_j are those of j's class but j, J the anchors
    that have any. The form that MiNet prints is `supervised_contrastive_sum`.

    Args:
      anchors: float[B, D], z, of any length; the cosine with a vector of length 0 is 0.
      labels: int[B].
      others: float[A, D], z of another domain, e.g. of macro-expressions.
      other_labels: int[A], of the same classes.
      temperature: tau.
      where: bool[B], False on padding rows.
      other_where: bool[A], the same of `others`.

    Returns:
      float32[], the mean over J, not negative; 0 if there are none.

    Raises:
      AssertionError: at trace time, if shapes disagree.
      ValueError: if `others` come without their labels.

    Example:
      >>> z, y = jnp.eye(3)[jnp.array([0, 0, 1])], jnp.array([0, 0, 1])
      >>> supervised_contrastive(z, y, temperature=1.0).item().__round__(4)
      0.3133
    """
    own, far = (anchors, labels, where), (others, other_labels, other_where)
    pairs = _pairs(own, far, temperature)
    total = _attraction(pairs, pairs.counted & ~pairs.itself)
    count = pairs.alike.sum(1)
    return (total / jnp.maximum(count, 1)).sum() / jnp.maximum((count > 0).sum(), 1)


def supervised_contrastive_sum(
    anchors: jax.Array,
    labels: jax.Array,
    others: jax.Array | None = None,
    other_labels: jax.Array | None = None,
    *,
    temperature: float = 0.07,
    where: jax.Array | None = None,
    other_where: jax.Array | None = None,
) -> jax.Array:
    r"""L_con of MiNet as printed: sums, and the anchor itself in the denominator.

    .. math::
      L_{con} = \sum_j \sum_{k \in P_j}
        \left( \log \sum_u e^{q_{ju}} - q_{jk} \right)

    Xia & Wang 2021 (IJCAI). It grows with the square of the batch: of 16 anchors and
    16 others in 3 classes it is some thousand times a cross-entropy. Arguments and
    errors are those of `supervised_contrastive`.

    Returns:
      float32[], the sum over pairs, not negative.

    Example:
      >>> z, y = jnp.eye(3)[jnp.array([0, 0, 1])], jnp.array([0, 0, 1])
      >>> supervised_contrastive_sum(z, y, temperature=1.0).item().__round__(4)
      1.724
    """
    own, far = (anchors, labels, where), (others, other_labels, other_where)
    pairs = _pairs(own, far, temperature)
    return _attraction(pairs, pairs.counted).sum()


class _Pairs(NamedTuple):
    """Anchors beside all clips.

    Attributes:
      cosines: float[B, N], over the temperature.
      counted: bool[B, N], neither is padding.
      itself: bool[B, N], both are one clip.
      alike: bool[B, N], other clips of the anchor's class that count.
    """

    cosines: jax.Array
    counted: jax.Array
    itself: jax.Array
    alike: jax.Array


def _pairs(own, far, temperature) -> _Pairs:
    """Returns the pairs of (embeddings, labels, where), of anchors and others."""
    (anchors, labels, where), (others, other_labels, other_where) = own, far
    if (others is None) != (other_labels is None):
        raise ValueError("others come with other_labels, or neither does")
    if others is None:
        others, other_labels, other_where = anchors[:0], labels[:0], None
    chex.assert_equal_shape_suffix([anchors, others], 1)
    near = _valid(anchors, labels, where)
    valid = jnp.concatenate([near, _valid(others, other_labels, other_where)])
    classes = jnp.concatenate([labels, other_labels])
    z = _unit(jnp.where(valid[:, None], jnp.concatenate([anchors, others]), 0))
    count = len(anchors)
    counted = valid[:count, None] & valid[None]
    itself = jnp.eye(count, len(z), dtype=bool)
    return _Pairs(
        cosines=jnp.matmul(z[:count], z.T, precision="highest") / temperature,
        counted=counted,
        itself=itself,
        alike=counted & ~itself & (classes[:count, None] == classes[None]),
    )


def _valid(embeddings, labels, where):
    """Returns which rows count, bool like `labels`."""
    chex.assert_rank([embeddings, labels], [2, 1])
    chex.assert_equal_shape_prefix([embeddings, labels], 1)
    if where is None:
        return jnp.ones(labels.shape, bool)
    chex.assert_equal_shape([labels, where])
    return where


def _unit(x):
    """Returns [..., D] scaled to length 1; a vector of length 0 stays as it is.

    It is divided by its greatest value first, as the square of a small number is 0.
    Below 1e-30 a vector counts as 0, for its gradient would overflow.
    """
    wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
    greatest = jax.lax.stop_gradient(jnp.abs(wide).max(-1, keepdims=True))
    scaled = wide / jnp.where(greatest > 1e-30, greatest, 1)
    squared = jnp.square(scaled).sum(-1, keepdims=True)
    return scaled * jax.lax.rsqrt(jnp.where(squared > 0, squared, 1))


def _attraction(pairs: _Pairs, against):
    """Returns [B], the sum of log D - q over those alike; `against`, [B, N], make D."""
    q, alike = pairs.cosines, pairs.alike
    # Nobody may be against an anchor without any alike: the log of nothing has no
    # gradient, not even times 0.
    terms = jnp.where(against, q, -jnp.inf)
    log_d = jax.nn.logsumexp(jnp.where(alike.any(1)[:, None], terms, 0), axis=1)
    return jnp.where(alike, log_d[:, None] - q, 0).sum(1)
