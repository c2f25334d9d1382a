"""Protocols: which clips count, as which classes, and which are held out together.

Definitions are data, TOML files in `datasets_tfds/protocols`, each with a version
and the counts that were published for it. The format is in the README there.
"""

import csv
import dataclasses
import functools
import hashlib
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import DIVISIONS, Division, Fold
from mer_jax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Part:
    """One corpus of a protocol.

    Attributes:
      corpus: first part of the clips' keys.
      configs: builder configs with the right annotation; any, if empty.
      labels: emotion, in lower case, to class number; others are left out.
      subjects: published number.
      counts: [K] published number of clips of each class, empty if none is.
    """

    corpus: str
    configs: tuple[str, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    subjects: int = 0
    counts: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Definition:
    """What a protocol's file says.

    Attributes:
      name: of the file.
      version: raised with every change of the sample.
      about, source: what it is, and who says so.
      classes: [K] names.
      parts: corpus to part.
      listed: clip key to class number, where the clips are listed one by one.
      any_of: whether an experiment may do without some of the corpora. If not, the
        protocol is all of them together.
      hash: 16 hex digits of all that decides clips and labels.
    """

    name: str
    version: int
    about: str
    source: str
    classes: tuple[str, ...]
    parts: Mapping[str, Part]
    listed: Mapping[str, int] | None
    any_of: bool
    hash: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Protocol:
    """What an experiment is scored on.

    Attributes:
      name: of a definition, `mer data protocols` lists them; or the path of a TOML
        file of your own. Its stem is part of every run's random key.
      division: "loso" leaves one subject out; "5fold" one fifth of the subjects,
        "10fold" a tenth, and "10fold-few" trains on two other tenths alone; "corpus"
        one corpus. "5fold-leaky" divides clips, not subjects: the same face trains and
        tests, for comparison with papers that did so.
      partial: run although a real release has fewer clips than were published; the
        result says so.
    """

    name: str
    division: Division = "loso"
    partial: bool = False

    @property
    def title(self) -> str:
        """The name without a folder."""
        return Path(self.name).stem

    @property
    def leak(self) -> str:
        """Why the scores are no result although nothing was selected, or nothing."""
        return DIVISIONS[self.division].leak

    def definition(self) -> Definition:
        """Returns what the file says.

        Raises:
          UserError: if there is no such file, or it is not as it should be.
        """
        return _read(self.name)

    def folds(self, corpus: Corpus) -> tuple[Fold, ...]:
        """Returns the folds, in order of name.

        Raises:
          UserError: if the corpus cannot be divided so.
        """
        return DIVISIONS[self.division].divide(corpus)


def _folder() -> Traversable:
    return resources.files("datasets_tfds") / "protocols"


def names() -> list[str]:
    """Returns the protocols that are shipped."""
    files = [f.name for f in _folder().iterdir()]
    return sorted(Path(f).stem for f in files if f.endswith(".toml"))


@functools.cache
def _read(name: str) -> Definition:
    own = Path(name).expanduser()
    folder: Traversable = own.parent if own.suffix == ".toml" else _folder()
    file = folder / f"{own.stem}.toml"
    if not file.is_file():
        raise UserError(
            f"protocol.name: no protocol {name!r}; there are: {', '.join(names())}. "
            "One of your own is the path of a .toml file"
        )
    try:
        return _parse(Path(name).stem, tomllib.loads(file.read_text("utf-8")), folder)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, OSError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(
            f"protocol {file} is not as it should be: "
            f"{type(error).__name__}: {error}. The format is in "
            "datasets_tfds/protocols/README.md"
        ) from error


def _parse(name: str, content: dict[str, Any], folder: Traversable) -> Definition:
    classes = tuple(content["classes"])
    corpora = {c: _part(c, part, classes) for c, part in content["corpora"].items()}
    listed = None
    if "listed" in content:
        listed = _listed((folder / content["listed"]).read_text("utf-8"))
    decides = {
        "classes": classes,
        "corpora": {c: dataclasses.asdict(part) for c, part in corpora.items()},
        "listed": listed,
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode())
    return Definition(
        name=name,
        version=int(content["version"]),
        about=content["about"],
        source=content.get("source", ""),
        classes=classes,
        parts=corpora,
        listed=listed,
        any_of=bool(content.get("any_of", False)),
        hash=digest.hexdigest()[:16],
    )


def _part(corpus: str, content: dict[str, Any], classes: tuple[str, ...]) -> Part:
    if unknown := sorted(content.get("labels", {}).keys() - set(classes)):
        raise ValueError(f"{corpus}: labels of {unknown}, which are no classes")
    labels = {
        emotion.lower(): classes.index(wanted)
        for wanted, emotions in content.get("labels", {}).items()
        for emotion in emotions
    }
    counts = tuple(content.get("counts", ()))
    if counts and len(counts) != len(classes):
        raise ValueError(f"{corpus}: {len(counts)} counts for {len(classes)} classes")
    return Part(
        corpus=corpus,
        configs=tuple(content.get("configs", ())),
        labels=labels,
        subjects=content.get("subjects", 0),
        counts=counts,
    )


def _listed(text: str) -> dict[str, int]:
    rows = csv.DictReader(text.splitlines())
    return {f"{r['corpus']}/{r['subject']}/{r['clip']}": int(r["label"]) for r in rows}
