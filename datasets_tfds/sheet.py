"""Annotation tables: spreadsheets and CSV files as rows of text.

Cells of one column are text in one row and numbers in the next ("006", 12, "4+L10",
"/"), so everything is read as text and nobody guesses a type for a whole column.
"""

import csv
import dataclasses
import itertools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets_tfds.record import ReleaseError
from datasets_tfds.tree import find_files


class Table(NamedTuple):
    """The rows below a header.

    Attributes:
      path: the file.
      sheet: its name, '' in a CSV file.
      rows: in file order; blank rows left out.
    """

    path: Path
    sheet: str
    rows: tuple["Row", ...]

    @property
    def version(self) -> str:
        """File name and number of rows, as results quote it."""
        return f"{self.path.name}, {len(self.rows)} rows"


@dataclasses.dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
      place: 'file, row 17', for messages; rows count from 1 as spreadsheets do.
      cells: column name, in lower case and with single spaces, -> text, '' if blank.
    """

    place: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """Returns a cell's text.

        Raises:
          ReleaseError: if the table has no such column.
        """
        try:
            return self.cells[_name(column)]
        except KeyError:
            raise ReleaseError(
                f"{self.place}: no column {column!r}; there are {list(self.cells)}"
            ) from None

    def get(self, column: str) -> str:
        """Returns a cell's text, '' where the table has no such column."""
        return self.cells.get(_name(column), "")


def read_table(
    path: Path, columns: Sequence[str], *, sheet: str | None = None
) -> Table:
    """Reads the table whose header has all of `columns`.

    The header is the first row that does, wherever it is: thirteen rows down in one
    official file, on top in trimmed copies of it. Unnamed columns are left out. A
    formula counts as the value the file holds for it, '' if none.

    Args:
      path: .xlsx or .csv.
      columns: names that must be there; case and extra spaces do not matter. A row
        is blank if the cells of all of these are.
      sheet: of a workbook; by default the first that has such a header.

    Raises:
      ReleaseError: if the file cannot be read or has no such header.
    """
    wanted = {_name(c) for c in columns}
    sheets = _sheets(path, sheet)
    for name, rows in sheets:
        for above, cells in enumerate(rows):
            header = [_name(_text(c)) for c in cells]
            if wanted <= set(header):
                body = _body(path, header, rows[above + 1 :], above + 2, wanted)
                return Table(path, name, tuple(body))
    raise ReleaseError(
        f"{path}: no row has all of the columns {list(columns)}; found sheets "
        f"{[name for name, _ in sheets]}. Is this the annotation file?"
    )


def read_by_position(path: Path, columns: Sequence[str], *, number: str) -> Table:
    """Reads the first sheet with rows, whatever its header calls the columns.

    Args:
      path: .xlsx or .csv.
      columns: what to call the columns, from the left.
      number: the one of them that holds whole numbers: a first row without one
        there is the header.

    Raises:
      ReleaseError: if the file cannot be read, has no rows, or has fewer columns.
    """
    names = [_name(c) for c in columns]
    for sheet, rows in _sheets(path, None):
        table = list(_body(path, names, rows, 1, set(names)))
        if table and not table[0][number].isdecimal():
            del table[0]
        if not table:
            continue
        if max(map(len, rows)) < len(names):
            break
        return Table(path, sheet, tuple(table))
    raise ReleaseError(
        f"{path}: no sheet with rows of the {len(names)} columns {list(columns)}. "
        "Is this the annotation file?"
    )


def find_tables(
    root: Path, columns: Sequence[str]
) -> tuple[list[Table], dict[Path, ReleaseError]]:
    """Reads every spreadsheet of a release that has a table with these columns.

    Args:
      root: of the release.
      columns: as in `read_table`.

    Returns:
      The tables, in order of path, and the other .xlsx and .csv files with what
      `read_table` has against them: most are not meant to be this table.
    """
    tables, others = [], {}
    for path in find_files(root, r".*\.(xlsx|csv)"):
        try:
            tables.append(read_table(path, columns))
        except ReleaseError as error:
            others[path] = error
    return tables, others


def same_table(tables: Sequence[Table], columns: Sequence[str]) -> Table:
    """Returns the first of several copies of one table.

    Args:
      tables: at least one.
      columns: whose cells must be equal.

    Raises:
      ReleaseError: if the copies differ, with the first difference.
    """
    first = tables[0]
    for other in tables[1:]:
        for one, two in itertools.zip_longest(first.rows, other.rows):
            cells = [[row[c] for c in columns] if row else None for row in (one, two)]
            if cells[0] != cells[1]:
                raise ReleaseError(
                    f"{first.path} and {other.path} differ: {cells[0]} and {cells[1]} "
                    f"({(one or two).place}). Keep one of them in the release"
                )
    return first


def _body(path, header, rows, first: int, wanted) -> Iterable[Row]:
    for number, cells in enumerate(rows, start=first):
        named = {
            name: _text(cell) for name, cell in zip(header, cells, strict=False) if name
        }
        if any(named.get(name) for name in wanted):
            missing = {name: "" for name in header if name and name not in named}
            yield Row(f"{path.name}, row {number}", named | missing)


def _sheets(path: Path, sheet: str | None) -> list[tuple[str, list[list[Any]]]]:
    read = _csv_rows if path.suffix.lower() == ".csv" else _workbook_rows
    try:
        return read(path, sheet)
    except ReleaseError:
        raise
    except Exception as error:  # zip, XML and encoding errors of many types
        raise ReleaseError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "download it again"
        ) from error


def _csv_rows(path: Path, sheet: str | None) -> list[tuple[str, list[list[Any]]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [("", list(csv.reader(file)))]


def _workbook_rows(path: Path, sheet: str | None) -> list[tuple[str, list[list[Any]]]]:
    import openpyxl

    with warnings.catch_warnings():  # of styles and extensions that hold no data
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(path, data_only=True)
    if sheet is not None and sheet not in book.sheetnames:
        raise ReleaseError(f"{path}: no sheet {sheet!r}; there are {book.sheetnames}")
    chosen = [s for s in book.worksheets if sheet in (None, s.title)]
    return [(s.title, [list(r) for r in s.iter_rows(values_only=True)]) for s in chosen]


def _name(column: str) -> str:
    return " ".join(column.split()).lower()


def _text(cell: Any) -> str:
    """Returns a cell as a person reads it: 12 for 12.0, nothing for an empty one."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()
