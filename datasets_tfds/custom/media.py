"""The frames of one clip: a folder of images, or a video."""

import contextlib
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from PIL import Image

from datasets_tfds.record import ReleaseError
from datasets_tfds.tree import FORMATS, IMAGES, is_litter, numbered
from datasets_tfds.video import VIDEOS, probe

_UNFIT = re.compile(r"transparent|I|F|I;16.*")  # not RGB of 8 bits when decoded


class Footage(NamedTuple):
    """What a path holds.

    Attributes:
      path: of the folder or video.
      frames: number -> path, ascending; of a video, from 0, the video itself.
      fps: as a video says, None for images and where it says nothing.
    """

    path: Path
    frames: Mapping[int, Path]
    fps: float | None

    @property
    def is_video(self) -> bool:
        """Whether frames have to be decoded."""
        return self.path.is_file()


def read_footage(root: Path, path: Path) -> Footage:
    """Returns the frames of a folder or video, each of them looked at.

    Args:
      root: of the release, resolved.
      path: from `locate`.

    Raises:
      ReleaseError: if it is neither, holds no frame, or one that cannot be stored.
    """
    if path.is_dir():
        return Footage(path, _image_files(root, path), None)
    if path.is_file() and path.suffix.lower() in VIDEOS:
        video = probe(path)
        return Footage(path, dict.fromkeys(range(video.num_frames), path), video.fps)
    kinds = ", ".join(sorted(VIDEOS))
    raise ReleaseError(f"{path} is neither a folder of images nor a video ({kinds})")


def locate(root: Path, folder: Path, text: str) -> Path:
    r"""Returns the file or folder that a cell names.

    Both / and \ part names, and case and the way accents are coded do not matter,
    as tables are written on other systems than they are read on.

    Args:
      root: of the release, resolved; what lies outside is neither read nor listed.
      folder: that the cell is relative to.
      text: the cell.

    Raises:
      ReleaseError: if the path is absolute, leads out of the release, or to nothing.
    """
    written = PureWindowsPath(text)
    if written.anchor or text.startswith("~"):
        raise ReleaseError(f"path {text!r} is absolute; write it relative to the table")
    here = folder
    for part in written.parts:
        here = here.parent if part == ".." else _child(here, part, text)
        if not _is_inside(root, here):
            raise ReleaseError(
                f"path {text!r} leads out of the release, {root}; copy the frames there"
            )
    return here


def plain(name: str) -> str:
    """Returns a name as file systems that ignore case compare it."""
    return unicodedata.normalize("NFC", name).casefold()


def _is_inside(root: Path, path: Path) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(root)


def _child(folder: Path, name: str, text: str) -> Path:
    exact = folder / name
    with contextlib.suppress(OSError, ValueError):  # too long, or with a null
        exact.lstat()
        return exact
    children = folder.iterdir() if folder.is_dir() else ()
    alike = [child for child in children if plain(child.name) == plain(name)]
    if len(alike) != 1:
        raise ReleaseError(f"path {text!r}: there is no {name!r} in {folder}")
    return alike[0]


def _image_files(root: Path, folder: Path) -> dict[int, Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in IMAGES and not is_litter(file.name)
        if file.is_file() or not file.exists()  # no pipe: who opens one waits
    )
    if not files:
        raise ReleaseError(f"{folder} holds no image ({', '.join(sorted(IMAGES))})")
    if outside := [file for file in files if not _is_inside(root, file)]:
        raise ReleaseError(f"{outside[0]} links out of the release; copy the frames")
    frames = numbered(files)
    _check_pixels(files)
    return frames


def _check_pixels(files: Sequence[Path]) -> None:
    """Raises what is wrong with images, by their headers.

    A few that are broken are let pass: they are left out of the record and told.
    """
    modes = {file: _mode(file) for file in files}
    if not any(modes.values()):
        raise ReleaseError(f"{files[0].parent}: none of its images can be read")
    for file, mode in modes.items():
        if _UNFIT.fullmatch(mode):
            raise ReleaseError(
                f"{file}: pixels are {mode}; save the frames in RGB or grey of 8 bits, "
                "without transparency"
            )


def _mode(file: Path) -> str:
    """Returns PIL's mode, 'transparent', or nothing if it is no image."""
    try:
        with Image.open(file, formats=FORMATS) as image:
            return "transparent" if image.has_transparency_data else image.mode
    except Exception:  # decoders fail in many ways on broken bytes
        return ""
