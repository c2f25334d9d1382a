"""A release of SAMM on disk: its frames, its annotation, and its clips."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Name, Recording, by_clip, told
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row, Table, find_tables, same_table
from datasets_tfds.tree import Folder, image_folders, numbered

COLUMNS = (
    "Subject",
    "Filename",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Action Units",
    "Estimated Emotion",
)
FPS = 200.0


def read_release(root: Path, frames: str) -> Found:
    """Returns the annotated clips that have frames.

    Args:
      root: of the release.
      frames: 'full' or 'cropped'.

    Raises:
      ReleaseError: naming all that is wrong.
    """
    table = annotation(root)
    problems: list[str] = []
    rows = by_clip(_named(table, problems), lambda row: row.place, problems)
    named = _recordings(root, frames, problems)
    recordings = by_clip(named, lambda r: r.folder.path, problems)
    if problems:
        raise problems_found(root, problems, ADVICE)
    lines = told({n: "/".join(n) for n in rows}, {n: "/".join(n) for n in recordings})
    films = [
        _film(name, row, recordings[name].frames, table)
        for name, row in rows.items()
        if name in recordings
    ]
    return Found(films, [*lines, f"annotated in {table.version}"])


def _film(name: Name, row: Row, frames: Mapping[int, Path], table: Table) -> Film:
    subject, clip = name
    written = {
        "onset": row["Onset Frame"],
        "apex": row["Apex Frame"],
        "offset": row["Offset Frame"],
        "emotion": row["Estimated Emotion"],
        "action_units": row["Action Units"],
    }
    return Film(
        corpus="samm",
        subject=subject,
        clip=clip,
        written=written,
        frames=frames,
        fps=FPS,
        annotation_version=table.version,
        modality="grey",
        objective_class=row.get("Objective Classes"),
    )


def annotation(root: Path) -> Table:
    """Returns the annotation, whatever its file is called.

    Raises:
      ReleaseError: if there is none, or copies of it differ.
    """
    tables, others = find_tables(root, COLUMNS)
    if tables:
        return same_table(tables, COLUMNS)
    raise problems_found(
        root,
        ["no annotation found", *map(str, others.values())],
        "put SAMM_Micro_FACS_Codes_v2.xlsx into it",
    )


def _named(table: Table, problems: list[str]) -> Iterator[tuple[Name, Row]]:
    for row in table.rows:
        name = clip_name(row["Filename"])
        number = re.fullmatch(r"\d{1,3}", row["Subject"])
        if name and number and int(number[0]) == int(name[0]):
            yield name, row
        else:
            problems.append(
                f"{row.place}: subject {row['Subject']!r} and clip "
                f"{row['Filename']!r}, expected '006' and '006_1_2' or the like"
            )


def _recordings(
    root: Path, frames: str, problems: list[str]
) -> Iterator[tuple[Name, Recording]]:
    for folder in image_folders(root):
        name = clip_name(folder.parts[-1])
        if name and _kind(folder) == frames:
            try:
                yield name, Recording(folder, numbered(folder.files))
            except ReleaseError as error:
                problems.append(str(error))


def _kind(folder: Folder) -> str:
    return "cropped" if any("crop" in part for part in folder.parts) else "full"


def clip_name(text: str) -> Name | None:
    """Returns ('006', '006_1_2') for '006_1_2' or '6_1_2', None for other text."""
    parts = re.fullmatch(r"(\d{1,3})_(\d{1,2})_(\d{1,2})", text)
    if parts is None:
        return None
    subject = f"{int(parts[1]):03d}"
    return subject, f"{subject}_{parts[2]}_{parts[3]}"
