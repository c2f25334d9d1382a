"""From a feature vector to an image: up-sampling and convolutions, none transposed."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import (
    Compute,
    ConvBlock,
    ConvUnit,
    at_least_single,
    convolution,
)
from mer_jax.models.convolution import Convolution

Upsample = Literal["nearest", "bilinear"]
Output = Literal["relu", "sigmoid", "linear"]
OUTPUTS = {"relu": nn.relu, "sigmoid": nn.sigmoid, "linear": lambda x: x}


def ladder(size: int) -> tuple[int, int]:
    """Returns the edge of the pooled map, and how many steps double it up to `size`.

    224 is 7 doubled five times, as in the paper. Other sizes are k doubled at most
    five times, k as small as that allows: 48 = 3 * 16, 112 = 7 * 16, 64 = 2 * 32.

    Raises:
      ValueError: unless size is k * 2**n with k <= 8.
    """
    doublings = 0
    while size > 0 and doublings < 5 and size % 2 ** (doublings + 1) == 0:
        doublings += 1
    edge = size // 2**doublings
    if not 1 <= edge <= 8:
        raise ValueError(
            f"size must be k * 2**n pixels with k <= 8 and n <= 5, such as 16, 48, 64, "
            f"112, 128, 224, got {size}"
        )
    return edge, doublings


class Decoder(nn.Module):
    """The reconstruction net of MoExt (arXiv 2407.07345, table 2).

    Rows of that table, at 224 pixels and width 64: `row1` to `row3` double 1x1 to
    8x8; an average pool of 2 with stride 1 makes it 7x7; `row5` to `row8` double it
    to 112x112; `block1` to `block5` are row 9; row 10 doubles; `out` is row 11, with
    3 channels where the table misprints 512.

    The layers are the same at every size. The average pool leaves what `ladder`
    says, and only the last so many of the five later doublings take place.

    Attributes:
      size: edge of the image, pixels; see `ladder`.
      width: channels of row 8.
      upsample: how maps are doubled.
      output: after the last convolution; "relu" and "linear" start at 0.5, as a
        pixel that starts below 0 has no gradient under ReLU.
      compute: precision, convolution, rematerialised blocks.
      blocks: of row 9.
    """

    size: int
    width: int = 64
    upsample: Upsample = "nearest"
    output: Output = "relu"
    compute: Compute = Compute()
    blocks: int = 5

    @nn.compact
    def __call__(self, features: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns float32[B, size, size, 3] images from float[B, D] features."""
        if self.output not in OUTPUTS:
            raise ValueError(f"output must be in {[*OUTPUTS]}, got {self.output!r}")
        edge, doublings = ladder(self.size)
        unit = self.compute.block(ConvUnit)
        x = features[:, None, None]
        for name in ("row1", "row2", "row3"):
            x, compute = self._doubling(x)
            x = unit(8 * self.width, compute, name=name)(x, mask, train)
        window = (x.shape[1] - edge + 1,) * 2
        x = nn.avg_pool(at_least_single(x), window).astype(x.dtype)
        for i, share in enumerate((8, 4, 2, 1)):
            x, compute = self._doubling(x) if i >= 5 - doublings else (x, self.compute)
            name = f"row{5 + i}"
            x = unit(share * self.width, compute, name=name)(x, mask, train)
        block = self.compute.block(ConvBlock)
        for i in range(1, self.blocks + 1):
            name = f"block{i}"
            x = block(self.width // 2, self.compute, name=name)(x, mask, train)
        x, compute = self._doubling(x) if doublings else (x, self.compute)
        return OUTPUTS[self.output](at_least_single(self._out(x, compute)))

    def _doubling(self, x: jax.Array) -> tuple[jax.Array, Compute]:
        """Returns what to convolve, and how, to convolve the doubled `x`."""
        if self.upsample != "nearest" or x.shape[1] == 1:
            return doubled(x, self.upsample), self.compute
        conv = functools.partial(convolved_double, self.compute.conv)
        return x, dataclasses.replace(self.compute, conv=conv)

    def _out(self, x: jax.Array, compute: Compute) -> jax.Array:
        start = 0.0 if self.output == "sigmoid" else 0.5
        return convolution(
            3,
            3,
            compute,
            bias=True,
            init=nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform"),
            bias_init=nn.initializers.constant(start),
            name="out",
        )(x)


def doubled(x: jax.Array, kind: Upsample) -> jax.Array:
    """Returns [B, 2H, 2W, C], as PyTorch's `Upsample(scale_factor=2, mode=kind)`."""
    batch, height, width, channels = x.shape
    shape = (batch, 2 * height, 2 * width, channels)
    if kind == "bilinear":
        return jax.image.resize(x, shape, "bilinear")
    if kind != "nearest":
        raise ValueError(f"upsample must be nearest or bilinear, got {kind!r}")
    pairs = (batch, height, 2, width, 2, channels)
    return jnp.broadcast_to(x[:, :, None, :, None], pairs).reshape(shape)


def convolved_double(
    convolve: Convolution,
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **more,
) -> jax.Array:
    """Doubles a map as "nearest" does and convolves it by 3x3, padded by 1.

    Of three neighbours in the doubled map two are equal, so each of the four pixels
    that one becomes sees 2x2 pixels of the map, by sums of the kernel's entries: 16
    products instead of 36, and no doubled map in memory.

    Args:
      convolve: the four convolutions.
      lhs: [B, H, W, C] map.
      rhs: [3, 3, C, O] kernel.
      window_strides: must be 1.
      padding: must be 1 on all sides.
      **more: for `convolve`.

    Returns:
      [B, 2H, 2W, O].

    Raises:
      ValueError: for any other convolution.
    """
    given = (rhs.shape[:2], {*window_strides}, {n for pair in padding for n in pair})
    if given != ((3, 3), {1}, {1}):
        raise ValueError(f"must be 3x3, stride 1, padding 1, got {given}")
    # A sum rounds once, also where the net computes in half precision.
    columns = [_halves(rows, 1) for rows in _halves(at_least_single(rhs), 0)]
    kernels = [[kernel.astype(rhs.dtype) for kernel in row] for row in columns]
    return _interleaved(convolve, lhs, kernels, more)


def convolved_transposed(
    convolve: Convolution, lhs: jax.Array, kernel: jax.Array, **more
) -> jax.Array:
    """Doubles a map as PyTorch's `ConvTranspose2d(C, O, 4, stride=2, padding=1)` does.

    Each of the four pixels that one becomes sees 2x2 pixels of the map, by other
    entries of the kernel each, so that no zeros are put in between.

    Args:
      convolve: the four convolutions.
      lhs: [B, H, W, C] map.
      kernel: [4, 4, C, O], PyTorch's [C, O, 4, 4].
      **more: for `convolve`.

    Returns:
      [B, 2H, 2W, O].

    Raises:
      ValueError: for a kernel of another size.
    """
    if kernel.shape[:2] != (4, 4):
        raise ValueError(f"the kernel must be 4x4, got {kernel.shape[:2]}")
    taps = ((3, 1), (2, 0))  # of the former and the latter of two pixels
    kernels = [
        [kernel[jnp.array(rows)][:, jnp.array(columns)] for columns in taps]
        for rows in taps
    ]
    return _interleaved(convolve, lhs, kernels, more)


def _interleaved(convolve, lhs, kernels, more) -> jax.Array:
    """Returns [B, 2H, 2W, O] of the four 2x2 kernels that its pixels see a map by."""
    pixels = [
        [
            convolve(lhs, kernel, (1, 1), [(1 - i, i), (1 - j, j)], **more)
            for j, kernel in enumerate(row)
        ]
        for i, row in enumerate(kernels)
    ]
    batch, height, width, _ = lhs.shape
    pairs = jnp.stack([jnp.stack(row, axis=3) for row in pixels], axis=2)
    return pairs.reshape(batch, 2 * height, 2 * width, -1)


def _halves(kernel: jax.Array, axis: int) -> tuple[jax.Array, jax.Array]:
    """Returns what the first and the second of two equal pixels see of a kernel."""
    before, at, after = jnp.split(kernel, 3, axis)
    first = jnp.concatenate([before, at + after], axis)
    return first, jnp.concatenate([before + at, after], axis)
