"""Protocols: which clips train and which test, as hashed data."""

import dataclasses
import hashlib
import json
from collections.abc import Sequence

import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Fold:
    """One division of a corpus.

    Attributes:
      name: what is held out, e.g. "casme2/sub01".
      train: int[n] clip positions, ascending.
      test: int[m] clip positions, ascending, disjoint from `train`.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loso:
    """Leave one subject out, subjects told apart by (corpus, subject).

    SMIC's s06, CASME II's sub06 and SAMM's 006 are three people.

    Attributes:
      name: of the protocol; part of every run's random key.
    """

    name: str

    def folds(self, corpus: Corpus) -> tuple[Fold, ...]:
        """Returns one fold per subject, by name.

        Raises:
          UserError: for fewer than two subjects.
        """
        subjects = np.array(corpus.subjects)
        names = sorted(set(corpus.subjects))
        if len(names) < 2:
            raise UserError(
                f"leave-one-subject-out needs two subjects or more; {corpus.name} "
                f"has {len(names)}: {', '.join(names)}"
            )
        return tuple(
            Fold(
                name, np.flatnonzero(subjects != name), np.flatnonzero(subjects == name)
            )
            for name in names
        )


def sample_hash(corpus: Corpus, folds: Sequence[Fold]) -> str:
    """Returns 16 hex digits of the clips, labels and division.

    Two results may be compared where this agrees.
    """
    keys = np.array(corpus.keys)
    division = {
        "classes": list(corpus.classes),
        "clips": [[k, int(y)] for k, y in zip(keys, corpus.labels, strict=True)],
        "folds": {f.name: keys[f.test].tolist() for f in folds},
    }
    return hashlib.sha256(json.dumps(division, sort_keys=True).encode()).hexdigest()[
        :16
    ]
