"""Bringing annotated clips and folders of frames together, and telling what is left."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

from datasets_tfds.tree import Folder

ADVICE = "mend the release, or give a folder without what is named here"

_NAMES = 12  # clips that a line spells out

Name = tuple[str, str]  # subject and clip, in one case
Thing = TypeVar("Thing")


class Recording(NamedTuple):
    """The frames of one clip on disk.

    Attributes:
      folder: where they lie.
      frames: number -> file, ascending.
    """

    folder: Folder
    frames: Mapping[int, Path]


def by_clip(
    named: Iterable[tuple[Name, Thing]],
    place: Callable[[Thing], object],
    problems: list[str],
) -> dict[Name, Thing]:
    """Returns name -> thing, in the order given.

    Args:
      named: (name, thing) pairs.
      place: of a thing, for messages.
      problems: gets a line for every name that more than one thing has.
    """
    claims: dict[Name, list[Thing]] = defaultdict(list)
    for name, thing in named:
        claims[name].append(thing)
    for name, things in claims.items():
        if len(things) > 1:
            places = " and ".join(str(place(thing)) for thing in things)
            problems.append(f"{'/'.join(name)} more than once: {places}")
    return {name: things[0] for name, things in claims.items()}


def told(annotated: Mapping[Name, str], filmed: Mapping[Name, str]) -> list[str]:
    """Returns lines on how many annotated clips have frames, and what has no partner.

    Neither is an error, as copies of a release with fewer clips are common; which
    clips must be there is a protocol's business.

    Args:
      annotated: name -> how to write it.
      filmed: as `annotated`.
    """
    without = [shown for name, shown in annotated.items() if name not in filmed]
    found = len(annotated) - len(without)
    lines = [f"{found} of {len(annotated)} annotated clips have frames"]
    if without:
        lines[0] += f"; without: {listed(without)}"
    if stray := [shown for name, shown in filmed.items() if name not in annotated]:
        lines.append(f"folders without a row: {listed(stray)}")
    return lines


def listed(names: list[str]) -> str:
    """Returns the first dozen of some names, and how many more there are."""
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more
