"""SMIC-E-HS: long clips with the frames around an expression, and their table.

The table tells onset and offset. Many of its cells are formulas, and a file that was
never opened in a spreadsheet program holds no value for them: then the offset is
unknown, and the record has the whole long clip.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from datasets_tfds.film import Film, Found
from datasets_tfds.matching import by_clip, told
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row, Table, read_table, same_table
from datasets_tfds.smic import release
from datasets_tfds.smic.release import Name, Take
from datasets_tfds.tree import find_files, numbered

COLUMNS = ("Filename", "OnsetF", "OffsetF")

_TABLE = r".*HS.*annotation.*\.xlsx"
_LATER = ("Onset2F", "Offset2F", "Onset3F", "Offset3F")  # further expressions


def find_films(root: Path, config: str) -> Found:
    """Returns the long clips ('hs-long') that the table and the folders share.

    Raises:
      ReleaseError: if there is no table, naming each row that contradicts itself or
        its folder, and each clip with several rows or folders.
    """
    found = release.find_takes(root, config)
    table, lines = read_annotation(root)
    problems = [p for take in found for p in release.misplaced(take)]
    takes = by_clip(release.named(found), lambda take: take.folder.path, problems)
    rows = by_clip(_named(table, problems), lambda row: row.place, problems)
    films = []
    for name, row in rows.items():
        if name in takes:
            try:
                films.append(_film(takes[name], config, row, table.version))
            except ReleaseError as error:
                problems.append(str(error))
    if problems:
        raise problems_found(root, problems, release.ADVICE)
    if nameless := sum(not row["Filename"] for row in table.rows):
        lines.append(f"{nameless} rows without a Filename skipped")
    lines += told({n: n[1] for n in rows}, {n: n[1] for n in takes})
    return Found(films, [release.summary(films, config), *lines])


def read_annotation(root: Path) -> tuple[Table, list[str]]:
    """Returns the table of SMIC-E-HS, and a line if there were others.

    Of several files SMIC-HS-E_annotation_<year>.xlsx goes first, the latest year,
    then the one with no addition, then any other (_orig).

    Raises:
      ReleaseError: if there is none, or two different ones of one name.
    """
    files = sorted(find_files(root, _TABLE), key=_rank)
    if not files:
        raise ReleaseError(
            f"{root}: no SMIC-HS-E_annotation.xlsx. Give the folder that holds it and "
            "the long clips, SMIC-E_raw image/HS_long"
        )
    first = [file for file in files if _rank(file) == _rank(files[0])]
    table = same_table([read_table(f, COLUMNS, sheet="HS") for f in first], COLUMNS)
    others = sorted({f.name for f in files} - {f.name for f in first})
    unread = f" ({', '.join(others)} not)" if others else ""
    return table, [f"{table.version} read{unread}"]


def _rank(file: Path) -> tuple[int, str]:
    addition = file.stem.lower().rpartition("annotation")[2].strip("_- ")
    if re.fullmatch(r"\d{4,8}", addition):
        return -int(addition[:4]), addition
    return (2, addition) if addition else (1, "")


def _named(table: Table, problems: list[str]) -> Iterator[tuple[tuple[str, str], Row]]:
    """Yields ((subject, clip), row), and tells what is wrong within the rows."""
    for row in table.rows:
        if not row["Filename"]:
            continue
        name = release.parse_name(row["Filename"])
        if name is None:
            problems.append(
                f"{row.place}: Filename {row['Filename']!r} is not the name of a clip, "
                "as s1_ne_01 is"
            )
        else:
            problems += _contradictions(name, row)
            yield (name.person, name.clip), row


def _contradictions(name: Name, row: Row) -> list[str]:
    problems = []
    subject = row.get("Subject").lower().removeprefix("s")
    if subject.isdecimal() and int(subject) != name.subject:
        problems.append(f"{row.place}: {name.clip} is not of subject {subject}")
    emotion = release.parse_emotion(row.get("Emotion"))
    if emotion and emotion != name.emotion:
        problems.append(f"{row.place}: {name.clip} is not {emotion}")
    return problems


def _film(take: Take, config: str, row: Row, version: str) -> Film:
    frames = numbered(take.folder.files)
    boundaries = {"onset": row["OnsetF"], "offset": row["OffsetF"]}
    return release.film(take, config, frames, boundaries, version, _issues(row))


def _issues(row: Row) -> tuple[str, ...]:
    issues = []
    if not row["OnsetF"]:
        issues.append("no onset in the table: first frame of the long clip taken")
    if not row["OffsetF"]:
        issues.append(
            "no offset in the table (a formula that was never computed counts as "
            "none): last frame of the long clip taken"
        )
    if later := [f"{column} {row.get(column)}" for column in _LATER if row.get(column)]:
        issues.append(
            "more than one expression, only the first is annotated here: "
            + ", ".join(later)
        )
    if (emotion := row.get("Emotion")) and not release.parse_emotion(emotion):
        issues.append(f"emotion {emotion!r} in the table: the name's is taken")
    return tuple(issues)
