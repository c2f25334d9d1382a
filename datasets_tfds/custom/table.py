"""The table of a corpus of one's own: `clips.csv` or `clips.xlsx`."""

import csv
import re
from pathlib import Path

from datasets_tfds.record import ReleaseError
from datasets_tfds.sheet import Row, Table, read_table
from datasets_tfds.tree import find_files

REQUIRED = ("subject", "clip", "path", "emotion")
WRITTEN = ("emotion", "action_units", "onset", "apex", "offset")
OPTIONAL = (*WRITTEN[1:], "corpus", "fps", "kind", "objective_class")
KINDS = ("micro", "macro")
CORPUS = "custom"  # where the table does not tell

_DEPTH = 2  # in the folder given, or one down


def find_table(root: Path) -> Path:
    """Returns the table of a release, which lies on top or one folder down.

    Args:
      root: of the release, resolved.

    Raises:
      ReleaseError: if there is none, or more than one.
    """
    files = find_files(root, r"clips\.(csv|xlsx)")
    depths = {file: len(file.relative_to(root).parts) for file in files}
    top = [file for file in files if depths[file] == min(depths.values())]
    if not top or depths[top[0]] > _DEPTH:
        raise ReleaseError(
            f"{root}: no clips.csv. Write one, with the columns {', '.join(REQUIRED)}, "
            "into this folder (README.md of custom shows an example)"
        )
    if len(top) > 1:
        raise ReleaseError(f"{root}: which of {', '.join(map(str, top))}? Keep one")
    return top[0]


def read_clips(path: Path, problems: list[str]) -> Table:
    """Returns the rows of the table; `problems` gets what its shape has wrong.

    Raises:
      ReleaseError: if it cannot be read or lacks a required column.
    """
    table = read_table(path, REQUIRED)
    if path.suffix.lower() == ".csv":
        problems += _misshapen(path)
    return table


def _misshapen(path: Path) -> list[str]:
    """Tells columns there twice, and rows with more cells than the header has.

    A comma too many, as in a path without quotes, moves every cell after it.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    names = [[" ".join(cell.split()).lower() for cell in line] for line in lines]
    above = next(i for i, line in enumerate(names) if set(REQUIRED) <= set(line))
    header = names[above]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    problems = [f"{path.name}: column {name!r} is there twice" for name in twice]
    for number, line in enumerate(lines[above + 1 :], start=above + 2):
        if any(line[len(header) :]):
            problems.append(
                f"{path.name}, row {number}: {len(line)} cells for {len(header)} "
                'columns; put a text that has commas into "quotes"'
            )
    return problems


def ignored_columns(table: Table) -> list[str]:
    """Returns the names of columns that mean nothing here."""
    found = table.rows[0].cells if table.rows else {}
    return [name for name in found if name not in (*REQUIRED, *OPTIONAL)]


def read_name(row: Row, column: str, problems: list[str]) -> str:
    """Returns a cell that becomes part of a key; `problems` gets what is wrong."""
    text = row.get(column) or (CORPUS if column == "corpus" else "")
    if not text:
        problems.append(f"{row.place}: no {column}")
    elif re.search(r"[/\\\x00-\x1f\x7f]", text) or set(text) == {"."}:
        problems.append(
            f"{row.place}: {column} {text!r} may have no slash, backslash or line "
            "break, as it becomes part of a name"
        )
    return text


def read_kind(row: Row, problems: list[str]) -> str:
    """Returns 'micro', also where the table does not tell, or 'macro'."""
    kind = row.get("kind").lower() or "micro"
    if kind not in KINDS:
        problems.append(f"{row.place}: kind {kind!r}, expected micro or macro")
    return kind


def read_fps(row: Row, problems: list[str]) -> float | None:
    """Returns frames per second, None where the table does not tell."""
    text = row.get("fps")
    try:
        fps = float(text) if text else None
    except ValueError:
        fps = 0.0
    if fps is not None and not 0.1 <= fps <= 1e5:
        problems.append(
            f"{row.place}: fps {text!r}, expected frames per second, 0.1 to 100000"
        )
    return fps
