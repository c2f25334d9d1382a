"""What an actor does during one clip, before a single pixel is drawn."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import cv2
import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.expressions import (
    EMOTIONS,
    Expression,
    draw_expression,
)
from datasets_tfds.synthetic.identity import Identity, draw_identity
from datasets_tfds.synthetic.muscles import Pull, Style
from datasets_tfds.synthetic.portrait import Portrait, draw_portrait
from datasets_tfds.synthetic.streams import stream

NUM_FRAMES = 16  # onset .. offset
MICRO = 0.45  # intensity of a strong micro-expression; 1 is an ordinary expression

# Where skin twitches for no reason: lip corner, lips, chin, cheek, brows, lids, nose.
TWITCHES = (
    Pull(0.40, 0.98, 0.14, 0.12, 0, 0),
    Pull(0.00, 1.05, 0.20, 0.07, 0, 0),
    Pull(0.00, 1.30, 0.24, 0.14, 0, 0),
    Pull(0.52, 0.22, 0.20, 0.15, 0, 0),
    Pull(0.22, -0.33, 0.14, 0.14, 0, 0),
    Pull(0.58, -0.35, 0.15, 0.14, 0, 0),
    Pull(0.45, -0.06, 0.17, 0.05, 0, 0),
    Pull(0.13, 0.50, 0.10, 0.12, 0, 0),
)
TWITCH_SIZE = 0.016  # standard deviation of a twitch, face units
HEAD_SIZES = {"x": 0.006, "y": 0.006, "roll": 0.003, "zoom": 0.002}
HEAD_SIZES |= {"yaw": 0.006, "pitch": 0.006, "flicker": 0.004}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """How hard the clips are to read."""

    strength: float = 1.0  # of the expressions
    nuisance: float = 1.0  # expected number of unrelated twitches / 1.5
    head_motion: float = 1.0  # 1: head moves by ~ 0.5 % of its width in a clip
    sensor_noise: float = 1.6  # standard deviation of mid grey, grey levels


@dataclasses.dataclass(frozen=True)
class Actor:
    """A subject in front of the camera.

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
        number: muscles.draw_style(stream(seed, subject, "style", number))
        for number in muscles.MUSCLES
    }
    portrait = draw_portrait(identity, size, grey=grey)
    return Actor(seed, subject, identity, styles, portrait, grey)


class Head(NamedTuple):
    """Rigid motion and brightness, each `[T]`, all 0 in the onset frame."""

    x: np.ndarray  # face units
    y: np.ndarray
    roll: np.ndarray  # radians
    zoom: np.ndarray  # relative
    yaw: np.ndarray  # face units at depth 1
    pitch: np.ndarray
    flicker: np.ndarray  # relative brightness


@dataclasses.dataclass(frozen=True)
class Performance:
    """All that happens in one clip of T frames.

    Attributes:
        expression: the skin that the emotion moves.
        intensity: `[T]`, 0 at the onset, largest at the apex.
        twitches: the skin that moves for no reason.
        twitch_course: `[T]`, 0 at the onset.
        head: rigid motion.
        apex: position of the apex frame, 0 < apex < T - 1.
    """

    expression: Expression
    intensity: np.ndarray
    twitches: tuple[Pull, ...]
    twitch_course: np.ndarray
    head: Head
    apex: int


def perform(actor: Actor, clip: str, emotion: str, setting: Setting) -> Performance:
    """Acts out `emotion`; a pure function of its arguments.

    Every part has a stream of its own: a harder `setting` adds twitches, and
    leaves the expression as it was.

    Args:
        actor: who.
        clip: its name, unique for this actor.
        emotion: a key of `EMOTIONS`.
        setting: difficulty.
    """

    def rng(part: str) -> np.random.Generator:
        return stream(actor.seed, actor.subject, clip, part)

    code = str(rng("code").choice(EMOTIONS[emotion]))
    apex, course = draw_course(rng("course"))
    strength = MICRO * setting.strength * rng("strength").uniform(0.3, 1.0)
    return Performance(
        expression=draw_expression(
            code, actor.identity, actor.styles, rng("expression")
        ),
        intensity=strength * course,
        twitches=draw_twitches(rng("twitches"), setting.nuisance),
        twitch_course=draw_twitch_course(rng("twitch course")),
        head=draw_head(rng("head"), setting.head_motion),
        apex=apex,
    )


def draw_course(rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """The apex and the course `[T]` of an expression: 0, up to 1, part of the way down.

    The offset frame may keep up to a third: coders end a clip before the face is
    neutral again.
    """
    last = NUM_FRAMES - 1
    apex = round(last * rng.uniform(0.38, 0.62))
    residue = rng.uniform(0, 0.35)
    time = np.arange(NUM_FRAMES)
    up = np.clip(time / apex, 0, 1) ** 0.9
    down = np.clip((time - apex) / (last - apex), 0, 1)
    return apex, _ease(up) * (1 - (1 - residue) * _ease(down))


def _ease(t: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a jerk at either end."""
    return (1 - np.cos(np.pi * t)) / 2


def draw_twitches(rng: np.random.Generator, nuisance: float) -> tuple[Pull, ...]:
    """Small movements in random directions that mean nothing."""
    twitches: list[Pull] = []
    for _ in range(rng.poisson(1.5 * nuisance)):
        dx, dy = rng.normal(0, TWITCH_SIZE, 2)
        twitch = TWITCHES[rng.integers(len(TWITCHES))]._replace(dx=dx, dy=dy)
        if rng.random() < 0.5:
            twitch = muscles.mirror(twitch)
        twitches.append(twitch)
        if rng.random() < 0.5 and not muscles.on_midline(twitch):
            twitches.append(muscles.mirror(twitch))
    return tuple(twitches)


def draw_twitch_course(rng: np.random.Generator) -> np.ndarray:
    """A single wave `[T]` at any time of the clip, 0 in the onset frame."""
    peak, width = rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.4)
    wave = np.exp(-0.5 * ((np.arange(NUM_FRAMES) / NUM_FRAMES - peak) / width) ** 2)
    return wave - wave[0]


def draw_head(rng: np.random.Generator, size: float) -> Head:
    """A head that is never still: smoothed noise, 0 in the onset frame."""
    margin = 12  # frames that the smoothing eats at either end
    shape = (len(Head._fields), NUM_FRAMES + 2 * margin)
    noise = rng.standard_normal(shape).astype(np.float32)
    paths = 3 * cv2.GaussianBlur(noise, (2 * margin + 1, 1), 5)
    paths = paths[:, margin:-margin]
    paths = paths - paths[:, :1]
    return Head(
        *(size * HEAD_SIZES[name] * path for name, path in zip(Head._fields, paths))
    )
