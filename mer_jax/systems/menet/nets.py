"""The two networks of MENet, for the expression (MENet) and the identity (IDNet).

Both are a ResNet-18 that keeps every frame and, in its last stage, the size of its
map. Shapes: B clips, T frames, H W image, h = H / 16 and w = W / 16 its last map,
D = 8 * width features (512), P = h * w positions. `mask` bool[B] is False on padding
clips, which no batch norm sees.
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import BatchNorm, Compute, at_least_single
from mer_jax.models.resnet import FAN_OUT, BasicBlock, max_pool
from mer_jax.models.video import convolution_for
from mer_jax.systems.menet.attention import Apply, Attention, Kind

Pool = Literal["global_max", "max_mean"]


class Found(NamedTuple):
    """What a network sees in clips.

    Attributes:
      map: float[B, T, h, w, D], the output of the last stage, Conv_4.
      attention: float32[B, T, P], each frame's sums to 1; None without attention.
    """

    map: jax.Array
    attention: jax.Array | None


class Branch(nn.Module):
    """A network up to its last map; attention comes before the last stage.

    Attributes:
      time: True for MENet, whose windows are as long in time as in space; False for
        IDNet, whose windows are one frame long.
      width: channels of the first stage.
      blocks: residual blocks of a stage.
      attention: the `kind` of `Attention`, a sub-module of this name.
      dao_apply: see `Attention`.
      dao_groups: see `Attention`.
      compute: precision, convolution, rematerialised blocks.
    """

    time: bool = True
    width: int = 64
    blocks: int = 2
    attention: Kind = "diverse"
    dao_apply: Apply = "residual_pool"
    dao_groups: int | None = None
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, clips: jax.Array, mask: jax.Array, train: bool) -> Found:
        """Runs clips, or all their frames as images of one batch, which is the same.

        Args:
          clips: float[B, T, H, W, 3].
          mask: bool[B].
          train: use and update batch statistics.
        """
        batch, frames = clips.shape[:2]
        by_frame = lambda x: x.reshape(batch, frames, *x.shape[-3:])
        x, rows = clips, mask
        if not self.time:
            x, rows = clips.reshape(-1, *clips.shape[2:]), jnp.repeat(mask, frames)
        stem = convolution_for(x)
        x = stem(self.width, 7, self.compute, stride=2, init=FAN_OUT, name="conv0")(x)
        x = max_pool(nn.relu(BatchNorm(name="bn0")(x, rows, train)))
        for stage, stride in ((1, 1), (2, 2), (3, 2)):
            x = self._stage(x, rows, train, stage, stride)
        attend = Attention(
            self.attention, self.dao_apply, self.dao_groups, name="attention"
        )
        attended, maps = attend(by_frame(x), mask, train)
        x = self._stage(attended.reshape(x.shape), rows, train, 4, 1)
        return Found(by_frame(x), maps)

    def _stage(self, x, mask, train: bool, stage: int, stride: int):
        block = self.compute.block(BasicBlock)
        features = self.width * 2 ** (stage - 1)
        for i, step in enumerate((stride, *[1] * (self.blocks - 1))):
            name = f"layer{stage}_{i}"
            x = block(features, step, self.compute, name=name)(x, mask, train)
        return x


def pair_features(map: jax.Array) -> jax.Array:
    """Returns what the critic pairs, float32[B, T, D]: a frame's spatial maxima.

    Args:
      map: float[B, T, h, w, D].
    """
    positions = map.reshape(*map.shape[:2], -1, map.shape[-1])
    return at_least_single(greatest(positions, 2))


def pooled(map: jax.Array, kind: Pool) -> jax.Array:
    """Returns what is classified of a map, float32[B, D].

    Args:
      map: float[B, T, h, w, D].
      kind: "global_max" over frames and positions; "max_mean" over positions, then
        the mean over frames.

    Raises:
      ValueError: for another `kind`.
    """
    if kind not in ("global_max", "max_mean"):
        raise ValueError(f"pool must be global_max or max_mean, got {kind!r}")
    features = pair_features(map)
    return greatest(features, 1) if kind == "global_max" else features.mean(1)


def greatest(x: jax.Array, axis: int) -> jax.Array:
    """Returns the maxima over an axis; the gradient goes to the first, as PyTorch's.

    That of `jnp.max` is NaN where XLA computes `x` once more for it, rounds it in
    another way, and finds none that equals the maximum.
    """
    first = jnp.argmax(x, axis, keepdims=True)
    index = jax.lax.broadcasted_iota(first.dtype, x.shape, axis)
    return jnp.where(index == first, x, 0).sum(axis)


class Head(nn.Module):
    """Pools the last map and classifies it by one dense layer, `fc`.

    Attributes:
      num_classes: K.
      pool: see `pooled`.
    """

    num_classes: int
    pool: Pool = "global_max"

    @nn.compact
    def __call__(self, map: jax.Array) -> jax.Array:
        """Returns logits, float32[B, K], from float[B, T, h, w, D]."""
        return nn.Dense(self.num_classes, name="fc")(pooled(map, self.pool))
