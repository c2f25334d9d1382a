"""Rooms that several people are filmed in: the same lamp, the same wall.

People who are not put in one of them are each filmed in light of their own.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from datasets_tfds.synthetic.identity import RGB, Identity
from datasets_tfds.synthetic.raster import mix


class Room(NamedTuple):
    """Where and how people are lit."""

    lamp: RGB  # its colour: what all that it lights is multiplied by
    light: tuple[float, float]  # where it comes from, see `Identity.light`
    wall: RGB  # linear light


# Unlike in colour, in shadows and in brightness: a grey camera tells them apart too.
ROOMS = (
    Room(lamp=(1.05, 0.85, 0.62), light=(-0.55, -0.30), wall=(0.04, 0.03, 0.02)),
    Room(lamp=(1.00, 1.00, 1.00), light=(0.00, -0.65), wall=(0.25, 0.25, 0.25)),
    Room(lamp=(0.75, 0.92, 1.10), light=(0.55, -0.30), wall=(0.60, 0.70, 0.80)),
)
SHARE = 0.7  # of a room in light and wall; the rest is the person's own


def enter(face: Identity, number: int) -> Identity:
    """The same face, clothes and hair in another light and before another wall.

    Args:
        face: in light of its own.
        number: of the room in `ROOMS`.

    Raises:
        ValueError: where there is no such room.
    """
    if not 0 <= number < len(ROOMS):
        raise ValueError(f"room must be one of 0 .. {len(ROOMS) - 1}, got {number}")
    room = ROOMS[number]
    light_x, light_y = mix(face.light, room.light, SHARE).tolist()
    return dataclasses.replace(
        face,
        skin=_under(room.lamp, face.skin),
        hair=_under(room.lamp, face.hair),
        iris=_under(room.lamp, face.iris),
        cloth=_under(room.lamp, face.cloth),
        background=_colour(mix(face.background, room.wall, SHARE)),
        light=(light_x, light_y),
    )


def _under(lamp: RGB, colour: RGB) -> RGB:
    return _colour(np.multiply(lamp, colour))


def _colour(linear: np.ndarray) -> RGB:
    red, green, blue = linear.tolist()
    return red, green, blue
