"""Spreadsheets of twins, with the cell types of the real ones."""

import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl

Cell = str | int | None  # text, number, or truly empty; '=SUM(..)' is a formula
Rows = Sequence[Sequence[Cell]]

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_NO_TIME = b"2000-01-01T00:00:00Z"


def write_sheets(
    path: Path, sheets: Mapping[str, Rows], *, blank_tail: int = 0
) -> None:
    """Writes a workbook: the same cells, the same bytes.

    Formulas have no value until a spreadsheet program opens and saves the file.

    Args:
      path: of the .xlsx file; its folder is made if absent.
      sheets: name -> rows from row 1 on.
      blank_tail: rows below those of the first sheet that are formatted and empty,
        as are left where someone cleared a row: readers return them.
    """
    book = openpyxl.Workbook()
    del book["Sheet"]
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    first = book.worksheets[0]
    last = len(next(iter(sheets.values())))
    for row_number in range(last + 1, last + blank_tail + 1):
        first.cell(row_number, 1).number_format = "0"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_without_time(book))


def lock_file(path: Path) -> None:
    """Writes what Excel leaves beside a workbook that is open: no workbook."""
    owner = b"\x05owner".ljust(55) + "\x05owner".ljust(55).encode("utf-16-le")
    path.with_name(f"~${path.name}").write_bytes(owner)


def number_or_text(code: str) -> Cell:
    """Returns what a cell becomes when somebody types `code` into it."""
    return int(code) if code.isdigit() else code


def _without_time(book: openpyxl.Workbook) -> bytes:
    """Returns the file of a workbook without the time at which it was written."""
    saved, timeless = io.BytesIO(), io.BytesIO()
    book.save(saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(timeless, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _TIME.sub(_NO_TIME, content)
            entry = zipfile.ZipInfo(name)  # dated 1980
            new.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return timeless.getvalue()
