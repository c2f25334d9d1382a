"""Who tells micro- from macro-expressions, and one sampling interval from another.

Xia & Wang 2021 (IJCAI), section 3: three convolutions and a linear layer each. Widths,
norms and pools are our choice.

Shapes: N clips of both domains, h w map, S sequences of L frames, D features.
`mask` bool[N] is False on padding clips, which no batch norm sees.
"""

import itertools
from collections.abc import Sequence
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.models.blocks import (
    EPSILON,
    HE,
    BatchNorm,
    Compute,
    at_least_single,
    convolution,
)

Norm = Literal["group", "batch", "none"]
LAYERS = (1, 2, 3)


class MapDiscriminator(nn.Module):
    """D_s: three times convolution 3x3, norm, ReLU; mean over positions; dense.

    The first two are followed by a max-pool by 2, as long as the map has an edge to
    halve: 7x7, 3x3, 1x1.

    Attributes:
      features: channels inside.
      norm: "group" norms each clip by itself, by groups of 8 channels or more, 32 at
        most. "batch" takes both domains' difference away if fed one domain at a time.
      compute: precision, convolution.
    """

    features: int = 256
    norm: Norm = "group"
    compute: Compute = Compute()

    @nn.compact
    def __call__(self, map: jax.Array, mask: jax.Array, train: bool) -> jax.Array:
        """Returns logits, float32[N].

        Args:
          map: float[N, h, w, D], U^A of both domains.
          mask: bool[N].
          train: use and update batch statistics, where there are any.

        Raises:
          ValueError: for another `norm`.
        """
        x, bias = map, self.norm == "none"
        for i in LAYERS:
            name = f"conv{i}"
            x = convolution(self.features, 3, self.compute, bias=bias, name=name)(x)
            (x,) = normed(self.norm, [x], mask, train, name=f"norm{i}")
            x = nn.relu(x)
            x = halved(x) if i != LAYERS[-1] else x
        return nn.Dense(1, name="fc")(at_least_single(x).mean((1, 2)))[:, 0]


class SequenceDiscriminator(nn.Module):
    """D_t and C_s: three times convolution of 3 frames, norm, ReLU; mean; dense.

    Attributes:
      outputs: O, 1 for D_t, S for C_s.
      features: see `MapDiscriminator`.
      norm: see `MapDiscriminator`.
      compute: see `MapDiscriminator`.
    """

    outputs: int = 1
    features: int = 256
    norm: Norm = "group"
    compute: Compute = Compute()

    @nn.compact
    def __call__(
        self, sequences: Sequence[jax.Array], mask: jax.Array, train: bool
    ) -> jax.Array:
        """Returns logits of every sequence, float32[N, S, O].

        Args:
          sequences: S times float[N, L, D]. Those of one length are rows of one batch;
            if lengths differ batch norm still takes its statistics of all.
          mask: bool[N].
          train: use and update batch statistics, where there are any.

        Raises:
          ValueError: for another `norm`.
        """
        clips, count = len(mask), len(sequences)
        if len({x.shape for x in sequences}) == 1:
            stacked = jnp.stack(sequences, axis=1)
            sequences = [stacked.reshape(-1, *stacked.shape[2:])]
            mask = jnp.repeat(mask, count)
        # Images one pixel wide, which every way to convolve takes.
        xs = [x[:, :, None] for x in sequences]
        for i in LAYERS:
            convolve = self._convolution(f"conv{i}")
            xs = [convolve(x) for x in xs]
            xs = normed(self.norm, xs, mask, train, name=f"norm{i}")
            xs = [nn.relu(x) for x in xs]
        score = nn.Dense(self.outputs, name="fc")
        logits = [score(at_least_single(x).mean((1, 2))) for x in xs]
        return jnp.stack(logits, axis=1).reshape(clips, count, self.outputs)

    def _convolution(self, name: str) -> nn.Conv:
        return nn.Conv(
            self.features,
            (3, 1),
            padding=[(1, 1), (0, 0)],
            use_bias=self.norm == "none",
            dtype=self.compute.dtype,
            kernel_init=HE,
            conv_general_dilated=self.compute.conv,
            name=name,
        )


def normed(
    kind: Norm, xs: list[jax.Array], mask: jax.Array, train: bool, *, name: str
) -> list[jax.Array]:
    """Returns arrays [N, L, W, C], of any lengths L, normed by one module."""
    if kind == "none":
        return xs
    if kind == "group":
        groups = group_count(xs[0].shape[-1])
        norm = nn.GroupNorm(groups, epsilon=EPSILON, use_fast_variance=False, name=name)
        return [norm(x).astype(x.dtype) for x in xs]
    if kind != "batch":
        raise ValueError(f"disc_norm must be group, batch or none, got {kind!r}")
    *ends, _ = itertools.accumulate(x.shape[1] for x in xs)
    whole = BatchNorm(name=name)(jnp.concatenate(xs, axis=1), mask, train)
    return jnp.split(whole, ends, axis=1)


def group_count(features: int) -> int:
    """Returns the most groups, 32 at most, that divide the features evenly.

    Each has 8 of them or more, if there are: a group of one feature on a map of one
    position would be normed to 0, whatever it was.
    """
    fitting = (n for n in (32, 16, 8, 4, 2) if features % n == 0 and features >= 8 * n)
    return next(fitting, 1)


def halved(x: jax.Array) -> jax.Array:
    """Returns maxima of 2x2 positions, without a last odd one; [N, 1, w, C] as it is.

    Maxima of slices instead of `reduce_window`, whose gradient is slow on CPUs.

    Args:
      x: float[N, h, w, C].
    """
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    if not height or not width:
        return x
    corners = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    upper = jnp.maximum(corners[0], corners[1])
    return jnp.maximum(upper, jnp.maximum(corners[2], corners[3]))
