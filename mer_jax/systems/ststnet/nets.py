"""The network of STSTNet (Liong et al. 2019), its three branches fused into one.

Shapes: B clips, H W pixels, F filters (all branches), P Q pooled rows, columns.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.systems.ststnet.stem import KERNEL, in_chunks

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
    its slope is negative). How that is computed: see stem.py.
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

        sign = jnp.where(scale < 0, -1, 1).astype(kernel.dtype)
        pooled, means, scatters, size = in_chunks(
            images, kernel, bias, sign, self.chunk
        )
        if train and not self.is_initializing():
            mean_now, var_now, count = merge_moments(mask, means, scatters, size)
            unbiased = var_now * count / (count - 1)
            mean.value = MOMENTUM * mean.value + (1 - MOMENTUM) * mean_now
            var.value = MOMENTUM * var.value + (1 - MOMENTUM) * unbiased
        else:
            mean_now, var_now = mean.value, var.value
        slope = scale * jax.lax.rsqrt(var_now + EPSILON)
        return (pooled - _image(mean_now)) * _image(slope) + _image(shift)


def _image(per_filter: jax.Array) -> jax.Array:
    """Returns [F] as the image [1, 1, 1, F]; ranks are never promoted silently."""
    return per_filter[None, None, None]


def merge_moments(mask: jax.Array, means: jax.Array, scatters: jax.Array, size: int):
    """Returns mean [F], variance [F] and number [] of the values of valid clips.

    Args:
      mask: bool[B], False on clips that do not count.
      means, scatters: float[B, F], of each clip's values their mean and the sum of
        squared distances from it, which loses no digits where the mean is large
        beside the spread; a sum of squares would.
      size: values of a clip and filter.
    """
    valid, clips = mask[:, None], mask.sum()
    mean = jnp.where(valid, means, 0).sum(0) / clips
    apart = scatters / size + jnp.square(means - mean[None])
    return mean, jnp.where(valid, apart, 0).sum(0) / clips, clips * size
