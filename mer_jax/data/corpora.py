"""From a prepared TFDS corpus to arrays: build once, read with grain, derive.

`tensorflow_datasets`, `grain` and the builders are imported when called, so the
engine and the systems work where they are not installed.
"""

import contextlib
import dataclasses
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mer_jax.data.corpus import Corpus, concatenate
from mer_jax.errors import UserError
from mer_jax.files import cannot_write, disk_is_full
from mer_jax.preprocess.cache import cached, content_hash
from mer_jax.preprocess.flow import Method, flow_of_clips, flow_recipe

Progress = Callable[[str, int, int], None]  # (what, done, total)
Features = Mapping[str, jax.ShapeDtypeStruct]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data:
    """Which clips an experiment uses, and how images become features.

    Attributes:
      corpora: "name" or "name/config" of builders in `datasets_tfds`. The default
        needs no licence and is synthetic.
      release: folder of the corpus on disk, for those that need one.
      flow: optical-flow method, where a corpus stores frames.
      flow_limit: displacement drawn as full scale, in pixels of the frame; 3 suits
        faces of 128 pixels.
    """

    corpora: tuple[str, ...] = ("synthetic/demo",)
    release: str | None = None
    flow: Method = "dis"
    flow_limit: float = 3.0


SMOKE = Data(corpora=("synthetic/tiny",))  # a few small clips, for a trial run


def cache_directory() -> Path:
    """Returns $MER_CACHE, or ~/.cache/mer_jax."""
    return Path(os.environ.get("MER_CACHE") or Path.home() / ".cache" / "mer_jax")


def load(
    data: Data, features: Features, *, cache: Path, progress: Progress | None = None
) -> Corpus:
    """Returns the composite of `data.corpora` with exactly `features`.

    Args:
      data: what to load.
      features: name -> shape and dtype of one clip, from `System.features`.
      cache: prepared corpora and derived arrays are kept here.
      progress: told what is being done.

    Raises:
      UserError: for an unknown corpus, a missing release, or a feature that the
        corpus cannot give.
      ReleaseError: from a builder, for a release it cannot package.
    """
    progress = progress or (lambda what, done, total: None)
    return concatenate(
        [_load_one(name, data, features, cache, progress) for name in data.corpora]
    )


def _load_one(name, data: Data, features: Features, cache: Path, progress) -> Corpus:
    builder = prepare(name, data.release, cache=cache, progress=progress)
    records = _read(builder, progress)
    classes = tuple(builder.info.features["label"].names)
    keys = [r["key"] for r in records]
    arrays = {
        feature: _feature(feature, spec, records, name, data, cache, progress)
        for feature, spec in features.items()
    }
    return Corpus(
        name=name,
        keys=tuple(keys),
        labels=np.array([r["label"] for r in records], np.int32),
        classes=classes,
        features=arrays,
        synthetic=np.array([r["synthetic"] for r in records], bool),
    )


def prepare(name: str, release: str | None, *, cache: Path, progress: Progress) -> Any:
    """Returns the TFDS builder of a corpus, its records written if need be."""
    corpus, _, config = name.partition("/")
    module = f"datasets_tfds.{corpus}.{corpus}_dataset_builder"
    try:
        builder_class = importlib.import_module(module).Builder
    except ModuleNotFoundError as error:
        if error.name not in (f"datasets_tfds.{corpus}", module):
            raise
        raise UserError(
            f"data.corpora: no corpus {corpus!r}; there are: {', '.join(names())}"
        ) from None
    import tensorflow_datasets as tfds

    configs = [c.name for c in builder_class.BUILDER_CONFIGS]
    if config and config not in configs:
        raise UserError(
            f"data.corpora: {corpus!r} has no config {config!r}; it has: {configs}"
        )
    directory = cache / "tfds"
    manual = {}
    if builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS:
        root = _release_root(corpus, release, builder_class)
        # Another release, or a changed one, is another packaging.
        directory = directory / f"release-{_listing_hash(root)}"
        manual = {"manual_dir": root}
    builder = builder_class(
        config=config or None, data_dir=directory, file_format="array_record"
    )
    if not builder.is_prepared():
        progress(f"preparing {name}, once", 0, 1)
        if not sys.stderr.isatty():
            tfds.disable_progress_bar()
        config = tfds.download.DownloadConfig(**manual)
        try:
            with contextlib.redirect_stdout(sys.stderr):  # stdout is for results
                builder.download_and_prepare(download_config=config)
        except (OSError, RuntimeError) as error:  # array_record raises the latter
            if not disk_is_full(error):
                raise
            raise cannot_write(directory, error) from error
    return builder


def names() -> list[str]:
    """Returns the corpora that have a builder."""
    import pkgutil

    import datasets_tfds

    return [m.name for m in pkgutil.iter_modules(datasets_tfds.__path__) if m.ispkg]


def _release_root(corpus: str, release: str | None, builder_class) -> Path:
    if release is None:
        raise UserError(
            f"corpus {corpus!r} is not free to redistribute: give its folder with "
            f"--set data.release=DIR.\n{builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS}\n"
            "To see the whole path without it, leave data.corpora at its default"
        )
    root = Path(release).expanduser().resolve()
    if not root.is_dir():
        raise UserError(
            f"data.release: no folder {root}. Expected the release of {corpus!r}.\n"
            f"{builder_class.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
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


def _read(builder, progress: Progress) -> list[dict[str, Any]]:
    """Returns the records by key; TFDS stores them in the order of a hash."""
    import grain

    source = builder.as_data_source("clips")
    records = []
    for record in grain.MapDataset.source(source):
        text = {k: v.decode() for k, v in record.items() if isinstance(v, bytes)}
        records.append({**record, **text})
        progress(f"reading {builder.name}", len(records), len(source))
    return sorted(records, key=lambda r: r["key"])


def _feature(
    feature: str,
    spec: jax.ShapeDtypeStruct,
    records: Sequence[Mapping[str, Any]],
    name: str,
    data: Data,
    cache: Path,
    progress: Progress,
) -> np.ndarray:
    """Returns [N, *spec.shape], stored by the corpus or derived from its frames."""
    if feature in records[0]:
        array = np.stack([r[feature] for r in records])
    elif feature == "flow" and "frames" in records[0]:
        array = _flow(spec.shape[0], records, name, data, cache, progress)
    else:
        raise UserError(
            f"corpus {name!r} cannot give {feature!r}; it stores {sorted(records[0])}"
        )
    if array.shape[1:] != spec.shape or array.dtype != spec.dtype:
        raise UserError(
            f"corpus {name!r} gives {feature!r} as {array.dtype}{array.shape[1:]}, the "
            f"system reads {spec.dtype}{spec.shape}: change system.size or the corpus"
        )
    return array


def _flow(size: int, records, name: str, data: Data, cache: Path, progress: Progress):
    onset = np.stack([r["frames"][r["onset_index"]] for r in records])
    apex = np.stack([r["frames"][r["apex_index"]] for r in records])
    recipe: dict[str, Any] = {
        "size": size,
        "method": data.flow,
        "limit": data.flow_limit,
    }

    def compute():
        told = lambda done, total: progress(f"optical flow of {name}", done, total)
        return {"flow": flow_of_clips(onset, apex, **recipe, progress=told)}

    key = {**flow_recipe(**recipe), "pixels": content_hash(onset, apex)}
    return cached(cache / "flow", name.replace("/", "-"), key, compute)["flow"]
