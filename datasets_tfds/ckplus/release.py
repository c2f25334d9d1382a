"""CK+ on disk: sequences of frames, and one small file for the emotion of some.

There is no table. A sequence begins with a neutral face and ends at the peak of the
expression, so its last frame is the apex; the label lies in another tree, in a file
named after that frame.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datasets_tfds import tree
from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Name, Recording, by_clip, told
from datasets_tfds.record import ReleaseError, problems_found

CORPUS = "ckplus"
FPS = 30.0  # of the video before it was digitised; no frame has a time
EMOTIONS = {
    **{1: "anger", 2: "contempt", 3: "disgust", 4: "fear"},
    **{5: "happy", 6: "sadness", 7: "surprise"},
}

_PUBLISHED = 327  # sequences with an emotion
_GRADES = {0: "", 1: "A", 2: "B", 3: "C", 4: "D", 5: "E"}  # as FACS writes them
_NAME = re.compile(r"s(\d{1,4})_(\d{1,4})_(\d{1,9})", re.IGNORECASE)


class Label(NamedTuple):
    """A text file about one frame of a sequence.

    Attributes:
      path: of the file.
      frame: number in its name.
    """

    path: Path
    frame: int


def find_films(root: Path) -> Found:
    """Returns the sequences that have an emotion.

    Raises:
      ReleaseError: naming every sequence, label or list of action units that is there
        more than once, lies in the folder of another, or cannot be read; or if this
        is CK+48.
    """
    problems: list[str] = []
    sequences = by_clip(
        _sequences(root, problems), lambda one: one.folder.path, problems
    )
    if not sequences:
        _refuse_crops(root)
    labels = _labels(root, "emotion", problems)
    labelled = {name: sequences[name] for name in labels if name in sequences}
    units = _labels(root, "facs", problems, only=labelled)
    emotions = {n: _read(read_emotion, l.path, problems) for n, l in labels.items()}
    coded = {n: _read(read_units, l.path, problems) for n, l in units.items()}
    if problems:
        raise problems_found(root, problems, ADVICE)
    version = f"Emotion, {len(labels)} files"
    films = [
        _film(name, one, labels[name], emotions[name], coded.get(name, ""), version)
        for name, one in labelled.items()
    ]
    lines = told({name: name[1] for name in labels}, {name: "" for name in labelled})
    if unlabelled := len(sequences) - len(labelled):
        lines.append(f"{unlabelled} sequences without an emotion file left out")
    if others := sum(labels[n].frame != max(s.frames) for n, s in labelled.items()):
        lines.append(f"{others} emotion files name another frame than the last")
    return Found(films, [_summary(films), *lines])


def parse_name(stem: str) -> tuple[Name, int] | None:
    """Returns the sequence and frame that a file's name means, None if it means none.

    'S005_001_00000011' is frame 11 of ('S005', 'S005_001'); so are 's5_1_11' and the
    name with '_emotion' or '_facs' behind it.
    """
    match = _NAME.fullmatch(re.sub("_(emotion|facs)$", "", stem, flags=re.IGNORECASE))
    return (_name(match[1], match[2]), int(match[3])) if match else None


def read_emotion(path: Path) -> str:
    """Returns the emotion of a file that holds its code, such as '3.0000000e+00'.

    Raises:
      ReleaseError: if it holds anything but one of the codes of `EMOTIONS`.
    """
    text = path.read_bytes()[:99].decode("utf-8-sig", "replace").strip()
    try:
        return EMOTIONS[_whole(text)]
    except (ValueError, KeyError):
        raise ReleaseError(
            f"{path}: {text!r}, expected one code from 1 (anger) to 7 (surprise)"
        ) from None


def read_units(path: Path) -> str:
    """Returns the action units of a file, as FACS writes them: '4+7B+17D'.

    Each line has an action unit and its intensity: 0 where it was not graded, else 1
    to 5, for A to E.

    Raises:
      ReleaseError: for a line that has not.
    """
    units = []
    for line in path.read_bytes().decode("utf-8-sig", "replace").splitlines():
        if not line.strip():
            continue
        try:
            unit, intensity = (_whole(word) for word in line.split())
        except ValueError:
            raise ReleaseError(
                f"{path}: {line!r}, expected an action unit and its intensity"
            ) from None
        units.append(f"{unit}{_GRADES.get(intensity, f'({intensity})')}")
    return "+".join(units)


def _whole(text: str) -> int:
    number = float(text)
    if not number.is_integer():  # nor are nan and inf
        raise ValueError(text)
    return int(number)


def _read(read: Callable[[Path], str], path: Path, problems: list[str]) -> str:
    try:
        return read(path)
    except ReleaseError as error:
        problems.append(str(error))
        return ""


def _name(subject: str, sequence: str) -> Name:
    person = f"S{int(subject):03d}"
    return person, f"{person}_{int(sequence):03d}"


def _folder_name(folder: Path) -> Name | None:
    """Returns the sequence of a folder 'S005/001', None if it is called otherwise."""
    match = re.fullmatch(r"(?i:s)(\d{1,4})/(\d{1,4})", "/".join(folder.parts[-2:]))
    return _name(match[1], match[2]) if match else None


def _sequences(root: Path, problems: list[str]) -> Iterator[tuple[Name, Recording]]:
    """Yields the frames of every folder 'S005/001'; other images are passed over."""
    for folder in tree.image_folders(root):
        name = _folder_name(folder.path)
        named = {f: said for f in folder.files if (said := parse_name(f.stem))}
        if name is None or not named:
            continue
        problems += [_misplaced(f, n) for f, (n, _) in named.items() if n != name][:1]
        try:
            yield name, Recording(folder, tree.numbered(named))
        except ReleaseError as error:
            problems.append(str(error))


def _labels(
    root: Path, kind: str, problems: list[str], *, only: Iterable[Name] | None = None
) -> dict[Name, Label]:
    """Returns sequence -> its file, of one kind ('emotion' or 'facs').

    Args:
      root: of the release.
      kind: how the names of the files end.
      problems: gets a line for each file that is named or placed wrongly, and each
        sequence that has two.
      only: the sequences wanted, all by default.
    """
    found = []
    for path in tree.find_files(root, rf".*_{kind}\.txt"):
        said = parse_name(path.stem)
        if said is None:
            problems.append(
                f"{path}: no name of a file, as S005_001_00000011_{kind}.txt is"
            )
            continue
        name, frame = said
        if _folder_name(path.parent) not in (None, name):
            problems.append(_misplaced(path, name))
        if only is None or name in only:
            found.append((name, Label(path, frame)))
    return by_clip(found, lambda label: label.path, problems)


def _misplaced(path: Path, name: Name) -> str:
    return f"{path}: lies in the folder of another sequence than {name[1]}"


def _film(
    name: Name, one: Recording, label: Label, emotion: str, units: str, version: str
) -> Film:
    frames, issues = _without_broken_end(one.frames)
    last = max(frames)
    if label.frame != max(one.frames):
        issues.append(
            f"the emotion file names frame {label.frame}, the last is {max(one.frames)}"
        )
    apex = {"apex": str(last), "offset": str(last)}
    return Film(
        corpus=CORPUS,
        subject=name[0],
        clip=name[1],
        written={
            **{"emotion": emotion, "action_units": units},
            **{"onset": str(min(frames)), **apex},
        },
        frames=frames,
        fps=FPS,
        annotation_version=version,
        kind="macro",
        modality=_modality(frames[last]),
        issues=tuple(issues),
        apexes="last",
    )


def _without_broken_end(
    frames: Mapping[int, Path],
) -> tuple[dict[int, Path], list[str]]:
    """Returns the frames up to the last that decodes, and a line for each left out.

    The apex is that frame: an expression cut off a little early has its peak there.
    """
    kept = dict(frames)
    issues: list[str] = []
    for number in sorted(frames, reverse=True):
        why = tree.defect(frames[number])
        if not why:
            return kept, issues
        del kept[number]
        issues.append(f"frame {number} left out: {why}")
    return dict(frames), []  # not one decodes: told when the record is made


def _modality(image: Path) -> str:
    try:
        with Image.open(image) as opened:
            return "grey" if opened.mode in ("1", "L", "LA") else "color"
    except Exception:  # decoders fail in many ways on broken bytes
        return ""


def _summary(films: list[Film]) -> str:
    people = {film.subject for film in films}
    found = Counter(film.written["emotion"] for film in films)
    counts = ", ".join(f"{emotion} {found[emotion]}" for emotion in EMOTIONS.values())
    return (
        f"{len(films)} of {_PUBLISHED} published sequences with an emotion, "
        f"{len(people)} subjects; {counts}"
    )


def _refuse_crops(root: Path) -> None:
    """Raises what is wrong if these are the stills called CK+48."""
    for folder in tree.image_folders(root):
        stills = [f for f in folder.files if parse_name(f.stem)]
        if folder.parts[-1] in EMOTIONS.values() and stills:
            raise ReleaseError(
                f"{folder.path} holds stills such as {stills[0].name} in the folder of "
                "an emotion. This is CK+48, three crops of 48x48 pixels of each "
                "sequence, and different data: ask the authors of CK+ for the release, "
                "with the folders cohn-kanade-images and Emotion"
            )
