"""What an actor does during one clip, before a single pixel is drawn."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.actor import Actor
from datasets_tfds.synthetic.expressions import EMOTIONS, Expression, draw_expression
from datasets_tfds.synthetic.eyes import Look
from datasets_tfds.synthetic.muscles import Pull
from datasets_tfds.synthetic.streams import stream

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

# Expected in a clip with nuisance 1. A clip lasts some 0.3 s: people blink and look
# elsewhere every few seconds.
TWITCHES_PER_CLIP = 1.5
BLINKS = 0.06
GAZE_SHIFTS = 0.2
BLINK_LASTS = (0.3, 0.9)  # of the clip: 0.1 to 0.3 s
SHIFT_LASTS = 0.1
GAZE_SIZES = (0.015, 0.008)  # standard deviations of x and y, face units: 5 degrees


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setting:
    """How hard the clips are to read."""

    strength: float = 1.0  # of the expressions; 1 moves skin by 0.4-2.3 of 128 px
    nuisance: float = 1.0  # how many twitches, blinks, gaze shifts; 0 for none
    head_motion: float = 1.0  # relative to `HEAD_SIZES`
    sensor_noise: float = 1.6  # standard deviation around mid grey, grey levels


ORDINARY = Setting()


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
        apex: position of the apex frame, 0 < apex < T.
        expression: the skin that the emotion moves.
        intensity: `[T]`, 0 at the onset, largest at the apex.
        twitches: the skin that moves for no reason.
        twitch_course: `[T]`, 0 at the onset, within -1..1.
        head: rigid motion.
        closure: `[T]` of the upper lids, 0 at the onset, 0 open .. 1 closed.
        gaze: `[T, 2]` (x, y) of the irises in face units, 0 at the onset.
    """

    clip: str
    setting: Setting
    apex: int
    expression: Expression
    intensity: np.ndarray
    twitches: tuple[Pull, ...]
    twitch_course: np.ndarray
    head: Head
    closure: np.ndarray
    gaze: np.ndarray

    def look(self, t: int) -> Look:
        """What the eyes do in frame `t`."""
        return Look(float(self.closure[t]), *self.gaze[t].tolist())


def perform(
    actor: Actor,
    clip: str,
    emotion: str,
    setting: Setting,
    *,
    num_frames: int,
    apex: int | None = None,
) -> Performance:
    """Acts out `emotion`; a pure function of its arguments.

    Every part has a random stream of its own, so that more nuisance leaves the
    expression as it was, and more strength changes nothing but its size.

    Args:
        actor: who.
        clip: its name, unique for this actor.
        emotion: a key of `EMOTIONS`.
        setting: difficulty.
        num_frames: T, from onset to offset.
        apex: position of the apex frame, drawn near the middle where None.

    Raises:
        ValueError: for an emotion that nobody can show, or an apex that is no
            frame after the onset.
    """
    if emotion not in EMOTIONS:
        raise ValueError(f"emotion must be one of {list(EMOTIONS)}, got {emotion!r}")

    def rng(part: str) -> np.random.Generator:
        return stream(actor.seed, actor.subject, clip, part)

    code = str(rng("code").choice(EMOTIONS[emotion]))
    apex, course = draw_course(rng("course"), num_frames, apex)
    strength = MICRO * setting.strength * rng("strength").uniform(0.3, 1.0)
    return Performance(
        clip=clip,
        setting=setting,
        apex=apex,
        expression=draw_expression(code, actor.identity, actor.styles, rng("muscles")),
        intensity=strength * course,
        twitches=draw_twitches(rng("twitches"), setting.nuisance),
        twitch_course=draw_twitch_course(rng("twitch course"), num_frames),
        head=draw_head(rng("head"), setting.head_motion, num_frames),
        closure=draw_blinks(rng("blinks"), setting.nuisance, num_frames),
        gaze=draw_gaze(rng("gaze"), setting.nuisance, num_frames),
    )


def draw_course(
    rng: np.random.Generator, num_frames: int, apex: int | None = None
) -> tuple[int, np.ndarray]:
    """The apex, and the course `[T]` of an expression from 0 up to 1 and down.

    Up to a third remains in the offset frame: coders end a clip before the face
    is neutral again.

    Args:
        rng: drawn from equally often whatever the apex.
        num_frames: T >= 2.
        apex: where it has to be, or None.

    Raises:
        ValueError: unless 0 < apex < T.
    """
    last = num_frames - 1
    drawn = max(1, round(last * rng.uniform(0.38, 0.62)))
    remains = rng.uniform(0, 0.35)
    apex = drawn if apex is None else apex
    if not 0 < apex <= last:
        raise ValueError(
            f"the apex must come after the onset, frame 0, and be one of the "
            f"{num_frames} frames; got apex {apex}"
        )
    time = np.arange(num_frames)
    up = np.clip(time / apex, 0, 1) ** 0.9
    down = np.clip((time - apex) / max(1, last - apex), 0, 1)
    return apex, _ease(up) * (1 - (1 - remains) * _ease(down))


def _ease(t: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a jerk at either end."""
    return (1 - np.cos(np.pi * t)) / 2


def draw_twitches(rng: np.random.Generator, nuisance: float) -> tuple[Pull, ...]:
    """Small movements in random directions, on one half of the face or both."""
    twitches: list[Pull] = []
    for _ in range(rng.poisson(TWITCHES_PER_CLIP * nuisance)):
        dx, dy = rng.normal(0, TWITCH_SIZE, 2)
        twitch = TWITCHES[rng.integers(len(TWITCHES))]._replace(dx=dx, dy=dy)
        if rng.random() < 0.5:
            twitch = muscles.mirror(twitch)
        twitches.append(twitch)
        if rng.random() < 0.5 and not muscles.on_midline(twitch):
            twitches.append(muscles.mirror(twitch))
    return tuple(twitches)


def draw_twitch_course(rng: np.random.Generator, num_frames: int) -> np.ndarray:
    """One wave `[T]` at any time of the clip, measured from the onset frame."""
    peak, width = rng.uniform(0.2, 0.8), rng.uniform(0.12, 0.4)
    time = np.arange(num_frames) / num_frames
    wave = np.exp(-0.5 * ((time - peak) / width) ** 2)
    return wave - wave[0]


def draw_head(rng: np.random.Generator, size: float, num_frames: int) -> Head:
    """A head that is never quite still: smoothed noise, measured from the onset."""
    margin = 12  # frames at either end that the smoothing reaches
    shape = (len(HEAD_SIZES), num_frames + 2 * margin)
    noise = rng.standard_normal(shape).astype(np.float32)
    paths = 3 * cv2.GaussianBlur(noise, (2 * margin + 1, 1), 5)[:, margin:-margin]
    paths = paths - paths[:, :1]
    return Head(*(size * np.array(HEAD_SIZES)[:, None] * paths))


def draw_blinks(
    rng: np.random.Generator, nuisance: float, num_frames: int
) -> np.ndarray:
    """Closure `[T]` of the upper lids: down fast, up slowly, not always to the end."""
    time = np.arange(num_frames) / num_frames
    closure = np.zeros(num_frames)
    for _ in range(rng.poisson(BLINKS * nuisance)):
        start, lasts = rng.uniform(0, 1), rng.uniform(*BLINK_LASTS)
        depth = min(1.0, rng.uniform(0.5, 1.3))
        passed = (time - start) / lasts
        down, up = np.clip(passed / 0.35, 0, 1), np.clip((passed - 0.45) / 0.55, 0, 1)
        closure = np.maximum(closure, depth * _ease(down) * (1 - _ease(up)))
    return closure


def draw_gaze(rng: np.random.Generator, nuisance: float, num_frames: int) -> np.ndarray:
    """Way `[T, 2]` of the irises, face units: quick shifts, and rest in between."""
    time = np.arange(num_frames) / num_frames
    gaze = np.zeros((num_frames, 2))
    for _ in range(rng.poisson(GAZE_SHIFTS * nuisance)):
        passed = np.clip((time - rng.uniform(0, 1)) / SHIFT_LASTS, 0, 1)
        gaze += _ease(passed)[:, None] * rng.normal(0, GAZE_SIZES)
    return gaze
