"""What the names in MMEW say: 'S13-07-001' is a person, an emotion and a number."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from datasets_tfds.matching import listed

EMOTIONS = ("happiness", "surprise", "disgust", "anger", "fear", "sadness", "others")

# 01 and 07 are attested, the others follow the order in which the authors list them.
_CODES = dict(
    zip(
        range(1, 8),
        ("happiness", "surprise", "disgust", "others", "fear", "sadness", "anger"),
        strict=True,
    )
)


class Name(NamedTuple):
    """What a name says, however many zeros it has.

    Attributes:
      person: from 1.
      code: of an emotion, from 1.
      number: of the sample, from 1.
    """

    person: int
    code: int
    number: int

    @property
    def subject(self) -> str:
        """'S13'."""
        return f"S{self.person:02d}"

    @property
    def clip(self) -> str:
        """'S13-07-001'."""
        return f"{self.subject}-{self.code:02d}-{self.number:03d}"

    @property
    def pair(self) -> tuple[str, str]:
        """Subject and clip, as `matching` wants them."""
        return self.subject, self.clip


def parse_name(text: str) -> Name | None:
    """Returns what a name says, None if it is no sample's name."""
    parts = re.fullmatch(r"s(\d{1,3})-(\d{1,2})-(\d{1,4})", text.strip().lower())
    return Name(*map(int, parts.groups())) if parts else None


def parse_emotion(text: str) -> str:
    """Returns one of `EMOTIONS`, '' for other text.

    What some copies call 'repression' is what the sheet calls 'others'.
    """
    emotion = text.strip().lower()
    emotion = "others" if emotion == "repression" else emotion
    return emotion if emotion in EMOTIONS else ""


def emotion_of_folder(parts: Sequence[str]) -> str:
    """Returns the emotion whose folder is the innermost of a path, '' if none is."""
    return next((e for part in reversed(parts) if (e := parse_emotion(part))), "")


def misplaced(name: Name, parts: Sequence[str]) -> list[str]:
    """Returns an issue if a sample lies in the folder of another person."""
    people = [int(m[1]) for p in parts if (m := re.fullmatch(r"s(\d{1,3})", p))]
    if not people or people[-1] == name.person:
        return []
    return [f"lies in the folder of S{people[-1]:02d}"]


def uncoded(labels: Iterable[tuple[Name, str]]) -> list[str]:
    """Returns a line on the samples whose name has the code of another emotion.

    Args:
      labels: of every sample, its name and emotion.
    """
    odd = [f"{n.clip} ({emotion})" for n, emotion in labels if not _fits(n, emotion)]
    if not odd:
        return []
    codes = ", ".join(f"{code:02d} {emotion}" for code, emotion in _CODES.items())
    return [
        f"{len(odd)} names have the code of another emotion: {listed(odd)} "
        f"(codes, partly inferred: {codes})"
    ]


def _fits(name: Name, emotion: str) -> bool:
    return _CODES.get(name.code) == emotion
