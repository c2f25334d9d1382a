"""Writes a twin of the SAMM release: its layout and its oddities, drawn faces.

The clips of the composite challenge are those that were published; those of
emotion 'Other' are invented. Frame numbers are invented but for the rows whose
oddities are known: those are spelled out in `ODD`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins, twins_film, twins_sheet
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot, Take
from datasets_tfds.twins_sheet import Cell

TOP = "SAMM"
SHEET = "SAMM_Micro_FACS_Codes_v2.xlsx"
HEADER_ROW = 14

# The first subjects carry the odd rows; 025 has no 3-class clip, 024 and 036 have
# no clip of the five classes.
ORDER = (
    *("028", "032", "007", "025", "036", "014", "011", "035", "006", "013", "024"),
    *("009", "010", "012", "015", "016", "017", "018", "019", "020", "021", "022"),
    *("023", "026", "030", "031", "033", "034", "037"),
)
FULL_SIZE = "037_3_2"  # as large and long as the real ones

# Frame names of these long videos have five digits, those of all others four.
FIVE_DIGITS = {
    *("006_1", "011_1", "012_1", "013_1", "014_1", "016_7", "018_1", "018_7"),
    *("020_1", "023_1", "026_1", "030_1", "033_1", "034_7", "035_1", "035_7"),
    "036_7",
}
# Clips of emotion 'Other'.
OTHERS = {
    **{"006": 2, "007": 1, "011": 2, "012": 1, "014": 2, "016": 1, "018": 1, "020": 2},
    **{"022": 1, "025": 3, "026": 3, "028": 1, "030": 1, "032": 1, "033": 1},
    **{"034": 1, "035": 2},
}
NEGATIVES = {"Anger": 57, "Contempt": 12, "Disgust": 9, "Fear": 8, "Sadness": 6}
OUTSIDE_FIVE = {
    ("024", "024_2_1"): "Disgust",
    ("036", "036_7_3"): "Sadness",
}

Key = tuple[str, str]  # subject, clip


class Odd(NamedTuple):
    """What is known of a row. None: as with any other row."""

    interval: tuple[int, int, int] | None = None  # onset, apex, offset
    units: str | None = None
    note: str | None = None


ODD = {
    "028_4_1": Odd((1071, 1143, 1134)),
    "032_3_1": Odd((4896, 1930, 4970)),
    "032_3_2": Odd((5126, 5127, 5207)),
    "013_1_9": Odd((5724, 5730, 5739)),
    "036_7_3": Odd((9993, 10001, 10008)),  # names of four digits would sort wrong
    "006_1_2": Odd((5562, 5569, 5577)),
    "007_3_1": Odd((2046, 2055, 2061)),
    "007_6_1": Odd(units="(R6 or R12)+R15"),
    "007_6_5": Odd(units="(R6 or R12)+R15"),
    "011_4_2": Odd(units="L12 or L14"),
    "014_5_2": Odd(units="R12 or R14"),
    "035_7_2": Odd(units="R12 or R14A"),
    "007_5_3": Odd(units="5B/C"),
    "032_4_2": Odd(units="T23"),
    "028_4_3": Odd(units="1+2 "),
    "007_7_1": Odd(units="ref(7B)+43"),
    "032_6_1": Odd(units="10A/B", note="Offset unclear"),
    FULL_SIZE: Odd((2117, 2151, 2190)),
}

OBJECTIVE = {1: 24, 2: 13, 3: 20, 4: 8, 5: 3, 6: 7}  # and 84 of class 7
OBJECTIVE_OF = {  # until that class is used up; all else is of class 7
    **{"Happiness": 1, "Surprise": 2, "Anger": 3, "Disgust": 4, "Sadness": 5},
    "Fear": 6,
}
# All clips of these subjects are of the objective classes 6 and 7.
NOT_OBJECTIVE = {"019", "021", "023", "024", "025", "031", "036", "037"}

SMALL = Camera(height=272, width=512, face=130, centre=(256, 122), grey=True)
LARGE = Camera(height=1088, width=2040, face=520, centre=(1020, 488), grey=True)


class Row(NamedTuple):
    """One clip, as annotated."""

    subject: str
    clip: str
    emotion: str
    onset: int
    apex: int
    offset: int
    units: str | None  # as coded, None for what the face shows
    objective: int
    note: str | None

    @property
    def num_frames(self) -> int:
        """On disk: from onset to offset."""
        return self.offset - self.onset + 1

    @property
    def apex_index(self) -> int:
        """When the face is at its apex, whatever is coded."""
        if self.onset < self.apex <= self.offset:
            return self.apex - self.onset
        return self.num_frames // 2

    @property
    def digits(self) -> int:
        """Of the frame numbers in file names."""
        return 5 if self.clip.rsplit("_", 1)[0] in FIVE_DIGITS else 4


def plan() -> tuple[Row, ...]:
    """Returns the 159 clips by subject and name; the same for every seed."""
    emotions = _emotions()
    classes = _objective_classes(emotions)
    return tuple(
        _row(key, emotion, classes[key]) for key, emotion in sorted(emotions.items())
    )


def _emotions() -> dict[Key, str]:
    """(subject, clip) -> emotion, the published totals exactly."""
    published = twins.published_labels("samm")
    names = ("negative", "Happiness", "Surprise")
    emotions = {key: names[label] for key, label in published.items()} | OUTSIDE_FIVE
    left = Counter(NEGATIVES) - Counter(OUTSIDE_FIVE.values())
    first_clips = {key[0]: key for key in sorted(emotions, reverse=True)}
    for key in first_clips.values():  # nobody else may lack the five classes
        if emotions[key] == "negative":
            emotions[key] = "Anger"
            left["Anger"] -= 1
    keys = sorted(key for key, emotion in emotions.items() if emotion == "negative")
    emotions |= twins.deal(keys, left, stream(0, "twin_samm", "negatives"))
    for subject, count in OTHERS.items():
        for index in range(1, count + 1):  # of codes and indices no other clip has
            emotions[subject, f"{subject}_{index}_{20 + index}"] = "Other"
    return emotions


def _objective_classes(emotions: Mapping[Key, str]) -> dict[Key, int]:
    """(subject, clip) -> 1..7; 21 subjects have clips of the classes 1 to 5."""
    left = dict(OBJECTIVE)
    classes = dict.fromkeys(emotions, 7)
    coded = (key for key, emotion in emotions.items() if emotion in OBJECTIVE_OF)
    for key in twins.in_turns(coded):
        number = OBJECTIVE_OF[emotions[key]]
        if left[number] and (number == 6 or key[0] not in NOT_OBJECTIVE):
            classes[key] = number
            left[number] -= 1
    return classes


def _row(key: Key, emotion: str, objective: int) -> Row:
    _, clip = key
    odd = ODD.get(clip, Odd())
    rng = stream(0, "twin_samm", clip, "numbers")
    num_frames = int(rng.integers(10, 21))
    onset = int(rng.integers(300, 9000))
    apex = onset + round((num_frames - 1) * rng.uniform(0.3, 0.7))
    interval = odd.interval or (onset, apex, onset + num_frames - 1)
    return Row(
        *key, emotion, *interval, units=odd.units, objective=objective, note=odd.note
    )


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the twin; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 159 clips of 29 subjects, or how many of `ORDER`.
      seed: of faces and movements; the coding is the same, but for the units.
      progress: told (done, total) after every clip.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    rows = [row for row in plan() if row.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        takes = [_take(row, root / TOP) for row in rows]
        shown = twins_film.film_all(
            [[take] for take in takes], seed=seed, progress=progress
        )
        write_coding(root / TOP / SHEET, rows, [units for (units,) in shown])
        first = f"{TOP}/{rows[0].subject}/{rows[0].clip}"
        twins.scatter_decoys(root, TOP, first)
        twins_sheet.lock_file(root / TOP / SHEET)
        twins.mark(root, corpus="samm", subjects=subjects, seed=seed)
        return twins.count(root, folder, "samm", [row.subject for row in rows])


def _take(row: Row, top: Path) -> Take:
    folder = top / row.subject / row.clip
    numbers = range(row.onset, row.offset + 1)
    names = [f"{row.subject}_{number:0{row.digits}d}.jpg" for number in numbers]
    shot = Shot(
        subject=f"twin_samm/{row.subject}",
        clip=row.clip,
        emotion="others" if row.emotion == "Other" else row.emotion.lower(),
        camera=LARGE if row.clip == FULL_SIZE else SMALL,
        num_frames=row.num_frames,
        apex=row.apex_index,
    )
    return shot, (Print(tuple(folder / name for name in names), grey=True),)


def write_coding(
    path: Path,
    rows: Sequence[Row],
    shown: Sequence[str],
    *,
    header_row: int = HEADER_ROW,
) -> None:
    """Writes the spreadsheet.

    Args:
      path: of the file.
      rows: what to code.
      shown: the action units on the face in each.
      header_row: 14 as released; 1 as in copies that somebody trimmed.
    """
    cells: list[Sequence[Cell]] = list(_above_header()[: header_row - 1])
    cells.append(
        (
            *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame"),
            *("Offset Frame", "Duration", "Micro", "Action Units"),
            *("Estimated Emotion", "Objective Classes", "Notes"),
        )
    )
    for row, units in zip(rows, shown, strict=True):
        n = len(cells) + 1
        code = int(row.clip.split("_")[1])
        coded = twins_sheet.number_or_text(row.units or units)
        start = (row.subject, row.clip, code, row.onset, row.apex, row.offset)
        end = (coded, row.emotion, row.objective, row.note)
        cells.append((*start, f"=SUM(F{n}-D{n})+1", "Micro - 1/2", *end))
    twins_sheet.write_sheets(path, {"MICRO_ONLY": cells})


def _above_header() -> Sequence[Sequence[Cell]]:
    """The 13 rows above the header: a title, notes, and a key of symbols."""
    blank: Sequence[Cell] = ()
    title = ("Twin of a coding sheet", None, None, None, "Drawn by a program")
    return (
        title,
        blank,
        ("Faces are drawn, codes invented.", *(None,) * 7, "Cite nobody for it."),
        ("No score on it says anything about a real corpus.",),
        blank,
        ("/", "or"),
        ("?", "unclear offset"),
        ("L", "unilateral, left"),
        blank,
        ("R", "unilateral, right"),
        ("A", "asymmetric"),
        ("T", "top"),
        blank,
    )
