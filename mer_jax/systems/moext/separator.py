"""The feature separator of MoExt: a backbone and its shape and texture branches.

Shapes: B images, H W image, h w its last map, D = 8 * width features (512).
"""

from typing import Literal

import flax.linen as nn
import jax

from mer_jax.models.blocks import Compute, ConvBlock, at_least_single
from mer_jax.models.images import by_imagenet
from mer_jax.models.plain import PlainNet
from mer_jax.models.resnet import ResNet18

Backbone = Literal["resnet18", "plain"]
BranchAct = Literal["none", "relu"]
Pool = Literal["gap", "flatten"]
InputNorm = Literal["unit", "imagenet"]

BACKBONES = {"resnet18": ResNet18, "plain": PlainNet}


class Branch(nn.Module):
    """What separates shape or texture: conv blocks, pool, dense layers.

    Attributes:
      blocks: number of conv blocks.
      layers: number of dense layers, with ReLU between them.
      pool: "gap" averages the map; "flatten" keeps every position.
      act: after the last layer; with "none" features can be negative.
      compute: of the convolutions; what follows the pool is float32.
    """

    blocks: int
    layers: int
    pool: Pool
    act: BranchAct
    compute: Compute

    @nn.compact
    def __call__(self, x: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns float32[B, D] from the map [B, h, w, D]."""
        features = x.shape[-1]
        block = self.compute.block(ConvBlock)
        for i in range(1, self.blocks + 1):
            x = block(features, self.compute, name=f"block{i}")(x, mask, train)
        x = pooled(at_least_single(x), self.pool)
        for i in range(1, self.layers + 1):
            x = nn.relu(x) if i > 1 else x
            x = nn.Dense(features, name=f"fc{i}")(x)
        if self.act not in ("none", "relu"):
            raise ValueError(f"branch_act must be none or relu, got {self.act!r}")
        return nn.relu(x) if self.act == "relu" else x


def pooled(x: jax.Array, kind: Pool) -> jax.Array:
    """Returns [B, D] or [B, h * w * D] from [B, h, w, D]."""
    if kind == "gap":
        return x.mean((1, 2))
    if kind == "flatten":
        return x.reshape(len(x), -1)
    raise ValueError(f"branch_pool must be gap or flatten, got {kind!r}")


class Separator(nn.Module):
    """Splits faces into shape and texture features.

    Attributes:
      width: of the backbone; D = 8 * width.
      branch_cb: conv blocks of a branch.
      branch_fc: dense layers of a branch.
      branch_pool: see `Branch`.
      input_norm: "imagenet" standardises the images as torchvision's weights expect.
      texture: False leaves the texture branch out.
      compute: of the convolutions.
      net: of the backbone.
      branch_act: see `Branch`.
    """

    width: int = 64
    branch_cb: int = 1
    branch_fc: int = 1
    branch_pool: Pool = "gap"
    input_norm: InputNorm = "unit"
    texture: bool = True
    compute: Compute = Compute()
    net: Backbone = "resnet18"
    branch_act: BranchAct = "none"

    @nn.compact
    def __call__(self, images: jax.Array, mask: jax.Array, *, train: bool):
        """Returns shape and texture, float32[B, D] each; None for one left out.

        Args:
          images: float[B, H, W, 3], RGB in [0, 1].
          mask: bool[B].
          train: see the module.
        """
        if self.net not in BACKBONES:
            raise ValueError(f"backbone: one of {[*BACKBONES]}, got {self.net!r}")
        images = standardised(images, self.input_norm)
        backbone = BACKBONES[self.net](self.width, self.compute, name="backbone")
        x = backbone(images, mask, train)

        def branch(name):
            make = Branch(
                self.branch_cb,
                self.branch_fc,
                self.branch_pool,
                self.branch_act,
                self.compute,
                name=name,
            )
            return make(x, mask, train)

        return branch("shape"), branch("texture") if self.texture else None


def standardised(images: jax.Array, kind: InputNorm) -> jax.Array:
    """Returns RGB images in [0, 1] as they are, or by ImageNet's mean and deviation."""
    if kind == "unit":
        return images
    if kind == "imagenet":
        return by_imagenet(images)
    raise ValueError(f"input_norm must be unit or imagenet, got {kind!r}")
