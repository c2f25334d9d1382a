"""What an actor does during one clip, before a single pixel is drawn."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.actor import Actor
from datasets_tfds.synthetic.expressions import EMOTIONS, Expression, draw_expression
from datasets_tfds.synthetic.muscles import Pull
from datasets_tfds.synthetic.streams import stream

NUM_FRAMES = 16  # onset .. offset, T below
MICRO = 0.45  # intensity of a strong micro-expression; 1 is an ordinary expression

# Where skin twitches for no reason.
TWITCHES = (
    Pull(0.40, 0.98, 0.14, 0.12, 0, 0),  # mouth corner
    Pull(0.00, 1.05, 0.20, 0.07, 0, 0),  # lower lip
    Pull(0.00, 1.30, 0.24, 0.14, 0, 0),  # chin
    Pull(0.52, 0.22, 0.20, 0.15, 0, 0),  # cheek
    Pull(0.22, -0.33, 0.14, 0.14, 0, 0),  # inner brow
    Pull(0.58, -0.35, 0.15, 0.14, 0, 0),  # outer brow
    Pull(0.45, -0.06, 0.17, 0.05, 0, 0),  # eyelid
    Pull(0.13, 0.50, 0.10, 0.12, 0, 0),  # nose
)
TWITCH_SIZE = 0.016  # standard deviation of dx and dy, face units


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """How hard the clips are to read."""

    strength: float = 1.0  # of the expressions; 1 moves skin by 0.4-2.3 of 128 px
    nuisance: float = 1.0  # 1.5 times this many unrelated twitches are expected
    head_motion: float = 1.0  # relative to `HEAD_SIZES`
    sensor_noise: float = 1.6  # standard deviation around mid grey, grey levels


class Head(NamedTuple):
    """Rigid motion and brightness, each a path `[T]` that starts at 0."""

    x: np.ndarray  # face units
    y: np.ndarray
    roll: np.ndarray  # radians
    zoom: np.ndarray  # relative
    yaw: np.ndarray  # face units at depth 1
    pitch: np.ndarray
    flicker: np.ndarray  # of the light, relative


HEAD_SIZES = (0.006, 0.006, 0.003, 0.002, 0.006, 0.006, 0.004)  # in that order


@dataclasses.dataclass(frozen=True)
class Performance:
    """All that happens in one clip of T frames.

    Attributes:
        clip: its name.
        setting: what it was drawn with.
        apex: position of the apex frame, 0 < apex < T - 1.
        expression: the skin that the emotion moves.
        intensity: `[T]`, 0 at the onset, largest at the apex.
        twitches: the skin that moves for no reason.
        twitch_course: `[T]`, 0 at the onset, within -1..1.
        head: rigid motion.
    """

    clip: str
    setting: Setting
    apex: int
    expression: Expression
    intensity: np.ndarray
    twitches: tuple[Pull, ...]
    twitch_course: np.ndarray
    head: Head


def perform(actor: Actor, clip: str, emotion: str, setting: Setting) -> Performance:
    """Acts out `emotion`; a pure function of its arguments.

    Every part has a random stream of its own, so that more nuisance leaves the
    expression as it was, and more strength changes nothing but its size.

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
        clip=clip,
        setting=setting,
        apex=apex,
        expression=draw_expression(code, actor.identity, actor.styles, rng("muscles")),
        intensity=strength * course,
        twitches=draw_twitches(rng("twitches"), setting.nuisance),
        twitch_course=draw_twitch_course(rng("twitch course")),
        head=draw_head(rng("head"), setting.head_motion),
    )


def draw_course(rng: np.random.Generator) -> tuple[int, np.ndarray]:
    """The apex, and the course `[T]` of an expression from 0 up to 1 and down.

    Up to a third remains in the offset frame: coders end a clip before the face
    is neutral again.
    """
    last = NUM_FRAMES - 1
    apex = round(last * rng.uniform(0.38, 0.62))
    remains = rng.uniform(0, 0.35)
    time = np.arange(NUM_FRAMES)
    up = np.clip(time / apex, 0, 1) ** 0.9
    down = np.clip((time - apex) / (last - apex), 0, 1)
    return apex, _ease(up) * (1 - (1 - remains) * _ease(down))


def _ease(t: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a jerk at either end."""
    return (1 - np.cos(np.pi * t)) / 2


def draw_twitches(rng: np.random.Generator, nuisance: float) -> tuple[Pull, ...]:
    """Small movements in random directions, on one half of the face or both."""
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
    """One wave `[T]` at any time of the clip, measured from the onset frame."""
    peak, width = rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.4)
    time = np.arange(NUM_FRAMES) / NUM_FRAMES
    wave = np.exp(-0.5 * ((time - peak) / width) ** 2)
    return wave - wave[0]


def draw_head(rng: np.random.Generator, size: float) -> Head:
    """A head that is never quite still: smoothed noise, measured from the onset."""
    margin = 12  # frames at either end that the smoothing reaches
    shape = (len(HEAD_SIZES), NUM_FRAMES + 2 * margin)
    noise = rng.standard_normal(shape).astype(np.float32)
    paths = 3 * cv2.GaussianBlur(noise, (2 * margin + 1, 1), 5)[:, margin:-margin]
    paths = paths - paths[:, :1]
    return Head(*(size * np.array(HEAD_SIZES)[:, None] * paths))
