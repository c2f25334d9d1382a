"""The two-stream net that MiNet and MaNet are, each with weights of its own.

Xia & Wang 2021 (IJCAI), section 3. One stream sees the apex, the other every frame
from the onset to the apex by itself.

Shapes: B clips, T frames, S pixels, h w the last map, D = 8 * width features (512),
K classes. `mask` bool[B] is False on padding clips, which no batch norm sees.
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import Compute, at_least_single
from mer_jax.models.plain import PlainNet
from mer_jax.models.resnet import ResNet18

Encoder = Literal["resnet18", "plain"]


class Found(NamedTuple):
    """What the streams see in clips.

    Attributes:
      map: float[B, h, w, D], U^A, the last map of the apex.
      apex: float32[B, D], f^A, its mean over positions.
      frames: float32[B, T, D], f^1 to f^T, the same of every frame.
    """

    map: jax.Array
    apex: jax.Array
    frames: jax.Array


class TwoStream(nn.Module):
    """Sub-modules `spatial`, of the apex, and `temporal`, of all frames.

    Attributes:
      width: channels of the first stage of either.
      blocks: residual blocks of a stage, where there are any.
      encoder: what either is.
      compute: precision, convolution, rematerialised blocks.
    """

    width: int = 64
    blocks: int = 2
    encoder: Encoder = "resnet18"
    compute: Compute = Compute()

    @nn.compact
    def __call__(
        self, apex: jax.Array, clip: jax.Array, mask: jax.Array, train: bool
    ) -> Found:
        """Runs all frames as images of one batch, which share its statistics.

        Args:
          apex: float[B, S, S, 3].
          clip: float[B, T, S, S, 3].
          mask: bool[B].
          train: use and update batch statistics.

        Raises:
          ValueError: for another `encoder`.
        """
        batch, frames = clip.shape[:2]
        map = self._encoder("spatial")(apex, mask, train)
        images = clip.reshape(-1, *clip.shape[2:])
        maps = self._encoder("temporal")(images, jnp.repeat(mask, frames), train)
        return Found(map, averaged(map), averaged(maps).reshape(batch, frames, -1))

    def _encoder(self, name: str) -> nn.Module:
        if self.encoder == "plain":
            return PlainNet(self.width, self.compute, name=name)
        if self.encoder != "resnet18":
            raise ValueError(f"encoder must be resnet18 or plain, got {self.encoder!r}")
        return ResNet18(self.width, self.compute, self.blocks, name=name)


def averaged(map: jax.Array) -> jax.Array:
    """Returns the mean over positions, float32[B, D], of float[B, h, w, D]."""
    return at_least_single(map).mean((1, 2))


def fused(apex: jax.Array, video: jax.Array) -> jax.Array:
    """Returns z, float[B, D + E]: f^A beside v, what all frames come to.

    Args:
      apex: float[B, D].
      video: float[B, E].
    """
    return jnp.concatenate([apex, video], axis=-1)


class Classifier(nn.Module):
    """C_e, one dense layer, `fc`.

    Attributes:
      num_classes: K.
    """

    num_classes: int

    @nn.compact
    def __call__(self, z: jax.Array) -> jax.Array:
        """Returns logits, float32[B, K], from z, float32[B, D + E]."""
        return nn.Dense(self.num_classes, name="fc")(z)
