"""The published release of the images: which clips there are, and reading them.

A release is read whole and checked whole before anything is written: all that
is wrong with it is told at once.
"""

import csv
import functools
import io
from collections import defaultdict
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datasets_tfds.record import ReleaseError

CLASSES = ("negative", "positive", "surprise")  # as numbered by the label folders
SIZE = 28  # px, width and height

_TEST, _TRAIN = "u_test", "u_train"
_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # and every hidden file
_PNG_END = b"IEND\xaeB`\x82"  # the last chunk, which decoders do not insist on
_LINES = 20  # problems that a message spells out


class Published(NamedTuple):
    """One row of the published list."""

    corpus: str
    subject: str
    clip: str
    label: int

    @property
    def key(self) -> str:
        """'corpus/subject/clip'."""
        return f"{self.corpus}/{self.subject}/{self.clip}"

    @property
    def path(self) -> Path:
        """Where the file lies in a release, the trailing space left out."""
        name = f"{self.subject}_{self.clip}.png"
        return Path(self.subject, _TEST, str(self.label), name)


class Clip(NamedTuple):
    """A checked clip: its row and the bytes of its file."""

    published: Published
    png: bytes


@functools.cache
def published_clips() -> Mapping[str, Published]:
    """Returns key -> row of the 442 published clips, in published order."""
    table = resources.files("datasets_tfds") / "protocols" / "megc2019_cde.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    rows = [
        Published(row["corpus"], row["subject"], row["clip"], int(row["label"]))
        for row in csv.DictReader(lines)
    ]
    return {row.key: row for row in rows}


@functools.cache
def _corpus_of_subject() -> Mapping[str, str]:
    # Subject names are unique over the three corpora: sub* casme2, s* smic, 0* samm.
    return {row.subject: row.corpus for row in published_clips().values()}


def read_release(folder: Path, *, complete: bool) -> list[Clip]:
    """Reads and checks a release.

    Args:
      folder: the folder of the subject folders, or the one above it.
      complete: whether every published clip must be there.

    Returns:
      The clips in published order.

    Raises:
      ReleaseError: if anything at all is wrong, naming every file.
    """
    root = _find_root(folder)
    problems: list[str] = []
    files: dict[str, list[Path]] = defaultdict(list)  # key -> files that claim it
    for path in _clip_files(root, problems):
        if (key := _key(path)) in published_clips():
            files[key].append(path)
        else:
            problems.append(
                f"unexpected clip {_show(path, root)}: {key} is not one of the "
                "published clips"
            )

    clips = []
    for key, row in published_clips().items():
        claims = files.get(key, [])
        if len(claims) > 1:
            names = " and ".join(_show(path, root) for path in claims)
            problems.append(f"the same clip {key} more than once: {names}")
        for path in claims:
            if len(claims) == 1 and path.parent.name != str(row.label):
                problems.append(
                    f"label differs: {_show(path, root)} lies under "
                    f"{path.parent.name}, {key} is published with label {row.label} "
                    f"({CLASSES[row.label]})"
                )
            try:
                clips.append(Clip(row, _read_png(path)))
            except (OSError, ValueError) as error:
                problems.append(f"bad image {_show(path, root)}: {error}")
    if complete:
        problems = _missing(files, root) + problems
    elif not files:
        problems.append(f"no clip under any {_TEST} folder")
    if problems:
        raise ReleaseError(_report(root, problems, num_found=len(files)))
    return clips


def _find_root(folder: Path) -> Path:
    """Returns `folder`, or the one folder in it that holds subject folders."""
    layout = f"<subject>/{_TEST}/<label>/<subject>_<clip>.png"
    if not folder.is_dir():
        raise ReleaseError(
            f"{folder} is not a folder. Expected the unpacked release, {layout}; "
            "give its folder"
        )
    roots = [folder] if _holds_subjects(folder) else []
    roots = roots or [child for child in _children(folder) if _holds_subjects(child)]
    if len(roots) == 1:
        return roots[0]
    found = ", ".join(map(str, roots)) if roots else "none"
    raise ReleaseError(
        f"{folder} should hold one release (folders sub01.., s01.., 006.. with "
        f"{layout}), directly or one folder down; found: {found}. Give the folder "
        "that holds the subject folders"
    )


def _holds_subjects(folder: Path) -> bool:
    return folder.is_dir() and any(
        child.name in _corpus_of_subject() and child.is_dir()
        for child in _children(folder)
    )


def _children(folder: Path) -> list[Path]:
    """Returns what lies in `folder`, sorted, without operating systems' litter."""
    return sorted(
        child
        for child in folder.iterdir()
        if not child.name.startswith(".") and child.name.lower() not in _LITTER
    )


def _clip_files(root: Path, problems: list[str]) -> Iterator[Path]:
    """Yields files that should be clips; adds to `problems` what should not be there.

    Loose files beside the subject folders (a note, the archive) are let pass, and
    so are the training folders, which repeat the test files of other subjects.
    """

    def unexpected(path: Path, expected: str) -> None:
        problems.append(
            f"unexpected {_show(path, root)}: expected {expected}; move it elsewhere"
        )

    for subject in filter(Path.is_dir, _children(root)):
        if subject.name not in _corpus_of_subject():
            unexpected(subject, "only folders of the 68 published subjects")
            continue
        for part in _children(subject):
            if part.name == _TRAIN:
                continue
            if part.name != _TEST or not part.is_dir():
                unexpected(part, f"folder {_TEST} (and {_TRAIN}, not used)")
                continue
            for label in _children(part):
                if label.name not in map(str, range(len(CLASSES))):
                    unexpected(label, "label folders 0, 1 and 2")
                    continue
                if not label.is_dir():
                    unexpected(label, "a folder")
                    continue
                for path in _children(label):
                    if path.suffix.lower() == ".png":
                        yield path
                    else:
                        unexpected(path, "png files")


def _key(path: Path) -> str:
    """Returns the key that a file's name and subject folder claim."""
    subject = path.parents[2].name
    stem = path.stem.strip()  # published names end in a space before the suffix
    clip = stem.removeprefix(f"{subject}_") if stem.startswith(f"{subject}_") else ""
    return f"{_corpus_of_subject()[subject]}/{subject}/{clip or stem}"


def _read_png(path: Path) -> bytes:
    """Returns the bytes of a file that decodes to a whole SIZE x SIZE RGB image."""
    data = path.read_bytes()
    try:
        with Image.open(io.BytesIO(data)) as image:
            found = (image.format, image.mode, image.size)
            image.verify()
        with Image.open(io.BytesIO(data)) as image:  # verify() leaves it unusable
            image.load()
    except Exception as error:  # a decoder fails in many ways on broken bytes
        raise ValueError(
            f"does not decode ({error}), {len(data)} bytes; unpack or download it again"
        ) from error
    if found != ("PNG", "RGB", (SIZE, SIZE)):
        container, mode, (width, height) = found
        raise ValueError(
            f"{container} {mode} {width}x{height}, expected PNG RGB {SIZE}x{SIZE}"
        )
    if _PNG_END not in data:
        raise ValueError(
            f"truncated ({len(data)} bytes, no IEND chunk); unpack or download it again"
        )
    return data


def _missing(files: Mapping[str, list[Path]], root: Path) -> list[str]:
    """Says which published subjects and clips no file claims."""
    found = {published_clips()[key].subject for key in files}
    absent = [
        f"{corpus}/{subject}"
        for subject, corpus in _corpus_of_subject().items()
        if subject not in found
    ]
    lines = [f"missing subjects ({len(absent)}): {', '.join(absent)}"] if absent else []
    for key, row in published_clips().items():
        if key not in files and row.subject in found:
            lines.append(f"missing clip {key}: expected {row.path}")
    return lines


def _report(root: Path, problems: list[str], *, num_found: int) -> str:
    shown = problems[:_LINES]
    if len(problems) > _LINES:
        shown.append(f"and {len(problems) - _LINES} more")
    return "\n  ".join(
        [
            f"{root}: {len(problems)} problem(s), {num_found} of "
            f"{len(published_clips())} published clips found. No dataset was "
            "written; mend the release (README.md of megc2019_flow shows its "
            "layout) and prepare again:",
            *shown,
        ]
    )


def _show(path: Path, root: Path) -> str:
    return repr(str(path.relative_to(root)))  # quoted, so that a trailing space shows
