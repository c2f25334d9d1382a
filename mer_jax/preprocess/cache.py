"""Arrays that are costly to derive, kept on disk under a hash of what made them."""

import hashlib
import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mer_jax.files import write_atomic

_Entry = tuple[str, str, tuple[int, ...]]  # name, dtype, shape

_log = logging.getLogger(__name__)


def cached(
    directory: Path,
    name: str,
    key: Mapping[str, object],
    compute: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns `compute()`, from disk where it was computed before.

    The file is `<directory>/<name>-<hash>.arrays`: a line of JSON, then the arrays'
    bytes, which read five times as fast as an npz. It appears whole or not at all,
    so processes may share a directory; a file that is broken, or made under
    another key, is computed anew and said so in the log. Nothing is ever removed:
    delete the directory to be rid of it.

    Args:
      directory: made if absent.
      name: what the arrays are, for a reader of the directory.
      key: everything the arrays depend on, as JSON values; `content_hash` stands
        for arrays, `flow.flow_recipe` for the parameters of flow.
      compute: called at most once; arrays of numbers, booleans or text.

    Returns:
      name -> array.

    Raises:
      UserError: if the file cannot be written, a full disk for one; no partial
        file is left.
      TypeError: if the key is not JSON, or an array holds objects.

    Example:
      >>> key = {"clips": content_hash(onset, apex)} | flow_recipe(size=28)
      >>> compute = lambda: {"flow": flow_image(onset, apex, size=28)}
      >>> flow = cached(directory, "flow", key, compute)["flow"]  # doctest: +SKIP
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = directory / f"{name}-{digest[:16]}.arrays"
    arrays = _read(path, key)
    if arrays is None:
        arrays = compute()
        _write(path, key, arrays)
    return arrays


def content_hash(*arrays: np.ndarray) -> str:
    """Returns 64 hexadecimal digits that stand for the arrays' types and values."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _label(key: Mapping[str, object], arrays: Sequence[_Entry], body: bytes) -> bytes:
    """Returns the line that says what a file holds: key, arrays, and a checksum."""
    told = {"key": key, "arrays": arrays, "crc32": zlib.crc32(body)}
    return json.dumps(told, sort_keys=True).encode() + b"\n"


def _read(path: Path, key: Mapping[str, object]) -> dict[str, np.ndarray] | None:
    """Returns what `path` holds for `key`, or None where it must be computed."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        end = content.index(b"\n") + 1
        entries, body = json.loads(content[:end])["arrays"], content[end:]
        if content[:end] == _label(key, entries, body):
            return _arrays(entries, body)
    except (ValueError, TypeError, LookupError) as error:
        _log.info("%s is broken (%r), computing it again", path, error)
        return None
    _log.info("%s holds something else (%.400r), computing it again", path, content)
    return None


def _arrays(entries: Sequence[_Entry], body: bytes) -> dict[str, np.ndarray]:
    arrays, offset = {}, 0
    for name, dtype, shape in entries:
        view: np.ndarray = np.ndarray(shape, dtype, body, offset)
        arrays[name] = view.copy()  # aligned, and the caller's own
        offset += view.nbytes
    return arrays


def _write(
    path: Path, key: Mapping[str, object], arrays: Mapping[str, np.ndarray]
) -> None:
    for name, array in arrays.items():
        if array.dtype.kind in "OV":  # pointers and records
            raise TypeError(f"cannot store {name!r} of dtype {array.dtype}")
    body = b"".join(array.tobytes() for array in arrays.values())
    entries = [(name, a.dtype.str, a.shape) for name, a in arrays.items()]
    write_atomic(path, _label(key, entries, body) + body)
