"""What a builder reads beyond the release, and how long it takes."""

import contextlib
import os
import signal
import sys
import sysconfig
from pathlib import Path

import cv2

import datasets_tfds

_EVENTS = {"open", "os.listdir", "os.scandir", "shutil.copyfile"}
_OURS = [
    *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib")),
    *(sys.prefix, sys.base_prefix, *datasets_tfds.__path__),
    *("/usr", "/etc", "/proc", "/dev", "/sys"),
]


class Late(BaseException):
    """A builder took too long; no `except Exception` may hide it."""


class _Watch:
    """The paths opened while a release is read; the hook stays, and then is idle."""

    def __init__(self):
        self.paths = None
        sys.addaudithook(self.notice)

    def notice(self, event, arguments):
        if self.paths is None or event not in _EVENTS:
            return
        if isinstance(arguments[0], str | bytes | os.PathLike):
            self.paths.append(os.fsdecode(arguments[0]))


_watch = _Watch()


@contextlib.contextmanager
def reading(root: Path):
    """Gives a list that in the end has the files read outside of `root`."""
    outside, capture = [], cv2.VideoCapture

    def noted(path, *arguments):
        _watch.paths.append(path)
        return capture(path, *arguments)

    allowed = [Path(os.path.realpath(path)) for path in [root, *_OURS]]
    cv2.VideoCapture, _watch.paths = noted, []
    try:
        yield outside
    finally:
        cv2.VideoCapture, seen, _watch.paths = capture, _watch.paths, None
        for path in sorted(set(seen)):
            real = Path(os.path.realpath(path))
            if not any(real.is_relative_to(one) for one in allowed):
                outside.append(path)


@contextlib.contextmanager
def time_limit(seconds: int):
    """Raises `Late` in its block after so many seconds, be it stuck in a read."""

    def ring(*_):
        raise Late(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
