"""Writes an example of a corpus of one's own: `clips.csv`, folders and videos.

The table has the columns and the untidiness that people give theirs.
"""

import csv
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins, twins_film
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot

TABLE = "clips.csv"
COLUMNS = (
    *("subject", "clip", "path", "emotion", "onset", "apex", "offset", "fps"),
    *("action_units", "kind", "objective_class"),
)
# The untidy rows are those of the first two.
ORDER = tuple(f"p{number:02d}" for number in range(1, 13))
CLIPS_EACH = 5
EMOTIONS = ("happiness", "surprise", "disgust", "sadness", "fear", "anger")
FPS_IMAGES, FPS_VIDEO = 100, 30

WHOLE = {("p01", "c05"), ("p02", "c04")}  # neither onset nor offset is given
FULL_SIZE = ("p12", "c05")

SMALL = Camera(height=240, width=320, face=130, centre=(160, 110))
LARGE = Camera(height=720, width=1280, face=340, centre=(640, 330))


class Row(NamedTuple):
    """One clip: as annotated, and as it lies on disk."""

    subject: str
    clip: str
    path: str  # from the table
    emotion: str
    onset: int | None
    apex: int | None
    offset: int | None
    first: int  # frame number on disk
    num_frames: int
    apex_index: int  # of the frames on disk

    @property
    def is_video(self) -> bool:
        """Or else a folder of images."""
        return self.path.endswith(".avi")


def plan() -> tuple[Row, ...]:
    """Returns the 60 clips; the same for every seed.

    Every emotion 10 times; every seventh clip is a video, every third has no apex.
    """
    keys = [(subject, i) for subject in ORDER for i in range(CLIPS_EACH)]
    return tuple(_row(place, *key) for place, key in enumerate(keys))


def _row(place: int, subject: str, i: int) -> Row:
    clip = f"c{i + 1:02d}"
    rng = stream(0, "twin_custom", subject, clip)
    is_video = place % 7 == 4
    length = 90 if (subject, clip) == FULL_SIZE else int(rng.integers(10, 21))
    before, after = (0, 0) if (subject, clip) in WHOLE else rng.integers(0, 4, 2)
    first = 0 if is_video else int(rng.integers(1, 300))
    if place == 0:
        first = 95  # crosses 99
    onset = first + int(before)
    apex = onset + round((length - 1) * rng.uniform(0.3, 0.7))
    whole = (subject, clip) in WHOLE
    return Row(
        subject=subject,
        clip=clip,
        path=f"videos/{subject}_{clip}.avi" if is_video else f"clips/{subject}/{clip}",
        emotion=EMOTIONS[(place + place // 6) % 6],
        onset=None if whole else onset,
        apex=None if place % 3 == 2 or whole else apex,
        offset=None if whole else onset + length - 1,
        first=first,
        num_frames=int(before) + length + int(after),
        apex_index=apex - first,
    )


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the example; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 60 clips of 12 subjects, or how many of `ORDER`.
      seed: of faces and movements; the table is the same, but for the units.
      progress: told (done, total) after every clip.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    rows = [row for row in plan() if row.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        jobs = [functools.partial(_film, row, root, seed) for row in rows]
        shown = twins_film.in_parallel(jobs, progress=progress)
        write_table(root / TABLE, rows, shown)
        twins.scatter_decoys(root, "clips", rows[0].path)
        twins.mark(root, corpus="custom", subjects=subjects, seed=seed)
        return twins.count(root, folder, "custom", [row.subject for row in rows])


def _film(row: Row, root: Path, seed: int) -> str:
    """Films one clip; returns the action units."""
    shot = Shot(
        subject=f"twin_custom/{row.subject}",
        clip=row.clip,
        emotion=row.emotion,
        camera=LARGE if (row.subject, row.clip) == FULL_SIZE else SMALL,
        num_frames=row.num_frames,
        apex=row.apex_index,
    )
    if row.is_video:
        return _film_video(shot, root / row.path, seed)
    numbers = range(row.first, row.first + row.num_frames)
    suffix = "png" if row.clip == "c03" else "jpg"
    files = tuple(root / row.path / f"frame_{number}.{suffix}" for number in numbers)
    return twins_film.film_clip([(shot, (Print(files),))], seed)[0]


def _film_video(shot: Shot, path: Path, seed: int) -> str:
    filmed = twins_film.film(shot, seed)
    twins_film.write_video(path, filmed.frames(), fps=FPS_VIDEO)
    return filmed.action_units


def write_table(path: Path, rows: Sequence[Row], shown: Sequence[str]) -> None:
    """Writes the table.

    Args:
      path: of the file.
      rows: what to list.
      shown: the action units on the face in each.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for row, units in zip(rows, shown, strict=True):
            cells = _cells(row, units)
            if (row.subject, row.clip) == ("p01", "c02"):
                cells = [f"{cell}  " for cell in cells]
            table.writerow(cells)
            if (row.subject, row.clip) == ("p01", "c03"):
                table.writerow(())


def _cells(row: Row, units: str) -> list[str]:
    place = EMOTIONS.index(row.emotion)
    if (row.subject, row.clip) == ("p01", "c03"):
        units = "4, R10"
    cells = (row.subject, row.clip, row.path, row.emotion)
    numbers = (row.onset, row.apex, row.offset)
    fps = FPS_VIDEO if row.is_video else FPS_IMAGES
    kind = "" if row.clip == "c04" else "micro"
    objective = "" if row.clip == "c05" else place + 1
    texts = (*cells, *numbers, fps, units, kind, objective)
    return ["" if text is None else str(text) for text in texts]
