"""Where the points of a face mesh are on a drawn face.

Numbers are those of the MediaPipe face mesh; what alignment is computed from.
Left and right are those of the picture.
"""

from collections.abc import Mapping

import cv2
import numpy as np

from datasets_tfds.synthetic.clip import Scene, motion
from datasets_tfds.synthetic.geometry import brow_middle, to_pixels
from datasets_tfds.synthetic.identity import Identity
from datasets_tfds.synthetic.portrait import OVERSAMPLING, Portrait
from datasets_tfds.synthetic.raster import Point

BORDER = cv2.BORDER_REPLICATE


def on_face(face: Identity) -> dict[int, Point]:
    """The points of a neutral face, (x, y) in face units.

    Shares and offsets are those that MediaPipe finds on drawn faces, on average.
    """
    outer, inner = 0.83 * face.eye_width, 1.05 * face.eye_width  # the tear corner
    outer_y, inner_y = -2 * face.eye_tilt * 0.83, 2 * face.eye_tilt + 0.009
    root = -0.07
    nose = face.nose_y - root
    return {
        33: (-face.eye_x - outer, outer_y),  # left eye, outer corner
        133: (-face.eye_x + inner, inner_y),  # left eye, inner corner
        362: (face.eye_x - inner, inner_y),  # right eye, inner corner
        263: (face.eye_x + outer, outer_y),  # right eye, outer corner
        168: (0, root),  # bridge of the nose, from its root ...
        6: (0, root + 0.19 * nose),
        197: (0, root + 0.36 * nose),
        195: (0, root + 0.51 * nose),
        5: (0, root + 0.67 * nose),  # ... down to above its tip
        152: (0, face.chin_y - 0.025),  # tip of the chin
        176: (-0.32, face.chin_y - 0.085),  # jaw beside the chin
        334: (
            0.60,
            float(brow_middle(face, 0.60)) - 0.07,
        ),  # upper edge of the right brow
    }


def in_portrait(portrait: Portrait) -> dict[int, np.ndarray]:
    """The points of a neutral face, (x, y) in pixels of the frames."""
    camera, points = portrait.camera, on_face(portrait.face)
    fine = to_pixels(
        portrait.face,
        np.array(list(points.values())),
        scale=OVERSAMPLING * camera.scale,
        centre=(OVERSAMPLING * camera.centre[0], OVERSAMPLING * camera.centre[1]),
    )
    places = (fine + 0.5) / OVERSAMPLING - 0.5
    return dict(zip(points, places, strict=True))


def in_frame(scene: Scene, t: int) -> Mapping[int, Point]:
    """Where the points are in frame `t`, having moved with the skin.

    Returns:
        (x, y) in pixels, by number of the mesh. A point outside of the frame moves
        like the nearest pixel.
    """
    points = in_portrait(scene.actor.portrait)
    start = np.array(list(points.values()), np.float32)
    field, place = motion(scene, t), start
    for _ in range(3):  # the field is that of where the points arrive
        x, y = place[:, :1], place[:, 1:]
        moved = cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=BORDER)
        place = start + moved[:, 0]
    return {
        number: (float(x), float(y))
        for number, (x, y) in zip(points, place, strict=True)
    }
