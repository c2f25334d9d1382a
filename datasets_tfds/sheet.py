"""Annotation tables: spreadsheets and CSV files as rows of text.

Cells of one column are text in one row and numbers in the next ("006", 12, "4+L10",
"/"), so everything is read as text and nobody guesses a type for a whole column.
"""

import contextlib
import csv
import dataclasses
import itertools
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from datasets_tfds.record import ReleaseError, printable
from datasets_tfds.tree import find_files

# Ten times what the largest known annotation has (3490 rows, 2 MB unpacked). Files
# beyond it are something else, or a few bytes that unpack to all of the memory.
MAX_BYTES = 2**24
MAX_CELLS = 2_000_000
MAX_PARTS = 1_000  # of the ZIP file that a workbook is


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
        return printable(f"{self.path.name}, {len(self.rows)} rows")


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
      ReleaseError: if the file cannot be read or has no such header, or one with two
        columns of one name and different cells.
    """
    wanted = {_name(c) for c in columns}
    sheets = _sheets(path, sheet)
    for name, rows in sheets:
        for above, cells in enumerate(rows):
            header = [_name(_text(c)) for c in cells]
            if wanted <= set(header):
                body = rows[above + 1 :]
                _check_columns(path, header, body, above + 2)
                found = _body(path, header, body, above + 2, wanted)
                return Table(path, name, tuple(found))
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
      ReleaseError: if the file cannot be read, has no rows, fewer columns, or two of
        one name and different cells.
    """
    names = [_name(c) for c in columns]
    for sheet, rows in _sheets(path, None):
        table = list(_body(path, names, rows, 1, set(names)))
        if table and not table[0][number].isdecimal():
            del table[0]
            top = next(i for i, cells in enumerate(rows) if any(map(_text, cells)))
            header = [_name(_text(cell)) for cell in rows[top]]
            _check_columns(path, header, rows[top + 1 :], top + 2)
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


def _check_columns(path: Path, header, rows, first: int) -> None:
    """Raises where it is not clear which of two columns is meant."""
    for name in {name for name in header if name and header.count(name) > 1}:
        places = [i for i, other in enumerate(header) if other == name]
        for number, cells in enumerate(rows, start=first):
            texts = {_text(cells[i]) if i < len(cells) else "" for i in places}
            if len(texts) > 1:
                raise ReleaseError(
                    f"{path}: column {name!r} is there twice, and {path.name}, row "
                    f"{number}, has {sorted(texts)} there; remove or rename one"
                )


def _body(path, header, rows, first: int, wanted) -> Iterable[Row]:
    for number, cells in enumerate(rows, start=first):
        named = {
            name: _text(cell) for name, cell in zip(header, cells, strict=False) if name
        }
        if any(named.get(name) for name in wanted):
            missing = {name: "" for name in header if name and name not in named}
            yield Row(f"{path.name}, row {number}", named | missing)


def _sheets(path: Path, sheet: str | None) -> list[tuple[str, list[Sequence[Any]]]]:
    read = _csv_rows if path.suffix.lower() == ".csv" else _workbook_rows
    try:
        _refuse_large(path, path.stat().st_size)
        return read(path, sheet)
    except ReleaseError:
        raise
    except Exception as error:  # zip, XML and encoding errors of many types
        raise ReleaseError(
            f"{path} cannot be read ({type(error).__name__}: {error}); "
            "download it again"
        ) from error


def _refuse_large(path: Path, size: int, parts: int = 0) -> None:
    if size > MAX_BYTES or parts > MAX_PARTS:
        raise ReleaseError(
            f"{path} holds {size} bytes in {parts or 1} parts, and is not read: an "
            f"annotation has at most {MAX_BYTES} in {MAX_PARTS}"
        )


def _csv_rows(path: Path, sheet: str | None) -> list[tuple[str, list[Sequence[Any]]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            return [("", _counted(path, reader))]
        except csv.Error as error:
            raise ReleaseError(
                f"{path}, line {reader.line_num}: {error}. Close the quotes of this "
                "or an earlier line, and double those within a text"
            ) from error


def _workbook_rows(
    path: Path, sheet: str | None
) -> list[tuple[str, list[Sequence[Any]]]]:
    import openpyxl

    with zipfile.ZipFile(path) as parts:
        sizes = [part.file_size for part in parts.infolist()]
    _refuse_large(path, sum(sizes), len(sizes))
    with warnings.catch_warnings():  # of styles and extensions that hold no data
        warnings.simplefilter("ignore")
        # Not read-only, a single cell far out would have all before it made.
        book = openpyxl.load_workbook(path, data_only=True, read_only=True)
        with contextlib.closing(book):
            names = [s.title for s in book.worksheets if sheet in (None, s.title)]
            if not names:
                raise ReleaseError(
                    f"{path}: no sheet {sheet!r}; there are {book.sheetnames}"
                )
            return [(name, _sheet_rows(path, book[name])) for name in names]


def _sheet_rows(path: Path, sheet: Any) -> list[Sequence[Any]]:
    sheet.reset_dimensions()  # the file's own word on how wide its rows are
    return _counted(path, sheet.iter_rows(values_only=True))


def _counted(path: Path, rows: Iterable[Sequence[Any]]) -> list[Sequence[Any]]:
    kept, cells = [], 0
    for row in rows:
        kept.append(row)
        cells += len(row) + 1
        if cells > MAX_CELLS:
            raise ReleaseError(
                f"{path} has more than {MAX_CELLS} cells: is this the annotation file?"
            )
    return kept


def _name(column: str) -> str:
    return " ".join(column.split()).lower()


def _text(cell: Any) -> str:
    """Returns a cell as a person reads it: 12 for 12.0, nothing for an empty one."""
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return str(cell).strip()
