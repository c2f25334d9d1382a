"""The spreadsheet of the long clips of a twin of SMIC."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins_sheet
from datasets_tfds.twins_sheet import Cell, Rows

HEADER = (
    *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F"),
    *("Onset3F", "Offset3F", None, "FirstF", "LastF", "TotalMF1", "TotalMF2"),
    *("TotalMF3", "TotalVL", "Emotion"),
)
HEADER_VIS = (
    *("Subject", "Filename", None, "OnsetF", "OffsetF", None, "FirstF", "LastF"),
    *("TotalMF1", "TotalVL", "Emotion"),
)
REST_VIS = 6  # frames before the onset of a clip without a HS counterpart
LENGTH_VIS = 8
MISSING = "s4_ne_01"  # whose FirstF is a remark
BLANK_TAIL = 6


class LongClip(NamedTuple):
    """Rest, an expression, rest, and at times another one."""

    subject: str  # 's01'
    name: str  # 's1_ne_01', the first of its expressions
    label: str
    first: int  # frame number
    before: int  # frames of rest before the first expression
    lengths: tuple[int, ...]  # frames of each expression
    pauses: tuple[int, ...]  # frames of rest after each
    expressions: tuple[str, ...]  # the short clips

    @property
    def onsets(self) -> tuple[int, ...]:
        """Frame number of the onset of each expression."""
        onsets = [self.first + self.before]
        for length, pause in zip(self.lengths[:-1], self.pauses[:-1], strict=True):
            onsets.append(onsets[-1] + length + pause)
        return tuple(onsets)

    @property
    def last(self) -> int:
        """Frame number."""
        return self.first + self.before + sum(self.lengths) + sum(self.pauses) - 1


def write_annotation(
    path: Path, long_clips: Sequence[LongClip], visible: Sequence[str]
) -> None:
    """Writes the spreadsheet: sheet HS, and VIS that some of its formulas refer to.

    Args:
      path: of the file.
      long_clips: rows of sheet HS.
      visible: names of the clips of the VIS camera, rows of its sheet.
    """
    rests = {clip.name: clip.before for clip in long_clips}
    rows_vis = {name: row for row, name in enumerate(visible, start=2)}
    high_speed: list[Sequence[Cell]] = [HEADER]
    for row, clip in enumerate(long_clips, start=2):
        high_speed.append(_cells(clip, row, rows_vis.get(clip.name)))
    vis: list[Sequence[Cell]] = [HEADER_VIS]
    for name, row in rows_vis.items():
        vis.append(_cells_vis(name, row, rests.get(name, REST_VIS)))
    empty: Mapping[str, Rows] = {"Sheet2": (), "Sheet3": ()}
    sheets = {"HS": high_speed, "VIS": vis, **empty}
    twins_sheet.write_sheets(path, sheets, blank_tail=BLANK_TAIL)


def _cells(clip: LongClip, row: int, row_vis: int | None) -> tuple[Cell, ...]:
    """A row of sheet HS: onsets and lengths are numbers, most else is a formula."""
    intervals: list[Cell] = [None] * 6
    for i, onset in enumerate(clip.onsets):
        offset = f"={'DFH'[i]}{row}+{'MNO'[i]}{row}-1"
        intervals[2 * i : 2 * i + 2] = onset, offset
    first: Cell = f"=D{row}-{clip.before}"
    last: Cell = f"={'EGI'[len(clip.onsets) - 1]}{row}+{clip.pauses[-1]}"
    if row_vis:
        first = f"=D{row}-VIS!D{row_vis}+VIS!G{row_vis}"
    if row % 5 == 0:
        intervals[1] = clip.onsets[0] + clip.lengths[0] - 1
        first, last = clip.first, clip.last
    if clip.name == MISSING:
        first = f"MISSING <-{clip.first}"
    lengths = (*clip.lengths, None, None)[:3]
    start = (int(clip.subject[1:]), clip.name, None, *intervals, None, first, last)
    return (*start, *lengths, f"=L{row}-K{row}+1", clip.label)


def _cells_vis(name: str, row: int, rest: int) -> tuple[Cell, ...]:
    subject, kind, _ = name.split("_")
    emotion = {"ne": "negative", "po": "positive", "sur": "surprise"}[kind]
    onset = rest + 1
    last = onset + LENGTH_VIS + rest - 1
    start = (int(subject[1:]), name, None, onset, f"=D{row}+I{row}-1", None, 1, last)
    return (*start, LENGTH_VIS, f"=H{row}-G{row}+1", emotion)
