"""What MFVAN sees of clips: images in [0, 1], all of a clip turned alike.

Shapes: B clips, F frames of each, S pixels.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from mer_jax.models.images import unit_range
from mer_jax.models.posing import drawn_turn, posed
from mer_jax.typing import Key

Augmentation = Literal["turn", "flip", "none"]


def drawn(frames: jax.Array, key: Key, aug: Augmentation) -> jax.Array:
    """Returns clips augmented for training.

    Args:
      frames: uint8[B, F, S, S, 3].
      key: key[].
      aug: "flip" mirrors a clip or not, as likely; "turn" also rotates it, by 10
        degrees at most; "none".

    Returns:
      float32[B, F, S, S, 3] in [0, 1].

    Raises:
      ValueError: for another `aug`.
    """
    images = unit_range(frames)
    if aug == "none":
        return images
    pose = drawn_turn(key, len(frames))
    if aug == "turn":
        return posed(images, pose)
    if aug != "flip":
        raise ValueError(f"aug must be turn, flip or none, got {aug!r}")
    mirror = jnp.expand_dims(pose.mirror, (1, 2, 3, 4))
    return jnp.where(mirror, images[:, :, :, ::-1], images)
