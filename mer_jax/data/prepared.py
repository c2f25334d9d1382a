"""Prepared corpora: a release packaged once, found again, read without decoding.

`tensorflow_datasets`, `grain` and the builders are imported when called, so the
engine and the systems work where they are not installed.
"""

import contextlib
import dataclasses
import datetime
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.data.builders import builder_class, full_name, twins
from mer_jax.errors import UserError
from mer_jax.files import cannot_write, disk_is_full, write_atomic

Progress = Callable[[str, int, int], None]  # (what, done, total)
Clip = Mapping[str, Any]

SPLIT = "clips"
_INDEX = "clips.json"  # beside the records: all of them, images left out


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A packaged corpus.

    Attributes:
      name: "corpus" or "corpus/config".
      builder: its TFDS builder.
      clips: every record by key, images left out; with 'row', its position in the
        data source, and 'content', a hash of its encoded images.
    """

    name: str
    builder: Any
    clips: tuple[Clip, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any clip was drawn by a program."""
        return any(clip["synthetic"] for clip in self.clips)

    @functools.cached_property
    def _encoded(self) -> Sequence[Clip]:
        return self.builder.as_data_source(SPLIT, decoders=_skip_images(self.builder))

    def encoded(self, clip: Clip, feature: str) -> Sequence[bytes]:
        """Returns the images of a clip as the release encodes them."""
        return self._encoded[clip["row"]][feature]

    @property
    def stored(self) -> Collection[str]:
        """Names of what a record holds."""
        return tuple(self.builder.info.features)

    @functools.cached_property
    def _decoded(self) -> Sequence[Clip]:
        return self.builder.as_data_source(SPLIT)

    def decoded(self, clip: Clip, feature: str) -> np.ndarray:
        """Returns a feature of a clip that the record holds itself."""
        return self._decoded[clip["row"]][feature]


def cache_directory() -> Path:
    """Returns $MER_CACHE, or ~/.cache/mer_jax."""
    return Path(os.environ.get("MER_CACHE") or Path.home() / ".cache" / "mer_jax")


def prepare(
    name: str, release: str | None, *, cache: Path, progress: Progress
) -> Prepared:
    """Returns a corpus, packaged now unless this very release was packaged before.

    Args:
      name: "corpus" or "corpus/config".
      release: its folder, None for corpora that need none.
      cache: packaged corpora are kept here; the last real and the last synthetic
        release of each are found again by `find`.
      progress: told what is being done.

    Raises:
      UserError: for an unknown corpus or a missing folder.
      ReleaseError: from the builder, for a release it cannot package.
    """
    name, directory, manual = full_name(name), cache / "tfds", {}
    if builder_class(name).MANUAL_DOWNLOAD_INSTRUCTIONS:
        root = _release_root(name, release)
        # Another release, or a changed one, is another packaging.
        directory = directory / f"release-{_listing_hash(root)}"
        manual = {"manual_dir": root}
    builder = _builder(name, directory)
    if not builder.is_prepared():
        progress(f"preparing {name}, once", 0, 1)
        try:
            _package(builder, manual)
        except FileExistsError:  # another process packaged the same, and was faster
            builder = _builder(name, directory)
            if not builder.is_prepared():
                raise
    prepared = _open(name, builder, progress)
    if manual:
        _register(prepared, cache, release)
    return prepared


def find(name: str, *, cache: Path, progress: Progress) -> Prepared:
    """Returns a corpus that was prepared before: the real one, else its twin.

    Raises:
      UserError: if it was never prepared, telling how.
    """
    name = full_name(name)
    for entry in registered(name, cache):
        builder = _builder(name, Path(entry["directory"]))
        if builder.is_prepared():
            return _open(name, builder, progress)
    instructions = builder_class(name).MANUAL_DOWNLOAD_INSTRUCTIONS
    corpus = name.partition("/")[0]
    twin = f"\nWithout a release, a synthetic twin: mer data synth {corpus} DIR"
    raise UserError(
        f"corpus {name!r} is not prepared. With its release at hand:\n"
        f"  mer data prepare {name} --release DIR\n"
        f"or, for this run alone, --set data.release=DIR. {instructions}"
        + (twin if corpus in twins() else "")
    )


def registered(name: str, cache: Path) -> list[dict[str, Any]]:
    """Returns what `prepare` noted of a corpus, the real release before the twin."""
    found = []
    for synthetic in (False, True):
        with contextlib.suppress(FileNotFoundError):
            found.append(json.loads(_note(name, cache, synthetic).read_text()))
    return found


def _note(name: str, cache: Path, synthetic: bool) -> Path:
    kind = "synthetic" if synthetic else "real"
    return cache / "prepared" / f"{name.replace('/', '-')}-{kind}.json"


def _register(prepared: Prepared, cache: Path, release: str | None) -> None:
    subjects = {clip["subject"] for clip in prepared.clips}
    entry = {
        "name": prepared.name,
        "synthetic": prepared.synthetic,
        "clips": len(prepared.clips),
        "subjects": len(subjects),
        "release": str(Path(release or "").expanduser().resolve()),
        "directory": str(prepared.builder.data_dir_root),
        "prepared": datetime.date.today().isoformat(),
    }
    path = _note(prepared.name, cache, prepared.synthetic)
    write_atomic(path, json.dumps(entry, indent=1).encode())


def _builder(name: str, directory: Path) -> Any:
    config = name.partition("/")[2]
    return builder_class(name)(
        config=config, data_dir=directory, file_format="array_record"
    )


def _package(builder, manual: Mapping[str, Path]) -> None:
    import tensorflow_datasets as tfds

    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    config = tfds.download.DownloadConfig(**manual)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
            builder.download_and_prepare(download_config=config)
    except (OSError, RuntimeError) as error:  # array_record raises the latter
        if not disk_is_full(error):
            raise
        raise cannot_write(Path(builder.data_dir), error) from error


def _open(name: str, builder, progress: Progress) -> Prepared:
    path = Path(builder.data_dir) / _INDEX
    if not path.is_file():
        write_atomic(path, json.dumps(_index(name, builder, progress)).encode())
    return Prepared(name, builder, tuple(json.loads(path.read_text())))


def _index(name: str, builder, progress: Progress) -> list[dict[str, Any]]:
    """Returns the records by key; TFDS stores them in the order of a hash."""
    import grain

    images = _skip_images(builder)
    source = builder.as_data_source(SPLIT, decoders=images)
    clips = []
    for row, record in enumerate(grain.MapDataset.source(source)):
        digest = hashlib.sha256()
        for feature in sorted(images):
            value = record[feature]
            for encoded in [value] if isinstance(value, bytes) else value:
                digest.update(hashlib.sha256(encoded).digest())
        rest = {k: _plain(v) for k, v in record.items() if k not in images}
        clips.append({**rest, "row": row, "content": digest.hexdigest()[:32]})
        progress(f"indexing {name}", len(clips), len(source))
    return sorted(clips, key=lambda clip: clip["key"])


def _skip_images(builder) -> dict[str, Any]:
    """Returns TFDS decoders that leave every image of a record encoded."""
    import tensorflow_datasets as tfds

    class Encoded(tfds.decode.SkipDecoding):
        def decode_batch_example_np(self, images):  # which tfds 4.9.10 lacks
            return images

    def holds_images(feature) -> bool:
        inner = getattr(feature, "feature", feature)
        return isinstance(inner, tfds.features.Image)

    features = builder.info.features
    images = [name for name in features if holds_images(features[name])]
    return {name: Encoded() for name in images}


def _plain(value: Any) -> Any:
    """Returns a decoded feature as JSON has it."""
    if isinstance(value, Mapping):
        return {name: _plain(v) for name, v in value.items()}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    return [_plain(v) for v in value] if isinstance(value, list) else value


def _release_root(name: str, release: str | None) -> Path:
    instructions = builder_class(name).MANUAL_DOWNLOAD_INSTRUCTIONS
    if release is None:
        raise UserError(
            f"corpus {name!r} is not free to redistribute: give its folder.\n"
            f"{instructions}"
        )
    root = Path(release).expanduser().resolve()
    if not root.is_dir():
        raise UserError(f"no folder {root}. Expected a release.\n{instructions}")
    return root


def _listing_hash(root: Path) -> str:
    """Returns 16 hex digits that change when a file comes, goes or is rewritten."""
    digest = hashlib.sha256(str(root).encode())
    for folder, subfolders, files in os.walk(root):
        subfolders.sort()
        for file in sorted(files):
            path = os.path.join(folder, file)
            with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                stat = os.lstat(path)
                digest.update(f"{path}|{stat.st_size}|{stat.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]
