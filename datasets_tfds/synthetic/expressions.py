"""From an emotion to the skin it moves: action units, one-sided or two-sided.

Codes are written as in the coding sheets of the corpora: '6+12', 'L14'. L is the
person's own left, which the camera sees on the right (x > 0).
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from datasets_tfds.synthetic import muscles
from datasets_tfds.synthetic.geometry import FaceGrid
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.muscles import Fold, Pull, Style

# Combinations that occur in the codings of CASME II and SAMM; each equally likely.
# Others are what the coders could not tell, so their units are those of several.
EMOTIONS = {
    "neutral": ("",),
    "happiness": ("12", "6+12", "L12", "R12", "12+14"),
    "surprise": ("1+2", "1+2+5", "2", "1+R2", "1+2+26"),
    "disgust": ("4+7", "4+9", "9+10", "10", "4", "4+7+10"),
    "repression": ("15+17", "17+24", "14", "L14", "12+24", "17"),
    "sadness": ("1+4+15", "1+15+17", "1", "15"),
    "anger": ("4+7", "4+7+24", "4", "7+24"),
    "fear": ("1+2+4+20", "4+5+20", "1+4"),
    "contempt": ("L14", "R14", "L12+14"),
    "others": ("4", "4+5", "4+L10", "4+R10", "4+14", "14"),
}


class ActionUnit(NamedTuple):
    """One action unit of a code."""

    number: int
    side: str = ""  # 'L', 'R', or empty where both halves act


def parse(code: str) -> tuple[ActionUnit, ...]:
    """Reads a code; the empty code is the neutral face.

    >>> parse("L12+14")
    (ActionUnit(number=12, side='L'), ActionUnit(number=14, side=''))

    Raises:
        ValueError: for a unit that has no muscle here.
    """
    units = []
    for text in code.split("+") if code else ():
        match = re.fullmatch(r"([LR]?)([0-9]+)", text)
        if match is None or int(match[2]) not in muscles.MUSCLES:
            known = ", ".join(map(str, muscles.MUSCLES))
            raise ValueError(f"{text!r} of {code!r} is no action unit of {known}")
        units.append(ActionUnit(int(match[2]), match[1]))
    return tuple(units)


@dataclasses.dataclass(frozen=True)
class Expression:
    """An expression on one face, every pull and fold where it acts.

    Attributes:
        code: its action units.
        pulls: skin that moves.
        folds: lines that darken, each with the halves it is seen on.
    """

    code: str
    pulls: tuple[Pull, ...] = ()
    folds: tuple[tuple[Fold, str], ...] = ()

    def displacement(self, grid: FaceGrid) -> np.ndarray:
        """`[H, W, 2]` in face units at intensity 1."""
        return muscles.displacement(grid, self.pulls)

    def shading(self, grid: FaceGrid) -> np.ndarray:
        """`[H, W]` log brightness at intensity 1."""
        shading = np.zeros_like(grid.x)
        for fold, side in self.folds:
            line = grid.stroke_pair(fold.start, fold.end, fold.width)
            if side:
                line = line * ((grid.x > 0) == (side == "L"))
            shading += fold.gain * line
        return shading


def draw_expression(
    code: str,
    face: Identity,
    styles: Mapping[int, Style],
    rng: np.random.Generator,
) -> Expression:
    """One performance of `code`: nobody makes the same face twice.

    Args:
        code: action units.
        face: whose mouth and brows the pulls follow.
        styles: of this person, by action unit number.
        rng: drawn from equally often whatever the side of a unit.
    """
    imbalance = rng.uniform(-0.25, 0.25)  # between both halves of the face
    pulls: list[Pull] = []
    folds: list[tuple[Fold, str]] = []
    for number, side in parse(code):
        style = styles[number]
        style = style._replace(gain=style.gain * rng.uniform(0.75, 1.15))
        for pull in muscles.MUSCLES[number].pulls:
            pull = muscles.restyle(muscles.fit(pull, face), style)
            dx, dy = rng.normal(0, 0.012, 2)
            dx = 0 if muscles.on_midline(pull) else dx
            pull = pull._replace(x=pull.x + dx, y=pull.y + dy)
            pulls.extend(_on_side(pull, side, imbalance))
        for fold in muscles.MUSCLES[number].folds:
            folds.append((fold._replace(gain=fold.gain * style.gain), side))
    return Expression(code, tuple(pulls), tuple(folds))


def _on_side(pull: Pull, side: str, imbalance: float) -> tuple[Pull, ...]:
    """The pull where it acts: on the midline, on one half, or on both."""
    if muscles.on_midline(pull):
        return (pull,)
    left, right = pull, muscles.mirror(pull)
    if side:
        return (left,) if side == "L" else (right,)
    return muscles.scale(left, 1 + imbalance), muscles.scale(right, 1 - imbalance)
