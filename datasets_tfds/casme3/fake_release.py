"""Writes a twin of CAS(ME)^3 Part A: its layout and its oddities, drawn faces.

Whole recordings would be gigabytes: of a video there are only the frames that show an
expression, under the numbers that they have in the recording. Of the two longest
micro-expressions there are the first frames and the last.
"""

import functools
from pathlib import Path

from datasets_tfds import twins, twins_film, twins_sheet
from datasets_tfds.casme3 import fake_annotation, fake_depth
from datasets_tfds.casme3.fake_annotation import MACRO_SHEET, MICRO_SHEET
from datasets_tfds.casme3.fake_plan import ORDER, Row, plan, plan_macro
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot

__all__ = ["ORDER", "plan", "plan_macro", "write_release"]

ANNOTATION = "annotation"
DATA = "part_A/data/part_A_split/part_A"
SPELLED = {"spNO.40": "spNo.40"}  # on disk
VIDEOS_SPELLED = {("spNO.14", "J"): "j", ("spNO.3", "j"): "J"}

UNREADABLE = {"spNO.3/J": range(498, 577), "spNO.4/j": range(568, 610)}
BROKEN_JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000")
MISSING = "spNO.216/a/{}/218.{}"  # within an interval, as is the next
EMPTY = "spNO.216/a/color/406.jpg"

FULL_SIZE = ("spNO.217", "a_94")  # as large as the real ones
SMALL = Camera(height=144, width=256, face=90, centre=(128, 62))
LARGE = Camera(height=720, width=1280, face=340, centre=(640, 330))
SHOWN = {"happy": "happiness", "sad": "sadness"}  # micro-expressions are spelled so


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    macro_header: str = "as_micro",
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the twin; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 860 micro- and 200 macro-expressions of 94 subjects, or
        how many of `ORDER`.
      seed: of faces and movements; the sheets are the same, but for the units.
      macro_header: of the sheet of macro-expressions, a key of
        `fake_annotation.MACRO_HEADERS`.
      progress: told (done, total) after every clip.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects, or no such
        header.
    """
    if macro_header not in fake_annotation.MACRO_HEADERS:
        raise ValueError(
            f"macro_header must be one of {list(fake_annotation.MACRO_HEADERS)}, "
            f"got {macro_header!r}"
        )
    kept = twins.keep_first(ORDER, subjects)
    micro = [row for row in plan() if row.subject in kept]
    macro = [row for row in plan_macro() if row.subject in kept]
    rows = [*micro, *macro]
    with twins.whole_or_nothing(folder) as root:
        jobs = [functools.partial(_film, row, root, seed) for row in rows]
        shown = twins_film.in_parallel(jobs, progress=progress)
        _damage(root)
        tables = root / ANNOTATION
        count = len(micro)
        micro_path, macro_path = tables / MICRO_SHEET, tables / MACRO_SHEET
        fake_annotation.write_micro(micro_path, micro, shown[:count])
        fake_annotation.write_macro(macro_path, macro, shown[count:], macro_header)
        fake_annotation.write_others(tables)
        twins_sheet.lock_file(micro_path)
        first = _video_folder(Path(DATA), rows[0])
        twins.scatter_decoys(root, DATA, str(first / "color"))
        twins.mark(root, corpus="casme3", subjects=subjects, seed=seed, also=[DATA])
        return twins.count(root, folder, "casme3", [row.subject for row in rows])


def _video_folder(data: Path, row: Row) -> Path:
    video = VIDEOS_SPELLED.get((row.subject, row.video), row.video)
    return data / SPELLED.get(row.subject, row.subject) / video


def _film(row: Row, root: Path, seed: int) -> str:
    """Films one expression; returns its action units."""
    large = (row.subject, row.name) == FULL_SIZE
    shot = Shot(
        subject=f"twin_casme3/{row.subject}",
        clip=row.name,
        emotion=SHOWN.get(row.emotion, row.emotion.lower()),
        camera=LARGE if large else SMALL,
        num_frames=len(row.disk),
        apex=row.peak,
        strength=twins_film.MACRO if row.kind == "macro" else 1,
    )
    folder = _video_folder(root / DATA, row)
    colour = tuple(folder / "color" / f"{number}.jpg" for number in row.disk)
    depth = tuple(folder / "depth" / f"{number}.png" for number in row.disk)
    fake_depth.write_depth(shot, depth, seed)
    return twins_film.film_clip([(shot, (Print(colour),))], seed)[0]


def _damage(root: Path) -> None:
    """Breaks the images that are broken in the release, and two more."""
    data = root / DATA
    for video, numbers in UNREADABLE.items():
        for number in numbers if (data / video).exists() else ():
            (data / video / "color" / f"{number}.jpg").write_bytes(BROKEN_JPEG)
    (data / MISSING.format("color", "jpg")).unlink()
    (data / MISSING.format("depth", "png")).unlink()
    (data / EMPTY).write_bytes(b"")
