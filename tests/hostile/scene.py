"""A copy of a twin that mutations damage, and notes on what they did to it."""

import contextlib
import random
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from tests.hostile.cells import NotHere as NotHere
from tests.hostile.worlds import IMAGES

TABLES = (".xlsx", ".csv")
LABELS = (".txt", ".xml")


class Edit(NamedTuple):
    """A cell, before and after."""

    column: str
    old: str
    new: str


class Scene:
    """What is there to be damaged, and what was.

    Attributes:
      root: of the copy.
      outside: a folder that no builder may read.
      names: what an error may name.
      edits: cells changed, so that records may change.
      moved: whether folders changed their names or places.
      garbled: files of labels of which bytes changed.
      everywhere: whether all was changed, so that an error may name anything.
      bomb: whether reading may take all memory: not to be done in this process.
      steps: the mutations.
    """

    def __init__(self, root: Path, outside: Path, rng: random.Random):
        self.root, self.outside, self.rng = root, outside, rng
        self.names: set[str] = set()
        self.edits: list[Edit] = []
        self.garbled: list[Path] = []
        self.moved = self.everywhere = self.bomb = False
        self.steps: list[str] = []

    def paths(self):
        """All below the root but litter, sorted; links are not followed."""
        paths = sorted(self.root.rglob("*"))
        decoys = ("New folder", "SYNTHETIC", "cover.jpg", "readme.txt")
        return [p for p in paths if p.name not in decoys and not _is_litter(p.name)]

    def files(self, *suffixes):
        """Regular files with one of the suffixes."""
        regular = (p for p in self.paths() if p.is_file() and not p.is_symlink())
        return [p for p in regular if p.suffix.lower() in suffixes]

    def images(self):
        """Images."""
        return self.files(*IMAGES)

    def linked_images(self):
        """Images, and links within the release to such."""
        links = [p for p in self.paths() if p.is_symlink() and p.suffix in IMAGES]
        inside = [p for p in links if p.is_file() and self.root in p.resolve().parents]
        return self.images() + inside

    def frame(self):
        """One image; of any clip with equal chance."""
        folder = self.pick(sorted({path.parent for path in self.images()}))
        return self.pick([p for p in self.images() if p.parent == folder])

    def folders(self):
        """Folders that hold anything."""
        return [p for p in self.paths() if p.is_dir() and not p.is_symlink()]

    def leaf(self):
        """A folder of images."""
        return self.pick(sorted({path.parent for path in self.images()}))

    def pick(self, things):
        """One of some things."""
        if not things:
            raise NotHere
        return self.rng.choice(things)

    def touch(self, *paths):
        """Notes that something happened here."""
        for path in paths:
            self.names.add(path.name)
            if path.suffix.lower() in IMAGES:
                self.names |= {path.parent.name, path.stem}
            elif path.suffix.lower() in TABLES:
                self.names.add(path.stem[:7])  # 'put CASME2-coding-2014... into it'
        return paths[0]

    def write(self, path, data):
        """Replaces the bytes of a file."""
        self.touch(path)
        if path.suffix.lower() in LABELS:
            self.garbled.append(path)
        path.unlink()
        path.write_bytes(data)

    def move(self, old, new):
        """Renames, where the new name is free."""
        try:
            taken = new.exists() and not new.samefile(old)
        except OSError:  # the name is too long for this file system
            raise NotHere from None
        if taken or new == old:
            raise NotHere
        self.touch(old, new)
        self.moved = True
        try:
            return old.rename(new)
        except OSError:
            raise NotHere from None

    def copy(self, old, new):
        """Copies a file or folder, where the new name is free."""
        if new.exists():
            raise NotHere
        self.touch(old, new)
        self.moved = True
        new.parent.mkdir(parents=True, exist_ok=True)
        if old.is_dir():
            with contextlib.suppress(shutil.Error):  # of pipes and sockets
                shutil.copytree(old, new, symlinks=True)
        else:
            shutil.copyfile(old, new)


def _is_litter(name):
    return name.startswith((".", "~$")) or name in ("Thumbs.db", "desktop.ini")


def tokens(text):
    """'EP02_01f' and 'ep2_1F' -> ('ep', 2, 1, 'f')."""
    words = re.findall(r"[^\W\d_]+|\d+", str(text).lower())
    return tuple(int(w) if w.isdecimal() and len(w) < 99 else w for w in words)


def within(part, whole):
    """Whether tokens are among others, in a row."""
    last = len(whole) - len(part)
    return any(whole[i : i + len(part)] == part for i in range(last + 1))
