"""Depth images of a twin: a plain head in front of a wall, moving as the face does."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from datasets_tfds import twins_film
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins_film import Shot

REDUCTION = 2  # the colour camera has that many times the rows and columns
NEAREST, FARTHEST = 500, 1500  # mm
WALL, SHOULDERS, HEAD = 1350, 860, 780  # mm from the camera
SKULL, NOSE, EYES = 95, 24, 5  # mm towards the camera, and away from it
NOISE = 1.2  # standard deviation at `HEAD`, mm; grows with the square of the distance


def write_depth(shot: Shot, files: Sequence[Path], seed: int) -> None:
    """Writes the depth of a shot, half as large as its colour images.

    Args:
      shot: what happens.
      files: of 16-bit PNG images in mm, one for each frame from the first on.
      seed: of faces and movements.
    """
    filmed = twins_film.film(shot, seed)
    still = scenery(shot.camera)
    rng = stream(seed, shot.subject, shot.clip, "depth")
    for t, file in enumerate(files):
        twins_film.write_image(file, seen(still, filmed.motion(t), rng))


def scenery(camera: Camera) -> np.ndarray:
    """Returns the distance in mm of all that is before a camera of H rows, W columns.

    Returns:
      float32[H // 2, W // 2].
    """
    x, y = camera.axes()
    radius = (x / 1.05) ** 2 + ((y - 0.2) / 1.45) ** 2
    skull = SKULL * np.sqrt(np.clip(1 - radius, 0, 1))
    nose = NOSE * np.exp(-((x / 0.16) ** 2) - ((y - 0.5) / 0.25) ** 2)
    eyes = EYES * np.exp(-(((np.abs(x) - 0.45) / 0.2) ** 2) - (y / 0.15) ** 2)
    body = (y > 1.75 + 0.1 * x**2) & (np.abs(x) < 2.5)
    around = np.where(body, SHOULDERS, WALL)
    mm = np.where(radius < 1, HEAD - skull - nose + eyes, around)
    size = (camera.width // REDUCTION, camera.height // REDUCTION)
    return cv2.resize(mm.astype(np.float32), size, interpolation=cv2.INTER_AREA)


def seen(still: np.ndarray, motion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns what the sensor measures: uint16[H // 2, W // 2] mm.

    Args:
      still: float32[H // 2, W // 2] mm before anything moved.
      motion: float32[H, W, 2] (dx, dy) px since then, as the colour camera sees it.
      rng: of the noise.
    """
    size = still.shape[::-1]
    moved = cv2.resize(motion, size, interpolation=cv2.INTER_AREA) / REDUCTION
    rows, columns = np.indices(still.shape, dtype=np.float32)
    mm = cv2.remap(
        still,
        columns - moved[..., 0],
        rows - moved[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    noise = NOISE * rng.standard_normal(mm.shape, dtype=np.float32)
    mm = mm + noise * (mm / HEAD) ** 2
    return np.clip(mm + 0.5, NEAREST, FARTHEST).astype(np.uint16)
