"""How far faces move from the onset to every later frame, as Figure 6 of MoExt shows.

MoExt (Li et al., arXiv 2407.07345) trains on macro-expressions too, whose apex moves
far more than a micro-expression's; so it takes their fifth frame for a pseudo-apex.
These are the curves behind that choice, of the corpora at hand.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from mer_jax.data.prepared import Clip, Prepared, Progress
from mer_jax.errors import UserError
from mer_jax.preprocess.cache import cached
from mer_jax.preprocess.crops import Alignment, Footage, crop_clip, crops_recipe
from mer_jax.preprocess.flow import flow_recipe, grey, optical_flow
from mer_jax.preprocess.landmarks import Landmarker, Landmarks
from mer_jax.preprocess.parallel import in_order, one_cv2_thread

Align = Literal["none", "center_crop", "moext", "template"]

PAPER = 5  # MoExt's pseudo-apex, the onset being frame 1
KINDS = ("micro", "macro")


class ClipMotion(NamedTuple):
    """The motion of one clip since its onset.

    Attributes:
      key: of the clip.
      kind: 'micro' or 'macro'.
      fps: of its camera.
      synthetic: whether a program drew it.
      flow: float32[k, 3] of frames 1..k, frame 1 the onset: mean length of the
        optical flow, and mean u and v, px of the crop. No row if no face was found.
      at_apex: mean length at the apex, NaN where none is annotated.
    """

    key: str
    kind: str
    fps: float
    synthetic: bool
    flow: np.ndarray
    at_apex: float


class Curve(NamedTuple):
    """The motion of n clips of one kind, frame by frame.

    Attributes:
      clips: int[K], how many have frame k = 1..K.
      magnitude: float[K], mean over clips of the mean length of flow, px.
      magnitude_error: float[K], standard error of that mean, NaN of one clip.
      angle: float[K], circular mean over clips of the direction of their mean flow,
        degrees: 0 is right, 90 up. NaN at the onset.
      angle_error: float[K], circular standard deviation (Mardia) over the root of n,
        degrees.
    """

    clips: np.ndarray
    magnitude: np.ndarray
    magnitude_error: np.ndarray
    angle: np.ndarray
    angle_error: np.ndarray


def motion_of_corpora(
    corpora: Sequence[Prepared],
    frames: int,
    *,
    align: Align,
    crop: int,
    landmarker: str | None,
    cache: Path,
    progress: Progress,
) -> list[ClipMotion]:
    """Returns the motion of every filmed clip; `motion_of_clips` with these crops.

    Args:
      corpora: prepared ones, with frames.
      frames: how many at most, from the onset on.
      align, crop, landmarker: as in `corpora.Data`. A clip without a face is none.
      cache: its folder 'motion' has a file for each clip.
      progress: told what is being done.
    """
    alignment = Alignment(align=align, size=crop, on_no_face="skip")
    with Landmarker(landmarker) as landmarks:
        return motion_of_clips(
            corpora, frames, alignment, landmarks, cache=cache, progress=progress
        )


def motion_of_clips(
    corpora: Sequence[Prepared],
    frames: int,
    alignment: Alignment,
    landmarks: Landmarks,
    *,
    cache: Path,
    progress: Progress,
) -> list[ClipMotion]:
    """Returns the motion of every filmed clip, from disk where it is known.

    Published annotation errors are mended, as in a run by default.

    Args:
      corpora: prepared ones, with frames.
      frames: how many at most, from the onset on.
      alignment: how frames become crops; on_no_face must be 'skip'.
      landmarks: an open `Landmarker`.
      cache: its folder 'motion' has a file for each clip.
      progress: told what is being done.

    Raises:
      UserError: for corpora without frames, or of depths.
    """
    for one in corpora:
        if "frames" not in one.stored:
            raise UserError(f"{one.name} stores no frames, so there is no motion")
        if any(clip.get("modality") == "depth" for clip in one.clips):
            raise UserError(f"{one.name} holds depths; name its config of pictures")

    def measure(owned: tuple[Prepared, Clip]) -> ClipMotion:
        one, clip = owned
        footage = _footage(one, clip, frames)
        key = {
            "recipe": 1,  # raise when `_flow` changes
            "crops": crops_recipe(footage, alignment),
            "flow": flow_recipe(size=alignment.size),
        }
        compute = lambda: {"flow": _flow(footage, alignment, landmarks)}
        flow = cached(cache / "motion", "motion", key, compute)["flow"]
        return _clip_motion(clip, flow)

    clips = [(one, c) for one in corpora for c in one.clips if _is_filmed(c)]
    what = "motion of " + "+".join(one.name for one in corpora)
    progress(what, 0, len(clips))
    told = lambda done, total: progress(what, done, total)
    with one_cv2_thread():
        return list(in_order(measure, clips, progress=told))


def _reading(clip: Clip) -> Mapping[str, Any]:
    return clip.get("repaired", clip["annotated"])


def _is_filmed(clip: Clip) -> bool:
    return _reading(clip)["apex_source"] != "still"


def _footage(one: Prepared, clip: Clip, frames: int) -> Footage:
    """Returns a clip of which the frames 1..k and then the apex are wanted."""
    reading = _reading(clip)
    onset, end = reading["onset_index"], reading["offset_index"] + 1
    return Footage(
        key=clip["key"],
        content=clip["content"],
        frames=lambda: one.encoded(clip, "frames"),
        onset=onset,
        wanted=(*range(onset, min(onset + frames, end)), reading["apex_index"]),
    )


def _flow(footage: Footage, alignment: Alignment, landmarks: Landmarks) -> np.ndarray:
    """Returns float32[k + 1, 3]: mean length, u and v; no row without a face."""
    crops = crop_clip(footage, alignment, landmarks)
    if crops is None:
        return np.zeros((0, 3), np.float32)
    onset = grey(crops.frames[0])
    rows = []
    for frame in crops.frames[1:]:
        flow = optical_flow(onset, grey(frame))
        rows.append([np.hypot(flow[..., 0], flow[..., 1]).mean(), *flow.mean((0, 1))])
    return np.array([[0, 0, 0], *rows], np.float32)


def _clip_motion(clip: Clip, flow: np.ndarray) -> ClipMotion:
    known = len(flow) and _reading(clip)["apex_source"] == "annotated"
    return ClipMotion(
        key=clip["key"],
        kind=clip.get("kind", "micro"),
        fps=float(clip.get("fps", 0)),
        synthetic=bool(clip["synthetic"]),
        flow=flow[:-1],
        at_apex=float(flow[-1, 0]) if known else float("nan"),
    )


def curve(clips: Sequence[ClipMotion], frames: int) -> Curve:
    """Returns the curves of some clips; a clip ends with its last frame.

    Args:
      clips: at least one of which a face was found, all of one kind.
      frames: K.
    """
    rows = []
    for k in range(min(frames, max(len(clip.flow) for clip in clips))):
        there = np.array([c.flow[k] for c in clips if len(c.flow) > k], np.float64)
        rows.append((len(there), *_mean(there[:, 0]), *_direction(there[:, 1:])))
    return Curve(*(np.array(column) for column in zip(*rows, strict=True)))


def _mean(values: np.ndarray) -> tuple[float, float]:
    """Returns the mean and its standard error."""
    n = len(values)
    error = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return float(values.mean()), float(error)


def _direction(vectors: np.ndarray) -> tuple[float, float]:
    """Returns the circular mean of directions, and its standard error, in degrees.

    Vectors without a length have no direction, and do not count.
    """
    complex_ = vectors @ np.array([1, -1j])  # y points down in an image
    moved = complex_[complex_ != 0]
    if not len(moved):
        return np.nan, np.nan
    resultant = (moved / np.abs(moved)).mean()
    if len(moved) == 1:
        return float(np.degrees(np.angle(resultant))), np.nan
    length = np.clip(np.abs(resultant), 1e-12, 1)
    error = np.sqrt(-2 * np.log(length) / len(moved))
    return float(np.degrees(np.angle(resultant))), float(np.degrees(error))


def apex_motion(clips: Sequence[ClipMotion]) -> tuple[float, int]:
    """Returns the mean length of flow at annotated apexes, px, and of how many clips.

    NaN and 0 where no apex is annotated.
    """
    known = [clip.at_apex for clip in clips if not np.isnan(clip.at_apex)]
    return (float(np.mean(known)), len(known)) if known else (float("nan"), 0)


def pseudo_apex(macro: Curve, reach: float) -> int | None:
    """Returns the first frame at which macro-expressions moved as far as `reach`.

    Args:
      macro: their curve.
      reach: px, `apex_motion` of micro-expressions.

    Returns:
      k, the onset being frame 1, or None if they never do.
    """
    there = np.flatnonzero(macro.magnitude >= reach)
    return int(there[0]) + 1 if len(there) else None
