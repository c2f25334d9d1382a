"""The annotation of CAS(ME)^3 Part A: one table of micro-, one of macro-expressions."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets_tfds.matching import Name
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row, Table, find_tables, read_by_position, same_table
from datasets_tfds.tree import find_files

# What the columns are called here, by the names that files give them. In this order
# they are where no header is to be recognised.
COLUMNS = {
    "subject": ("Subject", "sub"),
    "video": ("Filename", "seq"),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "action_units": ("AU", "Action Units"),
    "emotion": ("emotion", "Estimated Emotion"),
}
OBJECTIVE = "Objective class"

_SPELLED = {"happiness", "sadness"}  # so in the macro table only; 'happy' in the micro
_NEEDED = {
    "micro": "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
    "macro": "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx",
}


def annotation(root: Path, kind: str) -> tuple[Table, list[str]]:
    """Returns the second version of a table, whatever its file is called.

    A name with 'v2' goes before others, one with 'v1' is never taken.

    Args:
      root: of the release.
      kind: 'micro' or 'macro'.

    Returns:
      The table, whose columns have the names of `COLUMNS`, and what to tell about it.

    Raises:
      ReleaseError: if there is none, or copies of it differ.
    """
    tables, lines, refused = _tables(root)
    own = [t for t in tables if _kind(t) == kind and "v1" not in _words(t.path)]
    second = [t for t in own if "v2" in _words(t.path)]
    if own:
        table = same_table(second or own, list(COLUMNS))
        return table, [lines[table.path]] if table.path in lines else []
    seen = [
        f"{t.path}: the first version"
        if "v1" in _words(t.path)
        else f"{t.path}: the {_kind(t)} annotation"
        for t in tables
    ]
    old = [
        f"{path}: .xls files are not read"
        for path in find_files(root, r".*\.xls")
        if kind_of(path.name) != _other(kind)
    ]
    raise problems_found(
        root,
        [f"no {kind} annotation of the second version", *seen, *old, *refused],
        f"put {_NEEDED[kind]} into it (casme3/README.md)",
    )


def _tables(root: Path) -> tuple[list[Table], dict[Path, str], list[str]]:
    """Returns tables, lines on those read by position, and what is wrong with others.

    Only a file that says that it is the macro table is read by position.
    """
    found, others = find_tables(root, ("Onset", "Apex", "Offset"))
    tables, lines, refused = [], {}, []
    for table in found:
        try:
            tables.append(_renamed(table))
        except ReleaseError as error:
            others[table.path] = error
    for path, why in others.items():
        try:
            if kind_of(path.name) != "macro":
                raise why
            tables.append(read_by_position(path, list(COLUMNS), number="onset"))
            lines[path] = f"{path.name} has other columns: taken in their known order"
        except ReleaseError as error:
            refused.append(str(error))
    return tables, lines, refused


def _renamed(table: Table) -> Table:
    """Returns a table with the columns' names of `COLUMNS`.

    Raises:
      ReleaseError: naming the column that is not there.
    """
    header = table.rows[0].cells if table.rows else {}
    names = {}
    for column, spellings in COLUMNS.items():
        there = [s for s in spellings if s.lower() in header]
        if not there:
            raise ReleaseError(
                f"{table.path}: no column {' or '.join(spellings)}; there are "
                f"{list(header)}"
            )
        names[column] = there[0]
    rows = []
    for row in table.rows:
        cells = {column: row[name] for column, name in names.items()}
        rows.append(Row(row.place, cells | {OBJECTIVE.lower(): row.get(OBJECTIVE)}))
    return table._replace(rows=tuple(rows))


def _kind(table: Table) -> str:
    """Returns what a table holds: by its name, else by how it spells emotions."""
    spelled = {row["emotion"].lower() for row in table.rows}
    return kind_of(table.path.name) or ("macro" if spelled & _SPELLED else "micro")


def _other(kind: str) -> str:
    return {"micro": "macro", "macro": "micro"}[kind]


def kind_of(name: str) -> str:
    """Returns 'micro' or 'macro' for the name of a file or folder, '' if it has none.

    'Part_A_ME_clip' and 'micro' are 'micro', 'MaE_label' and 'macro' are 'macro'. The
    ME of the corpus' own name does not count.
    """
    words = _words(Path(name))
    if words & {"mae", "macro"}:
        return "macro"
    return "micro" if words & {"me", "micro"} else ""


def _words(path: Path) -> set[str]:
    name = re.sub(r"cas[\W_]*me", "", path.name.lower())
    return set(re.findall(r"[a-z0-9]+", name))


def clips(
    table: Table, problems: list[str]
) -> tuple[list[tuple[Name, Row]], Sequence[str]]:
    """Returns the rows by subject and clip, ('spNO.1', 'a_355'), each just once.

    Args:
      table: of `annotation`.
      problems: gets a line for every row that names no clip.

    Returns:
      The rows, and lines about those that come again, the same in every cell.
    """
    named: list[tuple[Name, Row]] = []
    again, seen = [], set()
    for row, name in _named(table, problems):
        cells = tuple(row.cells.values())
        if cells in seen:
            again.append(row.place)
        else:
            seen.add(cells)
            named.append((name, row))
    lines = [f"{len(again)} rows come twice: {', '.join(again[:12])}"] if again else []
    return named, lines


def _named(table: Table, problems: list[str]) -> Iterator[tuple[Row, Name]]:
    for row in table.rows:
        subject = subject_name(row["subject"])
        video, onset = row["video"].lower(), row["onset"]
        if subject and re.fullmatch("[a-z]", video) and re.fullmatch(r"\d{1,9}", onset):
            yield row, (subject, f"{video}_{int(onset)}")
        else:
            problems.append(
                f"{row.place}: subject {row['subject']!r}, video {row['video']!r} and "
                f"onset {onset!r}, expected 'spNO.1', 'a' and '355' or the like"
            )


def subject_name(text: str) -> str:
    """Returns 'spNO.1' for 'spNO.1', 'spNo.01' or '1', '' for what is no subject."""
    number = re.fullmatch(r"(?:sp ?no\.? ?)?(\d{1,4})", text, re.IGNORECASE)
    return f"spNO.{int(number[1])}" if number else ""
