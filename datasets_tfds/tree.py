"""Finding clips in a release: folders of numbered frames, wherever they were unpacked.

Releases are unpacked with a doubled top folder, renamed, or given one level too high
or too low. So nothing here builds a path: every folder with frames is listed once,
and a builder recognises its clips by the last parts of their paths.
"""

import io
import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from datasets_tfds.record import ReleaseError

IMAGES = frozenset((".jpg", ".jpeg", ".png", ".bmp"))

FORMATS = ("JPEG", "PNG", "BMP")  # whatever their names say

MAX_NUMBER = 2**31 - 1  # of a frame: records hold int32
# Twice a frame of 8K, and all its bytes without compression. A header of a few bytes
# may promise more than the memory holds.
MAX_PIXELS = 2**26
MAX_BYTES = 2**28

_LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # and every hidden or lock file


class Folder(NamedTuple):
    """A folder that holds images.

    Attributes:
      path: absolute.
      parts: names from the release's root down to this folder, in lower case.
      files: images, sorted by name; not litter.
    """

    path: Path
    parts: tuple[str, ...]
    files: tuple[Path, ...]


def image_folders(root: Path) -> list[Folder]:
    """Returns every folder under `root` that holds images, in order of path.

    Raises:
      ReleaseError: if `root` is no folder.
    """
    root = _folder(root)
    found = []
    for path, files in _walk(root):
        images = tuple(f for f in files if f.suffix.lower() in IMAGES)
        if images:
            # The root's own name counts: a user may point at the clip's parent.
            parts = (root.name, *path.relative_to(root).parts)
            found.append(Folder(path, tuple(p.lower() for p in parts), images))
    return found


def find_files(root: Path, pattern: str) -> list[Path]:
    """Returns files whose name matches a regular expression, case ignored, sorted.

    Links that lead nowhere are left out: what is found can be read.

    Raises:
      ReleaseError: if `root` is no folder.
    """
    match = re.compile(pattern, re.IGNORECASE).fullmatch
    found = (f for _, files in _walk(_folder(root)) for f in files if match(f.name))
    return [file for file in found if file.exists()]


def _folder(root: Path) -> Path:
    if not root.is_dir():
        raise ReleaseError(f"{root} is not a folder. Give the unpacked release")
    return root.resolve()


def _walk(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yields every folder, with its files sorted by name, in order of path.

    Nothing outside of the release is read and no loop is walked: links to folders
    are not followed, and links to files only where they stay under `root`. Pipes and
    the like are no files: who opens one waits.
    """
    for name, subfolders, files in os.walk(root):
        subfolders[:] = sorted(s for s in subfolders if not is_litter(s))
        paths = [Path(name, file) for file in sorted(files) if not is_litter(file)]
        yield Path(name), [p for p in paths if _is_file(root, p)]


def _is_file(root: Path, path: Path) -> bool:
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode):
        return stat.S_ISREG(mode)
    real = Path(os.path.realpath(path))
    # A link to nothing is a file that cannot be read, and told as such.
    return real.is_relative_to(root) and (real.is_file() or not real.exists())


def is_litter(name: str) -> bool:
    """Returns whether operating systems or editors left this file or folder."""
    return name.startswith((".", "~$")) or name.lower() in _LITTER


def numbered(files: Iterable[Path]) -> dict[int, Path]:
    """Returns number -> file, ascending, by the last integer of each name.

    Zero padding differs between the videos of one release, so names are never
    built and never sorted as text.

    Raises:
      ReleaseError: if a name has no number, or one too large for a record, or two
        files have the same.
    """
    found: dict[int, Path] = {}
    for file in files:
        digits = re.findall(r"\d+", file.stem)
        if not digits:
            raise ReleaseError(f"{file}: a frame needs a number in its name")
        number = int(digits[-1])
        if number > MAX_NUMBER:
            raise ReleaseError(
                f"{file}: the last number in a name is the frame's, and this one is "
                "too large; rename the frames"
            )
        if number in found:
            raise ReleaseError(
                f"{found[number]} and {file} are both frame {number}; remove one"
            )
        found[number] = file
    return dict(sorted(found.items()))


def defect(image: Path | bytes, *, depth: bool = False) -> str:
    """Returns why an image does not decode to the pixels of a record, or nothing.

    Args:
      image: a file, or its bytes.
      depth: whether they are depths, of one channel of 16 bits. All others are
        opaque and of 8 bits: of more, TFDS would keep the lower ones.
    """
    try:
        size = len(image) if isinstance(image, bytes) else image.stat().st_size
        if size > MAX_BYTES:
            return f"it has {size} bytes, more than {MAX_BYTES}"
        file = io.BytesIO(image) if isinstance(image, bytes) else image
        with Image.open(file, formats=FORMATS) as i:
            if i.width * i.height > MAX_PIXELS:
                return f"it has {i.width}x{i.height} pixels, more than {MAX_PIXELS}"
            stored = str([tile.args for tile in i.tile])  # before it is read
            i.draft(None, (1, 1))  # a JPEG at an eighth of its size: all of it is read
            i.load()
            if depth:
                return "" if "'I;16B'" in stored else f"no 16-bit depth but {i.mode}"
            if ";16B" in stored:
                return "it has 16 bits for each channel"
            return "it has transparency" if i.has_transparency_data else ""
    except Exception as error:  # decoders fail in many ways on broken bytes
        return f"no image ({type(error).__name__})"
