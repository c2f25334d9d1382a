"""Published errors in annotations, mended by a table and never in silence.

Every corpus may hold a `repairs.csv` beside its builder:
corpus,subject,clip,field,old,new,reason,source. A repair is made only where the
release still says `old`; where it says anything else the difference is told, as
another version of the release may have been mended by its authors. Records keep both
readings; which one counts is the reader's choice (`data.repairs`).
"""

import csv
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from importlib import resources
from typing import NamedTuple

FRAMES = ("onset", "apex", "offset")
FIELDS = (*FRAMES, "emotion", "action_units")


class Repair(NamedTuple):
    """One row of a table.

    Attributes:
      corpus, subject, clip: of the clip, as in its key.
      field: one of `FIELDS`.
      old, new: text, as the release writes it and as it should read.
      reason, source: why, and who found it.
    """

    corpus: str
    subject: str
    clip: str
    field: str
    old: str
    new: str
    reason: str
    source: str


def read_repairs(package: str) -> Mapping[str, Sequence[Repair]]:
    """Returns key -> repairs of the table in a builder's package, none if it has none.

    Raises:
      ValueError: for a row that is no repair, or two rows for one field.
    """
    table = resources.files(package).joinpath("repairs.csv")
    if not table.is_file():
        return {}
    found: dict[str, list[Repair]] = defaultdict(list)
    lines = table.read_text(encoding="utf-8").splitlines()
    for number, cells in enumerate(csv.reader(lines), start=1):
        if number == 1 and tuple(cells) == Repair._fields:
            continue
        place = f"repairs.csv of {package}, row {number}"
        if number == 1 or len(cells) != len(Repair._fields):
            raise ValueError(f"{place}: {cells}, expected {Repair._fields}")
        row = Repair(*cells)
        if row.field not in FIELDS:
            raise ValueError(f"{place}: field {row.field!r} is not one of {FIELDS}")
        if row.field in FRAMES and not row.new.isdecimal():
            raise ValueError(f"{place}: {row.new!r} is no frame number")
        key = f"{row.corpus}/{row.subject}/{row.clip}"
        if any(other.field == row.field for other in found[key]):
            raise ValueError(f"{place}: {key} {row.field} twice")
        found[key].append(row)
    return dict(found)


def repair(
    written: Mapping[str, str], repairs: Sequence[Repair], numbers: Collection[int]
) -> tuple[dict[str, str], list[str]]:
    """Returns a clip's annotation with its repairs made, and a line about each.

    Args:
      written: field -> text, as the release has it.
      repairs: of this clip.
      numbers: of the frames on disk; a repaired frame number must be one of them.
    """
    mended, told = dict(written), []
    for r in repairs:
        change = f"{r.field} {r.old!r} -> {r.new!r} ({r.reason}; {r.source})"
        if written[r.field] == r.new:
            told.append(f"not needed, the release says so already: {change}")
        elif written[r.field] != r.old:
            told.append(f"not made, the release says {written[r.field]!r}: {change}")
        elif r.field in FRAMES and int(r.new) not in numbers:
            told.append(f"not made, there is no frame {r.new}: {change}")
        else:
            mended[r.field] = r.new
            told.append(f"made: {change}")
    return mended, told
