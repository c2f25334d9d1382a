"""Tables as grids of cells: a second, plain reader, and a writer for damaged ones."""

import csv
import datetime
import io
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import openpyxl

ROLES = {
    "emotion": {"emotion", "estimated emotion"},
    "onset": {"onset", "onsetframe", "onset frame", "onsetf"},
    "apex": {"apex", "apexframe", "apex frame"},
    "offset": {"offset", "offsetframe", "offset frame", "offsetf"},
    "action_units": {"au", "action units", "action_units"},
    "name": {"subject", "sub", "filename", "seq", "clip"},
}
_CHECKED = ("emotion", "onset", "offset", "action_units")


class Row(NamedTuple):
    """The cells that name a clip, and role -> texts (of one column, or of several)."""

    names: list[str]
    cells: dict[str, list[str]]


class NotHere(Exception):
    """A mutation finds nothing in this twin that it could damage."""


LARGEST = 2**22  # bytes, and cells, of a table that is damaged a second time


class Grid:
    """The first table of a file that annotates clips.

    Attributes:
      path: of the file.
      book: the workbook, None of a CSV file.
      lines: all rows of the sheet or file, to be changed in place.
      top: where in them the header is.
    """

    def __init__(self, path: Path, *, values: bool = False):
        self.path, self.book = path, None
        if path.suffix.lower() == ".csv":
            text = path.read_bytes().decode("utf-8-sig")
            sheets = [(None, list(csv.reader(io.StringIO(text, newline=""))))]
        else:
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > LARGEST:
                    raise NotHere  # an earlier mutation made it a bomb
            self.book = openpyxl.load_workbook(path, data_only=values)
            if any(s.max_row * s.max_column > LARGEST for s in self.book.worksheets):
                raise NotHere
            sheets = [
                (s, [list(row) for row in s.iter_rows(values_only=True)])
                for s in self.book.worksheets
            ]
        for sheet, lines in sheets:
            for top, line in enumerate(lines):
                if {"name", "onset"} <= set(map(role, line)):
                    self.sheet, self.lines, self.top = sheet, lines, top
                    return
        raise ValueError(f"{path}: no header")

    @property
    def header(self):
        """The cells of the header."""
        return self.lines[self.top]

    @property
    def body(self):
        """Where rows with a name are."""
        named = self.columns("name")
        below = range(self.top + 1, len(self.lines))
        return [i for i in below if any(text(self.cell(i, c)) for c in named)]

    def columns(self, *roles):
        """Where columns of these roles are, of any role if none are given."""
        found = [role(cell) for cell in self.header]
        return [i for i, one in enumerate(found) if one in (roles or ROLES)]

    def cell(self, row, column):
        """A cell's value, None where the row is too short."""
        line = self.lines[row]
        return line[column] if column < len(line) else None

    def save(self, path=None):
        """Writes all rows again."""
        path = path or self.path
        if self.book is None:
            file = io.StringIO(newline="")
            rows = [["" if c is None else c for c in line] for line in self.lines]
            csv.writer(file).writerows(rows)
            path.write_bytes(file.getvalue().encode())
            return
        index = self.book.worksheets.index(self.sheet)
        fresh = self.book.create_sheet("fresh", index)
        for line in self.lines:
            fresh.append(line)
        title = self.sheet.title
        self.book.remove(self.sheet)
        fresh.title, self.sheet = title, fresh
        self.book.save(path)


def role(cell: Any):
    """What a header's cell is about, None if nothing known."""
    name = " ".join(str(cell).split()).lower()
    return next((one for one, names in ROLES.items() if name in names), None)


def text(cell: Any) -> str:
    """A value as a person reads it."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell == cell // 1:
        return str(int(cell))
    if isinstance(cell, datetime.datetime):
        return cell.isoformat(" ")
    return str(cell).strip()


def rows(path: Path) -> list[Row]:
    """The rows of a table, none if it has no header."""
    try:
        grid = Grid(path, values=True)
    except Exception:  # what cannot be read has no rows to compare with
        return []
    found = []
    for row in grid.body:
        cells = defaultdict(list)
        for column in grid.columns(*_CHECKED):
            name = role(grid.header[column])
            cells[name].append(text(grid.cell(row, column)))
        names = [text(grid.cell(row, c)) for c in grid.columns("name")]
        found.append(Row(names, dict(cells)))
    return found
