"""A subject in front of the camera: face, habits and neutral portrait."""

import dataclasses
from collections.abc import Mapping

from datasets_tfds.synthetic.identity import Identity, draw_identity
from datasets_tfds.synthetic.muscles import MUSCLES, Style, draw_style
from datasets_tfds.synthetic.portrait import Portrait, draw_portrait
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
        grey: seen by a monochrome camera, whose channels share their noise.
    """

    seed: int
    subject: str
    identity: Identity
    styles: Mapping[int, Style]
    portrait: Portrait
    grey: bool


def cast(seed: int, subject: str, size: int, *, grey: bool = False) -> Actor:
    """The actor of a subject; depends on no other subject.

    Args:
        seed: of the corpus.
        subject: 'synthetic_casme2/sub01'.
        size: height and width of the frames in pixels.
        grey: see `Actor`.
    """
    identity = draw_identity(stream(seed, subject, "identity"))
    styles = {
        number: draw_style(stream(seed, subject, "style", number)) for number in MUSCLES
    }
    portrait = draw_portrait(identity, size, grey=grey)
    return Actor(seed, subject, identity, styles, portrait, grey)
