"""What MFVAN sees of clips: images in [0, 1], all of a clip turned alike.

Shapes: B clips, F frames of each, S pixels.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from mer_jax.models.images import unit_range
from mer_jax.models.posing import Pose, posed
from mer_jax.typing import Key

Augmentation = Literal["turn", "flip", "none"]
GREATEST = 10.0  # degrees, either way


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
    images, count = unit_range(frames), len(frames)
    if aug == "none":
        return images
    for_mirror, for_angle = jax.random.split(key)
    mirror = jax.random.bernoulli(for_mirror, shape=(count,))
    if aug == "flip":
        flipped = images[:, :, :, ::-1]
        return jnp.where(jnp.expand_dims(mirror, (1, 2, 3, 4)), flipped, images)
    if aug != "turn":
        raise ValueError(f"aug must be turn, flip or none, got {aug!r}")
    shape, dtype = (count,), jnp.float32
    angle = jax.random.uniform(for_angle, shape, dtype, -GREATEST, GREATEST)
    return posed(images, Pose(mirror, angle))
