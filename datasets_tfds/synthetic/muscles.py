"""Action units as patches of moving skin, and the folds they cast.

The table gives an average face; `place` and `crease` put a unit on one person.
Lengths and displacements are in face units (see `identity.py`).
"""

import dataclasses
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from datasets_tfds.synthetic.geometry import FaceGrid
from datasets_tfds.synthetic.identity import Identity


class Pull(NamedTuple):
    """A Gaussian patch of skin at (x, y) that moves by (dx, dy) at intensity 1.

    In the tables x >= 0 stands for both halves of the face, x = 0 for its midline.
    """

    x: float
    y: float
    width: float  # standard deviations of the patch
    height: float
    dx: float
    dy: float


class Fold(NamedTuple):
    """A line that darkens (gain < 0) the skin: log brightness at intensity 1."""

    start: tuple[float, float]
    end: tuple[float, float]
    width: float
    gain: float


@dataclasses.dataclass(frozen=True)
class Muscle:
    """What one action unit does to the left half of an average face."""

    pulls: tuple[Pull, ...]
    folds: tuple[Fold, ...] = ()


# Facial Action Coding System numbers; amplitudes chosen so that 1 is a strong but
# ordinary expression.
MUSCLES = {
    1: Muscle(  # inner brow raiser
        (Pull(0.22, -0.34, 0.14, 0.16, 0.000, -0.075),),
        (Fold((0.05, -0.62), (0.30, -0.63), 0.035, -0.16),),
    ),
    2: Muscle(  # outer brow raiser
        (Pull(0.58, -0.36, 0.16, 0.16, 0.010, -0.070),),
        (Fold((0.35, -0.63), (0.70, -0.56), 0.035, -0.14),),
    ),
    4: Muscle(  # brow lowerer
        (Pull(0.20, -0.28, 0.15, 0.14, -0.045, 0.050),),
        (Fold((0.07, -0.36), (0.10, -0.16), 0.030, -0.22),),
    ),
    5: Muscle((Pull(0.45, -0.07, 0.16, 0.06, 0.000, -0.035),)),  # upper lid raiser
    6: Muscle(  # cheek raiser
        (
            Pull(0.52, 0.20, 0.22, 0.14, 0.000, -0.040),
            Pull(0.45, 0.10, 0.18, 0.05, 0.000, -0.025),
        ),
        (Fold((0.70, 0.10), (0.84, 0.04), 0.030, -0.12),),
    ),
    7: Muscle(  # lid tightener
        (
            Pull(0.45, 0.09, 0.17, 0.05, 0.000, -0.032),
            Pull(0.45, -0.07, 0.17, 0.05, 0.000, 0.020),
        ),
    ),
    9: Muscle(  # nose wrinkler
        (
            Pull(0.13, 0.45, 0.11, 0.14, 0.010, -0.050),
            Pull(0.15, -0.22, 0.13, 0.12, -0.015, 0.030),
        ),
        (
            Fold((0.05, 0.02), (0.12, 0.06), 0.025, -0.18),
            Fold((0.17, 0.50), (0.27, 0.72), 0.030, -0.15),
        ),
    ),
    10: Muscle(  # upper lip raiser
        (
            Pull(0.20, 0.84, 0.14, 0.09, 0.000, -0.050),
            Pull(0.22, 0.60, 0.12, 0.10, 0.000, -0.025),
        ),
        (Fold((0.20, 0.58), (0.34, 0.84), 0.045, -0.15),),
    ),
    12: Muscle(  # lip corner puller
        (
            Pull(0.40, 0.95, 0.15, 0.13, 0.055, -0.060),
            Pull(0.50, 0.62, 0.18, 0.16, 0.015, -0.030),
        ),
        (Fold((0.22, 0.60), (0.42, 0.88), 0.055, -0.15),),
    ),
    14: Muscle(  # dimpler
        (Pull(0.40, 0.97, 0.10, 0.10, 0.050, -0.005),),
        (Fold((0.47, 0.90), (0.48, 1.05), 0.025, -0.20),),
    ),
    15: Muscle(  # lip corner depressor
        (Pull(0.38, 1.02, 0.13, 0.12, 0.010, 0.055),),
        (Fold((0.42, 1.05), (0.45, 1.20), 0.030, -0.16),),
    ),
    17: Muscle(  # chin raiser
        (
            Pull(0.00, 1.30, 0.22, 0.13, 0.000, -0.050),
            Pull(0.00, 1.08, 0.18, 0.06, 0.000, -0.030),
        ),
        (Fold((0.02, 1.18), (0.16, 1.20), 0.030, -0.16),),
    ),
    20: Muscle((Pull(0.42, 1.00, 0.16, 0.10, 0.060, 0.005),)),  # lip stretcher
    24: Muscle(  # lip pressor
        (
            Pull(0.12, 0.91, 0.20, 0.05, 0.000, 0.028),
            Pull(0.12, 1.09, 0.20, 0.05, 0.000, -0.028),
        ),
    ),
    26: Muscle(  # jaw drop
        (
            Pull(0.00, 1.25, 0.40, 0.24, 0.000, 0.060),
            Pull(0.00, 1.06, 0.24, 0.06, 0.000, 0.030),
        ),
    ),
}

# The average mouth and brows that the table was written for.
MOUTH_WIDTH, MOUTH_Y, BROW_Y = 0.36, 0.98, -0.30


class Style(NamedTuple):
    """How one person performs one action unit."""

    gain: float = 1.0
    turn: float = 0.0  # of the direction, radians
    dx: float = 0.0  # of the place
    dy: float = 0.0


def draw_style(rng: np.random.Generator) -> Style:
    """Some people smile with twice the range of others, and in other directions."""
    gain, turn = rng.lognormal(0, 0.30), rng.normal(0, 0.30)
    dx, dy = rng.normal(0, 0.035, 2)
    return Style(gain, turn, dx, dy)


def fit(pull: Pull, face: Identity) -> Pull:
    """Moves a pull of the average face to where this face has its mouth or brows."""
    if pull.y > 0.75:
        x = pull.x * face.mouth_width / MOUTH_WIDTH
        return pull._replace(x=x, y=pull.y + face.mouth_y - MOUTH_Y)
    if pull.y < -0.2:
        return pull._replace(y=pull.y + face.brow_y - BROW_Y)
    return pull


def restyle(pull: Pull, style: Style) -> Pull:
    """The pull as `style` performs it; what is on the midline stays there."""
    cos, sin = np.cos(style.turn), np.sin(style.turn)
    dx = style.gain * (cos * pull.dx - sin * pull.dy)
    dy = style.gain * (sin * pull.dx + cos * pull.dy)
    if on_midline(pull):
        return pull._replace(y=pull.y + style.dy, dx=0.0, dy=dy)
    return pull._replace(x=pull.x + style.dx, y=pull.y + style.dy, dx=dx, dy=dy)


def on_midline(pull: Pull) -> bool:
    """Whether both halves of the face share this pull."""
    return pull.x == 0


def mirror(pull: Pull) -> Pull:
    """The same pull on the other half of the face."""
    return pull._replace(x=-pull.x, dx=-pull.dx)


def scale(pull: Pull, gain: float) -> Pull:
    """The same pull, `gain` times as far."""
    return pull._replace(dx=gain * pull.dx, dy=gain * pull.dy)


def displacement(grid: FaceGrid, pulls: Iterable[Pull]) -> np.ndarray:
    """How far every point of the skin moves at intensity 1.

    Args:
        grid: face coordinates `[H, W]`.
        pulls: each acts where it says (no mirroring here); they add up.

    Returns:
        `[H, W, 2]` float32, (dx, dy) in face units.
    """
    dx, dy = np.zeros_like(grid.x), np.zeros_like(grid.x)
    for pull in pulls:
        patch = grid.spot(pull.x, pull.y, pull.width, pull.height)
        dx += pull.dx * patch
        dy += pull.dy * patch
    return np.stack((dx, dy), axis=-1)
