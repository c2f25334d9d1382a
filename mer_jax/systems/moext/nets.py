"""The nets of MoExt (Li, Wang et al., arXiv 2407.07345).

Shapes: B clips, V = 2m views of each (m of the onset, then m of the apex), H W image,
D = 8 * width features (512), P projected features. `mask` bool[B] is False on padding
clips, which no batch norm sees. All nets train or predict by the keyword `train`.

The top-level modules are `separator` (`backbone`, `shape`, `texture`), `motion`,
`decoder`, `projection` and `head`.
"""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import HE, Compute, ConvBlock, DenseBlock
from mer_jax.models.decoder import Decoder
from mer_jax.systems.moext.separator import Separator

MotionBlock = Literal["dense", "conv3x3", "absdiff", "apex"]
ProjectionKind = Literal["identity", "linear", "mlp"]
ReconViews = Literal["first", "all"]
HeadKind = Literal["fc", "mlp"]


class Motion(nn.Module):
    """M = CB2(concat(CB1(|S_a - S_o|), S_a)), the motion from onset to apex.

    Attributes:
      block: what a conv block CB is on a 1x1 map. "dense": dense layers. "conv3x3":
        the same function, with the 8 of 9 weights that only ever read padding.
        "absdiff": none, M = |S_a - S_o|. "apex": M = S_a, which sees no motion: a
        control, not of the paper.
      compute: of "conv3x3"; "dense" is float32, as M is a small difference.
    """

    block: MotionBlock = "dense"
    compute: Compute = Compute()

    @nn.compact
    def __call__(
        self, onset: jax.Array, apex: jax.Array, mask: jax.Array, *, train: bool
    ) -> jax.Array:
        """Returns M, float32[B, D], from shape features S_o and S_a, float[B, D]."""
        moved = jnp.abs(apex - onset)
        plain = {"absdiff": moved, "apex": apex}
        if self.block in plain:
            return plain[self.block]
        first, second = (self._block(onset.shape[1], f"cb{i}") for i in (1, 2))
        both = jnp.concatenate([first(moved, mask, train), apex], axis=-1)
        return second(both, mask, train)

    def _block(self, features: int, name: str):
        if self.block == "dense":
            return DenseBlock(features, name=name)
        if self.block != "conv3x3":
            raise ValueError(
                "motion_block must be dense, conv3x3, absdiff or apex, got "
                f"{self.block!r}"
            )
        single = Compute(conv=self.compute.conv)
        block = ConvBlock(features, single, name=name)
        return lambda x, mask, train: block(x[:, None, None], mask, train)[:, 0, 0]


class Projection(nn.Module):
    """f, to the space in which the contrastive losses measure distances.

    Attributes:
      kind: "mlp": D to D, ReLU, to P; "linear": D to P; "identity".
      features: P, where there is a layer.
      unit: scale the result to length 1.
    """

    kind: ProjectionKind = "mlp"
    features: int = 128
    unit: bool = True

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns float32[..., P] from float[..., D]."""
        if self.kind not in ("identity", "linear", "mlp"):
            raise ValueError(
                f"projection must be identity, linear or mlp, got {self.kind!r}"
            )
        if self.kind == "mlp":
            x = nn.relu(nn.Dense(x.shape[-1], kernel_init=HE, name="hidden")(x))
        if self.kind != "identity":
            x = nn.Dense(self.features, name="out")(x)
        return unit(x) if self.unit else x


def unit(x: jax.Array) -> jax.Array:
    """Returns float[..., P] scaled to length 1; a zero vector stays zero."""
    squared = jnp.square(x).sum(-1, keepdims=True)
    return x * jax.lax.rsqrt(jnp.where(squared > 0, squared, 1))


class Pretrained(NamedTuple):
    """What the losses of pre-training compare.

    Attributes:
      shape: float32[B, V, P], e(S).
      texture: float32[B, V, P], e(T).
      anchor: float32[P], e of the mean of S over all views of valid clips.
      reconstruction: float32[B, R, H, W, 3], the apex of the first R views.
      motion: float32[B, R, D], M of these views.
    """

    shape: jax.Array
    texture: jax.Array
    anchor: jax.Array
    reconstruction: jax.Array
    motion: jax.Array


class Pretraining(nn.Module):
    """Everything that is pre-trained; sub-modules go by their fields' names.

    Attributes:
      separator: with its texture branch.
      motion: from the shapes of a view's onset and apex.
      decoder: from motion and the onset's texture to the apex.
      projection: e(.), in the losses alone.
      recon_views: reconstruct the first view, the original, or all m.
      lst_anchor_sg: stop the gradient through the mean shape.
    """

    separator: Separator
    motion: Motion
    decoder: Decoder
    projection: Projection
    recon_views: ReconViews = "first"
    lst_anchor_sg: bool = False

    def __call__(self, views: jax.Array, mask: jax.Array, *, train: bool) -> Pretrained:
        """Runs all views through the separator at once, so they share statistics.

        Args:
          views: float[B, V, H, W, 3], RGB in [0, 1].
          mask: bool[B].
          train: see the module.
        """
        if self.recon_views not in ("first", "all"):
            raise ValueError(f"recon_views: first or all, got {self.recon_views!r}")
        (batch, count), image = views.shape[:2], views.shape[2:]
        flat = self.separator(
            views.reshape(-1, *image), jnp.repeat(mask, count), train=train
        )
        shape, texture = (x.reshape(batch, count, -1) for x in flat)
        half = count // 2
        used = half if self.recon_views == "all" else 1
        rows = lambda x: x.reshape(batch * used, -1)
        valid = jnp.repeat(mask, used)
        motion = self.motion(
            rows(shape[:, :used]),
            rows(shape[:, half : half + used]),
            valid,
            train=train,
        )
        code = jnp.concatenate([motion, rows(texture[:, :used])], axis=-1)
        return Pretrained(
            shape=self.projection(shape),
            texture=self.projection(texture),
            anchor=self.projection(self._mean(shape, mask)),
            reconstruction=self.decoder(code, valid, train).reshape(
                batch, used, *image
            ),
            motion=motion.reshape(batch, used, -1),
        )

    def _mean(self, shape: jax.Array, mask: jax.Array) -> jax.Array:
        """Returns the mean [D] of [B, V, D] over views and valid clips."""
        total = jnp.where(mask[:, None], shape.mean(1), 0).sum(0)
        mean = total / jnp.maximum(mask.sum(), 1)
        return jax.lax.stop_gradient(mean) if self.lst_anchor_sg else mean


class Classified(NamedTuple):
    """float32[B, K] logits, and M, float32[B, D], that they come from."""

    logits: jax.Array
    motion: jax.Array


class HiddenHead(nn.Module):
    """D to D, ReLU, to K logits."""

    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Returns float32[B, K] from float32[B, D]."""
        x = nn.relu(nn.Dense(x.shape[-1], kernel_init=HE, name="hidden")(x))
        return nn.Dense(self.num_classes, name="out")(x)


HEADS = {"fc": nn.Dense, "mlp": HiddenHead}


class Objective(nn.Module):
    """Classifies the motion; sub-modules go by their fields' names, and `head`.

    Attributes:
      separator: without its texture branch.
      motion: as pre-trained.
      num_classes: K.
      kind: of the head: one dense layer, or two.
      dropout: share of the motion feature that is left out before it, in training;
        draws from the stream "dropout".
    """

    separator: Separator
    motion: Motion
    num_classes: int
    kind: HeadKind = "fc"
    dropout: float = 0.0

    @nn.compact
    def __call__(
        self, frames: jax.Array, mask: jax.Array, *, train: bool
    ) -> Classified:
        """Runs onset and apex through the separator at once.

        Args:
          frames: float[B, 2, H, W, 3], onset and apex, RGB in [0, 1].
          mask: bool[B].
          train: see the module.
        """
        flat = frames.reshape(-1, *frames.shape[2:])
        shape, _ = self.separator(flat, jnp.repeat(mask, 2), train=train)
        onset, apex = jnp.moveaxis(shape.reshape(len(frames), 2, -1), 1, 0)
        motion = self.motion(onset, apex, mask, train=train)
        if self.kind not in HEADS:
            raise ValueError(f"head must be fc or mlp, got {self.kind!r}")
        seen = nn.Dropout(self.dropout, deterministic=not train)(motion)
        return Classified(HEADS[self.kind](self.num_classes, name="head")(seen), motion)
