"""The macro-expressions of a release of MMEW on disk: one picture each."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, by_clip
from datasets_tfds.mmew.names import (
    Name,
    emotion_of_folder,
    misplaced,
    parse_name,
    uncoded,
)
from datasets_tfds.mmew.release import CORPUS
from datasets_tfds.record import problems_found
from datasets_tfds.tree import Folder, image_folders


class Still(NamedTuple):
    """A picture by the name of a sample.

    Attributes:
      name: of the sample.
      path: of the picture.
      folder: around it.
    """

    name: Name
    path: Path
    folder: Folder


def read_stills(root: Path) -> Found:
    """Returns the pictures `S01-07-001.jpg` in folders of emotions.

    Raises:
      ReleaseError: naming every sample that is there more than once, or in no folder
        of an emotion.
    """
    problems: list[str] = []
    named = [(still.name.pair, still) for still in _stills(root)]
    stills = by_clip(named, lambda still: still.path, problems).values()
    problems += [
        f"{still.path} lies in no folder of an emotion"
        for still in stills
        if not emotion_of_folder(still.folder.parts)
    ]
    if problems:
        raise problems_found(root, problems, ADVICE)
    version = f"directories, {len(stills)} stills"
    films = [_film(still, version) for still in stills]
    labels = [(still.name, emotion_of_folder(still.folder.parts)) for still in stills]
    people = len({film.subject for film in films})
    return Found(films, [f"{len(films)} stills of {people} people", *uncoded(labels)])


def _stills(root: Path) -> Iterator[Still]:
    for folder in image_folders(root):
        for path in folder.files:
            if name := parse_name(path.stem):
                yield Still(name, path, folder)


def _film(still: Still, version: str) -> Film:
    name, parts = still.name, still.folder.parts
    nobody = dict.fromkeys(("action_units", "onset", "apex", "offset"), "")
    return Film(
        corpus=CORPUS,
        subject=name.subject,
        clip=f"macro_{name.clip}",
        written={"emotion": emotion_of_folder(parts), **nobody},
        frames={name.number: still.path},
        fps=0.0,
        annotation_version=version,
        kind="macro",
        issues=tuple(misplaced(name, parts)),
        apexes="still",
    )
