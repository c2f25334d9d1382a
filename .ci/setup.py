"""Makes .venv complete and current; ends at once if it already is.

Standard library only, and old syntax, so that an old Python gets a sentence instead
of a traceback. The Makefile calls it before everything else.
"""

import ctypes
import hashlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UNFINISHED = VENV / ".unfinished"  # there while pip works
COMPLETE = VENV / ".complete"  # what a finished .venv was made from, see `wanted`

# Shared libraries bare Debian lacks, and the packages they come in.
OF_CV2 = {"libGL.so.1": "libgl1", "libgthread-2.0.so.0": "libglib2.0-0"}
OF_MEDIAPIPE = {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}
APT = "apt-get install --no-install-recommends "


def main():
    """Sets .venv up, or ends with one clear message."""
    if sys.version_info < OLDEST:
        fail(
            f"Python 3.{OLDEST[1]} or newer is needed; {sys.executable} is "
            f"{platform.python_version()}. Name one: make PYTHON=python3.12 ..."
        )
    if COMPLETE.is_file() and COMPLETE.read_text() == wanted() and runs(PYTHON):
        return
    install()
    require_libraries()
    COMPLETE.write_text(wanted())


def pins():
    """Returns the constraints that fit the running Python."""
    return ROOT / "constraints" / f"py3{min(sys.version_info[1], 12)}.txt"


def wanted():
    """Returns what .venv depends on, as one line."""
    digest = hashlib.sha256(str(VENV).encode())  # scripts hold absolute paths
    for path in (ROOT / "pyproject.toml", pins()):
        digest.update(path.read_bytes())
    return f"{version()} {digest.hexdigest()}\n"


def version(python=sys.executable):
    """Returns an interpreter's version, like "3.11"; "" if it does not run."""
    ask = "import sys; print('{}.{}'.format(*sys.version_info))"
    result = subprocess.run([python, "-c", ask], stdout=subprocess.PIPE, text=True)
    return result.stdout.strip()


def runs(python):
    """Returns whether there is such an interpreter."""
    return os.access(python, os.X_OK)


def install():
    """Installs the project and its pinned dependencies; finishes a .venv it finds."""
    if importlib.util.find_spec("ensurepip") is None:
        fail(
            f"this Python cannot make virtual environments. As root:\n"
            f"    {APT}python{version()}-venv"
        )
    if UNFINISHED.exists() or (runs(PYTHON) and version(PYTHON) != version()):
        say("removing a .venv that is unfinished or of another Python")
        shutil.rmtree(VENV)
    say(f"setting up .venv with Python {version()} (1.5 GB, a few minutes, once)")
    VENV.mkdir(exist_ok=True)
    UNFINISHED.touch()
    COMPLETE.unlink(missing_ok=True)
    base = getattr(sys, "_base_executable", sys.executable)  # not .venv's own
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    for command in (
        [base, "-m", "venv", VENV],
        [*pip, "install", "-c", pins(), "-e", ".[dev]"],
    ):
        if subprocess.run(command, cwd=ROOT).returncode:
            fail("set-up did not finish, see above; the same command starts it again")
    UNFINISHED.unlink()


def require_libraries():
    """Ends with the line that installs them if shared libraries are missing."""
    cv2 = subprocess.run(
        [PYTHON, "-c", "import cv2"], stderr=subprocess.PIPE, text=True
    )
    needed = dict(OF_CV2) if cv2.returncode else {}
    if list(VENV.glob("lib/*/site-packages/mediapipe")):
        needed.update(OF_MEDIAPIPE)
    missing = [library for library in needed if not loads(library)]
    if missing:
        fail(
            f"shared libraries are missing: {', '.join(missing)}. As root:\n"
            f"    {APT}{' '.join([*OF_CV2.values(), *OF_MEDIAPIPE.values()])}"
        )
    if cv2.returncode:
        fail(f"OpenCV does not start:\n{cv2.stderr}")


def loads(library):
    """Returns whether the dynamic linker finds a shared library."""
    try:
        return bool(ctypes.CDLL(library))
    except OSError:
        return False


def say(text):
    """Prints one line at once, also into a log."""
    print(f"setup: {text}", flush=True)


def fail(text):
    """Ends with a message."""
    sys.exit(f"setup: {text}")


if __name__ == "__main__":
    main()
