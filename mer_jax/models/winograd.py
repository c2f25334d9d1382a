"""Convolution 3x3 of stride 1 by 16 products for 4 pixels, where 36 are usual.

Winograd's minimal filtering F(2x2, 3x3), in the notation of Lavin and Gray 2016
(arXiv 1509.09308): Y = A'[(G g G') * (B' d B)]A for a kernel g and every tile d of
4x4 pixels, each two pixels on from the one before.

A "grid" is a list of lists of arrays, one for each place of a tile or kernel: XLA
then makes each array by one loop and hands it to one matrix product.
"""

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

Grid = Sequence[Sequence[jax.Array]]
Padding = Sequence[tuple[int, int]]
WIDE = 128  # channels from which the kernel's gradient, too, is faster this way


def winograd(
    lhs: jax.Array,
    rhs: jax.Array,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] = (1, 1),
    rhs_dilation: Sequence[int] = (1, 1),
    dimension_numbers=None,
    feature_group_count: int = 1,
    precision: jax.lax.PrecisionLike = None,
) -> jax.Array:
    """`jax.lax.conv_general_dilated` for 3x3 kernels and stride 1.

    Args:
      lhs: [B, H, W, C] images.
      rhs: [3, 3, C, O] kernel.
      window_strides: must be 1.
      padding: zeros (before, after) rows and columns, at most 2.
      lhs_dilation: must be 1.
      rhs_dilation: must be 1.
      dimension_numbers: as `nn.Conv` gives them; NHWC, HWIO, NHWC are meant.
      feature_group_count: must be 1.
      precision: of the matrix products.

    Returns:
      [B, H', W', O].

    Raises:
      ValueError: for any other convolution.
    """
    ones = {*window_strides, *lhs_dilation, *rhs_dilation, feature_group_count}
    if ones != {1} or rhs.shape[:2] != (3, 3):
        raise ValueError("winograd is for plain 3x3 convolutions of stride 1")
    hashable = tuple((before, after) for before, after in padding)
    return _convolved(lhs, rhs, hashable, precision)


# The derivatives are convolutions, too; as transposes of the sums below they would
# take twice as long.
@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _convolved(images, kernel, padding, precision):
    product = functools.partial(jnp.einsum, "bhwc,co->bhwo", precision=precision)
    return _filtered(images, _both(_of_taps, kernel), padding, product)


def _forward(images, kernel, padding, precision):
    return _convolved(images, kernel, padding, precision), (images, kernel)


def _backward(padding, precision, saved, slope):
    images, kernel = saved
    # The turned kernel has the same sixteen arrays in another order, and XLA keeps
    # those of the forward pass.
    grid = _both(_of_taps, kernel)
    turned = [[grid[i][j] for j in (3, 1, 2, 0)] for i in (3, 1, 2, 0)]
    wider = tuple((2 - before, 2 - after) for before, after in padding)
    product = functools.partial(jnp.einsum, "bhwo,co->bhwc", precision=precision)
    to_images = _filtered(slope, turned, wider, product)
    if min(kernel.shape[2:]) >= WIDE:
        return to_images, _to_kernel(images, slope, padding, precision)
    native = functools.partial(
        jax.lax.conv_general_dilated,
        images,
        window_strides=(1, 1),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision=precision,
    )
    return to_images, *jax.linear_transpose(native, kernel)(slope)


_convolved.defvjp(_forward, _backward)


def _filtered(images, kernel: Grid, padding: Padding, product: Callable):
    """Returns the convolution, given the transformed kernel."""
    tiles, height, width = _tiles(images, padding)
    products = [
        [product(*pair) for pair in zip(*rows, strict=True)]
        for rows in zip(tiles, kernel, strict=True)
    ]
    rows = [jnp.stack(row, axis=3) for row in _both(_to_pixels, products)]
    pairs = jnp.stack(rows, axis=2)  # [B, H / 2, 2, W / 2, 2, O]
    batch, down, _, along, _, features = pairs.shape
    whole = pairs.reshape(batch, 2 * down, 2 * along, features)
    return whole[:, :height, :width]


def _to_kernel(images, slope, padding: Padding, precision):
    """Returns the gradient of the kernel."""
    tiles, height, width = _tiles(images, padding)
    even = jnp.pad(slope, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    pixels = [[even[:, i::2, j::2] for j in range(2)] for i in range(2)]
    places = [
        jnp.stack([x.reshape(-1, x.shape[-1]) for row in grid for x in row])
        for grid in (tiles, _both(_of_pixels, pixels))
    ]
    products = jnp.einsum("ntc,nto->nco", *places, precision=precision)
    grid = products.reshape(4, 4, *products.shape[1:])
    return jnp.stack([jnp.stack(row) for row in _both(_to_taps, grid)])


def _tiles(images, padding: Padding):
    """Returns the transformed tiles, and height and width of the convolution."""
    sizes = [n + sum(p) - 2 for n, p in zip(images.shape[1:3], padding, strict=True)]
    more = [(a, b + n % 2) for n, (a, b) in zip(sizes, padding, strict=True)]
    padded = jnp.pad(images, ((0, 0), *more, (0, 0)))
    down, along = (2 * ((n + 1) // 2) - 1 for n in sizes)
    grid = [
        [padded[:, i : i + down : 2, j : j + along : 2] for j in range(4)]
        for i in range(4)
    ]
    return _both(_of_pixels_in_tile, grid), *sizes


def _both(transform: Callable, grid) -> Grid:
    """Transforms the rows of a grid, then its columns."""
    rows = [transform(*row) for row in grid]
    columns = [transform(*column) for column in zip(*rows, strict=True)]
    return [*zip(*columns, strict=True)]


def _of_pixels_in_tile(a, b, c, d):  # B'
    return a - c, b + c, c - b, b - d


def _of_taps(a, b, c):  # G
    return a, (a + b + c) / 2, (a - b + c) / 2, c


def _to_pixels(a, b, c, d):  # A'
    return a + b + c, b - c - d


def _of_pixels(a, b):  # A
    return a, a + b, a - b, -b


def _to_taps(a, b, c, d):  # G'
    return a + (b + c) / 2, (b - c) / 2, (b + c) / 2 + d
