"""The shape of a face: coordinates, outline, relief, eyelids and lips.

Everything here is a function of an `Identity`; nothing is painted yet. Masks and
heights are `[H, W]`, lengths in face units (see `identity.py`).
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from datasets_tfds.synthetic import raster
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.raster import Field, Point, ridge, smoothstep


@dataclasses.dataclass(frozen=True)
class FaceGrid:
    """Face coordinates of every pixel.

    Attributes:
        x, y: `[H, W]` float32.
        scale: pixels per face unit.
    """

    x: np.ndarray
    y: np.ndarray
    scale: float

    @property
    def side(self) -> np.ndarray:
        """|x|: what is drawn with it appears on both halves of the face."""
        return np.abs(self.x)

    @property
    def edge(self) -> float:
        """Half the width of an anti-aliased edge."""
        return 1.2 / self.scale

    def spot(self, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        """One Gaussian spot."""
        return raster.bump(self.x, self.y, cx, cy, sx, sy)

    def pair(self, cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
        """A spot on either half of the face."""
        return raster.bump(self.side, self.y, cx, cy, sx, sy)

    def stroke_pair(self, start: Point, end: Point, width: float) -> np.ndarray:
        """A stroke on either half of the face."""
        return raster.stroke(self.side, self.y, start, end, width)

    def grain(
        self, rng: np.random.Generator, size: float, stretch: float = 1.0
    ) -> np.ndarray:
        """Noise with grains of `size` face units, but never below 0.6 pixels."""
        height, width = self.x.shape
        sigma = max(0.6, size * self.scale)
        return raster.grain(rng, (height, width), sigma, stretch)


def face_grid(
    face: Identity, shape: tuple[int, int], scale: float, centre: Point
) -> FaceGrid:
    """Face coordinates of a picture.

    Args:
        face: its roll and yaw turn the coordinates, and so all that is drawn.
        shape: (H, W) in pixels.
        scale: pixels per face unit.
        centre: (x, y) in pixels of the point between the pupils.
    """
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x, y = (columns - centre[0]) / scale, (rows - centre[1]) / scale
    cos, sin = np.cos(face.roll), np.sin(face.roll)
    x, y = cos * x + sin * y, cos * y - sin * x
    depth = np.sqrt(np.clip(1 - head_radius(face, x, y), 1e-4, 1))
    x = x - face.yaw * depth  # what is nearer to the camera shifts further
    return FaceGrid(x.astype(np.float32), y.astype(np.float32), scale)


def to_pixels(
    face: Identity, points: np.ndarray, scale: float, centre: Point
) -> np.ndarray:
    """Where `face_grid` puts points of the face: its inverse.

    Args:
        face: see `face_grid`.
        points: `[N, 2]` (x, y) in face units.
        scale, centre: see `face_grid`.

    Returns:
        `[N, 2]` (x, y) in pixels.
    """
    x, y = points[:, 0], points[:, 1]
    turned = x
    for _ in range(8):  # the turn is small: each round gains a digit
        depth = np.sqrt(np.clip(1 - head_radius(face, turned, y), 1e-4, 1))
        turned = x + face.yaw * depth
    cos, sin = np.cos(face.roll), np.sin(face.roll)
    upright = np.stack((cos * turned - sin * y, sin * turned + cos * y), axis=1)
    return upright * scale + centre


def head_radius(face: Identity, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """0 between the eyes, 1 on the outline of the face, > 1 outside of it."""
    jaw = np.abs(y / face.chin_y) ** face.jaw
    skull = np.abs(y / 1.5) ** 2.3
    return (x / face.half_width) ** 2 + np.where(y > 0, jaw, skull)


def relief(face: Identity, grid: FaceGrid) -> np.ndarray:
    """Height of the skin towards the camera: what light and shadow come from."""
    skull = 0.95 * np.clip(1 - head_radius(face, grid.x, grid.y), 1e-3, 1) ** 0.42
    return skull + _nose(face, grid) + _eye_region(face, grid) + _mouth(face, grid)


def _nose(face: Identity, grid: FaceGrid) -> np.ndarray:
    side, y, tip = grid.side, grid.y, face.nose_y
    down = np.clip((y + 0.15) / (tip + 0.15), 0, 1)  # 0 at the root, 1 at the tip
    bridge = (0.30 + 0.70 * down**1.5) * ridge(side, 0.085 + 0.050 * down)
    bridge *= smoothstep(-0.34, 0.05, y)
    bridge *= smoothstep(tip + 0.15, tip - 0.05, y + 0.25 * side)
    wings = grid.pair(0.85 * face.nose_width, tip + 0.005, 0.060, 0.070)
    ball = grid.spot(0, tip - 0.02, 0.085, 0.085)
    return face.nose_height * bridge + 0.085 * wings + 0.075 * ball


def _eye_region(face: Identity, grid: FaceGrid) -> np.ndarray:
    eye = face.eye_x
    sockets = -0.16 * grid.pair(eye - 0.02, -0.04, 0.20, 0.11)
    eyeballs = 0.07 * grid.pair(eye, 0, 0.14, 0.085)
    inner_corners = -0.05 * grid.pair(0.19, -0.03, 0.05, 0.09)
    brow_bone = 0.06 * grid.pair(0.45, face.brow_y + 0.02, 0.26, 0.09)
    cheekbones = 0.05 * grid.pair(0.60, 0.32, 0.20, 0.16)
    hollow_cheeks = -0.04 * grid.pair(0.62, 0.85, 0.16, 0.22)
    eyes = sockets + eyeballs + inner_corners
    return eyes + brow_bone + cheekbones + hollow_cheeks


def _mouth(face: Identity, grid: FaceGrid) -> np.ndarray:
    y = face.mouth_y
    lips = 0.05 * grid.spot(0, y - 0.06, 0.24, 0.05)
    lips += 0.06 * grid.spot(0, y + 0.08, 0.20, 0.05)
    hollow = -0.05 * grid.spot(0, y + 0.21, 0.22, 0.05)  # below the lower lip
    chin = 0.09 * grid.spot(0, face.chin_y - 0.20, 0.20, 0.13)
    philtrum = -0.02 * grid.spot(0, y - 0.19, 0.03, 0.07)
    smile_lines = -0.022 * grid.stroke_pair(
        (face.nose_width + 0.06, face.nose_y - 0.02),
        (face.mouth_width + 0.05, y - 0.06),
        0.035,
    )
    return lips + hollow + chin + philtrum + smile_lines


class Lips(NamedTuple):
    """`[H, W]` masks of the mouth."""

    red: np.ndarray  # both lips
    parting: np.ndarray  # the line between them


def lips(face: Identity, grid: FaceGrid) -> Lips:
    """The closed mouth: a Cupid's bow above, a fuller arc below."""
    side, width = grid.side, face.mouth_width
    out = np.clip(side / width, 0, 1)  # 0 in the middle, 1 in the corners
    middle = face.mouth_y + face.smile * out**2
    middle += 0.010 * ridge(side, 0.07) - 0.008 * ridge(side - 0.16, 0.07)
    bow = 0.80 + 0.30 * ridge(side - 0.085, 0.06) - 0.20 * ridge(side, 0.035)
    upper = face.lip * (1 - out**2.2) * bow
    lower = 1.25 * face.lip * (1 - out**2.6)
    y = grid.y - middle
    red = smoothstep(-upper - 0.015, -upper + 0.012, y)
    red *= smoothstep(lower + 0.015, lower - 0.012, y)
    red *= smoothstep(width + 0.01, width - 0.03, side)
    parting = ridge(y, 0.011) * smoothstep(width + 0.02, width - 0.03, side)
    return Lips(red, parting)


def along_brow(side: Field) -> Field:
    """0 at the inner end of a brow, 1 at its outer end; `side` is |x|."""
    return np.clip((side - 0.17) / 0.55, 0, 1)


def brow_middle(face: Identity, side: Field) -> Field:
    """y of the middle of a brow, an arc; `side` is |x|."""
    out = along_brow(side)
    return face.brow_y - face.brow_arch * np.sin(np.pi * out**0.8) + 0.03 * out


class Lids(NamedTuple):
    """`[H, W]` fields around either eye."""

    across: np.ndarray  # -1 inner corner, 0 pupil, 1 outer corner
    y: np.ndarray  # below (+) the line through both corners
    upper: np.ndarray  # height of the upper lid's edge above that line
    lower: np.ndarray  # depth of the lower lid's edge below it
    opening: np.ndarray  # mask of the visible eyeball


def lids(face: Identity, grid: FaceGrid, closure: float = 0.0) -> Lids:
    """The almond between the lids; the upper one peaks towards the nose.

    Args:
        face: whose eyes.
        grid: face coordinates.
        closure: 0 open; at 1 the upper lid's edge has reached the lower lid's.
    """
    across = (grid.side - face.eye_x) / face.eye_width
    y = grid.y + 2 * face.eye_tilt * across
    arch_above = np.clip(1 - np.abs(across + 0.08) ** 2.1, 0, 1) ** 0.75
    arch_below = np.clip(1 - np.abs(across - 0.05) ** 2.3, 0, 1) ** 0.9
    upper = 0.085 * face.eye_opening * arch_above
    lower = 0.055 * face.eye_opening * arch_below
    upper = upper - closure * (upper + lower)
    soft = 0.8 * grid.edge
    opening = smoothstep(-upper - soft, -upper + soft, y)
    opening *= smoothstep(lower + soft, lower - soft, y)
    opening *= smoothstep(1.03, 0.97, np.abs(across))
    return Lids(across, y, upper, lower, opening)
