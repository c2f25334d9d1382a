"""Who makes which expression when in a twin of CAS(ME)^3 Part A.

The numbers of rows, subjects and emotions of the micro-expressions are the published
ones, and so are the rows that are known to be odd: those are spelled out in `ODD`.
All else is invented, the macro-expressions altogether: neither their number nor
their emotions were ever published.
"""

import functools
from typing import NamedTuple

from datasets_tfds import twins
from datasets_tfds.synthetic.streams import stream

# The first subjects carry the odd rows; spNO.168 has nothing but 'others'.
FIRST = (216, 168, 40, 214, 14, 149, 194, 3, 4, 150, 9, 1, 2, 145, 146, 147, 155, 179)
ORDER = tuple(
    f"spNO.{number}"
    for number in dict.fromkeys((*FIRST, *range(1, 16), *range(140, 218)))
)
MICRO = {
    **{"happy": 55, "disgust": 250, "fear": 86, "anger": 64, "sad": 57},
    **{"surprise": 187, "others": 161},
}
MACRO = {
    **{"happiness": 40, "disgust": 40, "surprise": 30, "fear": 20, "anger": 20},
    **{"sadness": 20, "others": 30},
}
MACRO_SUBJECTS = ORDER[:40]

# Rows of subjects that have nothing but 'others', and of some others.
ROWS = {
    **{"spNO.143": 1, "spNO.159": 2, "spNO.168": 2, "spNO.173": 1, "spNO.185": 2},
    **{"spNO.198": 3, "spNO.9": 3, "spNO.150": 3, "spNO.214": 8, "spNO.14": 5},
    **{"spNO.149": 5, "spNO.194": 5, "spNO.3": 4, "spNO.4": 5, "spNO.216": 16},
}
ONLY_OTHERS = {"spNO.143", "spNO.159", "spNO.168", "spNO.173", "spNO.185", "spNO.198"}
LEAST = {"spNO.1": 17}  # others: 3
CROWDED = ("spNO.1", 17)  # that many in one video; elsewhere 4
OVERLAPPING = tuple(f"spNO.{number}" for number in (216, 40, 214, 1, 145, 180, 190, 2))
APEX_IS_ONSET = {
    **{"happy": 6, "disgust": 5, "fear": 3, "anger": 9, "sad": 1},
    **{"surprise": 4, "others": 27},
}
UNITS = {("spNO.216", 0): "T28+14", ("spNO.216", 1): "26+25"}  # of a regular row

VIDEOS = "abcdefghijklm"
LAST_MICRO = 6000  # macro-expressions come after that frame


class Odd(NamedTuple):
    """A row that is known, by subject, video and onset. None: as with any other."""

    subject: str
    video: str
    onset: int
    emotion: str | None = None
    apex: int | None = None
    offset: int | None = None
    disk: tuple[int, ...] | None = None  # frames
    peak: int | None = None  # when the face is at its apex, if not at the coded one


def _frames(first: int, last: int, *others: int) -> tuple[int, ...]:
    return (*range(first, last + 1), *others)


ODD = (
    # Impossible or absurdly long intervals. Of the latter, few frames are on disk.
    Odd("spNO.149", "d", 112, "disgust", 83, 358, _frames(112, 171, 358), 123),
    Odd("spNO.214", "c", 5, "surprise", 17, 3460, _frames(5, 44, 3460)),
    Odd("spNO.216", "d", 3647, "others", 2668, 2694, _frames(2647, 2696, 3647)),
    Odd("spNO.216", "e", 0, "others", 0, 24, _frames(1, 25), 13),
    Odd("spNO.40", "e", 1812, "others", 1829, 0, _frames(1812, 1847)),
    Odd("spNO.40", "e", 2327, "others", 2361, 0, _frames(2327, 2405)),
    # Names and spellings.
    Odd("spNO.14", "J", 1012, "others"),
    Odd("spNO.168", "a", 4, "Others"),
    Odd("spNO.194", "a", 7, "Others"),
    Odd("spNO.194", "a", 561, "Others"),
    # They end in frames that cannot be read.
    Odd("spNO.3", "j", 490, None, 494, 499),
    Odd("spNO.4", "j", 561, None, 565, 569),
    # The face is covered at the apex, so a list of the authors says.
    *(
        Odd(f"spNO.{subject}", video, onset)
        for subject, video, onset in (
            *((2, "e", 138), (145, "g", 150), (146, "a", 530), (147, "d", 1146)),
            *((147, "e", 1058), (155, "d", 5), (179, "b", 7), (200, "b", 518)),
            *((204, "a", 606), (206, "a", 10), (206, "c", 69), (214, "b", 5)),
            *((214, "k", 4), (215, "f", 5), (215, "f", 2183)),
        )
    ),
)
SIX = tuple(emotion for emotion in MICRO if emotion != "others")
ALWAYS = {  # emotions of regular rows that are no matter of chance
    **{("spNO.216", i): emotion for i, emotion in enumerate(SIX)},
    **{("spNO.150", 0): "disgust", ("spNO.150", 1): "others"},
    ("spNO.150", 2): "others",
}
# spNO.150 vanishes with the rows whose apex is the onset, as one subject does.
ALWAYS_APEX_IS_ONSET = {("spNO.216", 1), ("spNO.150", 0)}

Key = tuple[str, int]  # subject, and the place among its regular, then its odd rows


class Row(NamedTuple):
    """One expression, as annotated and as it lies on disk."""

    kind: str  # 'micro' or 'macro'
    subject: str
    video: str
    onset: int
    apex: int
    offset: int
    emotion: str
    units: str | None  # as coded, None for what the face shows
    disk: tuple[int, ...]  # frames that show it
    peak: int  # which of `disk` is at the apex, from 0

    @property
    def name(self) -> str:
        """'a_355'."""
        return f"{self.video}_{self.onset}"


@functools.cache
def plan() -> tuple[Row, ...]:
    """Returns the 860 micro-expressions as the sheet has them, for every seed."""
    emotions = _emotions()
    early = _apex_is_onset(emotions)
    rows = []
    for subject in ORDER:
        regular = _regular_rows(subject, emotions, early)
        odd = (row for row in ODD if row.subject == subject)
        for i, row in enumerate(odd, start=len(regular)):
            regular.append(_odd_row(row, emotions[subject, i]))
        rows += regular
    return tuple(sorted(rows, key=_in_sheet))


def plan_macro() -> tuple[Row, ...]:
    """Returns the 200 invented macro-expressions of 40 subjects, for every seed."""
    keys = [(subject, i) for subject in MACRO_SUBJECTS for i in range(5)]
    turns = [(subject, i) for i in range(5) for subject in MACRO_SUBJECTS]
    # The first subjects have all emotions between them.
    seven = dict(zip(keys, MACRO, strict=False))
    quotas = {emotion: count - 1 for emotion, count in MACRO.items()}
    rest = [key for key in turns if key not in seven]
    emotions = seven | twins.deal(rest, quotas, stream(0, "twin_casme3", "macro"))
    rows = [_macro_row(subject, i, emotions[subject, i]) for subject, i in keys]
    return tuple(sorted(rows, key=_in_sheet))


def _in_sheet(row: Row) -> tuple[int, str, int]:
    return int(row.subject[5:]), row.video.lower(), row.onset


@functools.cache
def _num_regular() -> dict[str, int]:
    """Subject -> rows that are not in `ODD`; some make many more than others."""
    rng = stream(0, "twin_casme3", "rows")
    odd = {subject: sum(row.subject == subject for row in ODD) for subject in ORDER}
    counts = {subject: ROWS[subject] - odd[subject] for subject in ROWS}
    rest = [subject for subject in ORDER if subject not in ROWS]
    counts |= {subject: LEAST.get(subject, 3) for subject in rest}
    left = sum(MICRO.values()) - len(ODD) - sum(counts.values())
    weights = rng.gamma(1.2, size=len(rest)) + 0.15
    more = rng.multinomial(left, weights / weights.sum()).tolist()
    return counts | {
        subject: counts[subject] + extra
        for subject, extra in zip(rest, more, strict=True)
    }


def _emotions() -> dict[Key, str]:
    """The emotion of every row; who has any but 'others' has one in the first place."""
    keys, emotions = [], dict(ALWAYS)
    for subject, count in _num_regular().items():
        odd = [row for row in ODD if row.subject == subject]
        keys += [(subject, i) for i in range(count + len(odd))]
        if subject in ONLY_OTHERS:
            emotions |= {(subject, i): "others" for i in range(count)}
        for i, row in enumerate(odd, start=count):
            if row.emotion:
                emotions[subject, i] = row.emotion
    left = dict(MICRO)
    for emotion in emotions.values():
        left[emotion.lower()] -= 1
    undecided = [key for key in keys if key not in emotions]
    leaders = [key for key in undecided if key[1] == 0 or key[0] == "spNO.9"]
    rng = stream(0, "twin_casme3", "emotions")
    named = rng.permutation([e for e in SIX for _ in range(left[e])]).tolist()
    emotions |= zip(leaders, named[: len(leaders)], strict=True)
    others = ["others"] * left["others"]
    rest = rng.permutation(named[len(leaders) :] + others).tolist()
    followers = [key for key in undecided if key not in emotions]
    return emotions | dict(zip(followers, rest, strict=True))


def _apex_is_onset(emotions: dict[Key, str]) -> set[Key]:
    """The regular rows whose apex is coded as the onset, never a subject's first."""
    rng = stream(0, "twin_casme3", "apex is onset")
    counts = _num_regular()
    chosen = set(ALWAYS_APEX_IS_ONSET)
    for emotion, count in APEX_IS_ONSET.items():
        already = sum(emotions[key] == emotion for key in chosen)
        already += sum(row.emotion == emotion and row.apex == row.onset for row in ODD)
        keys = [
            key
            for key, shown in emotions.items()
            if shown == emotion and 0 < key[1] < counts[key[0]] and key not in chosen
        ]
        picked = rng.choice(len(keys), count - already, replace=False)
        chosen |= {keys[i] for i in picked}
    return chosen


def _regular_rows(subject: str, emotions: dict[Key, str], early: set[Key]) -> list[Row]:
    """The rows of a subject that are not in `ODD`, video by video."""
    taken = {row.video.lower() for row in ODD if row.subject == subject}
    videos = [video for video in VIDEOS if video not in taken]
    together = CROWDED[1] if subject == CROWDED[0] else 4
    rows: list[Row] = []
    for i in range(_num_regular()[subject]):
        rng = stream(0, "twin_casme3", subject, i)
        last = rows[-1].offset if i % together else 0
        onset, length = last + int(rng.integers(3, 200)), int(rng.integers(6, 13))
        apex = onset + round((length - 1) * rng.uniform(0.3, 0.6))
        disk = _frames(onset, onset + length)  # one after the offset
        if i == 1 and subject in OVERLAPPING:
            onset, length, apex = last - 2, 12, last + 5
            disk = _frames(last + 2, onset + length)  # the others show the first
        rows.append(
            Row(
                kind="micro",
                subject=subject,
                video=videos[i // together],
                onset=onset,
                apex=onset if (subject, i) in early else apex,
                offset=onset + length - 1,
                emotion=emotions[subject, i],
                units=UNITS.get((subject, i)),
                disk=disk,
                peak=disk.index(apex),
            )
        )
    return rows


def _odd_row(odd: Odd, emotion: str) -> Row:
    offset = odd.onset + 9 if odd.offset is None else odd.offset
    apex = odd.onset + 4 if odd.apex is None else odd.apex
    disk = odd.disk or _frames(odd.onset, offset + 1)
    return Row(
        kind="micro",
        subject=odd.subject,
        video=odd.video,
        onset=odd.onset,
        apex=apex,
        offset=offset,
        emotion=emotion,
        units=None,
        disk=disk,
        peak=disk.index(odd.peak or apex),
    )


def _macro_row(subject: str, i: int, emotion: str) -> Row:
    """Two in the first video, three in the last, far behind the others."""
    rng = stream(0, "twin_casme3", subject, "macro", i)
    onset = LAST_MICRO + 1000 * i + int(rng.integers(0, 990))
    length = int(rng.integers(17, 25))
    apex = onset + round((length - 1) * rng.uniform(0.3, 0.7))
    disk = _frames(onset, onset + length)
    return Row(
        kind="macro",
        subject=subject,
        video="a" if i < 2 else "m",
        onset=onset,
        apex=apex,
        offset=onset + length - 1,
        emotion=emotion,
        units=None,
        disk=disk,
        peak=disk.index(apex),
    )
