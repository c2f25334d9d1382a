r"""Optical flow and strain between two frames of a face, and images of them.

Flow is in pixels of the frames given, x to the right and y down: a point at
(x, y) of the onset frame is at (x + u, y + v) of the apex frame.

OpenCV is imported on first use, so that a machine which only trains needs none.
"""

from typing import Any, Literal, get_args

import numpy as np

from mer_jax.preprocess.parallel import one_cv2_thread

Method = Literal["dis", "tvl1", "farneback"]
METHODS: tuple[Method, ...] = get_args(Method)

# Images of 28 px made of drawn faces: in 95 of 100 clips no |u|, |v| exceeds 1.6 px
# and no strain 0.21 when the face is 128 px wide, 4.2 px and 0.40 when it is 224.
LIMIT = 4.0  # px
STRAIN_LIMIT = 0.4

MIN_SIDE = 16  # px: DIS refuses less than 12, and the others guess


def optical_flow(
    onset: np.ndarray, apex: np.ndarray, *, method: Method = "dis"
) -> np.ndarray:
    """Returns the dense optical flow from onset to apex.

    Args:
      onset: uint8[H, W] grey frame, both sides at least 16 px.
      apex: uint8[H, W].
      method: 'dis' (Kroeger et al. 2016, medium preset: 2 ms for 128 px, and the
        least error on moving skin), 'tvl1' (Zach et al. 2007, what most papers
        used: 200 times slower) or 'farneback' (2003).

    Returns:
      float32[H, W, 2], (u, v) in px. The same bits whatever the number of threads.

    Raises:
      ValueError: if the frames are not such a pair, or the method is unknown.
    """
    if onset.shape != apex.shape:
        raise ValueError(f"onset {onset.shape} and apex {apex.shape} differ in shape")
    if onset.ndim != 2 or min(onset.shape) < MIN_SIDE:
        raise ValueError(
            f"frames must be [H, W] with H, W >= {MIN_SIDE}, got {onset.shape}"
        )
    if onset.dtype != np.uint8 or apex.dtype != np.uint8:
        raise ValueError(f"frames must be uint8, got {onset.dtype} and {apex.dtype}")
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}")
    import cv2

    onset, apex = np.ascontiguousarray(onset), np.ascontiguousarray(apex)
    solver: Any  # its stubs forbid the None that means "no first guess"
    if method == "dis":
        solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    elif method == "tvl1":
        solver = cv2.optflow.createOptFlow_DualTVL1()
    else:
        solver = cv2.FarnebackOpticalFlow.create(
            numLevels=4, pyrScale=0.5, winSize=15, numIters=3, polyN=5, polySigma=1.1
        )
    with one_cv2_thread():
        return solver.calc(onset, apex, None)


def strain(flow: np.ndarray) -> np.ndarray:
    r"""Returns the magnitude of the optical strain of a flow field.

    .. math::
      \sqrt{e_{xx}^2 + e_{yy}^2 + 2 e_{xy}^2},\quad
      e_{xx} = \partial_x u,\ e_{yy} = \partial_y v,\
      e_{xy} = (\partial_y u + \partial_x v) / 2

    As in Shreve et al. 2011 and Liong et al. (arXiv 1902.03634). Zero for a
    translation, and for a rotation to first order. Central differences, one-sided
    at the border: exact for a linear field.

    Args:
      flow: float[H, W, 2] (u, v) in px, H, W >= 2.

    Returns:
      float32[H, W], no unit.
    """
    if flow.ndim != 3 or flow.shape[-1] != 2 or min(flow.shape[:2]) < 2:
        raise ValueError(f"flow must be [H, W, 2] with H, W >= 2, got {flow.shape}")
    u_y, u_x = np.gradient(flow[..., 0])
    v_y, v_x = np.gradient(flow[..., 1])
    magnitude = np.sqrt(u_x**2 + v_y**2 + 0.5 * (u_y + v_x) ** 2)
    return magnitude.astype(np.float32)


def flow_image(
    onset: np.ndarray,
    apex: np.ndarray,
    *,
    size: int,
    method: Method = "dis",
    limit: float = LIMIT,
    strain_limit: float = STRAIN_LIMIT,
) -> np.ndarray:
    """Returns flow and strain as an image whose numbers compare between clips.

    Flow and strain are computed at full size, shrunk by area averaging, then
    scaled by constants, never by the clip's own extremes: equal grey levels are
    equal motions, in every clip and corpus. `motion` is the inverse.

    * u, v: -limit .. limit px to 0 .. 255, 0 px exactly at 128;
    * strain: 0 .. strain_limit to 0 .. 255.

    What lies beyond is clipped. The published images of `megc2019_flow` are
    stretched per clip and channel instead and cannot be compared in this sense.

    Args:
      onset: uint8[H, W, 3] RGB frame.
      apex: uint8[H, W, 3].
      size: width and height of the image; flow stays in px of the frames.
      method: see `optical_flow`.
      limit: px of the frames, > 0.
      strain_limit: > 0.

    Returns:
      uint8[size, size, 3], channels (u, v, strain).

    Raises:
      ValueError: if the frames are not such a pair, or a number is not positive.
    """
    for name, value in (("limit", limit), ("strain_limit", strain_limit)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be finite and > 0, got {value}")
    if size < 1:
        raise ValueError(f"size must be >= 1, got {size}")
    import cv2

    flow = optical_flow(grey(onset), grey(apex), method=method)
    fields = np.dstack([flow, strain(flow)])
    fields = cv2.resize(fields, (size, size), interpolation=cv2.INTER_AREA)
    levels = fields * _scale(limit, strain_limit) + _ZERO
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def motion(
    image: np.ndarray, *, limit: float = LIMIT, strain_limit: float = STRAIN_LIMIT
) -> np.ndarray:
    """Returns float32[..., 3] (u px, v px, strain): the inverse of `flow_image`."""
    levels = image.astype(np.float32) - _ZERO
    return levels / _scale(limit, strain_limit)


_ZERO = np.array([128, 128, 0], np.float32)  # grey levels of no motion


def _scale(limit: float, strain_limit: float) -> np.ndarray:
    """Returns grey levels per px, per px, per unit of strain."""
    return np.array([128 / limit, 128 / limit, 255 / strain_limit], np.float32)


def flow_recipe(
    *,
    size: int,
    method: Method = "dis",
    limit: float = LIMIT,
    strain_limit: float = STRAIN_LIMIT,
) -> dict[str, object]:
    """Returns all that `flow_image` depends on beside the frames, for a cache key."""
    import cv2

    return {
        "recipe": 1,  # raise when the numbers of this file change
        "opencv": cv2.__version__,
        "size": size,
        "method": method,
        "limit": limit,
        "strain_limit": strain_limit,
    }


def grey(frame: np.ndarray) -> np.ndarray:
    """Returns uint8[H, W], the luma of a uint8[H, W, 3] RGB frame.

    Raises:
      ValueError: if it is no such frame.
    """
    if frame.ndim != 3 or frame.shape[-1] != 3 or frame.dtype != np.uint8:
        raise ValueError(
            f"frames must be uint8[H, W, 3], got {frame.dtype}{list(frame.shape)}"
        )
    import cv2

    return cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
