"""Three transformers that look for patches that matter, and what they say of clips.

All sizes, thresholds and the masked average are our reconstruction.

Shapes: B clips, N patches, the same for every scale; F features of a transformer
(192), D of the student (512), K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import Compute, at_least_single
from mer_jax.models.vit import Grad, Patches, Transformer, keep


class Scale(NamedTuple):
    """What one transformer finds.

    Attributes:
      token: float32[B, F], its class token.
      local: float32[B, F], u, the kept patches by their attention.
      attention: float32[B, N], a, of the class token to patches; its sum is 1.
      kept: float32[B, N], k, 1 where a patch is kept, else 0.
    """

    token: jax.Array
    local: jax.Array
    attention: jax.Array
    kept: jax.Array


class Transformers(nn.Module):
    """One transformer a scale.

    Attributes:
      patches: edge in px of the patches of each scale.
      features: F.
      depth: layers.
      heads: attention heads of a layer.
      hidden: features inside a layer's perceptron.
      dropout: see `Transformer`.
      share: one transformer for all scales, of embeddings of their own.
      kappa: a patch is kept if its attention is above kappa / N.
      slope: of the sigmoid that stands in for the mask's step in the gradient.
      grad: see `keep`.
      compute: precision and convolution.
    """

    patches: Sequence[int]
    features: int = 192
    depth: int = 4
    heads: int = 3
    hidden: int = 768
    dropout: float = 0.1
    share: bool = False
    kappa: float = 1.0
    slope: float = 5.0
    grad: Grad = "st"
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, images: Sequence[jax.Array], train: bool) -> tuple[Scale, ...]:
        """Returns what is found at each scale, in float[B, H, W, C] of any H, W, C."""
        found = []
        for i, (x, patch) in enumerate(zip(images, self.patches, strict=True)):
            tokens = Patches(patch, self.features, self.compute, name=f"patches{i}")(x)
            if not self.share or not i:
                net = self._transformer("all" if self.share else f"scale{i}")
            found.append(self._scale(net(tokens, train)))
        return tuple(found)

    def _transformer(self, name: str) -> Transformer:
        return Transformer(
            depth=self.depth,
            heads=self.heads,
            mlp=self.hidden,
            dropout=self.dropout,
            compute=self.compute,
            name=name,
        )

    def _scale(self, told) -> Scale:
        attention = told.attention
        kept = keep(attention, kappa=self.kappa, beta=self.slope, grad=self.grad)
        weight = kept * attention
        local = jnp.einsum("bn,bnf->bf", weight, told.patches)
        # A kept patch has some attention: the greatest is 1 / N or more.
        local = local / weight.sum(1, keepdims=True)
        return Scale(told.class_token, local, attention, kept)


class Told(NamedTuple):
    """What the heads say.

    Attributes:
      logits: float32[B, K], of everything, fused; without a scale, those of `whole`.
      whole: float32[B, K], of the student's features alone, p_g.
      scales: of each scale float32[B, K], by its class token, p_s.
      masked: likewise by its kept patches.
    """

    logits: jax.Array
    whole: jax.Array
    scales: tuple[jax.Array, ...]
    masked: tuple[jax.Array, ...]


class Heads(nn.Module):
    """`whole`, `scale<i>` and `masked<i>`, a dense layer each; `fused`, of two.

    Attributes:
      num_classes: K.
      hidden: features inside the fused one.
    """

    num_classes: int
    hidden: int = 256

    @nn.compact
    def __call__(self, features: jax.Array, scales: Sequence[Scale]) -> Told:
        """Returns logits of float[B, D] and what the scales found."""
        head = lambda name: nn.Dense(self.num_classes, name=name)
        whole = head("whole")(at_least_single(features))
        if not scales:
            return Told(whole, whole, (), ())
        everything = fused(features, scales)
        hidden = nn.relu(nn.Dense(self.hidden, name="fused_hidden")(everything))
        return Told(
            head("fused")(hidden),
            whole,
            tuple(head(f"scale{i}")(s.token) for i, s in enumerate(scales)),
            tuple(head(f"masked{i}")(s.local) for i, s in enumerate(scales)),
        )


def fused(features: jax.Array, scales: Sequence[Scale]) -> jax.Array:
    """Returns [g; u of every scale], float32[B, D + F * scales]."""
    parts = [at_least_single(features), *(scale.local for scale in scales)]
    return jnp.concatenate(parts, axis=-1)
