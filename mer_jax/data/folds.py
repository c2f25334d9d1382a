"""Divisions of a corpus: which clips train and which test."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from mer_jax import rng
from mer_jax.data.corpus import Corpus
from mer_jax.errors import UserError

Division = Literal["loso", "5fold", "10fold", "10fold-few", "corpus", "5fold-leaky"]
FOLDS = 5


@dataclasses.dataclass(frozen=True)
class Fold:
    """One division of a corpus.

    Attributes:
      name: what is held out, e.g. "casme2/sub01".
      train: int[n] clip positions, ascending.
      test: int[m] clip positions, ascending, disjoint from `train`.
      pools: name of a pool -> int[p] positions of what trains of it (`pools.py`).
      inside: of an inner fold, the fold whose training clips it divides (`inner.py`).
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    pools: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    inside: str = ""

    def clips(self, pool: str = "") -> np.ndarray:
        """Returns the positions of what trains of a pool, '' being the sample."""
        return self.pools[pool] if pool else self.train


def leave_one_subject_out(corpus: Corpus) -> tuple[Fold, ...]:
    """Returns one fold per subject, subjects told apart by (corpus, subject).

    SMIC's s06, CASME II's sub06 and SAMM's 006 are three people.

    Raises:
      UserError: for fewer than two subjects.
    """
    return _by_group(corpus, corpus.subjects, "leave-one-subject-out", "subjects")


def leave_one_corpus_out(corpus: Corpus) -> tuple[Fold, ...]:
    """Returns one fold per corpus.

    Raises:
      UserError: for fewer than two corpora.
    """
    return _by_group(corpus, corpus.corpora, "leave-one-corpus-out", "corpora")


def subject_folds(corpus: Corpus, count: int = FOLDS) -> tuple[Fold, ...]:
    """Returns folds of about as many clips; no subject is in two of them.

    The subject with the most clips left goes to the fold with the fewest, ties by
    name: nothing random.

    Args:
      corpus: what is divided.
      count: of the folds.

    Raises:
      UserError: for fewer subjects than folds.
    """
    sizes = {s: corpus.subjects.count(s) for s in sorted(set(corpus.subjects))}
    if len(sizes) < count:
        raise UserError(
            f"{count} folds by subject need {count} subjects; {corpus.name} has "
            f"{len(sizes)}"
        )
    filled, fold_of = [0] * count, {}
    for subject in sorted(sizes, key=lambda s: (-sizes[s], s)):
        emptiest = filled.index(min(filled))
        fold_of[subject] = emptiest
        filled[emptiest] += sizes[subject]
    groups = [_fold_name(fold_of[s], count) for s in corpus.subjects]
    return _by_group(corpus, groups, "subject-disjoint folds", "folds")


def few_train_folds(corpus: Corpus) -> tuple[Fold, ...]:
    """Returns the ten of `subject_folds`, each trained on two others instead of nine.

    The two are those that follow it, the first after the last: what a method makes of
    few people, tested on all.

    Raises:
      UserError: for fewer than ten subjects.
    """
    ten = subject_folds(corpus, 10)
    following = lambda i: (ten[(i + 1) % 10].test, ten[(i + 2) % 10].test)
    return tuple(
        dataclasses.replace(fold, train=np.sort(np.concatenate(following(i))))
        for i, fold in enumerate(ten)
    )


def stratified_folds(corpus: Corpus) -> tuple[Fold, ...]:
    """Returns five folds of clips, each class spread evenly; subjects leak.

    Raises:
      UserError: for fewer than five clips.
    """
    groups = [""] * len(corpus.keys)
    dealt = 0
    for label in np.unique(corpus.labels):
        clips = np.flatnonzero(corpus.labels == label)
        shuffled = rng.generator("stratified folds", int(label)).permutation(clips)
        for clip in shuffled:  # dealt on where the last class stopped
            groups[clip] = _fold_name(dealt % FOLDS, FOLDS)
            dealt += 1
    if dealt < FOLDS:
        raise UserError(f"{FOLDS} folds need {FOLDS} clips; {corpus.name} has {dealt}")
    return _by_group(corpus, groups, "stratified folds", "folds")


class DivisionRule(NamedTuple):
    """How a division is made, and why its scores would be no result ('' if sound)."""

    divide: Callable[[Corpus], tuple[Fold, ...]]
    leak: str = ""


DIVISIONS: Mapping[Division, DivisionRule] = {
    "loso": DivisionRule(leave_one_subject_out),
    "5fold": DivisionRule(subject_folds),
    "10fold": DivisionRule(functools.partial(subject_folds, count=10)),
    "10fold-few": DivisionRule(few_train_folds),
    "corpus": DivisionRule(leave_one_corpus_out),
    "5fold-leaky": DivisionRule(
        stratified_folds, "LEAKY: clips of one subject both train and test"
    ),
}


def _fold_name(number: int, count: int) -> str:
    return f"fold {number + 1:0{len(str(count))}} of {count}"  # sorted by number


def _by_group(corpus, groups: Sequence[str], what: str, unit: str) -> tuple[Fold, ...]:
    held, names = np.array(groups), sorted(set(groups))
    if len(names) < 2:
        raise UserError(
            f"{what} needs two {unit} or more; {corpus.name} has {len(names)}: "
            f"{', '.join(names)}"
        )
    return tuple(
        Fold(name, np.flatnonzero(held != name), np.flatnonzero(held == name))
        for name in names
    )


def others_clips(other: Corpus, corpus: Corpus, fold: Fold) -> np.ndarray:
    """Returns the clips of a second corpus that may train in a fold of the first.

    A person who is held out leaves training altogether: macro-expressions of MMEW and
    CAS(ME)^3 show the people of their micro-expressions.

    Args:
      other: another source of training clips, e.g. macro-expressions.
      corpus: what is divided.
      fold: of `corpus`.

    Returns:
      int[n] positions in `other`, ascending.
    """
    held_out = {corpus.subjects[i] for i in fold.test}
    stays = [subject not in held_out for subject in other.subjects]
    return np.flatnonzero(stays)


def sample_hash(corpus: Corpus, folds: Sequence[Fold]) -> str:
    """Returns 16 hex digits of the clips, labels and division.

    Two results may be compared where this agrees.
    """
    keys = np.array(corpus.keys)
    division: dict[str, object] = {
        "classes": list(corpus.classes),
        "clips": [[k, int(y)] for k, y in zip(keys, corpus.labels, strict=True)],
        "folds": {f.name: keys[f.test].tolist() for f in folds},
    }
    # Usually all that is not tested trains, and need not be told.
    if any(len(f.train) + len(f.test) < len(keys) for f in folds):
        division["train"] = {f.name: keys[f.train].tolist() for f in folds}
    text = json.dumps(division, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
