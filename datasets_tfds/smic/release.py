"""SMIC on disk: which folders are clips, of whom, by which camera.

There is no annotation file: the label of a clip is the folder it lies in, its first
frame is the onset and its last the offset, and nobody coded an apex.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import tree
from datasets_tfds.film import Film, Found
from datasets_tfds.matching import by_clip
from datasets_tfds.record import ReleaseError, problems_found

CORPUS = "smic"
FPS = {"hs": 100.0, "vis": 25.0, "nir": 25.0}  # Li et al. 2013
ADVICE = "mend the release (README.md of smic shows its layout) and prepare again"

_PUBLISHED = {"hs": 164, "vis": 71, "nir": 71, "hs-long": 157}  # clips
_EMOTIONS = {
    **dict.fromkeys(("ne", "neg", "negative"), "negative"),
    **dict.fromkeys(("po", "pos", "positive"), "positive"),
    **dict.fromkeys(("sur", "surprise"), "surprise"),
}
_CODES = {"negative": "ne", "positive": "po", "surprise": "sur"}
_PREFIXES = {"hs": "", "vis": "vis_", "nir": "nir_", "hs-long": "long_"}


class Name(NamedTuple):
    """What the name of a clip says, whichever way it is spelled.

    Attributes:
      subject, number: from 1.
      emotion: 'negative', 'positive' or 'surprise'.
    """

    subject: int
    emotion: str
    number: int

    @property
    def person(self) -> str:
        """The subject as the list of MEGC2019 spells it: 's01'."""
        return f"s{self.subject:02d}"

    @property
    def clip(self) -> str:
        """The clip as the list of MEGC2019 spells it: 's01_ne_01'."""
        return f"{self.person}_{_CODES[self.emotion]}_{self.number:02d}"


class Take(NamedTuple):
    """A folder of frames by the name of a clip.

    Attributes:
      name: of the clip.
      folder: its images.
      config: 'hs', 'vis', 'nir' or one of these + '-long'; '' if its path has none.
    """

    name: Name
    folder: tree.Folder
    config: str


def parse_name(text: str) -> Name | None:
    """Returns the clip that a name means, None if it is no clip's name.

    's1_ne_01', 's01_ne_01', 'S1_NE_1' and 's1_negative_01' are one clip.
    """
    spelled = text.strip().lower()
    match = re.fullmatch(r"s0*(\d{1,3})[_\- ]([a-z]+)[_\- ]0*(\d{1,4})", spelled)
    if match is None or match[2] not in _EMOTIONS:
        return None
    return Name(int(match[1]), _EMOTIONS[match[2]], int(match[3]))


def parse_emotion(text: str) -> str:
    """Returns 'negative', 'positive' or 'surprise' for a spelling, '' for no such."""
    return _EMOTIONS.get(text.strip().lower(), "")


def config_of(parts: Sequence[str]) -> str:
    """Returns the config that a path belongs to, '' if it names no camera.

    The last part that names one camera (HS, VIS, NIR; also SMIC_HS, HS_long,
    SMIC-VIS-E) decides which. The clip is a long one if any part says 'long', or is
    SMIC-E or one of its cameras (SMIC-HS-E, HS-E).

    Args:
      parts: of the path above the clip, in lower case.
    """
    words = [set(re.findall(r"[a-z0-9]+", part)) for part in parts]
    cameras = [w & FPS.keys() for w in words]
    named = [camera for camera in cameras if len(camera) == 1]
    if not named:
        return ""
    long = any("long" in w or ("e" in w and w & {"smic", *FPS}) for w in words)
    return named[-1].pop() + ("-long" if long else "")


def find_takes(root: Path, config: str) -> list[Take]:
    """Returns the folders of a config's clips; those under 'non_micro' are none.

    Raises:
      ReleaseError: if there are clips of which the path does not tell the camera, or
        folders between the clips that have no clip's name.
    """
    takes, problems = [], []
    for folder in tree.image_folders(root):
        *above, name = folder.parts
        if "nonmicro" in (re.sub(r"[_\- ]", "", part) for part in above):
            continue
        clip = parse_name(name)
        if clip is not None:
            takes.append(Take(clip, folder, config_of(above)))
        elif above and above[-1] in _EMOTIONS and config_of(above) == config:
            problems.append(f"{folder.path}: not the name of a clip, as s1_ne_01 is")
    if lost := [take.folder.path for take in takes if not take.config]:
        problems.append(
            f"{lost[0]} and {len(lost) - 1} more clips are under no folder named HS, "
            "VIS or NIR; give the folder above, or put them into one"
        )
    if problems:
        raise problems_found(root, problems, ADVICE)
    return [take for take in takes if take.config == config]


def find_films(root: Path, config: str) -> Found:
    """Returns the short clips of a config: 'hs', 'vis' or 'nir'.

    Raises:
      ReleaseError: naming every clip that is there more than once, lies in the folder
        of another subject or emotion, or has frames that cannot be told apart.
    """
    takes, lines = _one_kind(find_takes(root, config))
    problems = [p for take in takes for p in misplaced(take) + _mislabelled(take)]
    by_name = by_clip(named(takes), lambda take: take.folder.path, problems)
    version = f"directories, {len(by_name)} clips"
    films = []
    for take in by_name.values():
        try:
            frames = tree.numbered(take.folder.files)
        except ReleaseError as error:
            problems.append(str(error))
            continue
        boundaries = {"onset": str(min(frames)), "offset": str(max(frames))}
        films.append(film(take, config, frames, boundaries, version))
    if problems:
        raise problems_found(root, problems, ADVICE)
    return Found(films, [summary(films, config), *lines])


def named(takes: Iterable[Take]) -> list[tuple[tuple[str, str], Take]]:
    """Returns ((subject, clip), take) pairs, as `matching` wants them."""
    return [((take.name.person, take.name.clip), take) for take in takes]


def film(
    take: Take,
    config: str,
    frames: Mapping[int, Path],
    boundaries: Mapping[str, str],
    version: str,
    issues: tuple[str, ...] = (),
) -> Film:
    """Returns the film of a take; `boundaries` are its 'onset' and 'offset'."""
    name, camera = take.name, config.removesuffix("-long")
    empty = {"action_units": "", "apex": ""}
    return Film(
        corpus=CORPUS,
        subject=name.person,
        clip=_PREFIXES[config] + name.clip,
        written={"emotion": name.emotion, **empty, **boundaries},
        frames=frames,
        fps=FPS[camera],
        annotation_version=version,
        modality=camera.upper(),
        issues=issues,
        apexes="none",
    )


def summary(films: Sequence[Film], config: str) -> str:
    """Returns 'n of m published clips', with subjects and emotions counted."""
    people = {film.subject for film in films}
    emotions = Counter(film.written["emotion"] for film in films)
    counts = ", ".join(f"{e} {emotions[e]}" for e in _CODES)
    return (
        f"{len(films)} of {_PUBLISHED[config]} published clips, "
        f"{len(people)} subjects; {counts}"
    )


def misplaced(take: Take) -> list[str]:
    """Returns a problem if a clip lies in the folder of another subject."""
    for part in reversed(take.folder.parts[:-1]):
        if match := re.fullmatch(r"s0*(\d{1,3})", part):
            if int(match[1]) != take.name.subject:
                return [f"{take.folder.path}: a clip of another subject than {part}"]
            break
    return []


def _mislabelled(take: Take) -> list[str]:
    """Returns a problem if a clip does not lie in the folder of its emotion."""
    parent = take.folder.parts[-2]
    emotion = parse_emotion(parent)
    if emotion == take.name.emotion:
        return []
    expected = "" if emotion else " (expected: negative, positive or surprise)"
    return [
        f"{take.folder.path}: lies in {parent!r}{expected}, its name says "
        f"{take.name.emotion}"
    ]


def _one_kind(takes: Sequence[Take]) -> tuple[list[Take], list[str]]:
    """Returns the cropped clips if there are any, else the others; and what it left."""
    cropped = [take for take in takes if _is_cropped(take.folder)]
    others = [take for take in takes if not _is_cropped(take.folder)]
    if not (cropped and others):
        return list(takes), []
    alone = sorted({t.name.clip for t in others} - {t.name.clip for t in cropped})
    line = (
        f"cropped and raw clips found: the {len(cropped)} cropped ones are taken, "
        f"{len(others)} raw ones left out (give SMIC_all_raw alone to take those)"
    )
    if alone:
        line += f"; only raw, so not in the dataset: {', '.join(alone)}"
    return cropped, [line]


def _is_cropped(folder: tree.Folder) -> bool:
    """Returns whether a path says 'cropped' after any 'raw', or else its frames do."""
    for part in reversed(folder.parts[:-1]):
        words = set(re.findall(r"[a-z0-9]+", part))
        if len(said := words & {"cropped", "raw"}) == 1:
            return "cropped" in said
    return folder.files[0].name.lower().startswith("reg")
