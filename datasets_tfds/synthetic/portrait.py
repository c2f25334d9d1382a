"""A neutral portrait: relief and paint under a lamp, drawn once per subject."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from datasets_tfds.synthetic import eyes, skin, surroundings
from datasets_tfds.synthetic.geometry import (
    FaceGrid,
    face_grid,
    head_radius,
    lips,
    relief,
)
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.raster import cover, smoothstep

OVERSAMPLING = 1.5  # the portrait is finer than the frames warped from it
FACES_PER_WIDTH = 2.55 / 2  # the frame is that many faces wide: a tight crop
CENTRE = (0.5, 0.47)  # of the point between the pupils, in frame sizes
GAMMA = 2.2
LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601


@dataclasses.dataclass(frozen=True)
class Portrait:
    """A neutral face and where its parts are.

    Attributes:
        picture: `[h, w, 3]` float32, display values 0..255, `OVERSAMPLING` times
            as fine as the frames.
        grid: face coordinates of the frames' pixels, `[size, size]`.
        depth: `[size, size]` height of the skin towards the camera, face units,
            0 outside of the face.
        centre: (x, y) pixel of the frames between the pupils.
    """

    picture: np.ndarray
    grid: FaceGrid
    depth: np.ndarray
    centre: tuple[float, float]


def draw_portrait(face: Identity, size: int, *, grey: bool = False) -> Portrait:
    """Draws `face`; a pure function of its arguments.

    Args:
        face: whose portrait.
        size: height and width in pixels of the frames to come.
        grey: three equal channels, as from a monochrome camera.
    """
    scale = size / (2 * FACES_PER_WIDTH)
    centre = (CENTRE[0] * size, CENTRE[1] * size)
    fine = round(OVERSAMPLING * size)
    grid = face_grid(
        face,
        (fine, fine),
        scale=OVERSAMPLING * scale,
        centre=(OVERSAMPLING * centre[0], OVERSAMPLING * centre[1]),
    )
    height = cv2.GaussianBlur(
        relief(face, grid).astype(np.float32), (0, 0), 0.012 * grid.scale
    )
    inside = _inside(face, grid)
    return Portrait(
        picture=_develop(_paint(face, grid, height, inside), grey=grey),
        grid=FaceGrid(_shrink(grid.x, size), _shrink(grid.y, size), scale),
        depth=_shrink(height * inside, size),
        centre=centre,
    )


class Light(NamedTuple):
    """`[H, W]` fields of the light on the relief."""

    lambert: np.ndarray  # cosine between normal and light, -1..1
    shade: np.ndarray  # ambient + diffuse light, dark in creases, ~ 0..1
    gloss: np.ndarray  # reflection of the lamp on moist skin, 0..1


def light_on(face: Identity, height: np.ndarray, scale: float) -> Light:
    """Lights a relief `height` `[H, W]` in face units, `scale` pixels per unit."""
    slope_y, slope_x = np.gradient(height, 1 / scale)
    steepness = np.sqrt(slope_x**2 + slope_y**2 + 1)
    lamp = np.array((*face.light, 1.0)) / np.linalg.norm((*face.light, 1.0))
    halfway = lamp + (0, 0, 1)  # between lamp and camera
    halfway /= np.linalg.norm(halfway)

    def cosine(direction):
        toward = direction[2] - slope_x * direction[0] - slope_y * direction[1]
        return toward / steepness

    lambert = cosine(lamp)
    wrapped = np.clip((lambert + 0.25) / 1.25, 0, None)  # skin scatters light
    crease = np.clip(cv2.GaussianBlur(height, (0, 0), 0.07 * scale) - height, 0, 1)
    shade = face.ambient + (1.05 - face.ambient) * wrapped
    gloss = np.clip(cosine(halfway), 0, 1) ** 28
    return Light(lambert, shade * np.exp(-6.5 * crease), gloss)


def _paint(
    face: Identity, grid: FaceGrid, height: np.ndarray, inside: np.ndarray
) -> np.ndarray:
    """The whole picture `[H, W, 3]` in linear light, from back to front."""
    light = light_on(face, height, grid.scale)
    shaded = skin.albedo(face, grid) * light.shade[..., None]
    gloss = 0.07 * light.gloss * (1 - 0.5 * lips(face, grid).red)
    shaded = eyes.paint_eyes(shaded + gloss[..., None], face, grid, light.shade)
    picture = surroundings.behind_face(face, grid, light.lambert)
    picture = cover(picture, inside, shaded)
    fringe, colour = surroundings.over_forehead(face, grid, light.shade)
    return cover(picture, fringe, colour)


def _inside(face: Identity, grid: FaceGrid) -> np.ndarray:
    outside = (head_radius(face, grid.x, grid.y) - 1) / 2
    return smoothstep(grid.edge, -grid.edge, outside)


def _develop(linear: np.ndarray, *, grey: bool) -> np.ndarray:
    """Lens blur and gamma: linear light to display values 0..255, float32."""
    blurred = cv2.GaussianBlur(linear.astype(np.float32), (0, 0), 0.45 * OVERSAMPLING)
    picture = 255 * np.clip(blurred, 0, 1) ** (1 / GAMMA)
    if grey:
        picture = np.repeat((picture @ LUMA)[..., None], 3, axis=2)
    return picture.astype(np.float32)


def _shrink(field: np.ndarray, size: int) -> np.ndarray:
    field = field.astype(np.float32)
    return cv2.resize(field, (size, size), interpolation=cv2.INTER_AREA)
