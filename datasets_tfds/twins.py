"""Twins: releases laid out as licensed ones are, filmed with drawn faces.

The writers of the corpora (`<corpus>/fake_release.py`) share what is here: which
subjects a small twin keeps, the marker, the decoys, and a folder that is there whole
or not at all. They know nothing of the code that reads releases: both
follow the same documents, and each is the test of the other.
"""

import contextlib
import csv
import json
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from datasets_tfds import twins_film

VERSION = 1  # of the writers together: another one, and a seed gives other files
MARKER = "SYNTHETIC"

Key = TypeVar("Key", bound=Hashable)


class Twin(NamedTuple):
    """What was written.

    Attributes:
      corpus: 'casme2'.
      folder: where.
      subjects, clips: annotated ones, decoys left out.
      images: files of frames, and videos.
      megabytes: of everything.
    """

    corpus: str
    folder: Path
    subjects: int
    clips: int
    images: int
    megabytes: float


def published_labels(corpus: str) -> Mapping[tuple[str, str], int]:
    """Returns (subject, clip) -> 3-class label of the published composite list.

    Args:
      corpus: 'casme2', 'samm' or 'smic'; the labels are 0 negative, 1 positive,
        2 surprise.
    """
    table = resources.files("datasets_tfds").joinpath("protocols/megc2019_cde.csv")
    rows = csv.DictReader(table.read_text(encoding="utf-8").splitlines())
    return {
        (row["subject"], row["clip"]): int(row["label"])
        for row in rows
        if row["corpus"] == corpus
    }


def keep_first(order: Sequence[str], subjects: int | None) -> frozenset[str]:
    """Returns the subjects that a twin of that size keeps, all of them for None.

    Raises:
      ValueError: if there are not that many.
    """
    if subjects is None:
        return frozenset(order)
    if not 1 <= subjects <= len(order):
        raise ValueError(
            f"subjects must be between 1 and {len(order)}, or None for all "
            f"{len(order)}; got {subjects}"
        )
    return frozenset(order[:subjects])


def deal(
    keys: Sequence[Key], quotas: Mapping[str, int], rng: np.random.Generator
) -> dict[Key, str]:
    """Deals every key one value, each as often as its quota says.

    Raises:
      ValueError: if the quotas do not add up to the keys.
    """
    values = np.repeat(list(quotas), list(quotas.values()))
    pairs = zip(keys, rng.permutation(values).tolist(), strict=True)
    return dict(pairs)


def in_turns(keys: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns (subject, clip): everybody's first clip before anybody's second."""
    seen: Counter[str] = Counter()
    turns = []
    for subject, clip in sorted(keys):
        turns.append((seen[subject], subject, clip))
        seen[subject] += 1
    return [(subject, clip) for _, subject, clip in sorted(turns)]


@contextlib.contextmanager
def whole_or_nothing(folder: Path) -> Iterator[Path]:
    """Gives a folder to write into; it becomes `folder` when all went well.

    Raises:
      ValueError: if there is something in `folder` already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(
            f"{folder} is there already and not an empty folder; give a new folder, "
            "or remove that one"
        )
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}.unfinished."
    ) as aside:
        unfinished = Path(aside, "twin")  # not itself: that one is for our eyes only
        unfinished.mkdir()
        yield unfinished
        unfinished.replace(folder)


def mark(
    root: Path,
    *,
    corpus: str,
    subjects: int | None,
    seed: int,
    also: Sequence[str] = (),
) -> None:
    """Writes the marker into the root and every folder directly below it.

    Args:
      root: of the twin.
      corpus, subjects, seed: what the writer was asked for.
      also: further folders, relative to the root, that a user may point at.
    """
    facts = {
        "corpus": corpus,
        "subjects": subjects,
        "seed": seed,
        "generator_version": VERSION,
        "note": "Faces drawn by a program. A score on them says nothing about the "
        "corpus whose layout they have, nor about any real face.",
    }
    children = [child for child in root.iterdir() if child.is_dir()]
    for folder in [root, *children, *(root / name for name in also)]:
        text = json.dumps(facts, indent=2) + "\n"
        folder.joinpath(MARKER).write_text(text, encoding="utf-8")


def scatter_decoys(root: Path, *folders: str) -> None:
    """Writes what operating systems and people leave beside the data.

    Args:
      root: of the twin.
      *folders: relative to the root, where operating systems left files, too.
    """
    for folder in [root, *(root / name for name in folders)]:
        folder.joinpath(".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(248))
        folder.joinpath("Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
        folder.joinpath("desktop.ini").write_text("[.ShellClassInfo]\r\n")
        folder.joinpath("New folder").mkdir()
    root.joinpath("readme.txt").write_text("Read the licence agreement first.\n")
    twins_film.write_image(root / "cover.jpg", np.full((60, 80, 3), 128, np.uint8))


def count(root: Path, folder: Path, corpus: str, clips: Sequence[str]) -> Twin:
    """Returns what lies in `root`, soon to be `folder`.

    Args:
      root: of the finished twin.
      folder: its name to be.
      corpus: its name.
      clips: the subject of each annotated clip.
    """
    files = [path for path in root.rglob("*") if path.is_file()]
    return Twin(
        corpus=corpus,
        folder=folder,
        subjects=len(set(clips)),
        clips=len(clips),
        images=sum(path.suffix in {".jpg", ".png", ".bmp", ".avi"} for path in files),
        megabytes=sum(path.stat().st_size for path in files) / 1e6,
    )
