"""Filming the clips of twins: what happens, and the files that show it."""

import functools
import itertools
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from datasets_tfds.synthetic import footage
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.performance import Setting

WORKERS = 2
MACRO = 3.0  # strength of an ordinary expression: 0.4 to 1.35 of full intensity

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


class Shot(NamedTuple):
    """What happens before the camera.

    Attributes:
      subject: 'twin_casme2/sub01'.
      clip: its name; two shots of one name show the same event.
      emotion: lower case, as annotated.
      camera: who films.
      num_frames: from onset to offset.
      apex: index of the apex frame, from 0.
      backwards: the last frame comes first, so that it ends in the resting face.
      strength: of the expression, 1 for a micro-expression, or `MACRO`.
    """

    subject: str
    clip: str
    emotion: str
    camera: Camera
    num_frames: int
    apex: int
    backwards: bool = False
    strength: float = 1.0


class Print(NamedTuple):
    """One copy of a shot on disk.

    Attributes:
      files: one for each frame from the first on; fewer if the copy stops early.
      crop: (x, y, width, height) px of the part that is kept, None for all.
      grey: whether the files have one channel.
    """

    files: tuple[Path, ...]
    crop: tuple[int, int, int, int] | None = None
    grey: bool = False


Take = tuple[Shot, tuple[Print, ...]]


def film_all(
    clips: Sequence[Sequence[Take]], *, seed: int, progress: Progress | None
) -> list[tuple[str, ...]]:
    """Films clips in parallel; what is written depends on the seed alone.

    Args:
      clips: the takes of each.
      seed: of faces and movements.
      progress: told (done, total) after every clip.

    Returns:
      For each clip, the action units that are shown in each of its takes.
    """
    jobs = [functools.partial(film_clip, takes, seed) for takes in clips]
    return in_parallel(jobs, progress=progress)


def in_parallel(
    jobs: Sequence[Callable[[], Result]], *, progress: Progress | None
) -> list[Result]:
    """Runs jobs in processes of their own; returns the results in order.

    Args:
      jobs: that can be pickled.
      progress: told (done, total) after every job.
    """
    # Not forked: the caller may well have threads by now (JAX, TensorFlow).
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        WORKERS,
        mp_context=context,
        initializer=signal.signal,  # Ctrl-C is for the caller, who ends the others
        initargs=(signal.SIGINT, signal.SIG_IGN),
    ) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            for done, future in enumerate(as_completed(futures), start=1):
                future.result()
                if progress is not None:
                    progress(done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        return [future.result() for future in futures]


def film_clip(takes: Sequence[Take], seed: int) -> tuple[str, ...]:
    """Films the takes of one clip; returns the action units of each."""
    return tuple(_film_take(shot, prints, seed) for shot, prints in takes)


def _film_take(shot: Shot, prints: Sequence[Print], seed: int) -> str:
    filmed = film(shot, seed)
    frames: Iterator[np.ndarray] = filmed.frames()
    if shot.backwards:
        frames = reversed(list(frames))
    for t, frame in enumerate(frames):
        for copy in prints:
            if t < len(copy.files):
                write_image(copy.files[t], _develop(frame, copy))
    return filmed.action_units


def film(shot: Shot, seed: int) -> footage.Footage:
    """Starts the camera: the frames are drawn as they are asked for."""
    return footage.film(
        seed=seed,
        subject=shot.subject,
        clip=shot.clip,
        emotion=shot.emotion,
        camera=shot.camera,
        num_frames=shot.num_frames,
        apex=shot.apex,
        setting=Setting(strength=shot.strength),
    )


def _develop(frame: np.ndarray, copy: Print) -> np.ndarray:
    if copy.crop is not None:
        x, y, width, height = copy.crop
        frame = frame[y : y + height, x : x + width]
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) if copy.grey else frame


def write_image(path: Path, image: np.ndarray) -> None:
    """Writes an image in the format that the suffix names; makes its folder.

    Args:
      path: of any name; OpenCV alone fails on some on Windows.
      image: uint8[H, W, 3] RGB or uint8[H, W].
    """
    if image.ndim == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(path.suffix, image)[1]  # JPEG of quality 95
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def write_video(path: Path, frames: Iterable[np.ndarray], *, fps: float) -> None:
    """Writes a video of JPEGs; makes its folder.

    Args:
      path: of the .avi file.
      frames: uint8[H, W, 3] RGB each, at least one.
      fps: frames per second.
    """
    remaining = iter(frames)
    first = next(remaining)
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = first.shape[:2]
    code = cv2.VideoWriter.fourcc(*"MJPG")
    video = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, code, fps, (width, height))
    for frame in itertools.chain((first,), remaining):
        video.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    video.release()
