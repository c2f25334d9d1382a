"""A subject in front of the camera: face, habits and neutral portrait."""

import dataclasses
import functools
from collections.abc import Mapping

from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.identity import Identity, draw_identity
from datasets_tfds.synthetic.muscles import MUSCLES, Style, draw_style
from datasets_tfds.synthetic.portrait import Portrait, draw_portrait
from datasets_tfds.synthetic.rooms import enter
from datasets_tfds.synthetic.streams import stream


@dataclasses.dataclass(frozen=True)
class Actor:
    """A subject, drawn once and performing many clips.

    Attributes:
        seed: of the corpus.
        subject: full name 'synthetic_casme2/sub01'.
        identity: the face.
        styles: how this person performs each action unit.
        portrait: the neutral picture that all clips are warped from.
        camera: that films the subject.
    """

    seed: int
    subject: str
    identity: Identity
    styles: Mapping[int, Style]
    portrait: Portrait
    camera: Camera


@functools.lru_cache(maxsize=8)  # a subject has many clips: drawn once for all
def cast(seed: int, subject: str, camera: Camera, room: int | None = None) -> Actor:
    """The actor of a subject; depends on no other subject.

    Args:
        seed: of the corpus.
        subject: 'synthetic_casme2/sub01'.
        camera: that films the subject.
        room: number of the room in `rooms.ROOMS`, None for light of the subject's own.
    """
    identity = draw_identity(stream(seed, subject, "identity"))
    if room is not None:
        identity = enter(identity, room)
    styles = {
        number: draw_style(stream(seed, subject, "style", number)) for number in MUSCLES
    }
    portrait = draw_portrait(identity, camera)
    return Actor(seed, subject, identity, styles, portrait, camera)
