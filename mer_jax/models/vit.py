"""A small vision transformer, and which patches its class token looks at.

Dosovitskiy et al. 2021 (arXiv 2010.11929). Shapes: B images, H W C, N patches,
D features. There is no batch norm: no image sees another.
"""

import functools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import EPSILON, Compute, at_least_single, gelu

Grad = Literal["st", "none", "soft"]
XAVIER = nn.initializers.xavier_uniform()


class ViTOutput(NamedTuple):
    """What a transformer sees in images.

    Attributes:
      class_token: float32[B, D], of the last block, not normalised.
      patches: float32[B, N, D], likewise, row by row.
      attention: float32[B, N], how the class token weighs the patches in the last
        block; not negative, of sum 1.
    """

    class_token: jax.Array
    patches: jax.Array
    attention: jax.Array


class Patches(nn.Module):
    """Image to tokens: patches side by side, projected, behind a class token.

    Attributes:
      patch: edge of a patch, pixels.
      features: D.
      compute: precision of the projection, `conv`, whose kernel is that of a
        convolution, [patch, patch, C, D].
    """

    patch: int
    features: int = 192
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns tokens, float32[B, 1 + N, D], with their positions.

        Args:
          x: float[B, H, W, C], images or maps.

        Raises:
          ValueError: unless H and W are multiples of the patch.
        """
        height, width = x.shape[1:3]
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"edges must be multiples of patch={self.patch} pixels, "
                f"got {height}x{width}"
            )
        project = nn.Conv(
            self.features,
            (self.patch, self.patch),
            strides=self.patch,
            padding=0,
            dtype=self.compute.dtype,
            conv_general_dilated=tiled,
            name="conv",
        )
        patches = at_least_single(project(x)).reshape(len(x), -1, self.features)
        first = self.param("class_token", nn.initializers.zeros, (self.features,))
        first = jnp.broadcast_to(first, (len(x), 1, self.features))
        tokens = jnp.concatenate([first, patches], 1)
        return tokens + self.param(
            "positions", nn.initializers.normal(0.02), (1, *tokens.shape[1:])
        )


def tiled(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    *,
    precision: jax.lax.PrecisionLike = None,
    **unused,
) -> jax.Array:
    """A convolution whose windows lie side by side, as one matrix product.

    With its gradient it takes a sixth of the time of XLA's own on a CPU for patches of
    16x16x3, and three quarters for those of maps.

    Args:
      lhs: [B, H, W, C] images.
      rhs: [P, P, C, D] kernel.
      window_strides: must be P; H and W are multiples of it.
      padding: must be 0.
      precision: of the product.
      **unused: what else `nn.Conv` gives.

    Returns:
      [B, H / P, W / P, D].

    Raises:
      ValueError: for any other convolution.
    """
    batch, height, width, channels = lhs.shape
    size = rhs.shape[0]
    if {*window_strides} != {size} or {n for pair in padding for n in pair} != {0}:
        raise ValueError(
            f"windows of {size} pixels must lie side by side, "
            f"got strides {window_strides}, padding {padding}"
        )
    tiles = (batch, height // size, size, width // size, size, channels)
    return jnp.einsum("bipjqc,pqcd->bijd", lhs.reshape(tiles), rhs, precision=precision)


class Block(nn.Module):
    """Self-attention and two dense layers, each behind a layer norm and beside itself.

    PyTorch's `TransformerEncoderLayer(norm_first=True, activation="gelu")`, with its
    names. Dropout comes where it has it, after either dense layer and after
    `out_proj`, but for that of attention weights. Sums, norms and the soft-max are
    float32 at least.

    Attributes:
      heads: of attention; D must be a multiple.
      mlp: features between the dense layers.
      dropout: share of values set to 0 in training; asks for the stream "dropout".
      compute: precision of matrix products.
    """

    heads: int
    mlp: int
    dropout: float
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, tokens: jax.Array, train: bool) -> tuple[jax.Array, jax.Array]:
        """Returns tokens [B, 1 + N, D] and `class_attention`, [B, N]."""
        batch, length, features = tokens.shape
        if features % self.heads:
            raise ValueError(
                f"features must be a multiple of heads={self.heads}, got {features}"
            )
        dense = functools.partial(
            nn.Dense, dtype=self.compute.dtype, kernel_init=XAVIER
        )
        norm = functools.partial(nn.LayerNorm, EPSILON, use_fast_variance=False)
        drop = nn.Dropout(self.dropout, deterministic=not train)
        x = dense(3 * features, name="in_proj")(norm(name="norm1")(tokens))
        x = x.reshape(batch, length, 3, self.heads, features // self.heads)
        query, key, value = jnp.moveaxis(x, 2, 0)
        x = jax.nn.dot_product_attention(query, key, value).reshape(tokens.shape)
        tokens = tokens + drop(dense(features, name="out_proj")(x))
        x = dense(self.mlp, name="linear1")(norm(name="norm2")(tokens))
        x = drop(gelu(x))
        x = drop(dense(features, name="linear2")(x))
        return tokens + x, class_attention(query, key)


def class_attention(query: jax.Array, key: jax.Array) -> jax.Array:
    r"""How the class token weighs the patches: what attention itself does not return.

    .. math::
      a_i = \frac{\bar w_i}{\sum_j \bar w_j}, \qquad
      \bar w_i = \sum_h \mathrm{softmax}_i(q_{h0} \cdot k_{hi} / \sqrt d)

    The soft-max is over class token and patches, i and j run over patches. In logs,
    as nothing is left to divide by where the class token looks at itself alone.

    Args:
      query: float[B, 1 + N, heads, d].
      key: float[B, 1 + N, heads, d].

    Returns:
      float32[B, N], not negative, of sum 1.
    """
    first, key = at_least_single(query[:, 0]), at_least_single(key)
    scores = jnp.einsum("bhd,bnhd->bnh", first, key) / math.sqrt(key.shape[-1])
    log_weights = jax.nn.log_softmax(scores, axis=1)[:, 1:]
    return jax.nn.softmax(jax.nn.logsumexp(log_weights, axis=-1), axis=-1)


class Transformer(nn.Module):
    """Blocks, `block1` to `block<depth>`, without a norm after the last.

    Attributes:
      depth: number of blocks, at least 1.
      heads: see `Block`.
      mlp: see `Block`.
      dropout: see `Block`.
      compute: precision of matrix products, rematerialised blocks.
    """

    depth: int = 4
    heads: int = 3
    mlp: int = 768
    dropout: float = 0.1
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, tokens: jax.Array, train: bool) -> ViTOutput:
        """Runs tokens, float[B, 1 + N, D], the class token first.

        Args:
          tokens: as `Patches` makes them.
          train: drop; the rng stream "dropout" is needed unless `dropout` is 0.
        """
        if self.depth < 1:
            raise ValueError(f"depth must be at least 1 block, got {self.depth}")
        remat = self.compute.remat
        block = nn.remat(Block, static_argnums=(2,)) if remat else Block
        sizes = (self.heads, self.mlp, self.dropout, self.compute)
        for i in range(1, self.depth + 1):
            tokens, attention = block(*sizes, name=f"block{i}")(tokens, train)
        return ViTOutput(tokens[:, 0], tokens[:, 1:], attention)


class VisionTransformer(nn.Module):
    """`Patches` and a `Transformer` of them, sub-modules of these names.

    Attributes:
      patch: edge of a patch, pixels.
      features: D.
      depth: see `Transformer`.
      heads: see `Block`.
      mlp: see `Block`.
      dropout: see `Block`.
      compute: precision of matrix products, rematerialised blocks.
    """

    patch: int
    features: int = 192
    depth: int = 4
    heads: int = 3
    mlp: int = 768
    dropout: float = 0.1
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, x: jax.Array, train: bool) -> ViTOutput:
        """Runs images or maps, float[B, H, W, C]; see `Patches`, `Transformer`."""
        embed = Patches(self.patch, self.features, self.compute, name="patches")
        blocks = (self.depth, self.heads, self.mlp, self.dropout, self.compute)
        return Transformer(*blocks, name="transformer")(embed(x), train)


def keep(
    attention: jax.Array, *, kappa: float = 1.0, beta: float = 5.0, grad: Grad = "st"
) -> jax.Array:
    r"""Which patches are looked at more than others: k, a mask of them.

    .. math::
      k_i = 1[N a_i > \kappa], \qquad
      s_i = \sigma(\beta (N a_i - \kappa))

    Where no patch passes, the first of the greatest is kept: with kappa > 1, or with
    kappa = 1 and equal weights. The step has no gradient; "st" has that of s, "none"
    has none. "soft" is s itself: as the greatest weight is 1/N at least, one patch
    is kept by sigma(beta (1 - kappa)) or more, a half at kappa = 1.

    Args:
      attention: float[B, N], a, of sum 1.
      kappa: threshold, in units of the mean weight.
      beta: slope of s, positive.
      grad: "st" (straight-through), "none" or "soft".

    Returns:
      float32[B, N]: 0 or 1; in (0, 1) if `grad` is "soft".

    Raises:
      ValueError: for another `grad`.

    Example:
      >>> a = jnp.array([[0.5, 0.1, 0.4]])
      >>> keep(a).tolist(), keep(a, kappa=2).tolist()
      ([[1.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    """
    if grad not in ("st", "none", "soft"):
        raise ValueError(f"mask_grad must be st, none or soft, got {grad!r}")
    relative = attention.shape[-1] * at_least_single(attention)
    soft = nn.sigmoid(beta * (relative - kappa))
    if grad == "soft":
        return soft
    passed = relative > kappa
    greatest = nn.one_hot(relative.argmax(-1), relative.shape[-1], dtype=bool)
    hard = (passed | (greatest & ~passed.any(-1, keepdims=True))).astype(soft.dtype)
    # The difference is exactly 0, so that what is kept is exactly 0 or 1.
    return hard if grad == "none" else hard + (soft - jax.lax.stop_gradient(soft))
