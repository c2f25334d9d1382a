"""Grey tiles in place of drawn faces, for tests of what lies around them."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openpyxl
import pytest

from datasets_tfds import twins_film
from datasets_tfds.synthetic.camera import Camera

DECOYS = {".DS_Store", "Thumbs.db", "desktop.ini"}


class Tiles(NamedTuple):
    """Footage of a wall: every frame a little brighter."""

    camera: Camera
    num_frames: int
    action_units: str

    def frames(self) -> Iterator[np.ndarray]:
        shape = (self.camera.height, self.camera.width, 3)
        return (np.full(shape, t, np.uint8) for t in range(self.num_frames))

    def motion(self, t: int) -> np.ndarray:
        return np.zeros((self.camera.height, self.camera.width, 2), np.float32)


def film(*, seed, subject, clip, emotion, camera, num_frames, apex, setting) -> Tiles:
    """Takes the arguments of `footage.film`, and refuses what that refuses."""
    assert 0 < apex < num_frames, (subject, clip)
    assert emotion == emotion.lower()
    return Tiles(camera, num_frames, "12" if emotion == "happiness" else "4+7")


@contextlib.contextmanager
def instead_of_faces() -> Iterator[None]:
    """Within it twins are of tiles, written by this process alone."""

    def serially(jobs, *, progress):
        results = []
        for done, job in enumerate(jobs, start=1):
            results.append(job())
            if progress is not None:
                progress(done, len(jobs))
        return results

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins_film.footage, "film", film)
        patch.setattr(twins_film, "in_parallel", serially)
        yield


def rows(path: Path, sheet: str) -> list[tuple]:
    """All cells of a sheet, formulas as they are written."""
    return list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))


def names(folder: Path) -> set[str]:
    """What lies in a folder."""
    return {path.name for path in folder.iterdir()}
