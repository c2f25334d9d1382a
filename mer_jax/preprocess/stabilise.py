"""Head motion after the onset: measured against the onset frame, and undone."""

import numpy as np

from mer_jax.preprocess.align import compose, similarity, warp
from mer_jax.preprocess.flow import grey, optical_flow

_ROUNDS = 5  # ten lower the mean error by 0.001 px
_SLACK = 0.05  # px: nearer than that, points agree alike
_STEP = 4  # px between the points that vote


def face_oval(height: int, width: int) -> np.ndarray:
    """Returns bool[H, W], the face in a crop aligned by 'template'.

    The whole face, so that no single muscle decides; inside its outline, so that
    neck and background do not.
    """
    y, x = np.ogrid[:height, :width]
    across = ((x + 0.5) / width - 0.5) / 0.33
    down = ((y + 0.5) / height - 0.47) / 0.39
    return across**2 + down**2 <= 1


def way_back(onset: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """Returns the similarity that undoes the motion of the head between two crops.

    It agrees best with the optical flow of the face in the sum of absolute
    deviations (by least squares, reweighted by 1 / deviation), so that skin which
    moves by itself is outvoted. Of 0.33 px that drawn neutral heads of 128 px move,
    0.05 px are left; `cv2.findTransformECC`, which is slower and may fail to converge,
    leaves 0.09 px (benchmarks/preprocessing.py).

    Args:
      onset: uint8[S, S, 3] aligned crop.
      frame: uint8[S, S, 3], of another frame by the same transform.

    Returns:
      float64[2, 3], from px of `frame` to px of `onset`.
    """
    flow = optical_flow(grey(onset), grey(frame))
    y, x = (
        _STEP * i for i in np.nonzero(face_oval(*onset.shape[:2])[::_STEP, ::_STEP])
    )
    here = np.stack([x, y], axis=-1).astype(np.float64)
    there = here + flow[y, x]
    weights = np.ones(len(here))
    for _ in range(_ROUNDS):
        matrix = similarity(there, here, weights)
        deviation = there @ matrix[:, :2].T + matrix[:, 2] - here
        weights = 1 / (np.linalg.norm(deviation, axis=1) + _SLACK)
    return matrix


def steady(onset: np.ndarray, frame: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """Returns the crop of a frame with the head where it is in the onset's crop.

    Both transforms are composed, so the frame is resampled once.

    Args:
      onset: uint8[S, S, 3] crop of the onset frame by `transform`.
      frame: uint8[H, W, 3] as decoded.
      transform: float64[2, 3], frame to crop.

    Returns:
      uint8[S, S, 3].
    """
    size = len(onset)
    back = way_back(onset, warp(frame, transform, size))
    return warp(frame, compose(back, transform), size)
