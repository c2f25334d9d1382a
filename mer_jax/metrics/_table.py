"""Rows of a CSV file as text, with their places for messages."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from mer_jax.errors import UserError

Row = tuple[str, dict[str, str]]  # 'file, row 17', and column -> text, '' if blank


def rows(path: Path, required: Sequence[str], known: Sequence[str]) -> Iterator[Row]:
    """Yields the rows below the header; blank ones are left out.

    Rows count from 1, the header's, as spreadsheets do. Case and extra spaces in the
    names of columns do not matter.

    Args:
      path: comma-separated, UTF-8, with or without a byte order mark.
      required: columns that must be there.
      known: these and others, of which there may not be two.

    Raises:
      UserError: if it cannot be read, has no such header, or a row has more cells.
    """
    reader = csv.reader(io.StringIO(_text(path, required), newline=""), strict=True)
    header: list[str] = []
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            texts = [cell.strip() for cell in cells]
            place = f"{path}, row {number}"
            if not any(texts):
                continue
            if not header:
                header = _header(place, texts, required, known)
                continue
            if any(texts[len(header) :]):
                raise UserError(
                    f"{place}: {len(texts)} cells for {len(header)} columns; put a "
                    'text that has commas into "quotes"'
                )
            blank = dict.fromkeys(header, "")
            yield place, blank | dict(zip(header, texts, strict=False))
    except csv.Error as error:
        raise UserError(
            f"{path}, row {number + 1}: {error}. Close the quotes of this or an "
            "earlier row, and double those within a text"
        ) from error
    if not header:
        raise UserError(f"{path} is empty; expected the columns {','.join(required)}")


def _text(path: Path, required: Sequence[str]) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {path} ({error.strerror}). Expected a CSV file with the "
            f"columns {','.join(required)}"
        ) from error
    try:
        return data.decode("utf-8-sig")  # spreadsheets put a mark in front
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise UserError(
            f"{path}, row {number}: not UTF-8 ({error.reason}). Save it again as CSV "
            "in UTF-8"
        ) from error


def _header(
    place: str, texts: Sequence[str], required: Sequence[str], known: Sequence[str]
) -> list[str]:
    names = [" ".join(text.split()).lower() for text in texts]
    for mark, what in ((";", "semicolons"), ("\t", "tabs")):
        if len(names) == 1 and mark in texts[0]:
            raise UserError(
                f"{place}: columns are separated by {what}, expected commas. Save it "
                "again, separated by commas"
            )
    if missing := [name for name in required if name not in names]:
        raise UserError(
            f"{place}: no column {', '.join(map(repr, missing))}; there are {names}. "
            f"The first row names the columns, {','.join(required)} among them"
        )
    for name in known:
        if names.count(name) > 1:
            raise UserError(f"{place}: column {name!r} is there twice; remove one")
    return names
