"""What MiNet and MaNet see of a clip: its apex, and its frames from the onset on.

Apex and frames are always transformed alike, by one draw a clip: a difference between
them would be a motion that nobody made.

Shapes: B clips, T frames, E pixels of an edge as stored, S as seen.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.models.images import by_imagenet, sampled, unit_range
from mer_jax.typing import Key

Augmentation = Literal["rmic", "flip", "none"]
GREATEST = 10.0  # degrees, either way
LEAST = 0.7  # of the frame's area
CENTRAL = 224 / 256  # of the frame's edge, what evaluation sees


class Seen(NamedTuple):
    """What a net sees, standardised by ImageNet's mean and deviation.

    Attributes:
      apex: float32[B, S, S, 3].
      clip: float32[B, T, S, S, 3].
    """

    apex: jax.Array
    clip: jax.Array


class Pose(NamedTuple):
    """How clips are turned: rotated about their centre, cropped, then mirrored.

    Attributes:
      mirror: bool[B], left to right.
      degrees: float32[B], counter-clockwise.
      edge: float32[B], of the square that is seen, over the frame's.
      top: float32[B] in [0, 1], where it lies: 0 at the top, 1 at the bottom.
      left: float32[B] in [0, 1], likewise.
    """

    mirror: jax.Array
    degrees: jax.Array
    edge: jax.Array
    top: jax.Array
    left: jax.Array


def stored_size(size: int, aug: Augmentation) -> int:
    """Returns E, the pixels that frames are to be stored with to be seen as `size`."""
    return round(size / CENTRAL) if aug == "rmic" else size


def unchanged(
    apex: jax.Array, clip: jax.Array, *, size: int, aug: Augmentation
) -> Seen:
    """Returns clips for evaluation: of "rmic" their middle, of others all of them.

    Args:
      apex: uint8[B, E, E, 3].
      clip: uint8[B, T, E, E, 3].
      size: S.
      aug: that of training.

    Raises:
      ValueError: for another `aug`; unless E is S, but of "rmic".
    """
    frames = _together(apex, clip, size, aug)
    if aug == "rmic":
        frames = posed(frames, _central(len(frames)), size)
    return _seen(frames)


def drawn(
    apex: jax.Array, clip: jax.Array, key: Key, *, size: int, aug: Augmentation
) -> Seen:
    """Returns clips augmented for training.

    Args:
      apex: uint8[B, E, E, 3].
      clip: uint8[B, T, E, E, 3].
      key: key[].
      size: S.
      aug: "flip" mirrors a clip or not, as likely; "rmic" also rotates it, by 10
        degrees at most, and crops a square of 0.7 to 1 of its area; "none".

    Raises:
      ValueError: for another `aug`; unless E is S, but of "rmic".
    """
    frames = _together(apex, clip, size, aug)
    if aug == "rmic":
        frames = posed(frames, drawn_pose(key, len(frames)), size)
    elif aug == "flip":
        mirror = jax.random.bernoulli(key, shape=(len(frames), 1, 1, 1, 1))
        frames = jnp.where(mirror, frames[:, :, :, ::-1], frames)
    return _seen(frames)


def drawn_pose(key: Key, count: int) -> Pose:
    """Draws a pose of "rmic" for each of `count` clips."""
    for_mirror, for_angle, for_area, for_place = jax.random.split(key, 4)
    between = lambda key, low, high: jax.random.uniform(
        key, (count,), jnp.float32, low, high
    )
    for_top, for_left = jax.random.split(for_place)
    return Pose(
        mirror=jax.random.bernoulli(for_mirror, shape=(count,)),
        degrees=between(for_angle, -GREATEST, GREATEST),
        edge=jnp.sqrt(between(for_area, LEAST, 1.0)),
        top=between(for_top, 0.0, 1.0),
        left=between(for_left, 0.0, 1.0),
    )


def posed(frames: jax.Array, pose: Pose, size: int) -> jax.Array:
    """Looks clips up as they are turned, all frames of one alike.

    Bilinear between pixels; beyond the edge the nearest pixel is repeated.

    Args:
      frames: float[B, F, E, E, C].
      pose: of each clip.
      size: S.

    Returns:
      float[B, F, S, S, C].
    """
    one = lambda frames, pose: sampled(frames, *_sources(frames.shape[1], pose, size))
    return jax.vmap(one)(frames, pose)


def _sources(stored, pose, size):
    """Returns the row and the column, float32[S, S], that each pixel comes from."""
    number = jnp.arange(size, dtype=jnp.float32)
    span, middle = pose.edge * stored, (stored - 1) / 2
    place = lambda start, number: (
        start * (stored - span) + (number + 0.5) * (span / size) - 0.5 - middle
    )
    y = place(pose.top, number)[:, None]
    x = place(pose.left, jnp.where(pose.mirror, number[::-1], number))[None]
    angle = jnp.deg2rad(pose.degrees)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    return y * cos + x * sin + middle, x * cos - y * sin + middle


def _central(count):
    """Returns the pose of evaluation."""
    every = lambda value: jnp.full(count, value, jnp.float32)
    still = jnp.zeros(count, bool)
    return Pose(still, every(0), every(CENTRAL), every(0.5), every(0.5))


def _together(apex, clip, size, aug):
    """Returns apex and frames in one, float32[B, 1 + T, E, E, 3] in [0, 1]."""
    if aug not in ("rmic", "flip", "none"):
        raise ValueError(f"aug must be rmic, flip or none, got {aug!r}")
    if aug != "rmic" and apex.shape[1] != size:
        raise ValueError(f"frames are of {apex.shape[1]} pixels, not size={size}")
    return unit_range(jnp.concatenate([apex[:, None], clip], axis=1))


def _seen(frames):
    normal = by_imagenet(frames)
    return Seen(normal[:, 0], normal[:, 1:])
