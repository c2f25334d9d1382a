"""The frames of CAS(ME)^3 Part A on disk: whole recordings, and clips cut from them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from datasets_tfds.casme3.annotation import kind_of, subject_name
from datasets_tfds.matching import Name, Recording, by_clip
from datasets_tfds.record import DEPTH, ReleaseError
from datasets_tfds.tree import Folder, image_folders, numbered

_MODALITIES = {
    **dict.fromkeys(("color", "colour", "rgb", "frame", "frames"), "color"),
    DEPTH: DEPTH,
}


class Footage(NamedTuple):
    """What there is to cut clips from.

    Attributes:
      videos: (subject, 'a') -> a whole recording.
      clips: (subject, 'a_355') -> a clip in a folder of its own.
    """

    videos: dict[Name, Recording]
    clips: dict[Name, Recording]


def find_footage(root: Path, kind: str, modality: str, problems: list[str]) -> Footage:
    """Finds recordings `spNO.1/a/color` and clips `frame/spNO.1_a_355`.

    Args:
      root: of the release.
      kind: 'micro' or 'macro'; clips below a folder that says the other one are none.
      modality: 'color' or 'depth'.
      problems: gets a line for each recording or clip that lies in more than one
        folder, or has two files for one frame.
    """
    videos, clips = [], []
    for folder in image_folders(root):
        parts = folder.parts
        if len(parts) > 1 and parts[-1] in _MODALITIES:
            parts = parts[:-1]
        name = clip_name(parts[-1])
        if name and _says(folder) in (kind, ""):
            clips += [(name, r) for r in _recording(folder, modality, problems)]
        elif video := video_name(*parts[-2:]):
            videos += [(video, r) for r in _recording(folder, modality, problems)]
    place = lambda recording: recording.folder.path
    return Footage(by_clip(videos, place, problems), by_clip(clips, place, problems))


def _recording(
    folder: Folder, modality: str, problems: list[str]
) -> Iterator[Recording]:
    """Yields the frames of a modality in a folder, if it has any."""
    frames = [f for f in folder.files if f.stem.isdecimal()]
    files = [f for f in frames if _modality(folder, f) == modality]
    if files:
        try:
            yield Recording(folder, numbered(files))
        except ReleaseError as error:
            problems.append(str(error))


def _modality(folder: Folder, file: Path) -> str:
    """Returns what the innermost folder says that says it, else what the file is."""
    for part in reversed(folder.parts):
        if part in _MODALITIES:
            return _MODALITIES[part]
    return DEPTH if file.suffix.lower() == ".png" else "color"


def _says(folder: Folder) -> str:
    """Returns the kind of expression that a path names, '' if none."""
    return next((kind for p in reversed(folder.parts) if (kind := kind_of(p))), "")


def video_name(*parts: str) -> Name | None:
    """Returns ('spNO.1', 'a') for 'spno.1' and 'a', None for other folders."""
    if len(parts) < 2 or not parts[0].startswith("sp"):
        return None
    subject = subject_name(parts[0])
    return (subject, parts[1]) if subject and re.fullmatch("[a-z]", parts[1]) else None


def clip_name(text: str) -> Name | None:
    """Returns ('spNO.1', 'a_355') for 'spno.1_a_355', None for other text."""
    parts = re.fullmatch(r"(sp ?no\.? ?\d{1,4})_([a-z])_(\d{1,9})", text, re.IGNORECASE)
    if parts is None:
        return None
    return subject_name(parts[1]), f"{parts[2].lower()}_{int(parts[3])}"
