"""The paint of a face: complexion, marks, stubble, lips, nostrils and brows.

An albedo `[H, W, 3]` is the share of red, green and blue light that skin returns,
before any light and shadow.
"""

import numpy as np

from datasets_tfds.synthetic.geometry import (
    FaceGrid,
    along_brow,
    brow_middle,
    head_radius,
    lips,
)
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.raster import lit, ridge, smoothstep, stain

BLUSH = (1.0, 0.80, 0.78)
SHADOW_BELOW_EYES = (0.75, 0.68, 0.75)
EYELID = (0.8, 0.72, 0.7)
FRECKLE = (0.55, 0.42, 0.35)
MOLE = (0.35, 0.25, 0.22)
BEARD = (0.45, 0.45, 0.5)
LIPS_ON_LIGHT_SKIN = (0.86, 0.56, 0.56)
LIPS_ON_DARK_SKIN = (0.80, 0.62, 0.62)
MOUTH_LINE = (0.22, 0.12, 0.11)
NOSTRIL = (0.10, 0.05, 0.04)
NOSE_WING = (0.45, 0.35, 0.32)

NUM_FRECKLES = 110


def albedo(face: Identity, grid: FaceGrid) -> np.ndarray:
    """All that is painted on the skin, from the lowest layer to the highest."""
    painted = _complexion(face, grid)
    painted = _marks(painted, face, grid)
    painted = _stubble(painted, face, grid)
    painted = _mouth(painted, face, grid)
    painted = _nostrils(painted, face, grid)
    return _brows(painted, face, grid)


def _complexion(face: Identity, grid: FaceGrid) -> np.ndarray:
    """Skin tone with red cheeks and nose, dark eyelids, blotches and pores."""
    skin = lit(face.skin, np.ones_like(grid.x))
    cheeks = grid.pair(0.58, 0.42, 0.20, 0.17)
    nose = grid.spot(0, face.nose_y - 0.02, 0.14, 0.10)
    skin = stain(skin, np.clip(0.45 * cheeks + 0.4 * nose, 0, 1), BLUSH)
    rings = grid.pair(face.eye_x, 0.15, 0.17, 0.06)
    skin = stain(skin, 0.22 * rings, SHADOW_BELOW_EYES)
    eyelids = grid.pair(face.eye_x, -0.13, 0.18, 0.06)
    skin = stain(skin, 0.25 * eyelids, EYELID)
    rng = face.stream("skin")
    pores, spots, blotches = (grid.grain(rng, size) for size in (0.012, 0.07, 0.25))
    return skin * (1 + 0.03 * (pores + spots + blotches))[..., None]


def _marks(skin: np.ndarray, face: Identity, grid: FaceGrid) -> np.ndarray:
    """Freckles around the nose and moles anywhere: fixed points for a flow."""
    if face.freckles:
        rng = face.stream("freckles")
        places = rng.normal((0, 0.25), (0.5, 0.22), (NUM_FRECKLES, 2))
        sizes = rng.uniform(0.008, 0.016, NUM_FRECKLES)
        dots = np.zeros_like(grid.x)
        for (x, y), size in zip(places, sizes, strict=True):
            if abs(x) < 0.85:
                dots += grid.spot(x, y, size, size)
        skin = stain(skin, np.clip(2.2 * face.freckles * dots, 0, 0.5), FRECKLE)
    for x, y in face.moles:
        skin = stain(skin, 0.7 * grid.spot(x, y, 0.016, 0.016), MOLE)
    return skin


def _stubble(skin: np.ndarray, face: Identity, grid: FaceGrid) -> np.ndarray:
    if not face.stubble:
        return skin
    height = grid.y + 0.55 * np.clip(grid.side - 0.45, 0, None)  # up to the ears
    jaw = smoothstep(0.55, 1.0, height)
    jaw *= smoothstep(0, 0.12, head_radius(face, grid.x, grid.y) - 0.25)
    jaw *= 1 - grid.spot(0, face.mouth_y, 0.36, 0.09)
    hairs = 1 + 0.25 * grid.grain(face.stream("stubble"), 0)
    return stain(skin, np.clip(face.stubble * jaw * hairs, 0, 0.8), BEARD)


def _mouth(skin: np.ndarray, face: Identity, grid: FaceGrid) -> np.ndarray:
    mouth = lips(face, grid)
    on_light_skin = face.skin[0] > 0.45
    lip_colour = LIPS_ON_LIGHT_SKIN if on_light_skin else LIPS_ON_DARK_SKIN
    skin = stain(skin, 0.75 * mouth.red, lip_colour)
    skin = stain(skin, 0.80 * mouth.parting, MOUTH_LINE)
    corners = grid.pair(face.mouth_width, face.mouth_y + 0.012, 0.030, 0.024)
    return stain(skin, 0.35 * corners, MOLE)


def _nostrils(skin: np.ndarray, face: Identity, grid: FaceGrid) -> np.ndarray:
    width, tip = face.nose_width, face.nose_y
    slanted = grid.y + 0.12 * grid.side
    holes = ridge(grid.side - 0.52 * width, 0.042) * ridge(slanted - tip - 0.062, 0.02)
    skin = stain(skin, 0.95 * holes, NOSTRIL)
    wings = grid.stroke_pair(
        (width + 0.035, tip - 0.05), (width + 0.02, tip + 0.05), 0.02
    )
    return stain(skin, 0.30 * wings, NOSE_WING)


def _brows(skin: np.ndarray, face: Identity, grid: FaceGrid) -> np.ndarray:
    """Tapered arcs of short hairs; the finest texture near the upper-face AUs."""
    out = along_brow(grid.side)
    middle = brow_middle(face, grid.side)
    thickness = 1.1 * face.brow_thickness * (1 - 0.55 * out)
    arc = np.exp(-0.5 * np.abs((grid.y - middle) / thickness) ** 2.6)
    arc *= smoothstep(0.13, 0.24, grid.side) * smoothstep(0.78, 0.62, grid.side)
    hairs = 0.80 + 0.22 * grid.grain(face.stream("brows"), 0.010, stretch=2.2)
    hair_over_skin = 0.8 * np.asarray(face.hair) / np.asarray(face.skin)
    return stain(
        skin, np.clip(arc * hairs, 0, 0.93), np.clip(hair_over_skin, 0.04, 0.55)
    )
