"""Losses on attention maps.

Shapes: B clips, T frames, P positions. A map is a soft-max over the positions: not
negative, and of sum 1.
"""

from typing import Literal

import chex
import jax
import jax.numpy as jnp

from mer_jax.losses.classification import masked_mean

Similarity = Literal["sqrt_dot", "dot", "cosine"]


def similarity(a: jax.Array, b: jax.Array, kind: Similarity = "sqrt_dot") -> jax.Array:
    r"""Similarity of attention maps over the last axis.

    .. math::
      s_{sqrt\_dot} = \sum_p \sqrt{a_p b_p}, \qquad
      s_{dot} = \sum_p a_p b_p, \qquad
      s_{cosine} = \frac{\sum_p a_p b_p}{\lVert a \rVert \lVert b \rVert}

    All are 0 for maps that share no position. The first and the last are 1 for equal
    maps; the raw dot product of equal maps is 1/P if they are uniform, and so calls
    them different. Where a map is 0 the root's gradient is 0 rather than infinite.

    Args:
      a: float[..., P], maps.
      b: float[..., P], of the same rank; axes of length 1 are repeated.
      kind: which of the three.

    Returns:
      float32[...], in [0, 1].

    Raises:
      AssertionError: at trace time, if ranks disagree.
      ValueError: for another kind.

    Example:
      >>> uniform = jnp.full(4, 0.25)
      >>> [similarity(uniform, uniform, k).item() for k in ("sqrt_dot", "dot")]
      [1.0, 0.25]
    """
    chex.assert_equal_rank([a, b])
    return (_factor(a, kind) * _factor(b, kind)).sum(-1)


def map_similarity(
    maps: jax.Array,
    *,
    kind: Similarity = "sqrt_dot",
    detach_first: bool = True,
    where: jax.Array | None = None,
) -> jax.Array:
    r"""L_div of MENet: how alike the attention maps of a clip's frames are.

    .. math::
      L_{div} = \frac{1}{|V|} \sum_{i \in V} \frac{1}{T-1} \sum_{k=1}^{T-1}
        \frac{1}{k} \sum_{l=0}^{k-1} s(M_{ik}, M_{il})

    PeerJ CS 2022, cs-1140. To be minimised: similar maps are to cost, says its prose.
    The mean divergence 1 - s that it prints is 1 minus this, and minimising that would
    pull the maps together.

    Args:
      maps: float[B, T, P], M.
      kind: s, see `similarity`.
      detach_first: no gradient reaches M_0, as others keep away from it, and it need
        not give way (Hou et al. 2021, whose attention this is).
      where: bool[B], V: False on padding rows; at least one row must be True.

    Returns:
      float32[], the mean over valid clips, in [0, 1]; 0 if there is one frame.

    Raises:
      AssertionError: at trace time, if shapes disagree.
      ValueError: for another kind.

    Example:
      >>> apart = jnp.eye(3)[None]
      >>> map_similarity(apart).item(), map_similarity(apart[:, [0, 0, 0]]).item()
      (0.0, 1.0)
    """
    chex.assert_rank(maps, 3)
    if detach_first:
        maps = jnp.concatenate([jax.lax.stop_gradient(maps[:, :1]), maps[:, 1:]], 1)
    pairs = similarity(maps[:, :, None], maps[:, None], kind)
    k = jnp.arange(maps.shape[1])[:, None]
    earlier = (k > k.T) / jnp.maximum(k * (len(k) - 1), 1)
    return masked_mean((pairs * earlier[None].astype(pairs.dtype)).sum((1, 2)), where)


def _factor(maps, kind):
    """Returns [..., P] whose dot products are the similarities of the maps."""
    x = maps.astype(jnp.promote_types(maps.dtype, jnp.float32))
    if kind == "sqrt_dot":
        return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)
    if kind == "cosine":
        squared = jnp.square(x).sum(-1, keepdims=True)
        return x * jax.lax.rsqrt(jnp.where(squared > 0, squared, 1))
    if kind != "dot":
        raise ValueError(f"div_sim must be sqrt_dot, dot or cosine, got {kind!r}")
    return x
