"""From the encoded frames of a release to aligned crops of faces, clip by clip."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np

from mer_jax.errors import UserError
from mer_jax.preprocess.align import centre_transform, crop_transform, warp
from mer_jax.preprocess.cache import cached
from mer_jax.preprocess.flow import MIN_SIDE
from mer_jax.preprocess.landmarks import Landmarks, landmarks_recipe
from mer_jax.preprocess.parallel import in_order, one_cv2_thread
from mer_jax.preprocess.stabilise import steady

RETRIES = 3  # frames after the onset in which a face is looked for too

Face = Literal["found", "not_found", "center_crop", "unsought"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alignment:
    """How frames become crops.

    Attributes:
      align: 'none' returns frames as they are decoded, 'center_crop' the largest
        centred square; the recipes of `align.py` find the face, see
        `align.crop_transform`.
      size: width and height of a crop, px, at least 16.
      stabilise: whether the head's motion after the onset is undone frame by frame,
        see `stabilise.way_back`.
      on_no_face: of a clip without a face in its onset frame and the three after it:
        'error', 'skip' the clip, or 'center_crop' it.
    """

    align: Literal["none", "center_crop", "moext", "template"] = "template"
    size: int = 128
    stabilise: bool = False
    on_no_face: Literal["error", "skip", "center_crop"] = "error"

    def __post_init__(self) -> None:
        if self.size < MIN_SIDE:
            raise UserError(f"a crop must be at least {MIN_SIDE} px, got {self.size}")


class Footage(NamedTuple):
    """One clip as released, nothing read or decoded yet.

    Attributes:
      key: 'corpus/subject/clip', for messages.
      content: a hash of the encoded frames.
      frames: returns all encoded frames; called when the cache lacks the clip.
      onset: position of the onset frame.
      wanted: positions of the frames to return, in that order, at least one.
    """

    key: str
    content: str
    frames: Callable[[], Sequence[bytes]]
    onset: int
    wanted: tuple[int, ...]


class Crops(NamedTuple):
    """The frames asked for of one clip.

    Attributes:
      frames: uint8[T, S, S, 3] RGB, or uint8[T, H, W, 3] as decoded.
      face: 'found'; 'center_crop' where it was not, or not sought; 'unsought' of
        frames as decoded. ('not_found' is never returned.)
    """

    frames: np.ndarray
    face: Face


class FaceNotFound(UserError):
    """No face where a clip begins."""

    def __init__(self, footage: Footage) -> None:
        """Names the clip, and what can be done about it."""
        super().__init__(
            f"no face in clip {footage.key}, frame {footage.onset} (its onset) or the "
            f"{RETRIES} after it. Look at the frame; or, instead of 'error', set "
            "data.on_no_face to 'skip' (leave such clips out) or 'center_crop' (take "
            "the largest centred square)"
        )


def crops_of_clips(
    clips: Sequence[Footage],
    alignment: Alignment,
    landmarks: Landmarks,
    *,
    directory: Path,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Crops | None]:
    """Yields the crops of every clip in order, several clips at a time.

    Every clip has a file in `directory`: an interrupted run resumes, and a clip found
    there is neither read nor decoded. Few clips are in memory at once.

    Args:
      clips: whose.
      alignment: how.
      landmarks: an open `Landmarker`, or another function like it (in tests).
      directory: of the cache.
      workers: threads, by default one per core; the crops do not depend on it.
      progress: called in this thread with (done, total), before each yield.

    Yields:
      Crops, or None for a clip skipped because no face was found.

    Raises:
      FaceNotFound: under on_no_face='error'.
      UserError: if a frame cannot be decoded, or a clip lacks one that is wanted.
    """

    def crop(footage: Footage) -> Crops | None:
        def look_up(alignment: Alignment) -> Crops:
            compute = lambda: _arrays(_crop(footage, alignment, landmarks))
            key = crops_recipe(footage, alignment)
            arrays = cached(directory, "crops", key, compute)
            return Crops(arrays["frames"], cast(Face, str(arrays["face"])))

        return _or_else(footage, alignment, look_up)

    with one_cv2_thread():
        yield from in_order(crop, clips, workers=workers, progress=progress)


def crop_clip(
    footage: Footage, alignment: Alignment, landmarks: Landmarks
) -> Crops | None:
    """Returns the crops of one clip, computed now; see `crops_of_clips`."""
    crop = lambda alignment: _crop(footage, alignment, landmarks)
    return _or_else(footage, alignment, crop)


def crops_recipe(footage: Footage, alignment: Alignment) -> dict[str, object]:
    """Returns all that the crops of a clip depend on, for a cache key.

    The policy is not among it: another one, chosen after an error, recomputes only
    the clips without a face.
    """
    import cv2

    recipe = {
        "recipe": 1,  # raise when the pixels of this file, or of what it uses, change
        "opencv": cv2.__version__,
        "content": footage.content,
        "wanted": footage.wanted,
        "align": alignment.align,
    }
    if alignment.align == "none":
        return recipe
    recipe |= {"onset": footage.onset, "size": alignment.size}
    recipe |= {"stabilise": alignment.stabilise}
    return recipe if alignment.align == "center_crop" else recipe | landmarks_recipe()


def _arrays(crops: Crops) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in crops._asdict().items()}


def _or_else(
    footage: Footage, alignment: Alignment, crop: Callable[[Alignment], Crops]
) -> Crops | None:
    """Returns what `crop` finds, or what the policy wants where it finds no face."""
    crops = crop(alignment)
    if crops.face != "not_found":
        return crops
    if alignment.on_no_face == "error":
        raise FaceNotFound(footage)
    if alignment.on_no_face == "skip":
        return None
    return crop(dataclasses.replace(alignment, align="center_crop"))


def _crop(footage: Footage, alignment: Alignment, landmarks: Landmarks) -> Crops:
    """Returns the crops, none of them where no face is found."""
    film, size = _Film(footage), alignment.size
    if alignment.align == "none":
        return Crops(film.as_decoded(), "unsought")
    height, width = film[footage.onset].shape[:2]  # there, with a face or without
    if alignment.align == "center_crop":
        face: Face = "center_crop"
        transform = centre_transform(height, width, size)
    else:
        points = film.face(landmarks)
        if points is None:
            return Crops(np.zeros((0, 0, 0, 3), np.uint8), "not_found")
        face, transform = "found", crop_transform(points, alignment.align, size)
    onset = warp(film[footage.onset], transform, size)
    crops = []
    for position in footage.wanted:
        if position == footage.onset:
            crops.append(onset)
        elif alignment.stabilise:
            crops.append(steady(onset, film[position], transform))
        else:
            crops.append(warp(film[position], transform, size))
    return Crops(np.stack(crops), face)


class _Film:
    """The frames of a clip, each decoded when asked for."""

    def __init__(self, footage: Footage) -> None:
        self.footage = footage
        self.encoded = footage.frames()
        self._last: tuple[int, np.ndarray] | None = None  # the onset is used twice

    def __getitem__(self, position: int) -> np.ndarray:
        """Returns uint8[H, W, 3] RGB."""
        if self._last is None or self._last[0] != position:
            self._last = (position, self._decode(position))
        return self._last[1]

    def face(self, landmarks: Landmarks) -> np.ndarray | None:
        """Returns the landmarks of the first frame from the onset that has any."""
        onset = self.footage.onset
        for position in range(onset, min(onset + 1 + RETRIES, len(self.encoded))):
            points = landmarks(self[position])
            if points is not None:
                return points
        return None

    def as_decoded(self) -> np.ndarray:
        """Returns the frames wanted, uint8[T, H, W, 3]."""
        frames = [self[position] for position in self.footage.wanted]
        shapes = {frame.shape for frame in frames}
        if len(shapes) > 1:
            raise UserError(
                f"the frames of clip {self.footage.key} differ in size: "
                f"{sorted(shapes)}. Crop them: data.align 'template' or 'center_crop'"
            )
        return np.stack(frames)

    def _decode(self, position: int) -> np.ndarray:
        import cv2

        key, count = self.footage.key, len(self.encoded)
        if not 0 <= position < count:
            raise UserError(
                f"frame {position} of clip {key} is wanted, but it has {count} frames. "
                "Compare the release's annotation with the files of the clip"
            )
        data = np.frombuffer(self.encoded[position], np.uint8)
        frame = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB) if len(data) else None
        if frame is None:
            raise UserError(
                f"frame {position} of clip {key} is no picture ({len(data)} bytes). "
                "Extract or download the release again"
            )
        return frame
