"""Convolution, ReLU, moments and max-pool of STSTNet, at the speed of the cache.

A step of this net moves far more bytes than it multiplies numbers. So clips are the
last axis, along which every operation runs over neighbours in memory; a chunk of clips
is worked on at once, so that what lies between two operations stays in the cache; and
for the gradient the convolution is computed again, not kept. The gradient is written
out, since what differentiation finds by itself reads and writes everything a third
oftener.

Shapes: B clips, b of a chunk, C channels, H W pixels, F filters, h w what the
convolution gives, h = H + 2, P Q pooled rows and columns.
"""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp

KERNEL, PADDING, POOL = 3, 2, 3  # pixels; the pool pads 1


def in_chunks(
    images: jax.Array,
    kernel: jax.Array,
    bias: jax.Array,
    sign: jax.Array,
    chunk: int | None,
) -> tuple[jax.Array, jax.Array, jax.Array, int]:
    """Applies `stem` to so many clips after the other.

    Images have no gradient.

    Args:
      images: [B, H, W, C], any dtype.
      kernel: [3, 3, C, F].
      bias: [F].
      sign: [F], 1 or -1: of which filters the greatest and the least is pooled.
      chunk: b; None, or what does not divide B, is all.

    Returns:
      Pooled activations [B, P, Q, F]; of each clip's activations before the pool, the
      means and the sums of squared distances from them [B, F]; and how many those are.
    """
    batch = len(images)
    if chunk is None or batch % chunk:
        chunk = batch
    split = images.reshape((batch // chunk, chunk) + images.shape[1:])
    clips_last = jax.lax.stop_gradient(split.transpose(0, 4, 2, 3, 1))
    block = functools.partial(stem, kernel=kernel, bias=bias, sign=sign)
    if chunk == batch:
        found = jax.tree.map(lambda x: x[None], block(clips_last[0]))
    else:
        found = jax.lax.map(block, clips_last)
    # [B/b, F, ..., b] -> [B, ..., F]
    pooled, means, scatters = (
        jnp.moveaxis(jnp.moveaxis(x, -1, 1), 2, -1).reshape(
            (batch,) + x.shape[2:-1] + x.shape[1:2]
        )
        for x in found
    )
    height, width = (n + 2 * PADDING - KERNEL + 1 for n in images.shape[1:3])
    return pooled, means, scatters, height * width


@jax.custom_vjp
def stem(
    images: jax.Array, kernel: jax.Array, bias: jax.Array, sign: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns pooled [F, P, Q, b], means [F, b] and scatters [F, b] of a chunk.

    Args:
      images: [C, H, W, b].
      kernel, bias, sign: see `in_chunks`.
    """
    return _forward(images, kernel, bias, sign)[0]


def _forward(images, kernel, bias, sign):
    _, linear = _convolve(images, kernel)
    pooled = _over_windows(jnp.maximum, linear * _map(sign), -jnp.inf) * _map(sign)
    active = jax.nn.relu(linear + _map(bias))
    means = active.mean((1, 2))
    scatters = jnp.square(active - means[:, None, None]).sum((1, 2))
    # ReLU and bias keep order, so that they may follow the pool.
    out = jax.nn.relu(pooled + _map(bias)), means, scatters
    return out, (images, kernel, bias, sign, means)


def _backward(residuals, cotangents):
    """Returns the gradients of kernel and bias.

    In a tie the pool's is split evenly, where PyTorch gives all of it to the first.
    """
    images, kernel, bias, sign, means = residuals
    of_pooled, of_means, of_scatters = cotangents
    rows, linear = _convolve(images, kernel)
    signed, active = linear * _map(sign), linear + _map(bias)
    shape, size = linear.shape[1:3], linear.shape[1] * linear.shape[2]
    # Found again: the same product may be rounded otherwise than forward.
    top = _over_windows(jnp.maximum, signed, -jnp.inf)
    hit = signed == _spread(top, shape, jnp.nan)
    hits = _over_windows(jnp.add, hit.astype(linear.dtype), 0)
    share = jnp.where(top * _map(sign) + _map(bias) > 0, of_pooled / hits, 0)
    # d mean / d a = 1 / size, d scatter / d a = 2 (a - mean).
    slope = 2 * of_scatters
    constant = of_means / size - slope * means
    spread = constant[:, None, None] + slope[:, None, None] * active
    gradient = jnp.where(hit, _spread(share, shape, 0), 0)
    gradient = (gradient + jnp.where(active > 0, spread, 0)).reshape(len(bias), -1)
    of_kernel = (rows @ gradient.T).reshape(kernel.shape)
    return None, of_kernel, gradient.sum(1), None


stem.defvjp(_forward, _backward)


def _map(per_filter: jax.Array) -> jax.Array:
    """Returns [F] as [F, 1, 1, 1]; ranks are never promoted silently."""
    return per_filter[:, None, None, None]


def _convolve(images, kernel):
    """Returns the windows [9 C, h w b] and what the kernel makes of them [F, h, w, b].

    One matrix product: XLA's own convolution is ten to fifty times slower to
    differentiate on a CPU, where it is padded or inside a loop.
    """
    border = (PADDING, PADDING)
    rows = jnp.pad(images.astype(kernel.dtype), ((0, 0), border, border, (0, 0)))
    for axis in (2, 1):  # columns, then rows, so that runs in memory stay long
        length = rows.shape[axis] - KERNEL + 1
        shifted = [
            jax.lax.slice_in_dim(rows, i, i + length, axis=axis) for i in range(KERNEL)
        ]
        rows = jnp.concatenate(shifted)
    shape = rows.shape[1:]
    rows = rows.reshape(len(rows), -1)
    filters = kernel.reshape(-1, kernel.shape[-1]).T
    return rows, (filters @ rows).reshape((len(filters),) + shape)


def _over_windows(combine: Callable, x: jax.Array, nothing: float) -> jax.Array:
    """Combines the values of every window of the pool, [F, h, w, b] to [F, P, Q, b].

    Windows are of 3x3 at stride 3 from position -1 on; incomplete ones are left out.

    Args:
      combine: of two arrays one, such as `jnp.maximum`.
      x: [F, h, w, b].
      nothing: what there is outside.
    """
    for axis in (1, 2):
        x = functools.reduce(combine, (_third(x, axis, o, nothing) for o in (0, 1, -1)))
    return x


def _windows(size: int) -> int:
    """Returns the number of windows of an axis."""
    return (size + 2 - POOL) // POOL + 1


def _third(x, axis: int, offset: int, nothing: float):
    """Returns of every window of an axis the value at `offset` -1, 0 or 1."""
    size, count = x.shape[axis], _windows(x.shape[axis])
    first = int(offset < 0)  # the window before which there is nothing
    end = min(size, POOL * (count - 1) + offset + 1)
    values = jax.lax.slice_in_dim(x, POOL * first + offset, end, POOL, axis)
    border = [(0, 0, 0)] * x.ndim
    border[axis] = (first, count - first - values.shape[axis], 0)
    return jax.lax.pad(values, jnp.array(nothing, x.dtype), border)


def _spread(x: jax.Array, shape: tuple[int, ...], nothing: float) -> jax.Array:
    """Gives every position its window's value, [F, P, Q, b] to [F, h, w, b].

    Args:
      x: [F, P, Q, b].
      shape: h, w.
      nothing: what positions have that lie in no window.
    """
    for axis, size in enumerate(shape, 1):
        count, whole = x.shape[axis], list(x.shape)
        whole.insert(axis + 1, POOL)
        x = jnp.broadcast_to(jnp.expand_dims(x, axis + 1), whole)
        x = x.reshape(whole[:axis] + [POOL * count] + whole[axis + 2 :])
        border = [(0, 0, 0)] * x.ndim
        border[axis] = (-1, size + 1 - POOL * count, 0)
        x = jax.lax.pad(x, jnp.array(nothing, x.dtype), border)
    return x
