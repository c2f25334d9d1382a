"""Files that appear whole or not at all, and paths that a user typed."""

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mer_jax.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, data: bytes | memoryview) -> None:
    """Writes `data` to `path`, the whole content; see `appearing`."""
    with appearing(path, len(data)) as file:
        file.write(data)


@contextlib.contextmanager
def appearing(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Opens a file that replaces what is at `path`, in one move, as the block ends.

    A reader, or a process killed half way, sees the old file or the new one.

    Args:
      path: its folder is made if absent.
      size: bytes that will be written, for messages.

    Raises:
      UserError: if it cannot be written, a full disk for one; no partial file is
        left, nor after another error in the block.
    """
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise cannot_write(path, error, size) from error
    finally:
        with contextlib.suppress(OSError):  # gone already, if all went well
            partial.unlink()


def disk_is_full(error: Exception) -> bool:
    """Returns whether a write failed for want of room.

    Libraries that write through C++ raise other types than `OSError`, without a
    number; the system's words are in their text.
    """
    number = getattr(error, "errno", None)
    return number in _FULL or os.strerror(errno.ENOSPC) in str(error)


def cannot_write(path: Path, error: Exception, size: int | None = None) -> UserError:
    """Returns the error a user reads when the disk refuses `path`."""
    full = disk_is_full(error)
    what = "no room for" if full else "cannot write"
    no_room = os.strerror(errno.ENOSPC)
    reason = getattr(error, "strerror", None) or (no_room if full else error)
    needed = "" if size is None else f", {size} bytes needed"
    return UserError(
        f"{what} {path} ({reason}){needed}. Mend that, or choose another folder, "
        "then run the same command again"
    )


def typed_path(text: str) -> Path:
    """Returns the path that a user typed.

    Raises:
      UserError: if it cannot be one, or its folder cannot be looked into.
    """
    try:
        path = Path(text).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(f"{text}: no path of a file or folder ({error})") from error
    return path
