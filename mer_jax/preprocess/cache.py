"""Arrays that are costly to derive, kept on disk under a hash of what made them."""

import hashlib
import io
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.files import write_atomic

_LABEL = "__label__"  # the entry that tells what the others are

_log = logging.getLogger(__name__)


def cached(
    directory: Path,
    name: str,
    key: Mapping[str, object],
    compute: Callable[[], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Returns `compute()`, from disk where it was computed before.

    The file is `<directory>/<name>-<hash>.npz`. It appears whole or not at all,
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
      TypeError: if the key is not JSON, or an array holds what an npz cannot.

    Example:
      >>> key = {"clips": content_hash(onset, apex)} | flow_recipe(size=28)
      >>> compute = lambda: {"flow": flow_of_clips(onset, apex, size=28)}
      >>> flow = cached(directory, "flow", key, compute)["flow"]  # doctest: +SKIP
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = directory / f"{name}-{digest[:16]}.npz"
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


def _label(key: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> str:
    """Returns what a file says of itself: its key, and the hash of every array.

    The checksums of the zip format would not do: they miss an entry lost whole.
    """
    hashes = {name: content_hash(array) for name, array in arrays.items()}
    return json.dumps({"key": key, "arrays": hashes}, sort_keys=True)


def _read(path: Path, key: Mapping[str, object]) -> dict[str, np.ndarray] | None:
    """Returns what `path` holds for `key`, or None where it must be computed."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return None
    with file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            found = arrays.pop(_LABEL).tobytes().decode()
        except Exception as error:  # broken bytes make zipfile and NumPy raise anything
            _log.info("%s is broken (%r), computing it again", path, error)
            return None
    if found != _label(key, arrays):
        _log.info("%s holds something else (%s), computing it again", path, found)
        return None
    return arrays


def _write(
    path: Path, key: Mapping[str, object], arrays: Mapping[str, np.ndarray]
) -> None:
    for name, array in arrays.items():
        if name == _LABEL or array.dtype.kind in "OV":  # an npz loses both
            raise TypeError(f"cannot store {name!r} of dtype {array.dtype}")
    label = np.frombuffer(_label(key, arrays).encode(), np.uint8)
    entries: dict[str, Any] = {_LABEL: label, **arrays}
    buffer = io.BytesIO()
    np.savez(buffer, **entries)
    write_atomic(path, buffer.getbuffer())
