"""A neutral portrait: relief and paint under a lamp, drawn once per subject."""

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np

from datasets_tfds.synthetic import eyes, skin, surroundings
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.eyes import Look
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
GAMMA = 2.2
EYE_REGION = (0.78, 0.26)  # |x| and |y| of all that lids and irises touch, face units
LUMA = np.array((0.299, 0.587, 0.114))  # ITU-R BT.601
_LENS = 4  # pixels of the picture that the lens blur reaches


@dataclasses.dataclass(frozen=True)
class EyeRegion:
    """Both eyes and the skin around them, ready to be painted anew.

    Attributes:
        place: rows and columns of the picture.
        core: those of the region that the lens blurs with nothing from outside.
        skin: `[h, w, 3]` the shaded face below the eyes, linear light.
        grid: face coordinates `[h, w]`.
        shade: `[h, w]` brightness of the light on the skin.
        fibres: `[h, w]` of the irises.
    """

    place: tuple[slice, slice]
    core: tuple[slice, slice]
    skin: np.ndarray
    grid: FaceGrid
    shade: np.ndarray
    fibres: np.ndarray


@dataclasses.dataclass(frozen=True)
class Portrait:
    """A neutral face and where its parts are.

    Attributes:
        face: whose.
        camera: that sees it.
        picture: `[h, w, 3]` float32, display values 0..255, `OVERSAMPLING` times
            as fine as the frames.
        eyes: their part of the picture.
        grid: face coordinates of the frames' pixels, `[H, W]`.
        depth: `[H, W]` height of the skin towards the camera, face units, 0 outside
            of the face.
    """

    face: Identity
    camera: Camera
    picture: np.ndarray
    eyes: EyeRegion
    grid: FaceGrid
    depth: np.ndarray

    def looking(self, look: Look) -> np.ndarray:
        """The picture with other eyes; its pixels are the same all around them."""
        if look == eyes.STRAIGHT:
            return self.picture
        part = self.eyes
        painted = eyes.paint_eyes(
            part.skin, self.face, part.grid, part.shade, part.fibres, look
        )
        picture = self.picture.copy()
        developed = _develop(painted, grey=self.camera.grey)
        picture[part.place][part.core] = developed[part.core]
        return picture


def draw_portrait(face: Identity, camera: Camera) -> Portrait:
    """Draws `face` as `camera` sees it; a pure function of its arguments."""
    x, y = camera.centre
    shape = (camera.height, camera.width)
    grid = face_grid(
        face,
        (round(OVERSAMPLING * shape[0]), round(OVERSAMPLING * shape[1])),
        scale=OVERSAMPLING * camera.scale,
        centre=(OVERSAMPLING * x, OVERSAMPLING * y),
    )
    height = cv2.GaussianBlur(
        relief(face, grid).astype(np.float32), (0, 0), 0.012 * grid.scale
    )
    inside = _inside(face, grid)
    painted, eye_region = _paint(face, grid, height, inside)
    return Portrait(
        face=face,
        camera=camera,
        picture=_develop(painted, grey=camera.grey),
        eyes=eye_region,
        grid=FaceGrid(_shrink(grid.x, shape), _shrink(grid.y, shape), camera.scale),
        depth=_shrink(height * inside, shape),
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
) -> tuple[np.ndarray, EyeRegion]:
    """The whole picture `[H, W, 3]` in linear light, from back to front."""
    light = light_on(face, height, grid.scale)
    shaded = skin.albedo(face, grid) * light.shade[..., None]
    gloss = 0.07 * light.gloss * (1 - 0.5 * lips(face, grid).red)
    shaded = shaded + gloss[..., None]
    fibres = eyes.iris_fibres(face, grid)
    part = _eye_region(grid, shaded, light.shade, fibres)
    shaded = eyes.paint_eyes(shaded, face, grid, light.shade, fibres)
    picture = surroundings.behind_face(face, grid, light.lambert)
    picture = cover(picture, inside, shaded)
    fringe, colour = surroundings.over_forehead(face, grid, light.shade)
    return cover(picture, fringe, colour), part


def _eye_region(
    grid: FaceGrid, skin: np.ndarray, shade: np.ndarray, fibres: np.ndarray
) -> EyeRegion:
    """Cuts out the rectangle around both eyes; no hair ever covers it."""
    near = (grid.side < EYE_REGION[0]) & (np.abs(grid.y) < EYE_REGION[1])
    (rows, core_rows), (columns, core_columns) = (
        _widened(np.flatnonzero(near.any(axis)), near.shape[1 - axis])
        for axis in (1, 0)
    )
    place = (rows, columns)
    return EyeRegion(
        place=place,
        core=(core_rows, core_columns),
        skin=skin[place].copy(),  # a view would keep the whole picture
        grid=FaceGrid(grid.x[place].copy(), grid.y[place].copy(), grid.scale),
        shade=shade[place].copy(),
        fibres=fibres[place].copy(),
    )


def _widened(hits: np.ndarray, size: int) -> tuple[slice, slice]:
    """From the first to the last hit, with room for the lens; the hits therein."""
    first, last = int(hits[0]), int(hits[-1])
    start = max(0, first - _LENS)
    wide = slice(start, min(size, last + 1 + _LENS))
    return wide, slice(first - start, last + 1 - start)


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


def _shrink(field: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    field = field.astype(np.float32)
    return cv2.resize(field, shape[::-1], interpolation=cv2.INTER_AREA)
