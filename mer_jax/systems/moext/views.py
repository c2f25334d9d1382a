"""The ten-fold enlargement and the three views of MoExt, drawn once per clip.

Onset and apex are always transformed alike: a difference between them would be a
motion that nobody made.

Shapes: B clips, F frames of each (onset, apex), H W image of RGB values in [0, 1].
"""

import itertools
from typing import Literal

import jax
import jax.numpy as jnp

from mer_jax.models.images import unit_range
from mer_jax.models.posing import Pose, drawn_turn
from mer_jax.typing import Batch, Key

Augmentation = Literal["grid", "online_uniform", "off"]
# Mirror and angle; the first leaves a clip as it is.
GRID = tuple(itertools.product((False, True), (0.0, -10.0, -5.0, 5.0, 10.0)))
LUMA = (0.299, 0.587, 0.114)  # of RGB, ITU-R BT.601


def pair(batch: Batch) -> jax.Array:
    """Returns onset and apex of a batch, float32[B, 2, H, W, 3] in [0, 1]."""
    return unit_range(jnp.stack([batch["onset"], batch["apex"]], axis=1))


def grid_pose(cell: jax.Array) -> Pose:
    """Returns the cells, int[B] in [0, 10), of the grid mirror x angle."""
    mirror, degrees = zip(*GRID, strict=True)
    return Pose(jnp.array(mirror)[cell], jnp.array(degrees, jnp.float32)[cell])


def drawn_pose(key: Key, count: int, kind: Augmentation) -> Pose:
    """Draws a pose for each of `count` clips.

    Args:
      key: key[].
      count: B.
      kind: "grid", a cell of ten; "online_uniform", mirrored or not, any angle
        within 10 degrees; "off", as it is.
    """
    if kind == "grid":
        return grid_pose(jax.random.randint(key, (count,), 0, len(GRID)))
    if kind == "off":
        return grid_pose(jnp.zeros(count, int))
    if kind != "online_uniform":
        raise ValueError(f"aug10 must be grid, online_uniform or off, got {kind!r}")
    return drawn_turn(key, count)


def three_views(
    frames: jax.Array,
    key: Key,
    *,
    noise: float = 0.03,
    contrast: tuple[float, float] = (1.2, 1.8),
) -> jax.Array:
    """The original and two of noise, raised contrast and grey, drawn per clip.

    Operations and strengths are those of the clip; only the pixels of the noise are
    drawn anew for each frame. The contrast is raised about the mean of the onset, so
    that it is one function of a pixel's value for both frames.

    Args:
      frames: float[B, 2, H, W, 3], onset and apex.
      key: key[].
      noise: standard deviation of Gaussian noise.
      contrast: smallest and greatest factor.

    Returns:
      float[B, 6, H, W, 3] in [0, 1]: original and two views of the onset, then the
      same of the apex, as the losses expect them.
    """
    clips, dtype = len(frames), frames.dtype
    for_choice, for_noise, for_factor = jax.random.split(key, 3)
    left_out = jax.random.randint(for_choice, (clips, 1, 1, 1, 1), 0, 3)
    factor = jax.random.uniform(
        for_factor, left_out.shape, dtype, contrast[0], contrast[1]
    )
    mean = frames[:, :1].mean((2, 3, 4), keepdims=True)
    grey = (frames * jnp.array(LUMA, dtype)[None, None, None, None]).sum(-1)
    noisy = frames + noise * jax.random.normal(for_noise, frames.shape, dtype)
    options = (
        jnp.clip(noisy, 0, 1),
        jnp.clip(mean + factor * (frames - mean), 0, 1),
        jnp.broadcast_to(grey[..., None], frames.shape),
    )
    second = jnp.where(left_out == 0, options[1], options[0])
    third = jnp.where(left_out == 2, options[1], options[2])
    views = jnp.stack([frames, second, third], axis=2)  # [B, 2, 3, H, W, 3]
    return views.reshape(clips, 6, *frames.shape[2:])
