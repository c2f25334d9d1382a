"""Where the crop of a face lies: a similarity transform from landmarks, and warping.

Points are (x, y) px, (0, 0) the centre of the first pixel. One transform, from the
onset frame, serves all frames of a clip. Landmarks of every frame would take out the
motion of the head and put in their own jitter: on drawn neutral faces of 128 px
0.18 px of false motion are left, where `stabilise` leaves 0.05
(benchmarks/preprocessing.py).
"""

from typing import Literal

import numpy as np

Align = Literal["moext", "template"]

# MediaPipe's numbers. Left and right are the image's.
LEFT_EYE, RIGHT_EYE = 133, 362  # inner corners
BROW = 334  # middle of the right brow
CHIN, JAW = 152, 176  # the tip, and the point beside it

# Where the points that expressions move least lie in a crop of 224 px: the canonical
# face of MediaPipe, centred, with a margin of 6 % above and below. (0, 0) is the
# corner of the first pixel here.
TEMPLATE_SIZE = 224
TEMPLATE = {
    33: (62.4, 75.9),  # outer corner of the left eye
    LEFT_EYE: (91.3, 76.8),
    RIGHT_EYE: (132.7, 76.8),
    263: (161.6, 75.9),  # outer corner of the right eye
    168: (112.0, 69.1),  # bridge of the nose, from between the eyes down
    6: (112.0, 78.0),
    197: (112.0, 86.3),
    195: (112.0, 93.8),
    5: (112.0, 101.6),
}


def similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Returns the rotation, scale and shift that fit source to target best.

    Least squares in closed form: with points as complex numbers it is the regression
    target = a source + b. Every point counts, unlike in OpenCV's estimators, which
    drop those that fit badly.

    Args:
      source: float[n, 2] (x, y), at least two different points.
      target: float[n, 2].
      weights: float[n] of the squared errors, > 0; equal where None.

    Returns:
      float64[2, 3], target = matrix @ (x, y, 1). Never a reflection.

    Raises:
      ValueError: if the points are not such.
    """
    if source.shape != target.shape or source.ndim != 2 or source.shape[1] != 2:
        raise ValueError(f"points must be [n, 2], got {source.shape}, {target.shape}")
    z, w = (np.asarray(p, np.float64) @ (1, 1j) for p in (source, target))
    share = np.full(len(z), 1.0) if weights is None else np.asarray(weights)
    share = share / share.sum()
    z0, w0 = share @ z, share @ w
    power = share @ np.abs(z - z0) ** 2
    if not power > 0:
        raise ValueError(f"a similarity needs two different points, got {source}")
    a = (share * (z - z0).conj()) @ (w - w0) / power
    b = w0 - a * z0
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def crop_transform(landmarks: np.ndarray, align: Align, size: int) -> np.ndarray:
    """Returns the transform from a frame to the crop of its face.

    Args:
      landmarks: float[478, 2] of MediaPipe, in px of the frame.
      align: 'template': eye corners and bridge of the nose come to lie where a mean
        face has them. 'moext': the recipe of Li et al. (arXiv 2407.07345) as far as
        they print it, five points (8, 9, 25, 40, 43 of 68): inner eye corners level
        and half of them in the middle; the square ends at the chin and begins a
        quarter of the height from chin to brow above the brow [our reading].
      size: of the square crop, px.

    Returns:
      float64[2, 3].
    """
    if align == "moext":
        return _between_brow_and_chin(landmarks, size)
    source = landmarks[list(TEMPLATE)]
    target = np.array(list(TEMPLATE.values())) * (size / TEMPLATE_SIZE) - 0.5
    return similarity(source, target)


def _between_brow_and_chin(landmarks: np.ndarray, size: int) -> np.ndarray:
    left, right = np.asarray(landmarks[[LEFT_EYE, RIGHT_EYE]], np.float64)
    across = (right - left) / np.linalg.norm(right - left)
    down = np.array([-across[1], across[0]])
    bottom = max(landmarks[[CHIN, JAW]] @ down)  # of a chin however tilted
    height = bottom - landmarks[BROW] @ down
    middle = (left + right) / 2
    ends = np.array([bottom - 1.25 * height, bottom])  # of the square, along `down`
    source = middle + (ends - middle @ down)[:, None] * down
    return similarity(source, np.array([[size / 2, 0], [size / 2, size]]) - 0.5)


def centre_transform(height: int, width: int, size: int) -> np.ndarray:
    """Returns float64[2, 3], from a frame to a crop of its largest centred square."""
    middle, half = np.array([width, height]) / 2, min(height, width) / 2
    source = np.array([middle - half, middle + half]) - 0.5
    return similarity(source, np.array([[0, 0], [size, size]]) - 0.5)


def warp(frame: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Returns the square crop of a frame, resampled once.

    Bilinear; what lies outside the frame repeats its edge. Where the crop is less
    than half as fine as the frame, the frame is averaged over whole blocks first:
    bilinear sampling would skip pixels.

    Args:
      frame: uint8[H, W, 3] RGB or uint8[H, W] grey, any size.
      matrix: float[2, 3], frame to crop.
      size: px.

    Returns:
      uint8[size, size, 3] RGB.
    """
    import cv2

    finer = int(1 / np.hypot(matrix[0, 0], matrix[1, 0]))
    if finer >= 2:
        height, width = frame.shape[:2]
        small = max(1, width // finer), max(1, height // finer)
        frame = cv2.resize(frame, small, interpolation=cv2.INTER_AREA)
        step = np.array([width, height]) / small  # px per block
        block = np.array(
            [[step[0], 0, step[0] / 2 - 0.5], [0, step[1], step[1] / 2 - 0.5]]
        )
        matrix = compose(matrix, block)
    crop = cv2.warpAffine(
        frame,
        np.asarray(matrix, np.float64),
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return crop if crop.ndim == 3 else cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB)


def compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Returns float64[2, 3], the affine transform `first`, then `second`."""
    return second @ np.vstack([first, [0, 0, 1]])
