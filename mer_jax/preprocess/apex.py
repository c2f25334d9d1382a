"""Where the apex is, in corpora whose coders did not say."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mer_jax.preprocess.cache import cached
from mer_jax.preprocess.crops import Alignment, Footage, crop_clip, crops_recipe
from mer_jax.preprocess.flow import grey, optical_flow
from mer_jax.preprocess.landmarks import Landmarks
from mer_jax.preprocess.parallel import in_order, one_cv2_thread
from mer_jax.preprocess.stabilise import face_oval

_SIZE = 128  # px of the crops that are looked at, whatever the system reads
_STEP = 4  # px between the points that are followed
_NONE = -1  # in the cache: a clip skipped


def spot_apex(crops: np.ndarray) -> int:
    """Returns the frame in which the face differs most from onset and offset.

    Follows the points of the face from the onset by optical flow, and takes out what
    is no expression: of every point's path the straight way from onset to offset (a
    head that drifts), of every frame the quadratic field that fits best (a head that
    turns; faces are round). The apex has the largest mean of what is left.

    On drawn clips of 24 frames with apexes anywhere, two of three are within 2 frames
    (of the middle frames one of four, of the frames of largest plain flow one of
    eight; benchmarks/preprocessing.py): no coder's apex. Percentiles, smoothing over
    time and leaving out the eyes, which blink, were tried and gained little.

    Args:
      crops: uint8[T, H, W, 3], T >= 2, from onset to offset, aligned by one transform.

    Returns:
      0 < frame < T - 1, or 1 where T is 2.
    """
    if len(crops) == 2:
        return 1
    y, x = np.nonzero(face_oval(*crops.shape[1:3])[::_STEP, ::_STEP])
    onset = grey(crops[0])
    flow = np.stack(
        [optical_flow(onset, grey(c))[_STEP * y, _STEP * x] for c in crops]
    )  # [T, points, 2]
    time = np.linspace(0, 1, len(crops))[:, None, None]
    paths = flow - time * flow[-1]
    quadratic = np.stack([x**0, x, y, x * x, x * y, y * y], axis=-1).astype(np.float64)
    basis, _ = np.linalg.qr(quadratic)
    paths = paths - basis @ (basis.T @ paths)
    moved = np.linalg.norm(paths, axis=-1).mean(axis=-1)
    return 1 + int(np.argmax(moved[1:-1]))


def spots_of_clips(
    clips: Sequence[Footage],
    alignment: Alignment,
    landmarks: Landmarks,
    *,
    directory: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[int | None]:
    """Yields the apex of every clip in order, several clips at a time.

    Args:
      clips: `wanted` are all frames from onset to offset, at least two.
      alignment: where to look, and what to do without a face; its `size` and
        `stabilise` do not matter.
      landmarks: see `crops.crops_of_clips`, like the rest.
      directory: likewise.
      workers: likewise.
      progress: likewise.

    Yields:
      The position of the apex among `wanted`; None for a clip skipped.

    Raises:
      UserError: see `crops.crops_of_clips`.
      ValueError: if `wanted` does not begin with the onset, or is too short.
    """
    look = dataclasses.replace(alignment, size=_SIZE, stabilise=False)

    def spot(footage: Footage) -> int | None:
        if len(footage.wanted) < 2 or footage.wanted[0] != footage.onset:
            raise ValueError(f"{footage.key}: wanted must be onset to offset")

        def compute() -> dict[str, np.ndarray]:
            crops = crop_clip(footage, look, landmarks)
            found = _NONE if crops is None else spot_apex(crops.frames)
            return {"spot": np.array(found)}

        key = {"spot": 1, "on_no_face": look.on_no_face} | crops_recipe(footage, look)
        found = int(cached(directory, "apex", key, compute)["spot"])
        return None if found == _NONE else found

    with one_cv2_thread():
        yield from in_order(spot, clips, workers=workers, progress=progress)
