"""The spreadsheets of a twin of CAS(ME)^3 Part A."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets_tfds import twins_sheet
from datasets_tfds.casme3.fake_plan import Row
from datasets_tfds.twins_sheet import Cell, Rows

MICRO_SHEET = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
MACRO_SHEET = "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx"
MOVED_SHEET = "CAS(ME)3_part_A_wrongly_labeled_me_in_V1.xlsx"
PART_C_SHEET = "CAS(ME)3_part_C_ME.xlsx"

HEADER = (
    *("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class"),
    "emotion",
)
# Nobody published that of the macro-expressions, and those who read it disagree.
MACRO_HEADERS: Mapping[str, tuple[str, ...]] = {
    "as_micro": ("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "emotion"),
    "short": ("sub", "seq", "onset", "apex", "offset", "AU", "emotion"),
    "mixed_case": ("SUBJECT", "filename", "ONSET", "aPex", "offset", "au", "Emotion"),
}
OBJECTIVE = {
    **{"happy": "I", "surprise": "II", "anger": "III", "disgust": "IV", "sad": "V"},
    **{"fear": "VI", "others": "VII"},
}


def write_micro(path: Path, rows: Sequence[Row], shown: Sequence[str]) -> None:
    """Writes the sheet of the micro-expressions: every cell is text.

    Args:
      path: of the file.
      rows: one for each.
      shown: the action units on the face in each.
    """
    cells: list[Sequence[Cell]] = [HEADER]
    for row, units in zip(rows, shown, strict=True):
        objective = OBJECTIVE[row.emotion.lower()]
        numbers = (str(number) for number in (row.onset, row.apex, row.offset))
        coded = (row.units or units, objective, row.emotion)
        cells.append((row.subject, row.video, *numbers, *coded))
    sheets: Mapping[str, Rows] = {"label": cells, "Sheet1": (), "Sheet3": ()}
    twins_sheet.write_sheets(path, sheets)


def write_macro(
    path: Path, rows: Sequence[Row], shown: Sequence[str], header: str
) -> None:
    """Writes the sheet of the macro-expressions: frame numbers are numbers.

    Args:
      path: of the file.
      rows: one for each.
      shown: the action units on the face in each.
      header: a key of `MACRO_HEADERS`.
    """
    cells: list[Sequence[Cell]] = [MACRO_HEADERS[header]]
    for row, units in zip(rows, shown, strict=True):
        typed = twins_sheet.number_or_text(units)
        numbers = (row.onset, row.apex, row.offset)
        cells.append((row.subject, row.video, *numbers, typed, row.emotion))
    twins_sheet.write_sheets(path, {"Sheet1": cells})


def write_others(folder: Path) -> None:
    """Writes what else lies beside them: a list of mistakes, and another part."""
    moved = [("spNO.149", "d", "112", "167", "358", "4", "macro")]
    twins_sheet.write_sheets(folder / MOVED_SHEET, {"Sheet1": moved})
    mock_crime: Rows = [
        ("sub", "count", "onset", "offset", "au", "emotion"),
        (1, 1, 355, 368, "4+7", "negative"),
        (1, 2, 1200, 1214, "1+2", "surprise"),
        (2, 1, 87, 95, 14, "others"),
        (3, 1, 2044, 2053, 12, "positive"),
    ]
    twins_sheet.write_sheets(folder / PART_C_SHEET, {"mockCrimeME": mock_crime})
