"""Eyeballs, lashes and lids, painted over the shaded face."""

from typing import NamedTuple

import numpy as np

from datasets_tfds.synthetic.geometry import FaceGrid, Lids, lids
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.raster import cover, lit, ridge, smoothstep, stain

EYE_WHITE = (0.62, 0.58, 0.55)
TEAR_CORNER = (0.7, 0.2, 0.2)
CLOSED_LID = (0.95, 0.91, 0.90)

IRIS_RADIUS = 0.09  # face units
PUPIL_RADIUS = 0.04
LID_FOLLOWS = 0.5  # share of the iris' way down that the upper lid goes along


class Look(NamedTuple):
    """What both eyes do at one moment."""

    closure: float = 0.0  # of the upper lids, 0 open .. 1 closed
    x: float = 0.0  # way of the irises, face units
    y: float = 0.0


STRAIGHT = Look()


def paint_eyes(
    skin: np.ndarray,
    face: Identity,
    grid: FaceGrid,
    shade: np.ndarray,
    fibres: np.ndarray,
    look: Look = STRAIGHT,
) -> np.ndarray:
    """Lays both eyes over a face.

    Args:
        skin: `[H, W, 3]` the shaded face.
        face: whose eyes.
        grid: face coordinates `[H, W]`.
        shade: `[H, W]` brightness of the light on the skin, 1 = full.
        fibres: `[H, W]` of `iris_fibres`.
        look: what the eyes do.
    """
    eye = lids(face, grid, _lowered(look, face))
    skin = stain(skin, _lid_skin(face, grid, eye), CLOSED_LID)
    painted = cover(skin, eye.opening, _eyeball(face, grid, eye, shade, fibres, look))
    across = np.abs(eye.across)
    lashes = ridge(eye.y + eye.upper, 0.016) * smoothstep(1.06, 0.95, across)
    lower_lashes = ridge(eye.y - eye.lower, 0.010) * smoothstep(1.0, 0.85, across)
    dark = 0.82 * lashes + 0.38 * lower_lashes + 0.33 * _crease(face, grid, look)
    inner_corner = grid.pair(face.eye_x - face.eye_width, 0.005, 0.020, 0.018)
    painted = painted * (1 - np.clip(dark, 0, 0.95))[..., None]
    return stain(painted, 0.25 * inner_corner, TEAR_CORNER)


def iris_fibres(face: Identity, grid: FaceGrid) -> np.ndarray:
    """Brightness `[H, W]` of the irises' fibres, mean ~ 0."""
    return 0.25 * grid.grain(face.stream("iris"), 0.012)


def _lowered(look: Look, face: Identity) -> float:
    """Closure of the lids: of a blink, and of a gaze down."""
    height = 0.14 * face.eye_opening  # of the open eye
    return float(np.clip(look.closure + LID_FOLLOWS * look.y / height, -0.2, 1))


def _lid_skin(face: Identity, grid: FaceGrid, eye: Lids) -> np.ndarray:
    """What a lowered lid brings down: thin skin where the open eye would be."""
    return np.clip(lids(face, grid).opening - eye.opening, 0, 1)


def _crease(face: Identity, grid: FaceGrid, look: Look) -> np.ndarray:
    """The fold above the open lid, smoothed out as the lid comes down."""
    eye = lids(face, grid)
    crease = ridge(eye.y + eye.upper + 0.050 + 0.01 * eye.across, 0.013)
    crease *= smoothstep(1.1, 0.8, np.abs(eye.across))
    return crease * (1 - 0.6 * look.closure)


def _eyeball(
    face: Identity,
    grid: FaceGrid,
    eye: Lids,
    shade: np.ndarray,
    fibres: np.ndarray,
    look: Look,
) -> np.ndarray:
    """White, iris, pupil and the reflected lamp, in the shadow of the upper lid."""
    below_lid = eye.y + eye.upper
    x = grid.x - np.sign(grid.x) * face.eye_x
    radius = np.hypot(x - look.x, grid.y - look.y + 0.012)
    ball = smoothstep(0, 0.09, below_lid) * smoothstep(1.05, 0.45, np.abs(eye.across))
    white = (0.55 + 0.45 * ball) * (0.55 + 0.45 * shade)
    iris = 0.8 + 0.5 * smoothstep(IRIS_RADIUS, 0.03, radius) + fibres
    iris *= smoothstep(IRIS_RADIUS + 0.010, IRIS_RADIUS - 0.008, radius)  # dark rim
    iris *= 0.6 + 0.5 * smoothstep(0, 0.07, below_lid)
    disc = smoothstep(IRIS_RADIUS + 0.007, IRIS_RADIUS - 0.005, radius)
    colour = cover(lit(EYE_WHITE, white), disc, lit(face.iris, iris))
    pupil = smoothstep(PUPIL_RADIUS + 0.005, PUPIL_RADIUS - 0.004, radius)
    lamp_x = x - 0.030 * np.sign(face.light[0])
    lamp = smoothstep(0.020, 0.010, np.hypot(lamp_x, grid.y + 0.045))
    return colour * (1 - 0.97 * pupil)[..., None] + 0.85 * lamp[..., None]
