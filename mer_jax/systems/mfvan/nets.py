"""The nets of MFVAN: teacher and student, which rebuild onsets; encoders, a decoder.

All sizes are our reconstruction: the text that is left has none.

Shapes: B images, S pixels, D = 8 * width features (512). `mask` bool[B] is False on
padding images, which no batch norm sees.
"""

import functools
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import BatchNorm, Compute, at_least_single, convolution
from mer_jax.models.decoder import convolved_double, convolved_transposed
from mer_jax.models.resnet import ResNet18

Upsampling = Literal["transposed", "resize"]

# Each of its outputs sees 2x2 of the kernel's 4x4 entries of every channel.
HE_TRANSPOSED = nn.initializers.variance_scaling(8.0, "fan_in", "normal")
SHARES = (1, 2, 4, 8)  # of the width, channels of the student's four layers


class Maps(NamedTuple):
    """What the student's encoder sees in images.

    Attributes:
      first: float[B, S / 2, S / 2, width].
      second: float[B, S / 4, S / 4, 2 * width].
      deep: float[B, S / 16, S / 16, D].
    """

    first: jax.Array
    second: jax.Array
    deep: jax.Array


class StudentEncoder(nn.Module):
    """Four 3x3 convolutions of stride 2, each with batch norm and ReLU.

    Attributes:
      width: channels of the first; each further one doubles them.
      compute: precision and convolution.
    """

    width: int = 64
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, train: bool) -> Maps:
        """Returns maps of float[B, S, S, 3]."""
        x, maps = images, []
        for i, share in enumerate(SHARES, start=1):
            make = convolution(
                share * self.width, 3, self.compute, stride=2, name=f"conv{i}"
            )
            x = nn.relu(BatchNorm(name=f"bn{i}")(make(x), mask, train))
            maps.append(x)
        return Maps(maps[0], maps[1], maps[-1])


class TeacherEncoder(nn.Module):
    """A ResNet-18 without its max-pool: as coarse as the student's encoder.

    Attributes:
      width: see `ResNet18`.
      compute: see `ResNet18`.
      blocks: residual blocks of a stage.
    """

    width: int = 64
    compute: Compute = Compute()
    blocks: int = 2

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns float[B, S / 16, S / 16, D] of float[B, S, S, 3]."""
        net = ResNet18(self.width, self.compute, self.blocks, pool=False, name="resnet")
        return net(images, mask, train)


class Decoder(nn.Module):
    """Doubles a map four times, with batch norm and ReLU between; sigmoid at the end.

    Attributes:
      width: channels of the third map, and half and a quarter of those before.
      kind: "transposed", convolutions 4x4 of stride 2, the paper's deconvolution;
        "resize" repeats each pixel and convolves by 3x3.
      compute: precision and convolution.
    """

    width: int = 64
    kind: Upsampling = "transposed"
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, map: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns images float32[B, 16 h, 16 w, 3] in [0, 1] of float[B, h, w, D].

        Raises:
          ValueError: for another `kind`.
        """
        x = map
        for i, share in enumerate(reversed(SHARES[:-1]), start=1):
            x = self._doubled(share * self.width, f"up{i}")(x)
            x = nn.relu(BatchNorm(name=f"bn{i}")(x, mask, train))
        return nn.sigmoid(at_least_single(self._doubled(3, "out", bias=True)(x)))

    def _doubled(self, features: int, name: str, *, bias: bool = False) -> nn.Module:
        if self.kind == "transposed":
            return Transposed(features, self.compute, bias, name=name)
        if self.kind != "resize":
            raise ValueError(f"decoder must be transposed or resize, got {self.kind!r}")
        twice = functools.partial(convolved_double, self.compute.conv)
        return convolution(
            features, 3, Compute(self.compute.dtype, twice), bias=bias, name=name
        )


class Transposed(nn.Module):
    """A transposed convolution 4x4 of stride 2, padded by 1.

    Attributes:
      features: O, channels of the result.
      compute: precision and convolution.
      bias: whether there is one.
    """

    features: int
    compute: Compute
    bias: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns float[B, 2 h, 2 w, O] of float[B, h, w, C]."""
        shape = (4, 4, x.shape[-1], self.features)
        kernel = self.param("kernel", HE_TRANSPOSED, shape)
        bias = (
            self.param("bias", nn.initializers.zeros, shape[-1:]) if self.bias else None
        )
        x, kernel, bias = nn.dtypes.promote_dtype(
            x, kernel, bias, dtype=self.compute.dtype
        )
        doubled = convolved_transposed(
            self.compute.conv,
            x,
            kernel,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return doubled if bias is None else doubled + jnp.expand_dims(bias, (0, 1, 2))


class Teacher(nn.Module):
    """Deep: sub-modules `encoder` and `decoder`.

    Attributes:
      width: of either.
      blocks: of the encoder.
      kind: of the decoder.
      compute: of either.
    """

    width: int = 64
    blocks: int = 2
    kind: Upsampling = "transposed"
    compute: Compute = Compute()

    def setup(self):
        """Makes the sub-modules."""
        self.encoder = TeacherEncoder(self.width, self.compute, self.blocks)
        self.decoder = Decoder(self.width, self.kind, self.compute)

    def __call__(self, images: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns float32[B, S, S, 3] in [0, 1] of float[B, S, S, 3]."""
        return self.decoder(self.encoder(images, mask, train), mask, train)


class Student(nn.Module):
    """Shallow: sub-modules `encoder` and, where it rebuilds anything, `decoder`.

    Attributes:
      width: of either.
      kind: of the decoder.
      rebuilds: whether there is a decoder.
      compute: of either.
    """

    width: int = 64
    kind: Upsampling = "transposed"
    rebuilds: bool = True
    compute: Compute = Compute()

    def setup(self):
        """Makes the sub-modules."""
        self.encoder = StudentEncoder(self.width, self.compute)
        if self.rebuilds:
            self.decoder = Decoder(self.width, self.kind, self.compute)

    def __call__(self, images: jax.Array, mask: jax.Array, train: bool):
        """Returns `Maps`, and float32[B, S, S, 3] in [0, 1] or None."""
        maps = self.encoder(images, mask, train)
        rebuilt = self.decoder(maps.deep, mask, train) if self.rebuilds else None
        return maps, rebuilt
