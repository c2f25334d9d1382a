"""478 points of a face: MediaPipe's FaceLandmarker, from any number of threads.

MediaPipe is imported when the first face is looked for, after its model was checked.
"""

import contextlib
import functools
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.errors import UserError

URL = (
    "https://storage.googleapis.com/mediapipe-models/face_landmarker/"
    "face_landmarker/float16/1/face_landmarker.task"
)
SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
BYTES = 3_758_596
VARIABLE = "MER_FACE_LANDMARKER"

# Of the detector, tried in this order. Not the low one at once: it averages over
# more boxes, which moves the points of a face by 0.36 px (median, 640x480).
CONFIDENCES = (0.5, 0.2)

Landmarks = Callable[[np.ndarray], np.ndarray | None]
"""uint8[H, W, 3] RGB -> float32[478, 2] (x, y) in px, or None where no face is."""


def model_path(path: str | Path | None = None) -> Path:
    """Returns where the model lies, once it is known to be the right one.

    Args:
      path: as the user gave it; else $MER_FACE_LANDMARKER, else
        face_landmarker.task in $MER_CACHE or ~/.cache/mer_jax.

    Raises:
      UserError: if there is no such file, or another one (a placeholder, say); it
        tells where to get it.
    """
    cache = Path(os.environ.get("MER_CACHE") or Path.home() / ".cache" / "mer_jax")
    default = cache / "face_landmarker.task"
    model = Path(path or os.environ.get(VARIABLE) or default)
    try:
        content = model.read_bytes()
    except OSError as error:
        raise UserError(
            f"no face landmarker at {model} ({error.strerror}). {_how_to_get(model)}"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise UserError(
            f"{model} is not the face landmarker: {len(content):,} bytes with sha256 "
            f"{found}, expected {BYTES:,} bytes with {SHA256}. {_how_to_get(model)}"
        )
    return model


def _how_to_get(model: Path) -> str:
    return (
        f"Download it once ({BYTES:,} bytes, licence Apache-2.0):\n"
        f"  curl -L --create-dirs -o {model} {URL}\n"
        "or name the file you have: --set data.landmarker=PATH, or the environment "
        f"variable {VARIABLE}"
    )


def landmarks_recipe() -> dict[str, object]:
    """Returns all that landmarks depend on beside the frame, for a cache key."""
    return {
        "model": SHA256,
        "mediapipe": _version(),
        "confidences": CONFIDENCES,
    }


@functools.cache  # reading it takes longer than reading a clip's crops
def _version() -> str:
    return metadata.version("mediapipe")


class Landmarker:
    """Finds the points of the largest face; a context manager.

    Costs nothing until the first call: a run that finds all crops in its cache needs
    neither MediaPipe nor the model. Opens as many of MediaPipe's landmarkers as
    threads are in a call at once, and closes all of them at the end.

    Example:
      >>> with Landmarker() as landmarks:  # doctest: +SKIP
      ...     points = landmarks(frame)
    """

    def __init__(self, model: str | Path | None = None) -> None:
        """Takes the path of the model, see `model_path`."""
        self._model = model
        self._opening = threading.Lock()
        self._opened = contextlib.ExitStack()
        self._idle: dict[float, list[Any]] = {c: [] for c in CONFIDENCES}

    def __enter__(self) -> "Landmarker":
        return self

    def __exit__(self, *_: object) -> None:
        for idle in self._idle.values():
            idle.clear()
        self._opened.close()

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Returns the points of a frame.

        Args:
          frame: uint8[H, W, 3] RGB.

        Returns:
          float32[478, 2] (x, y) in px, (0, 0) the centre of the first pixel, or None
          where no face is found, not even at the lower confidence. The same bits
          whatever the thread.

        Raises:
          UserError: see `model_path`.
        """
        height, width = frame.shape[:2]
        for confidence in CONFIDENCES:
            faces = self._detect(frame, confidence)
            if faces:
                shares = np.array([(p.x, p.y) for p in faces[0]], np.float32)
                return shares * np.array([width, height], np.float32) - 0.5
        return None

    def _detect(self, frame: np.ndarray, confidence: float) -> Any:
        idle = self._idle[confidence]
        try:
            landmarker = idle.pop()  # never two threads in one landmarker
        except IndexError:
            landmarker = self._open(confidence)
        faces = landmarker.detect(_image(frame)).face_landmarks
        idle.append(landmarker)
        return faces

    def _open(self, confidence: float) -> Any:
        with self._opening:
            model = model_path(self._model)
            with _without_chatter():
                from mediapipe.tasks.python import BaseOptions, vision

                options = vision.FaceLandmarkerOptions(
                    base_options=BaseOptions(model_asset_path=str(model)),
                    min_face_detection_confidence=confidence,
                )
                landmarker = vision.FaceLandmarker.create_from_options(options)
                self._opened.enter_context(landmarker)
                landmarker.detect(_image(np.zeros((64, 64, 3), np.uint8)))
        return landmarker


def _image(frame: np.ndarray) -> Any:
    import mediapipe

    return mediapipe.Image(
        image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(frame)
    )


_CHATTER = (
    b"Logging before InitGoogle()",
    b"Sets FaceBlendshapesGraph acceleration",
    b"Created TensorFlow Lite XNNPACK delegate",
    b"Feedback manager requires a model with a single signature",
)


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Holds back what the process writes to stderr, then lets all but the usual pass.

    A fresh landmarker says these lines at every start and knows no variable or
    option against it. Its errors come as exceptions.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            for line in held:
                if not any(known in line for known in _CHATTER):
                    os.write(2, line)
