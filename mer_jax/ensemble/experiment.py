"""An experiment, its runs, and the names both are filed under."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from mer_jax import rng
from mer_jax.data.corpora import Data
from mer_jax.data.folds import Fold
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from mer_jax.metrics.published import Published
from mer_jax.train.stage import SystemConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """What an experiment file's `get()` returns.

    Attributes:
      name: of this row, unique in the file.
      system: the system's frozen config.
      protocol: which clips count, as what, and which are held out together.
      data: which clips, and how they become features.
      pools: further clips that some stage of the system trains on.
      seeds: one set of runs each.
      eval_every: epochs between stored test logits; the last epoch is always
        stored. Only it is a result, and the one that inner validation chooses.
      published: numbers the report prints beside ours.
    """

    name: str
    system: SystemConfig
    protocol: Protocol
    data: Data = Data()
    pools: tuple[Pool, ...] = ()
    seeds: tuple[int, ...] = (0,)
    eval_every: int = 1
    published: tuple[Published, ...] = ()

    def __post_init__(self):
        """Checks that seeds make different runs: JAX takes them modulo 2**32."""
        seeds = self.seeds
        if len(set(seeds)) < len(seeds) or not all(0 <= s < 2**32 for s in seeds):
            raise UserError(
                f"{self.name}: seeds must be different integers from 0 to 2**32 - 1, "
                f"got {seeds}"
            )


def plain(config: Any) -> Any:
    """Returns a config as JSON values, class names included.

    A field with `metadata={"file": True}` names a file, or none: it counts as the
    first 16 hex digits of the file's SHA-256, wherever it lies.

    Raises:
      UserError: if there is no such file.
    """
    if dataclasses.is_dataclass(config):
        fields = {f.name: _field(config, f) for f in dataclasses.fields(config)}
        return {"": type(config).__qualname__, **fields}
    if isinstance(config, Mapping):
        return {str(k): plain(v) for k, v in config.items()}
    if isinstance(config, Sequence) and not isinstance(config, str):
        return [plain(v) for v in config]
    return config


def _field(config: Any, field: dataclasses.Field) -> Any:
    value = getattr(config, field.name)
    if value is None or not field.metadata.get("file"):
        return plain(value)
    path = Path(value).expanduser()
    try:
        status = path.stat()
        return _digest(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise UserError(
            f"{type(config).__name__}.{field.name}: cannot read {path} "
            f"({error.strerror}). Expected a file, or none"
        ) from error


@functools.cache
def _digest(path: Path, mtime_ns: int, size: int) -> str:
    """Returns 16 hex digits of a file's content, read again if it has changed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def settings(experiment: Experiment) -> dict[str, Any]:
    """Returns the fields that decide the experiment's numbers, as JSON values.

    Seeds only add runs, published numbers are only printed, and clips and files are
    known by their content, not by where they lie.
    """
    fields = plain(experiment)
    del fields["seeds"], fields["published"]
    for part in (fields, *fields["pools"]):
        del part["data"]["release"], part["data"]["landmarker"]
        if part["protocol"] is not None:
            del part["protocol"]["partial"]
            part["protocol"]["name"] = Path(part["protocol"]["name"]).stem
    return fields


def fingerprint(*values: Any) -> str:
    """Returns 16 hex digits that change when, and only when, a value changes."""
    text = json.dumps([plain(v) for v in values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def run_id(settings: Mapping[str, Any], content: str, fold: str, seed: int) -> str:
    """Returns `Run.id` of what a manifest tells of a run."""
    return fingerprint(settings, content, fold, seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training from scratch: one experiment row, one fold, one seed."""

    experiment: Experiment
    fold: Fold
    seed: int
    content: str  # `Corpus.content_hash`

    @property
    def id(self) -> str:
        """16 hex digits naming the run's file."""
        return run_id(
            settings(self.experiment), self.content, self.fold.name, self.seed
        )

    @property
    def key(self) -> jax.Array:
        """The key[] that all randomness of the run is folded from."""
        return rng.run_key(
            seed=self.seed,
            protocol=self.experiment.protocol.title,
            fold=self.fold.name,
        )

    def __str__(self):
        """Returns "row, fold, seed" for messages."""
        return f"{self.experiment.name}, fold {self.fold.name}, seed {self.seed}"


def runs_of(
    experiment: Experiment, folds: Sequence[Fold], content: str
) -> tuple[Run, ...]:
    """Returns every run of an experiment, fold-major."""
    return tuple(
        Run(experiment=experiment, fold=fold, seed=seed, content=content)
        for fold in folds
        for seed in experiment.seeds
    )
