"""The micro-expressions of a release of MMEW on disk."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Recording, by_clip, told
from datasets_tfds.mmew.names import (
    EMOTIONS,
    Name,
    emotion_of_folder,
    misplaced,
    parse_emotion,
    parse_name,
    uncoded,
)
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row, Table, find_tables, same_table
from datasets_tfds.tree import image_folders, numbered

CORPUS = "mmew"
FPS = 90.0
COLUMNS = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
)


class Clip(NamedTuple):
    """A row of the annotation.

    Attributes:
      name: of the clip.
      row: of the sheet.
    """

    name: Name
    row: Row


def read_release(root: Path) -> Found:
    """Returns the annotated micro-expressions that have frames.

    Raises:
      ReleaseError: naming all that is wrong.
    """
    table = annotation(root)
    problems: list[str] = []
    named = [(clip.name.pair, clip) for clip in _clips(table, problems)]
    clips = by_clip(named, lambda clip: clip.row.place, problems)
    folders = by_clip(
        _recordings(root, problems), lambda recording: recording.folder.path, problems
    )
    if problems:
        raise problems_found(root, problems, ADVICE)
    films, labels = [], []
    for pair, clip in clips.items():
        if pair in folders:
            film = _film(clip, folders[pair], table)
            films.append(film)
            labels.append((clip.name, film.written["emotion"]))
    there = told({n: n[1] for n in clips}, {n: n[1] for n in folders})
    renamed = _renamed(folders)
    version = f"annotated in {table.version}"
    return Found(films, [*there, *renamed, *uncoded(labels), version])


def annotation(root: Path) -> Table:
    """Returns the annotation, whatever its file is called.

    Raises:
      ReleaseError: if there is none, or copies of it differ.
    """
    tables, others = find_tables(root, COLUMNS)
    micro = [t for t in tables if "macro" not in t.path.name.lower()]
    if micro:
        return same_table(micro, COLUMNS)
    raise problems_found(
        root,
        ["no annotation of the micro-expressions", *map(str, others.values())],
        "put MMEW_Micro_Exp.xlsx into it",
    )


def _clips(table: Table, problems: list[str]) -> Iterator[Clip]:
    for row in table.rows:
        name = parse_name(row["Filename"])
        if name is None:
            problems.append(
                f"{row.place}: clip {row['Filename']!r}, expected 'S13-07-001' or "
                "the like"
            )
        elif not parse_emotion(row["Estimated Emotion"]):
            problems.append(
                f"{row.place}: emotion {row['Estimated Emotion']!r}, expected one of "
                f"{', '.join(EMOTIONS)}"
            )
        else:
            yield Clip(name, row)


def _recordings(
    root: Path, problems: list[str]
) -> Iterator[tuple[tuple[str, str], Recording]]:
    for folder in image_folders(root):
        name = parse_name(folder.parts[-1])
        files = [f for f in folder.files if f.stem.isdecimal()]
        if name and files:
            try:
                yield name.pair, Recording(folder, numbered(files))
            except ReleaseError as error:
                problems.append(str(error))


def _film(clip: Clip, recording: Recording, table: Table) -> Film:
    row, above = clip.row, recording.folder.parts[:-1]
    emotion, issues = _emotion(row["Estimated Emotion"], emotion_of_folder(above))
    issues += _other_subject(clip.name, row["Subject"]) + misplaced(clip.name, above)
    return Film(
        corpus=CORPUS,
        subject=clip.name.subject,
        clip=clip.name.clip,
        written={
            "onset": row["OnsetFrame"],
            "apex": row["ApexFrame"],
            "offset": row["OffsetFrame"],
            "emotion": emotion,
            "action_units": row["Action Units"],
        },
        frames=recording.frames,
        fps=FPS,
        annotation_version=table.version,
        issues=tuple(issues),
    )


def _emotion(sheet: str, folder: str) -> tuple[str, list[str]]:
    """Returns the sheet's word or, where the folder says something else, that."""
    if folder in ("", parse_emotion(sheet)):
        return sheet, []
    return folder, [f"lies in the folder of {folder}, the sheet says {sheet}"]


def _other_subject(name: Name, cell: str) -> list[str]:
    number = re.fullmatch(r"s?(\d{1,3})", cell.strip().lower())
    if number and int(number[1]) == name.person:
        return []
    return [f"the sheet says subject {cell!r}"]


def _renamed(folders: Mapping[tuple[str, str], Recording]) -> list[str]:
    """Returns a line on the clips in folders 'repression'."""
    number = sum("repression" in r.folder.parts[:-1] for r in folders.values())
    if not number:
        return []
    return [f"{number} clips in folders 'repression', which are 'others' in the sheet"]
