"""Losses on distances between embeddings.

Shapes: B clips, V = 2m views of each (m of the onset, then m of the apex), P features.
Distances are Euclidean; between vectors of length 1 they lie in [0, 2].
"""

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean


def safe_distance(a: jax.Array, b: jax.Array) -> jax.Array:
    r"""Euclidean distance over the last axis, with gradient 0 at distance 0.

    .. math::
      d(a, b) = \sqrt{\textstyle\sum_p (a_p - b_p)^2}

    The root has an infinite slope at 0, and 0 times infinity is NaN: one pair of
    equal views would poison the step. A `where` after the root would come too late.

    Args:
      a: float[..., P].
      b: float[..., P], of the same rank; axes of length 1 are repeated.

    Returns:
      float32[...].

    Example:
      >>> float(safe_distance(jnp.zeros(2), jnp.array([3.0, 4.0])))
      5.0
    """
    chex.assert_equal_rank([a, b])
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    squared = jnp.square(a.astype(dtype) - b.astype(dtype)).sum(-1)
    apart = squared > 0
    return jnp.where(apart, jnp.sqrt(jnp.where(apart, squared, 1)), 0)


def shape_texture_contrastive(
    shape: jax.Array,
    texture: jax.Array,
    anchor: jax.Array,
    *,
    margin: float = 0.3,
    where: jax.Array | None = None,
) -> jax.Array:
    r"""L_st of MoExt as printed: shapes gather, away from their own textures.

    .. math::
      L_{st} = \frac{1}{2m|V|} \sum_{i \in V} \sum_{v}
        \max(0, d(\bar s, s_{iv}) - d(s_{iv}, t_{iv}) + \epsilon)

    arXiv 2407.07345. Its prose measures the texture's distance from the anchor
    instead: `anchor_texture_contrastive`.

    Args:
      shape: float[B, V, P], s = e(S).
      texture: float[B, V, P], t = e(T).
      anchor: float[P], e of the mean of S, which is taken before e and so cannot
        be computed from `shape`.
      margin: epsilon, from [0.2, 0.5].
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over views and valid clips.

    Raises:
      AssertionError: at trace time, if shapes disagree.

    Example:
      >>> s = jnp.zeros((2, 6, 4))
      >>> t = s.at[..., 0].set(0.1)
      >>> float(shape_texture_contrastive(s, t, jnp.zeros(4))).__round__(4)
      0.2
    """
    anchor = _checked_anchor(shape, texture, anchor)
    gap = safe_distance(anchor, shape) - safe_distance(shape, texture)
    return _hinge(gap + margin, where)


def anchor_texture_contrastive(
    shape: jax.Array,
    texture: jax.Array,
    anchor: jax.Array,
    *,
    margin: float = 0.3,
    where: jax.Array | None = None,
) -> jax.Array:
    r"""L_st as the prose of MoExt has it: a triplet loss about the mean shape.

    .. math::
      L_{st} = \frac{1}{2m|V|} \sum_{i \in V} \sum_{v}
        \max(0, d(\bar s, s_{iv}) - d(\bar s, t_{iv}) + \epsilon)

    Arguments, result and errors are those of `shape_texture_contrastive`.

    Example:
      >>> s = jnp.zeros((2, 6, 4))
      >>> t = s.at[..., 0].set(0.1)
      >>> float(anchor_texture_contrastive(s, t, jnp.zeros(4))).__round__(4)
      0.2
    """
    anchor = _checked_anchor(shape, texture, anchor)
    gap = safe_distance(anchor, shape) - safe_distance(anchor, texture)
    return _hinge(gap + margin, where)


def onset_apex_contrastive(
    shape: jax.Array, *, margin: float = 0.3, where: jax.Array | None = None
) -> jax.Array:
    r"""L_ss of MoExt: shapes of one moment gather, onset and apex stay apart.

    .. math::
      L_{ss} = \frac{1}{4m^2|V|} \sum_{i \in V} \sum_{v,w} \begin{cases}
        d(s_{iv}, s_{iw}) & v, w \text{ both onset or both apex} \\
        \max(0, \epsilon - d(s_{iv}, s_{iw})) & \text{otherwise}
      \end{cases}

    arXiv 2407.07345, whose ablation table calls it L_oa. Pairs v = w count, as 0.

    Args:
      shape: float[B, V, P], s = e(S), m onset views, then m apex views.
      margin: epsilon, from [0.2, 0.5].
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over ordered pairs of views and valid clips.

    Raises:
      AssertionError: at trace time, if shapes disagree.
      ValueError: if the number of views is odd.

    Example:
      >>> onset, apex = jnp.zeros((2, 3, 4)), jnp.ones((2, 3, 4))
      >>> float(onset_apex_contrastive(jnp.concatenate([onset, apex], 1)))
      0.0
    """
    chex.assert_rank(shape, 3)
    views = shape.shape[1]
    if views % 2:
        raise ValueError(f"views must be as many of onset as of apex, got {views}")
    is_apex = jnp.arange(views) >= views // 2
    same = is_apex[:, None] == is_apex[None]
    distance = safe_distance(shape[:, :, None], shape[:, None])
    terms = jnp.where(same[None], distance, jnp.maximum(0, margin - distance))
    return masked_mean(terms.mean((1, 2)), where)


def _checked_anchor(shape, texture, anchor):
    """Returns the anchor as [1, 1, P]."""
    chex.assert_rank([shape, anchor], [3, 1])
    chex.assert_equal_shape([shape, texture])
    chex.assert_equal_shape_suffix([shape, anchor], 1)
    return anchor[None, None]


def _hinge(values, where):
    """Returns the mean of the positive parts of [B, V] over valid clips."""
    return masked_mean(jnp.maximum(0, values).mean(1), where)
