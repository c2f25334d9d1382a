"""Where a net looks in each frame: MENet's diverse attention operation, and IDNet's.

After Hou et al. 2021 (BiCnet-TKS), without its pooling to stripes of pedestrians.

Shapes: B clips, T frames, P = h * w positions of a map, C channels, G branches.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import BatchNorm, at_least_single

Kind = Literal["diverse", "self", "none"]
Apply = Literal["residual_pool", "gate"]

# A norm for each branch, of [G, N, D] by masks [G, N]; its leaves are [G, D].
BranchNorm = nn.vmap(
    BatchNorm,
    in_axes=(0, 0, None),
    variable_axes={"params": 0, "batch_stats": 0},
    split_rngs={"params": True},
)


class Attention(nn.Module):
    """Attends to positions of every frame, and adds what it sees there to the frame.

    The first branch attends where features are great on average and has no weights:
    M = softmax_p(mean_c F). All others have their own: a 1x1 convolution to one
    channel, a dense layer that mixes positions, batch norm, softmax. The norm is over
    clips and the branch's frames, for each position by itself, as Hou et al. have it;
    their biases of convolution and layer, which it takes away again, are left out.

    Attributes:
      kind: "diverse": a branch for each frame, the first for the first frame. "self":
        the first branch for all frames. "none": features stay as they are.
      dao_apply: "residual_pool" adds to a frame its mean feature by M, batch normed by
        branch at a scale that begins at 0. "gate" multiplies by 1 + P * M.
      dao_groups: of "diverse": most branches there may be; consecutive frames, equally
        many for each branch but the last, then share one. None for one a frame.
    """

    kind: Kind = "diverse"
    dao_apply: Apply = "residual_pool"
    dao_groups: int | None = None

    @nn.compact
    def __call__(
        self, x: jax.Array, mask: jax.Array, train: bool
    ) -> tuple[jax.Array, jax.Array | None]:
        """Returns features like `x`, and M, float32[B, T, P]; None of "none".

        Args:
          x: float[B, T, h, w, C], F.
          mask: bool[B], False on rows that batch norm must not see.
          train: use and update batch statistics.

        Raises:
          ValueError: for a value that a field does not have.
        """
        self._check()
        if self.kind == "none":
            return x, None
        batch, frames, *_, channels = x.shape
        flat = at_least_single(x).reshape(batch, frames, -1, channels)
        length = self._length(frames)
        logits = flat[:, :length].mean(-1)
        if length < frames:
            learned = self._learned(flat[:, length:], mask, length, train)
            logits = jnp.concatenate([logits, learned], axis=1)
        maps = jax.nn.softmax(logits)
        return self._applied(x, flat, maps, mask, length, train), maps

    def _check(self):
        if self.kind not in ("diverse", "self", "none"):
            raise ValueError(f"attention: diverse, self or none, got {self.kind!r}")
        if self.dao_apply not in ("residual_pool", "gate"):
            raise ValueError(
                f"dao_apply must be residual_pool or gate, got {self.dao_apply!r}"
            )
        if self.dao_groups is not None and self.dao_groups < 1:
            raise ValueError(f"dao_groups must be at least 1, got {self.dao_groups}")

    def _length(self, frames: int) -> int:
        """Returns the number of consecutive frames of a branch."""
        if self.kind == "self":
            return frames
        return -(-frames // (self.dao_groups or frames))

    def _learned(self, x, mask, length: int, train: bool):
        """Returns logits [B, T, P] of frames [B, T, P, C] by branches of their own."""
        batch, frames, positions, channels = x.shape
        count = -(-frames // length)
        init = nn.initializers.lecun_normal(batch_axis=(0,))
        pointwise = self.param("pointwise", init, (count, channels, 1))
        mixing = self.param("mixing", init, (count, positions, positions))
        by_frame = jnp.repeat(pointwise[..., 0], length, axis=0)[:frames]
        seen = grouped(jnp.einsum("btpc,tc->btp", x, by_frame), length)
        mixed = jnp.einsum("gnp,gpq->gnq", seen, mixing)
        valid = grouped(by_clip(mask, frames), length)
        normal = BranchNorm(name="norm")(mixed, valid, train)
        return ungrouped(normal, batch, frames)

    def _applied(self, x, flat, maps, mask, length: int, train: bool):
        """Returns the features that were attended to, [B, T, h, w, C]."""
        batch, frames, positions, _ = flat.shape
        if self.dao_apply == "gate":
            return (x * (1 + positions * maps).reshape(*x.shape[:4], 1)).astype(x.dtype)
        pooled = grouped(jnp.einsum("btp,btpc->btc", maps, flat), length)
        valid = grouped(by_clip(mask, frames), length)
        norm = BranchNorm(scale_init=nn.initializers.zeros, name="norm_out")
        added = ungrouped(norm(pooled, valid, train), batch, frames)
        return x + added[:, :, None, None].astype(x.dtype)


def by_clip(mask: jax.Array, frames: int) -> jax.Array:
    """Returns the mask of clips, bool[B], for their frames, [B, T]."""
    return jnp.broadcast_to(mask[:, None], (len(mask), frames))


def grouped(x: jax.Array, length: int) -> jax.Array:
    """Returns frames [B, T, ...] by branch, [G, B * length, ...].

    Zeros, or False, stand for the frames that the last branch is short of.
    """
    batch, frames = x.shape[:2]
    count = -(-frames // length)
    missing = count * length - frames
    padded = jnp.pad(x, [(0, 0), (0, missing), *[(0, 0)] * (x.ndim - 2)])
    split = padded.reshape(batch, count, length, *x.shape[2:])
    return jnp.moveaxis(split, 1, 0).reshape(count, batch * length, *x.shape[2:])


def ungrouped(x: jax.Array, batch: int, frames: int) -> jax.Array:
    """Returns [B, T, ...] again from [G, B * length, ...]; see `grouped`."""
    split = x.reshape(len(x), batch, -1, *x.shape[2:])
    joined = jnp.moveaxis(split, 0, 1).reshape(batch, -1, *x.shape[2:])
    return joined[:, :frames]
