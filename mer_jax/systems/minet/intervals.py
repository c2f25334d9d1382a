"""A clip seen at several sampling intervals: every frame, every second, every fourth.

Xia & Wang 2021 (IJCAI), section 3. Two views of the same features of frames: means,
to classify; and sequences, for whoever is to tell intervals or domains apart.

Shapes: B clips, T frames, S intervals 1, 2, 4, ..., 2 ** (S - 1), D features.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from mer_jax.typing import Key

Aggregation = Literal["mean", "concat", "attention"]
View = Literal["window", "whole"]


def spacings(intervals: int) -> tuple[int, ...]:
    """Returns s = 1, 2, 4, ..., the distances of frames, of S `intervals`."""
    return tuple(2**i for i in range(intervals))


def averages(frames: jax.Array, intervals: int) -> jax.Array:
    """Returns v(s), float[B, S, D]: means over every s-th frame, from the first on.

    Args:
      frames: float[B, T, D], f^1 to f^T.
      intervals: S; the first alone is the mean over all frames.
    """
    return jnp.stack([frames[:, ::s].mean(1) for s in spacings(intervals)], axis=1)


class Aggregate(nn.Module):
    """Makes v of all v(s).

    Attributes:
      kind: "mean"; "concat", S times as wide; "attention", a mean by one learned
        weight for each s, `logits` before a soft-max, that begins as "mean".
    """

    kind: Aggregation = "mean"

    @nn.compact
    def __call__(self, views: jax.Array) -> jax.Array:
        """Returns v, float[B, D], or float[B, S * D] of "concat".

        Args:
          views: float[B, S, D], v(s).

        Raises:
          ValueError: for another `kind`.
        """
        batch, intervals, _ = views.shape
        if self.kind == "mean":
            return views.mean(1)
        if self.kind == "concat":
            return views.reshape(batch, -1)
        if self.kind != "attention":
            raise ValueError(
                f"aggregate must be mean, concat or attention, got {self.kind!r}"
            )
        logits = self.param("logits", nn.initializers.zeros, (intervals,))
        return (views * jax.nn.softmax(logits)[None, :, None]).sum(1)


def drawn_positions(key: Key, clips: int) -> jax.Array:
    """Draws where the windows of each clip lie, float32[B] in [0, 1)."""
    return jax.random.uniform(key, (clips,), jnp.float32)


def central_positions(clips: int) -> jax.Array:
    """Returns positions, float32[B], of windows in the middle, for evaluation."""
    return jnp.full(clips, 0.5, jnp.float32)


def sequences(
    frames: jax.Array, positions: jax.Array, *, intervals: int, view: View
) -> tuple[jax.Array, ...]:
    """Returns V(s), float[B, L, D] for each s: every s-th frame, in order.

    Args:
      frames: float[B, T, D].
      positions: float32[B] in [0, 1), where the windows of a clip lie among all
        places that leave them within the clip: at 0 they begin with its first frame.
      intervals: S.
      view: "window", L = T / 2 ** (S - 1) frames for every s, so that their number
        does not give s away (after Wang et al. 2020, arXiv 2008.05861); "whole", as
        printed, L = T / s, rounded up, from the first frame on wherever windows lie.

    Raises:
      ValueError: for another `view`; if T is no multiple of 2 ** (S - 1), or windows
        would be of one frame, which has no interval.
    """
    if view == "whole":
        return tuple(frames[:, ::s] for s in spacings(intervals))
    if view != "window":
        raise ValueError(f"interval_view must be window or whole, got {view!r}")
    length = window_length(frames.shape[1], intervals)
    return tuple(_window(frames, positions, length, s) for s in spacings(intervals))


def window_length(frames: int, intervals: int) -> int:
    """Returns L of windows; raises ValueError as `sequences` does."""
    longest = spacings(intervals)[-1]
    if frames % longest or frames // longest < 2:
        raise ValueError(
            f"frames must be a multiple of {longest}, and at least {2 * longest}, for "
            f"windows at {intervals} intervals; got {frames}"
        )
    return frames // longest


def _window(frames, positions, length, spacing):
    places = frames.shape[1] - (length - 1) * spacing
    start = jnp.floor(positions * places).astype(jnp.int32)
    index = start[:, None] + spacing * jnp.arange(length)[None]
    # The other modes would fill in NaN, and a padding clip's place may be anything.
    return jnp.take_along_axis(frames, index[..., None], axis=1, mode="clip")
