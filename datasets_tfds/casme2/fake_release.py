"""Writes a twin of the CASME II release: its layout and its oddities, drawn faces.

The clips of the composite challenge are those that were published; the others are
invented, as many as there are of each emotion. Frame numbers are invented but for
the rows whose oddities are known: those are spelled out in `ODD`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins, twins_film, twins_sheet
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot, Take
from datasets_tfds.twins_sheet import Cell

RAW = "CASME2_RAW_selected"  # unpacked, it holds a folder of its own name
CROPPED = "Cropped"
SHEET_2014 = "CASME2-coding-20140508.xlsx"
SHEET_2019 = "CASME2-coding-20190701.xlsx"
OBJECTIVE_SHEET = "CASME2-ObjectiveClasses.xlsx"

# The first subjects carry the odd rows; sub10 and sub18 have no 3-class clip.
ORDER = (
    *("sub05", "sub04", "sub24", "sub10", "sub07", "sub16", "sub03", "sub09"),
    *("sub12", "sub20", "sub25", "sub19", "sub26", "sub18", "sub01", "sub02"),
    *("sub06", "sub08", "sub11", "sub13", "sub14", "sub15", "sub17", "sub21"),
    *("sub22", "sub23"),
)
FULL_SIZE = ("sub23", "EP12_03")  # as large and long as the real ones get

# Clips that the composite leaves out, beside those of `ODD`.
INVENTED = {
    **{"sub01": 6, "sub02": 4, "sub03": 1, "sub04": 2, "sub05": 8, "sub06": 1},
    **{"sub07": 3, "sub08": 2, "sub09": 4, "sub10": 14, "sub11": 6, "sub12": 1},
    **{"sub13": 6, "sub14": 1, "sub16": 1, "sub17": 5, "sub18": 3, "sub19": 4},
    **{"sub20": 8, "sub21": 1, "sub23": 4, "sub24": 4, "sub25": 2, "sub26": 5},
}
RARE = {  # the emotion of the first invented clip; all others are 'others'
    **{"sub05": "fear", "sub09": "fear"},
    **{"sub01": "sadness", "sub02": "sadness", "sub13": "sadness", "sub20": "sadness"},
}
NEGATIVES = {"disgust": 63, "repression": 27}

Key = tuple[str, str]  # subject, clip


class Odd(NamedTuple):
    """What is known of a row. None: as with any other row."""

    emotion: str | None = None
    interval: tuple[int, int | str, int] | None = None  # onset, apex, offset
    raw_last: int | None = None  # last frame on disk, where it is not the offset
    cropped_last: int | None = None
    units: str | None = None


ODD = {
    ("sub04", "EP12_01f"): Odd("negative", (261, "/", 321)),
    ("sub05", "EP09_05f"): Odd("negative", (69, 69, 123)),
    ("sub05", "EP16_04f"): Odd("others", (141, 181, 181)),
    ("sub12", "EP09_06"): Odd(None, (66, 111, 111)),
    ("sub20", "EP16_01"): Odd("others", (71, 111, 111)),
    ("sub25", "EP18_04f"): Odd(None, (76, 116, 116)),
    ("sub07", "EP06_01"): Odd("others", (51, 60, 68), raw_last=91, cropped_last=91),
    ("sub16", "EP01_08"): Odd("repression", (73, 88, 110), cropped_last=96),
    ("sub24", "EP07_01"): Odd("sadness"),
    ("sub24", "EP07_04f"): Odd("sadness"),
    ("sub24", "EP10_03"): Odd("sadness"),
    ("sub03", "EP08_1"): Odd("others", units="4+L10"),
    ("sub05", "EP05_03"): Odd("others", units="?"),
    ("sub05", "EP07_01"): Odd("others", units="?"),
    ("sub05", "EP13_04f"): Odd("others", units="?"),
    ("sub19", "EP11_01f"): Odd("others", units="?"),
    ("sub26", "EP13_01"): Odd("others", units="?"),
    ("sub05", "EP02_07"): Odd(None, units="R1+R2"),
    ("sub01", "EP02_01f"): Odd(None, (46, 53, 60)),
    FULL_SIZE: Odd(None, (61, 119, 201)),
}
ELSEWHERE = ("sub24", "EP02_07")  # only in an edition of the sheet with 256 rows
HEADER = (
    *("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None),
    *("Action Units", "Estimated Emotion"),
)
RELABELLED = {"EP07_01", "EP07_04f", "EP10_03"}  # of sub24: surprise in 2019
UNITS_2019 = {  # what the 2019 sheet has in place of '?'
    ("sub05", "EP05_03"): "16+24",
    ("sub05", "EP07_01"): "6",
    ("sub05", "EP13_04f"): "12+16",
    ("sub19", "EP11_01f"): "14",
    ("sub26", "EP13_01"): "14+24",
}

OBJECTIVE = {1: 25, 2: 15, 3: 99, 4: 26, 5: 20, 6: 1, 7: 69}
LIKELY_OBJECTIVE = {  # the first class that is not used up; 7 is the rest
    "happiness": (1,),
    "surprise": (2,),
    "disgust": (4, 3),
    "repression": (5, 3),
    "others": (3,),
    "sadness": (),
    "fear": (6,),
}
RECODED = 37  # rows whose objective class in the 2019 sheet is another one

SMALL = (Camera(height=240, width=320, face=130, centre=(160, 110)), (85, 26, 150, 180))
LARGE = (
    Camera(height=480, width=640, face=260, centre=(320, 220)),
    (180, 50, 280, 340),
)


class Row(NamedTuple):
    """One clip, as annotated and as it lies on disk."""

    subject: str
    clip: str
    emotion: str  # in 2014
    onset: int
    apex: int | str
    offset: int
    raw_last: int
    cropped_last: int
    units: str | None  # as coded, None for what the face shows
    objective: int

    @property
    def num_frames(self) -> int:
        """Of the uncropped frames on disk."""
        return self.raw_last - self.onset + 1

    @property
    def apex_index(self) -> int:
        """When the face is at its apex, whatever is coded."""
        if isinstance(self.apex, int) and self.onset < self.apex <= self.raw_last:
            return self.apex - self.onset
        return self.num_frames // 2


def plan() -> tuple[Row, ...]:
    """Returns the 255 clips by subject and name; the same for every seed."""
    emotions = _emotions()
    classes = _objective_classes(emotions)
    return tuple(
        _row(key, emotion, classes[key]) for key, emotion in sorted(emotions.items())
    )


def _emotions() -> dict[Key, str]:
    """(subject, clip) -> emotion, the published totals exactly."""
    names = ("negative", "happiness", "surprise")
    published = twins.published_labels("casme2")
    emotions = {key: names[label] for key, label in published.items()}
    emotions |= {key: odd.emotion for key, odd in ODD.items() if odd.emotion}
    for subject, count in INVENTED.items():
        free = _free_names(subject, taken=set(emotions) | {ELSEWHERE})
        for i in range(count):
            rare = RARE.get(subject) if i == 0 else None
            emotions[subject, next(free)] = rare or "others"
    quotas = NEGATIVES | {"repression": NEGATIVES["repression"] - 1}  # one is in `ODD`
    keys = sorted(key for key, emotion in emotions.items() if emotion == "negative")
    return emotions | twins.deal(keys, quotas, stream(0, "twin_casme2", "negatives"))


def _free_names(subject: str, taken: set[Key]) -> Iterator[str]:
    """Yields clip names that nobody has taken."""
    rng = stream(0, "twin_casme2", subject, "names")
    while True:
        suffix = str(rng.choice(("", "f")))
        name = f"EP{rng.integers(1, 20):02d}_{rng.integers(1, 13):02d}{suffix}"
        if (subject, name) not in taken:
            taken.add((subject, name))
            yield name


def _objective_classes(emotions: Mapping[Key, str]) -> dict[Key, int]:
    """(subject, clip) -> 1..7; every subject has clips of the classes 1 to 5."""
    left = dict(OBJECTIVE)
    classes = {}
    for key in twins.in_turns(emotions):
        likely = LIKELY_OBJECTIVE[emotions[key]]
        classes[key] = next((number for number in likely if left[number]), 7)
        left[classes[key]] -= 1
    return classes


def _row(key: Key, emotion: str, objective: int) -> Row:
    odd = ODD.get(key, Odd())
    rng = stream(0, "twin_casme2", *key, "numbers")
    num_frames = int(rng.integers(10, 21))
    first = int(rng.integers(1, 400))
    middle = first + round((num_frames - 1) * rng.uniform(0.3, 0.7))
    onset, apex, offset = odd.interval or (first, middle, first + num_frames - 1)
    return Row(
        *key,
        emotion,
        onset=onset,
        apex=apex,
        offset=offset,
        raw_last=odd.raw_last or offset,
        cropped_last=odd.cropped_last or offset,
        units=odd.units,
        objective=objective,
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
      subjects: None for all 255 clips of 26 subjects, or how many of `ORDER`.
      seed: of faces and movements; the coding is the same, but for the units.
      progress: told (done, total) after every clip.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    rows = [row for row in plan() if row.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        takes = [_take(row, root) for row in rows]
        shown = twins_film.film_all(
            [[take] for take in takes], seed=seed, progress=progress
        )
        write_codings(root, rows, [units for (units,) in shown])
        first = f"{CROPPED}/{rows[0].subject}/{rows[0].clip}"
        twins.scatter_decoys(root, RAW, first)
        twins_sheet.lock_file(root / SHEET_2014)
        inner = f"{RAW}/{RAW}"
        twins.mark(root, corpus="casme2", subjects=subjects, seed=seed, also=[inner])
        return twins.count(root, folder, "casme2", [row.subject for row in rows])


def _take(row: Row, root: Path) -> Take:
    camera, crop = LARGE if (row.subject, row.clip) == FULL_SIZE else SMALL
    raw = root / RAW / RAW / row.subject / row.clip
    cropped = root / CROPPED / row.subject / row.clip
    numbers = range(row.onset, row.raw_last + 1)
    reach = range(row.onset, row.cropped_last + 1)
    shot = Shot(
        subject=f"twin_casme2/{row.subject}",
        clip=row.clip,
        emotion=row.emotion,
        camera=camera,
        num_frames=row.num_frames,
        apex=row.apex_index,
    )
    return shot, (
        Print(tuple(raw / f"img{n}.jpg" for n in numbers)),
        Print(tuple(cropped / f"reg_img{n}.jpg" for n in reach), crop),
    )


def write_codings(folder: Path, rows: Sequence[Row], shown: Sequence[str]) -> None:
    """Writes the three spreadsheets.

    Args:
      folder: where.
      rows: what to code.
      shown: the action units on the face in each.
    """
    coding_2014: list[Sequence[Cell]] = [HEADER]
    coding_2019: list[Sequence[Cell]] = [(*HEADER, "Objective Classes")]
    objective_rows: list[Sequence[Cell]] = [("Subject", "Filename", "Objective Class")]
    recoded = _recoded()
    for row, units in zip(rows, shown, strict=True):
        start = (row.subject[3:], row.clip, None, row.onset, row.apex, row.offset, None)
        key = (row.subject, row.clip)
        old = row.units or units
        relabelled = row.subject == "sub24" and row.clip in RELABELLED
        emotion = "surprise" if relabelled else row.emotion
        new = twins_sheet.number_or_text(UNITS_2019.get(key, old))
        coding_2014.append((*start, twins_sheet.number_or_text(old), row.emotion))
        objective = 3 if key in recoded else row.objective
        coding_2019.append((*start, new, emotion, objective))
    objective_rows += [(row.subject[3:], row.clip, row.objective) for row in rows]
    empty = {"Sheet2": (), "Sheet3": ()}
    sheets = {"Sheet1": objective_rows, "Sheet2": objective_rows[1:11]}
    twins_sheet.write_sheets(folder / SHEET_2014, {"Sheet1": coding_2014, **empty})
    twins_sheet.write_sheets(folder / SHEET_2019, {"Sheet1": coding_2019, **empty})
    twins_sheet.write_sheets(folder / OBJECTIVE_SHEET, sheets)


def _recoded() -> set[Key]:
    """The clips whose objective class differs between the two sheets that have it."""
    rest = [row for row in plan() if row.objective == 7]
    return {(row.subject, row.clip) for row in rest[:RECODED]}
