"""The network of STSTNet (Liong et al. 2019), its three branches fused into one.

Shapes: B clips, H W pixels, F filters (all branches), P Q pooled rows, columns.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.patches import patches

KERNEL, PADDING, POOL = 3, 2, 3  # pixels; the pool pads 1
EPSILON, MOMENTUM = 1e-5, 0.9  # PyTorch's batch norm


def uniform_fan_in(fan_in: int) -> Callable[..., jax.Array]:
    """Returns PyTorch's default initialiser, U(-1/sqrt(fan_in), 1/sqrt(fan_in))."""
    bound = fan_in**-0.5

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return init


class STSTNet(nn.Module):
    """Conv, ReLU, batch norm, max-pool, dropout, average pool, dense.

    The paper's branches differ only in their number of filters and never mix
    before the dense layer, so one convolution with all filters is the same net.

    Attributes:
      num_classes: K.
      filters: of each branch.
      dropout: share of pooled values dropped in training.
      chunk: clips worked on at once, so that their activations stay in the
        cache; None for the whole batch.
    """

    num_classes: int
    filters: tuple[int, ...]
    dropout: float
    chunk: int | None

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, *, train: bool):
        """Returns float32[B, K] logits; "features", float32[B, D], are sown.

        Args:
          images: [B, H, W, 3], values 0..255, in the channel order trained on.
          mask: bool[B], False on rows that batch norm must not see.
          train: use and update batch statistics, drop out.
        """
        pooled = Stem(sum(self.filters), self.chunk, name="stem")(
            images, mask, train=train
        )
        pooled = nn.Dropout(self.dropout, deterministic=not train)(pooled)
        pooled = nn.avg_pool(pooled, (2, 2), strides=(2, 2))
        flat = pooled.reshape(len(pooled), -1)
        self.sow("intermediates", "features", flat)
        init = uniform_fan_in(flat.shape[1])
        return nn.Dense(
            self.num_classes, kernel_init=init, bias_init=init, name="head"
        )(flat)


class Stem(nn.Module):
    """Convolution, ReLU, batch norm over valid rows, 3x3 max-pool.

    Pooling comes before the normalisation: per channel that is an affine map,
    so the maximum of the map is the map of the maximum (of the minimum, where
    its slope is negative). Only the pooled tenth of the activations is kept;
    the rest is computed again for the gradient, chunk by chunk.
    """

    filters: int
    chunk: int | None

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, *, train: bool):
        """Returns float32[B, P, Q, F] from [B, H, W, C] images and bool[B] mask."""
        channels = images.shape[-1]
        init = uniform_fan_in(KERNEL * KERNEL * channels)
        kernel = self.param("kernel", init, (KERNEL, KERNEL, channels, self.filters))
        bias = self.param("bias", init, (self.filters,))
        scale = self.param("scale", nn.initializers.ones, (self.filters,))
        shift = self.param("shift", nn.initializers.zeros, (self.filters,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (self.filters,))
        var = self.variable("batch_stats", "var", jnp.ones, (self.filters,))

        sign = jax.lax.stop_gradient(jnp.where(scale < 0, -1.0, 1.0))
        block = jax.checkpoint(
            lambda rows: _conv_pool(
                rows[0], rows[1], kernel, bias, sign.astype(kernel.dtype)
            )
        )
        pooled, count, total, scatter = _in_chunks(block, (images, mask), self.chunk)
        if train and not self.is_initializing():
            mean_now, var_now, size = _merge_moments(count, total, scatter)
            unbiased = var_now * size / (size - 1)
            mean.value = MOMENTUM * mean.value + (1 - MOMENTUM) * mean_now
            var.value = MOMENTUM * var.value + (1 - MOMENTUM) * unbiased
        else:
            mean_now, var_now = mean.value, var.value
        slope = scale * jax.lax.rsqrt(var_now + EPSILON)
        return (pooled - _image(mean_now)) * _image(slope) + _image(shift)


def _image(per_filter: jax.Array) -> jax.Array:
    """Returns [F] as the image [1, 1, 1, F]; ranks are never promoted silently."""
    return per_filter[None, None, None]


def _conv_pool(images, mask, kernel, bias, sign):
    """Returns pooled [b, P, Q, F], and count [], mean and scatter [F] of a chunk.

    The scatter, the sum of squared distances from the chunk's own mean, loses no
    digits where the mean is large beside the spread; a sum of squares would.
    """
    windows = patches(images.astype(kernel.dtype), KERNEL, PADDING)
    active = nn.relu(windows @ kernel.reshape(-1, kernel.shape[-1]) + _image(bias))
    valid = mask[:, None, None, None]
    size = active.shape[1] * active.shape[2]
    count = mask.sum() * size
    safe = jnp.maximum(count, 1)  # a chunk of padding alone
    mean = jnp.where(valid, active, 0).sum((0, 1, 2)) / safe
    scatter = jnp.square(jnp.where(valid, active - _image(mean), 0)).sum((0, 1, 2))
    sign = _image(sign)
    return _max_pool(active * sign) * sign, count, mean, scatter


def _max_pool(x: jax.Array) -> jax.Array:
    """Max over 3x3 windows, stride 3, padding 1, incomplete windows left out.

    Maxima of slices instead of `reduce_window`, whose gradient is slow. A tie
    splits its gradient where PyTorch gives all to the first; after a ReLU ties
    are zeros, whose gradient is zero either way.
    """
    clips, height, width, filters = x.shape
    rows, columns = (height + 2 - POOL) // POOL + 1, (width + 2 - POOL) // POOL + 1
    border = [
        (1, POOL * n - size - 1) for n, size in ((rows, height), (columns, width))
    ]
    lowest = jnp.array(-jnp.inf, x.dtype)
    x = jax.lax.pad(x, lowest, [(0, 0, 0), *((*b, 0) for b in border), (0, 0, 0)])
    x = x.reshape(clips, rows, POOL, POOL * columns, filters)
    x = functools.reduce(jnp.maximum, (x[:, :, i] for i in range(POOL)))
    x = x.reshape(clips, rows, columns, POOL, filters)
    return functools.reduce(jnp.maximum, (x[:, :, :, i] for i in range(POOL)))


def _in_chunks(block, rows, chunk: int | None):
    """Applies `block` to chunks of the rows; moments gain a leading chunk axis."""
    batch = len(rows[1])
    if chunk is None or batch <= chunk or batch % chunk:
        pooled, *moments = block(rows)
        return pooled, *(m[None] for m in moments)
    split = lambda x: x.reshape((batch // chunk, chunk) + x.shape[1:])
    pooled, *moments = jax.lax.map(block, tuple(split(x) for x in rows))
    return pooled.reshape((batch,) + pooled.shape[2:]), *moments


def _merge_moments(count, mean, scatter):
    """Returns mean [F], variance [F] and count [] of all chunks [n] together."""
    size = count.sum()
    share = (count / size)[:, None]
    merged = (share * mean).sum(0)
    between = (share * jnp.square(mean - merged[None])).sum(0)
    return merged, scatter.sum(0) / size + between, size
