"""Convolutions in the place of XLA's: as one matrix product, and by shape."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from mer_jax.models.patches import windows
from mer_jax.models.winograd import winograd

Convolution = Callable[..., jax.Array]  # with the signature of lax's
MANY = 64  # channels from which `for_cpu` takes `winograd`


def im2col(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    lhs_dilation: Sequence[int] = (1, 1),
    rhs_dilation: Sequence[int] = (1, 1),
    dimension_numbers=None,
    feature_group_count: int = 1,
    precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
    """`jax.lax.conv_general_dilated` for what our nets ask of it.

    Give it to `nn.Conv(conv_general_dilated=...)` on a CPU inside loops, where the
    gradient of XLA's own takes ten to fifty times longer, and where many nets are
    trained by one program.

    Args:
      lhs: [B, H, W, C] images.
      rhs: [kh, kw, C, O] kernel.
      window_strides: of rows and columns.
      padding: zeros (before, after) rows and columns.
      lhs_dilation: must be 1.
      rhs_dilation: must be 1.
      dimension_numbers: as `nn.Conv` gives them; NHWC, HWIO, NHWC are meant.
      feature_group_count: must be 1.
      precision: of the matrix product.

    Returns:
      [B, H', W', O].

    Raises:
      ValueError: if dilated or grouped.
    """
    if {*lhs_dilation, *rhs_dilation, feature_group_count} != {1}:
        raise ValueError("im2col neither dilates nor groups")
    rows = windows(lhs, rhs.shape[:2], window_strides, padding)
    return jnp.matmul(rows, rhs.reshape(-1, rhs.shape[-1]), precision=precision)


def for_cpu(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    **more,
) -> jax.Array:
    """The fastest convolution on a CPU, by shape, for one net outside loops.

    `im2col` for maps of an edge shorter than the kernel's, and where strides leave
    fewer than 3 pixels of one, where XLA's own is up to fifty times slower. `winograd`
    for 3x3 kernels of stride 1, 64 channels or more and float32 at least, on maps that
    its tiles of 2x2 pixels fill well. For all others XLA's.

    Args:
      lhs: [B, H, W, C] images.
      rhs: [kh, kw, C, O] kernel.
      window_strides: of rows and columns.
      padding: zeros (before, after) rows and columns.
      **more: see `im2col`.

    Returns:
      [B, H', W', O].
    """
    edges = lhs.shape[1:3]
    left = [-(-n // s) for n, s in zip(edges, window_strides, strict=True)]
    tiled = all(n > 4 or n in (2, 4) for n in edges)
    wide = min(rhs.shape[2:]) >= MANY and jnp.finfo(lhs.dtype).bits >= 32
    convolve: Convolution = jax.lax.conv_general_dilated
    if rhs.shape[:2] == (3, 3) and {*window_strides} == {1} and tiled and wide:
        convolve = winograd
    elif min(edges) < max(rhs.shape[:2]) or min(left) < 3:
        convolve = im2col
    return convolve(lhs, rhs, window_strides, padding, **more)
