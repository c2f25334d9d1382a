"""ResNet-18 without its pooling and classifier (He et al. 2016).

Sub-modules have torchvision's names, `layer1.0` being `layer1_0`.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import BatchNorm, Compute, convolution
from mer_jax.models.video import convolution_for

FAN_OUT = nn.initializers.variance_scaling(2.0, "fan_out", "normal")  # torchvision's


class ResNet18(nn.Module):
    """Convolution 7x7, max-pool, four stages of basic blocks.

    Attributes:
      width: channels of the first stage; each further stage doubles them.
      compute: precision, convolution, rematerialised blocks.
      blocks: of a stage; 1 makes a ResNet-10.
      pool: whether the max-pool is there; without, maps are twice as wide and high.
    """

    width: int = 64
    compute: Compute = Compute()
    blocks: int = 2
    pool: bool = True

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, H / 32, W / 32, 8 * width], rounded up.

        Args:
          images: float[B, H, W, 3].
          mask: bool[B], False on rows that batch norm must not see.
          train: use and update batch statistics.
        """
        stem = functools.partial(convolution, init=FAN_OUT, name="conv1")
        x = stem(self.width, 7, self.compute, stride=2)(images)
        x = nn.relu(BatchNorm(name="bn1")(x, mask, train))
        x = max_pool(x) if self.pool else x
        block = self.compute.block(BasicBlock)
        for stage in range(4):
            for i in range(self.blocks):
                stride = 2 if stage and not i else 1
                name = f"layer{stage + 1}_{i}"
                width = self.width * 2**stage
                x = block(width, stride, self.compute, name=name)(x, mask, train)
        return x


class BasicBlock(nn.Module):
    """Two convolutions beside a shortcut, projected where shapes change.

    Their windows are 3x3 on images and 3x3x3 on clips, of which every frame stays.
    """

    features: int
    stride: int
    compute: Compute

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns [B, H / stride, W / stride, features], rounded up; clips alike."""
        conv = functools.partial(convolution_for(x), compute=self.compute, init=FAN_OUT)
        y = conv(self.features, 3, stride=self.stride, name="conv1")(x)
        y = nn.relu(BatchNorm(name="bn1")(y, mask, train))
        y = conv(self.features, 3, name="conv2")(y)
        y = BatchNorm(name="bn2")(y, mask, train)
        if x.shape != y.shape:
            x = conv(self.features, 1, stride=self.stride, name="downsample_0")(x)
            x = BatchNorm(name="downsample_1")(x, mask, train)
        return nn.relu(x.astype(y.dtype) + y)


def max_pool(x: jax.Array) -> jax.Array:
    """Returns the maxima of 3x3 windows, stride 2, padded by -inf on all sides.

    In clips windows are three frames long, too, one around each frame.

    Maxima of slices instead of `reduce_window`, whose gradient is slow on CPUs. A
    tie splits its gradient, where PyTorch gives all to the first.

    Args:
      x: float[B, H, W, C] images or float[B, T, H, W, C] clips.
    """
    lowest = jnp.array(-jnp.inf, x.dtype)
    rows = x.ndim - 3
    windows = ((rows, 2), (rows + 1, 2), (1, 1))  # axis, stride; time last
    for axis, stride in windows[: x.ndim - 2]:
        padding = [(0, 0, 0)] * x.ndim
        padding[axis] = (1, 1, 0)
        padded = jax.lax.pad(x, lowest, padding)
        last = stride * ((x.shape[axis] - 1) // stride) + 1
        slices = [
            jax.lax.slice_in_dim(padded, i, i + last, stride, axis) for i in range(3)
        ]
        x = functools.reduce(jnp.maximum, slices)
    return x
