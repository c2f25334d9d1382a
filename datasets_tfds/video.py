"""Frames of a video: counted before anything is written, decoded one clip at a time."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2

from datasets_tfds.record import ReleaseError

VIDEOS = frozenset(
    (".avi", ".mp4", ".mov", ".mkv", ".m4v", ".mpg", ".mpeg", ".webm", ".wmv")
)


class Video(NamedTuple):
    """What a video turned out to hold.

    Attributes:
      path: the file.
      num_frames: that can be read, at least one.
      fps: as the file says, None where it says nothing of use.
      width, height: of its frames, pixels.
    """

    path: Path
    num_frames: int
    fps: float | None
    width: int
    height: int


def probe(path: Path) -> Video:
    """Reads a video through: how many frames its header promises is often wrong.

    Raises:
      ReleaseError: if not one frame can be read.
    """
    with _opened(path) as capture:
        count = 0
        while capture.grab():
            count += 1
        fps = capture.get(cv2.CAP_PROP_FPS)
        width = int(capture.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT))
    if not count:
        raise ReleaseError(f"{path} cannot be read as a video; export it again")
    said = fps if math.isfinite(fps) and fps > 0 else None
    return Video(path, count, said, width, height)


def decode(path: Path, first: int = 0, last: int | None = None) -> dict[int, bytes]:
    """Returns number -> PNG of a video's frames, counted from 0.

    Args:
      path: of the video.
      first, last: the frames wanted, None for all that follow.
    """
    frames: dict[int, bytes] = {}
    with _opened(path) as capture:
        number = 0
        while (last is None or number <= last) and capture.grab():
            if number >= first:
                good, image = capture.retrieve()
                if good:  # a frame left out is told as a gap
                    frames[number] = cv2.imencode(".png", image)[1].tobytes()
            number += 1
    return frames


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(str(path))
    try:
        yield capture
    finally:
        capture.release()
