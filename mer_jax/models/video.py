"""Convolutions of clips [B, T, H, W, C], three-dimensional or as those of images."""

import functools
from collections.abc import Callable, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import HE, Compute, convolution
from mer_jax.models.convolution import Convolution

IMAGES = ("NHWC", "HWIO", "NHWC")


def convolution_for(x: jax.Array) -> Callable[..., nn.Conv]:
    """Returns `convolution` for images [B, H, W, C], `clip_convolution` for clips."""
    return clip_convolution if x.ndim == 5 else convolution


def clip_convolution(
    features: int,
    size: int,
    compute: Compute,
    *,
    stride: int = 1,
    init: nn.initializers.Initializer = HE,
    name: str,
) -> nn.Conv:
    """Returns a convolution of clips, of a window as long in time as in space.

    It takes every frame, and every `stride`-th row and column. Zeros pad it by half
    its window on all six sides: frames that nobody filmed come before the first and
    after the last. Where `compute.conv` is XLA's own, so is this one; any other is
    asked for convolutions of images, see `of_frames`.
    """
    convolve = compute.conv
    if convolve is not jax.lax.conv_general_dilated:
        convolve = functools.partial(of_frames, convolve)
    return nn.Conv(
        features,
        (size, size, size),
        strides=(1, stride, stride),
        padding=[(size // 2, size // 2)] * 3,
        use_bias=False,
        dtype=compute.dtype,
        kernel_init=init,
        conv_general_dilated=convolve,
        name=name,
    )


def of_frames(
    convolve: Convolution,
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] = (1, 1, 1),
    rhs_dilation: Sequence[int] = (1, 1, 1),
    dimension_numbers=None,
    feature_group_count: int = 1,
    precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
    """Convolution of clips as one of images, whose channels are those of all taps.

    XLA's three-dimensional convolution takes 1.5 to 40 times as long on a CPU. A sum
    over taps of convolutions of images is as fast at best, one product with all
    windows of clips (im2col) up to five times slower.

    Args:
      convolve: of images, e.g. `for_cpu`.
      lhs: [B, T, H, W, C] clips.
      rhs: [kt, kh, kw, C, O] kernel.
      window_strides: of frames, which must be 1, rows and columns.
      padding: zeros (before, after) frames, rows and columns.
      lhs_dilation: must be 1.
      rhs_dilation: must be 1.
      dimension_numbers: as `nn.Conv` gives them; NDHWC, DHWIO, NDHWC are meant.
      feature_group_count: must be 1.
      precision: of the convolution.

    Returns:
      [B, T', H', W', O].

    Raises:
      ValueError: if dilated, grouped or strided in time.
    """
    ones = {window_strides[0], *lhs_dilation, *rhs_dilation, feature_group_count}
    if ones != {1}:
        raise ValueError("of_frames neither dilates, groups nor leaves out frames")
    taps, height, width, channels, features = rhs.shape
    padded = jnp.pad(lhs, ((0, 0), padding[0], (0, 0), (0, 0), (0, 0)))
    count = padded.shape[1] - taps + 1
    shifted = [padded[:, i : i + count] for i in range(taps)]
    beside = jnp.concatenate(shifted, axis=-1)
    kernel = jnp.moveaxis(rhs, 0, 2).reshape(height, width, taps * channels, features)
    images = convolve(
        beside.reshape(-1, *beside.shape[2:]),
        kernel,
        window_strides[1:],
        padding[1:],
        dimension_numbers=IMAGES,
        precision=precision,
    )
    return images.reshape(len(lhs), count, *images.shape[1:])
