"""Blocks the nets share: masked batch norm, and conv or dense, norm, ReLU.

Shapes: B rows, H W image, C channels. Every block takes `(x, mask, train)`:
float[B, ..., C]; bool[B], False on rows that batch norm must not see; and whether
statistics of the batch are used and the running ones updated.
"""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.convolution import Convolution

EPSILON, MOMENTUM = 1e-5, 0.9  # PyTorch's 1e-5 and 0.1
HE = nn.initializers.variance_scaling(2.0, "fan_in", "normal")


@dataclasses.dataclass(frozen=True)
class Compute:
    """How a net is computed; what it computes stays the same.

    Attributes:
      dtype: of convolutions and activations, e.g. `jnp.bfloat16`; None for that of
        the parameters. Parameters, batch statistics and all that follows the last
        convolution are at least float32 regardless.
      conv: convolution with the signature of `jax.lax.conv_general_dilated`.
      remat: compute activations inside blocks again for the gradient.
    """

    dtype: Any = None
    conv: Convolution = jax.lax.conv_general_dilated
    remat: bool = False

    def block(self, module: type[nn.Module]) -> type[nn.Module]:
        """Returns a block's class, rematerialised where asked for."""
        return nn.remat(module, static_argnums=(3,)) if self.remat else module


def at_least_single(x: jax.Array) -> jax.Array:
    """Returns `x` as float32, or as float64 if it is that."""
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def gelu(x: jax.Array) -> jax.Array:
    r"""Returns x \Phi(x), PyTorch's GELU, of any shape and floating dtype."""
    return x * _normal_cdf(x)


@jax.custom_jvp
def _normal_cdf(x):
    """Returns the share of a standard normal below x.

    Its slope is written out: jax 0.12 finds none of `erfc` inside a `shard_map`.
    """
    return 0.5 * jax.lax.erfc(-math.sqrt(0.5) * x)


_normal_cdf.defjvps(
    lambda slope, _, x: slope * jnp.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
)


def convolution(
    features: int,
    size: int,
    compute: Compute,
    *,
    stride: int = 1,
    bias: bool = False,
    init: nn.initializers.Initializer = HE,
    bias_init: nn.initializers.Initializer = nn.initializers.zeros,
    name: str,
) -> nn.Conv:
    """Returns a convolution padded by half its window on all four sides.

    "SAME" would pad (2, 3) where PyTorch pads (3, 3), and shift the image.
    """
    return nn.Conv(
        features,
        (size, size),
        strides=stride,
        padding=[(size // 2, size // 2)] * 2,
        use_bias=bias,
        dtype=compute.dtype,
        kernel_init=init,
        bias_init=bias_init,
        conv_general_dilated=compute.conv,
        name=name,
    )


class BatchNorm(nn.Module):
    """Batch norm over valid rows, as PyTorch has it.

    The running variance is the unbiased one. One valid value per channel has
    variance 0; PyTorch refuses it.

    Attributes:
      scale_init: of the scale, 1 unless given; the shift begins at 0.
    """

    scale_init: nn.initializers.Initializer = nn.initializers.ones

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, ..., C] in the dtype of `x`; statistics at least float32."""
        shape = x.shape[-1:]
        scale = self.param("scale", self.scale_init, shape)
        bias = self.param("bias", nn.initializers.zeros, shape)
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        var = self.variable("batch_stats", "var", jnp.ones, shape)
        wide = at_least_single(x)
        mean_now, var_now = mean.value, var.value
        if train and not self.is_initializing():
            mean_now, var_now, count = _moments(wide, mask, mean.value)
            unbiased = var_now * count / jnp.maximum(count - 1, 1)
            mean.value = MOMENTUM * mean.value + (1 - MOMENTUM) * mean_now
            var.value = MOMENTUM * var.value + (1 - MOMENTUM) * unbiased
        slope = scale * jax.lax.rsqrt(var_now + EPSILON)
        leading = tuple(range(x.ndim - 1))
        per_channel = lambda value: jnp.expand_dims(value, leading)
        normal = (wide - per_channel(mean_now)) * per_channel(slope)
        return (normal + per_channel(bias)).astype(x.dtype)


def _moments(x, mask, origin):
    """Returns mean [C], biased variance [C] and count [] over the valid rows.

    Squares are taken from `origin`, the running mean, as the difference of great
    sums would lose the digits of a small variance. Vectors are few, and of faces
    nearly alike: for them the origin is their own mean, at the cost of a pass.
    """
    axes = tuple(range(x.ndim - 1))
    valid = jnp.expand_dims(mask, tuple(range(1, x.ndim)))
    count = jnp.maximum(mask.sum() * (x[0].size // x.shape[-1]), 1)
    if x.ndim == 2:
        origin = jnp.where(valid, x, 0).sum(axes) / count
    origin = jax.lax.stop_gradient(origin)
    shifted = jnp.where(valid, x - jnp.expand_dims(origin, axes), 0)
    first = shifted.sum(axes) / count
    second = jnp.square(shifted).sum(axes) / count
    return origin + first, jnp.maximum(second - jnp.square(first), 0), count


class ConvUnit(nn.Module):
    """Convolution 3x3, stride 1, padding 1; batch norm; ReLU."""

    features: int
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, H, W, features]."""
        x = convolution(self.features, 3, self.compute, name="conv")(x)
        return nn.relu(BatchNorm(name="bn")(x, mask, train))


class DenseUnit(nn.Module):
    """Dense layer, batch norm, ReLU: what `ConvUnit` is on a 1x1 map."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, features]."""
        x = nn.Dense(self.features, use_bias=False, kernel_init=HE, name="dense")(x)
        return nn.relu(BatchNorm(name="bn")(x, mask, train))


class ConvBlock(nn.Module):
    """Two `ConvUnit`s; the size of the map stays."""

    features: int
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, H, W, features]."""
        for name in ("unit1", "unit2"):
            x = ConvUnit(self.features, self.compute, name=name)(x, mask, train)
        return x


class DenseBlock(nn.Module):
    """Two `DenseUnit`s."""

    features: int

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, features]."""
        for name in ("unit1", "unit2"):
            x = DenseUnit(self.features, name=name)(x, mask, train)
        return x
