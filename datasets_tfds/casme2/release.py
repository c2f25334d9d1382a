"""A release of CASME II on disk: its frames, its annotation, and its clips."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Name, Recording, by_clip, told
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row, Table, find_tables, same_table
from datasets_tfds.tree import image_folders, numbered

COLUMNS = (
    "Subject",
    "Filename",
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    "Action Units",
    "Estimated Emotion",
)
GENERATIONS = ("2014", "2019")
FPS = 200.0

_FRAME = {"cropped": r"reg_img_?\d+", "raw": r"img_?\d+"}
_OBJECTIVE = ("Subject", "Filename", "Objective Class")  # of a file of its own


def read_release(root: Path, frames: str, generation: str) -> Found:
    """Returns the annotated clips that have frames.

    Args:
      root: of the release.
      frames: 'cropped' or 'raw'.
      generation: of the annotation, one of `GENERATIONS`.

    Raises:
      ReleaseError: naming all that is wrong.
    """
    table = annotation(root, generation)
    problems: list[str] = []
    rows = by_clip(_named(table, problems), lambda row: row.place, problems)
    recordings, lines = find_recordings(root, frames, problems)
    objective = objective_classes(root, problems)
    if problems:
        raise problems_found(root, problems, ADVICE)
    lines = (
        told(
            {name: f"{name[0]}/{row['Filename']}" for name, row in rows.items()},
            {name: f"{name[0]}/{r.folder.path.name}" for name, r in recordings.items()},
        )
        + lines
    )
    films = [
        _film(name[0], row, recordings[name].frames, table, objective.get(name, ""))
        for name, row in rows.items()
        if name in recordings
    ]
    return Found(films, [*lines, f"annotated in {table.version}"])


def _film(
    subject: str, row: Row, frames: Mapping[int, Path], table: Table, objective: str
) -> Film:
    written = {
        "onset": row["OnsetFrame"],
        "apex": row["ApexFrame"],
        "offset": row["OffsetFrame"],
        "emotion": row["Estimated Emotion"],
        "action_units": row["Action Units"],
    }
    return Film(
        corpus="casme2",
        subject=subject,
        clip=row["Filename"],
        written=written,
        frames=frames,
        fps=FPS,
        annotation_version=table.version,
        objective_class=row.get("Objective Classes") or objective,
    )


def annotation(root: Path, generation: str) -> Table:
    """Returns the annotation of 2014 or of 2019, whatever its file is called.

    A name with just one of the two years decides; else the content, as only the
    annotation of 2019 has objective classes.

    Raises:
      ReleaseError: if there is none, or copies of it differ.
    """
    tables, others = find_tables(root, COLUMNS)
    named = [t for t in tables if _year(t.path) == generation]
    unnamed = [t for t in tables if not _year(t.path) and _content(t) == generation]
    broken = [
        error
        for path, error in others.items()
        if _year(path) == generation and "objective" not in path.name.lower()
    ]
    if named or (unnamed and not broken):
        return same_table(named or unnamed, COLUMNS)
    seen = [
        f"{t.path}: the annotation of {_year(t.path) or _content(t)}" for t in tables
    ]
    raise problems_found(
        root,
        [f"no annotation of {generation}", *seen, *map(str, others.values())],
        f"put CASME2-coding-{generation}....xlsx into it, or choose another config",
    )


def _year(path: Path) -> str:
    years = [year for year in GENERATIONS if year in path.name]
    return years[0] if len(years) == 1 else ""


def _content(table: Table) -> str:
    later = any("objective classes" in row.cells for row in table.rows)
    return GENERATIONS[later]


def objective_classes(root: Path, problems: list[str]) -> Mapping[Name, str]:
    """Returns name -> objective class of the file of its own, none without it."""
    tables, _ = find_tables(root, _OBJECTIVE)
    if not tables:
        return {}
    table = same_table(tables, _OBJECTIVE)
    rows = by_clip(_named(table, problems), lambda row: row.place, problems)
    return {name: row["Objective Class"] for name, row in rows.items()}


def _named(table: Table, problems: list[str]) -> Iterator[tuple[Name, Row]]:
    for row in table.rows:
        subject = subject_name(row["Subject"])
        if subject and row["Filename"]:
            yield (subject, row["Filename"].lower()), row
        else:
            problems.append(
                f"{row.place}: subject {row['Subject']!r} and clip "
                f"{row['Filename']!r}, expected '01' and 'EP02_01f' or the like"
            )


def find_recordings(
    root: Path, frames: str, problems: list[str]
) -> tuple[dict[Name, Recording], list[str]]:
    """Finds the folders `sub<NN>/EP...` with frames of one kind.

    The whole recordings and the selected ones may lie side by side: the selected
    are taken.

    Args:
      root: of the release.
      frames: 'cropped' or 'raw'.
      problems: gets a line for each clip that lies in more than one folder, or has
        two files for one frame.

    Returns:
      Recordings, and what to tell about them.
    """
    found = list(_recordings(root, frames, problems))
    selected = {n for n, r in found if frames == "raw" and _is_selected(r)}
    kept = [(n, r) for n, r in found if n not in selected or _is_selected(r)]
    lines = []
    if whole := len(found) - len(kept):
        lines.append(
            f"{whole} recordings passed over for the selected frames of the same "
            "clip (a folder '...selected...')"
        )
    return by_clip(kept, lambda r: r.folder.path, problems), lines


def _recordings(
    root: Path, frames: str, problems: list[str]
) -> Iterator[tuple[Name, Recording]]:
    is_frame = re.compile(_FRAME[frames], re.IGNORECASE).fullmatch
    for folder in image_folders(root):
        subject = subject_name(folder.parts[-2]) if len(folder.parts) > 1 else ""
        files = [f for f in folder.files if is_frame(f.stem)]
        if subject and folder.parts[-1].startswith("ep") and files:
            try:
                yield (subject, folder.parts[-1]), Recording(folder, numbered(files))
            except ReleaseError as error:
                problems.append(str(error))


def _is_selected(recording: Recording) -> bool:
    return any("selected" in part for part in recording.folder.parts[:-2])


def subject_name(text: str) -> str:
    """Returns 'sub01' for '1', '01' or 'Sub01', and '' for what is no subject."""
    number = re.fullmatch(r"(?:sub)?(\d{1,2})", text, re.IGNORECASE)
    return f"sub{int(number[1]):02d}" if number else ""
