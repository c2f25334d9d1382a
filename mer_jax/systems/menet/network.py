"""A whole network, pixels to logits: MENet or IDNet.

Shapes: B clips, T frames, S pixels, h w the last map, D = 8 * width features (512).
"""

from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax

from mer_jax.models.blocks import EPSILON, MOMENTUM, Compute
from mer_jax.systems.menet.attention import Apply, Kind
from mer_jax.systems.menet.nets import Branch, Found, Head, Pool, pooled
from mer_jax.typing import PyTree

InputNorm = Literal["fold", "unit"]


class Network(nn.Module):
    """Sub-modules `norm`, `branch` (up to Conv_4) and `head`.

    Attributes:
      num_classes: of the logits: expressions, or people.
      motion: True for MENet, whose convolutions see neighbouring frames.
      width: channels after the first convolution.
      blocks: residual blocks of a stage.
      attention: between the third stage and the last, see `Attention`.
      dao_apply: see `Attention`.
      dao_groups: see `Attention`.
      pool: of the head.
      input_norm: "fold" standardises colours, in training by those of the batch, else
        by running averages over training clips; "unit" leaves them in [0, 1].
      compute: of the convolutions.
    """

    num_classes: int
    motion: bool
    width: int = 64
    blocks: int = 2
    attention: Kind = "diverse"
    dao_apply: Apply = "residual_pool"
    dao_groups: int | None = None
    pool: Pool = "global_max"
    input_norm: InputNorm = "fold"
    compute: Compute = Compute()

    def setup(self):
        """Makes the sub-modules."""
        if self.input_norm not in ("fold", "unit"):
            raise ValueError(f"input_norm: fold or unit, got {self.input_norm!r}")
        if self.input_norm == "fold":
            self.norm = nn.BatchNorm(
                momentum=MOMENTUM, epsilon=EPSILON, use_bias=False, use_scale=False
            )
        self.branch = Branch(
            time=self.motion,
            width=self.width,
            blocks=self.blocks,
            attention=self.attention,
            dao_apply=self.dao_apply,
            dao_groups=self.dao_groups,
            compute=self.compute,
        )
        self.head = Head(self.num_classes, self.pool)

    def __call__(self, clips: jax.Array, mask: jax.Array, train: bool):
        """Returns `Found` and the logits [B, K]."""
        found = self.found(clips, mask, train)
        return found, self.logits(found.map)

    def found(self, clips: jax.Array, mask: jax.Array, train: bool) -> Found:
        """Returns Conv_4's map and the attention of clips float[B, T, S, S, 3]."""
        if self.input_norm == "fold":
            valid = mask.reshape(-1, 1, 1, 1, 1)
            clips = self.norm(clips, use_running_average=not train, mask=valid)
        return self.branch(clips, mask, train)

    def logits(self, map: jax.Array) -> jax.Array:
        """Returns float32[B, K] from Conv_4's map."""
        return self.head(map)


class Evaluated(NamedTuple):
    """A network's output in evaluation mode.

    Attributes:
      found: Conv_4's map and the attention.
      features: float32[B, D], what the logits are a linear function of.
      logits: float32[B, K].
    """

    found: Found
    features: jax.Array
    logits: jax.Array


def evaluated(
    net: Network, nets: tuple[PyTree, PyTree], clips: jax.Array, mask: jax.Array
) -> Evaluated:
    """Runs a network by its running averages.

    Args:
      net: which.
      nets: its parameters and model state.
      clips: float[B, T, S, S, 3].
      mask: bool[B].
    """
    variables = {"params": nets[0], "batch_stats": nets[1]}

    def whole(module: Network):
        found = module.found(clips, mask, False)
        return Evaluated(found, pooled(found.map, net.pool), module.logits(found.map))

    apply: Any = net.apply
    return apply(variables, method=whole)
