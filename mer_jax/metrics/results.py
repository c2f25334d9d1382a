"""What an experiment measured: the logits of every held-out clip, joined by key."""

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALL = "all"  # name of the subset that is the whole protocol


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """Logits of every clip from the runs that did not train on its subject.

    S seeds, E stored epochs, N clips, K classes. The order of the clips is free and
    changes no score: everything that draws random numbers sorts by name first.

    Attributes:
      keys: [N] 'corpus/subject/clip', unique.
      corpora: [N] corpus of each clip.
      subjects: [N] 'corpus/subject': SMIC's 6 and SAMM's 6 are two people.
      labels: int [N], true class.
      folds: [N] name of the fold that held the clip out.
      classes: [K] names, the set fixed by the protocol.
      seeds: [S].
      epochs: int [E], stored epochs counted from 1, ascending; the last one is the
        end of training.
      logits: float32 [S, E, N, K].
      priors: float [N, K], class frequencies among the training clips of the fold
        that held the clip out. Only the random classifier uses them.
      expected_clips: clips of the protocol; more than N while runs are missing.
      expected_folds: folds of the protocol, None to go by the clips alone.
      expected_seeds: how many seeds were to be trained, None for those that are here.
      leaky: whether one subject may be held out by several folds, and so both train
        and test; whoever prints such scores says so.
      inner_epochs: int [S, F], the stored epoch that inner validation chose for each
        seed and fold, folds in order of their names; None without it.
    """

    keys: Sequence[str]
    corpora: Sequence[str]
    subjects: Sequence[str]
    labels: np.ndarray
    folds: Sequence[str]
    classes: Sequence[str]
    seeds: Sequence[int]
    epochs: np.ndarray
    logits: np.ndarray
    priors: np.ndarray
    expected_clips: int
    expected_folds: int | None = None
    expected_seeds: int | None = None
    leaky: bool = False
    inner_epochs: np.ndarray | None = None

    def __post_init__(self):
        for name in ("keys", "corpora", "subjects", "folds", "classes"):
            object.__setattr__(self, name, tuple(map(str, getattr(self, name))))
        object.__setattr__(self, "seeds", tuple(map(int, self.seeds)))
        object.__setattr__(self, "labels", _integers("labels", self.labels))
        object.__setattr__(self, "epochs", _integers("epochs", self.epochs))
        object.__setattr__(self, "logits", _read_only(self.logits, np.float32))
        object.__setattr__(self, "priors", _read_only(self.priors, np.float64))
        if self.inner_epochs is not None:
            inner = _integers("inner_epochs", self.inner_epochs)
            object.__setattr__(self, "inner_epochs", inner)
        _check_shapes(self)
        _check_names(self)
        _check_values(self)

    @property
    def complete(self) -> bool:
        """True if every clip (and fold) of the protocol was scored, with every seed."""
        missing_folds = self.expected_folds not in (None, len(set(self.folds)))
        missing_seeds = self.expected_seeds not in (None, len(self.seeds))
        all_clips = len(self.keys) == self.expected_clips
        return all_clips and not missing_folds and not missing_seeds

    @functools.cached_property
    def predictions(self) -> np.ndarray:
        """Int [S, E, N], the class with the largest logit (the first of equals)."""
        return self.logits.argmax(axis=-1)

    @property
    def inner_positions(self) -> np.ndarray | None:
        """Int [S, F], `inner_epochs` as positions among the stored epochs."""
        if self.inner_epochs is None:
            return None
        return np.searchsorted(self.epochs, self.inner_epochs)

    @functools.cached_property
    def subsets(self) -> Mapping[str, np.ndarray]:
        """Bool [N] by name: all clips, then each corpus if there are several."""
        corpora = np.array(self.corpora)
        names = sorted(set(self.corpora)) if len(set(self.corpora)) > 1 else []
        everything = {ALL: np.ones(len(corpora), bool)}
        return everything | {name: corpora == name for name in names}


def _integers(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(f"{name} must be integers, got dtype {values.dtype}")
    return _read_only(values, np.int64)


def _read_only(values: np.ndarray, dtype) -> np.ndarray:
    view = np.asarray(values, dtype).view()
    view.flags.writeable = False
    return view


def _check_shapes(r: Results) -> None:
    s, e, n, k = len(r.seeds), len(r.epochs), len(r.keys), len(r.classes)
    if not (s and e and n and k >= 2):
        raise ValueError(
            "results need a seed, a stored epoch, a clip and two classes, "
            f"got {s} seeds, {e} epochs, {n} clips, {k} classes"
        )
    expected = {
        "corpora": (n,),
        "subjects": (n,),
        "labels": (n,),
        "folds": (n,),
        "epochs": (e,),
        "logits": (s, e, n, k),
        "priors": (n, k),
    }
    if r.inner_epochs is not None:
        expected["inner_epochs"] = (s, len(set(r.folds)))
    for name, shape in expected.items():
        if (got := np.shape(getattr(r, name))) != shape:
            raise ValueError(
                f"{name} has shape {got}, expected {shape} "
                f"for {s} seeds, {e} epochs, {n} clips, {k} classes"
            )
    if r.expected_clips < n:
        raise ValueError(f"{n} clips, but only {r.expected_clips} expected")


def _check_names(r: Results) -> None:
    for name in ("keys", "classes", "seeds"):
        if repeated := _repeated(getattr(r, name)):
            raise ValueError(f"{name} holds {repeated[0]!r} more than once")
    if ALL in r.corpora:
        raise ValueError(f"a corpus cannot be called {ALL!r}")
    fold_of: dict[str, str] = {}
    for corpus, subject, key, fold in zip(
        r.corpora, r.subjects, r.keys, r.folds, strict=True
    ):
        if not subject.startswith(f"{corpus}/"):
            raise ValueError(f"subject {subject!r} of {key!r} is not '{corpus}/...'")
        if not key.startswith(f"{subject}/"):
            raise ValueError(f"key {key!r} is not '{subject}/<clip>'")
        if fold_of.setdefault(subject, fold) != fold and not r.leaky:
            raise ValueError(
                f"subject {subject!r} is held out by two folds, {fold_of[subject]!r} "
                f"and {fold!r}: each would train on the other's test clips"
            )
    if r.expected_folds is not None and r.expected_folds < len(set(r.folds)):
        raise ValueError(
            f"{len(set(r.folds))} folds, but only {r.expected_folds} expected"
        )
    if r.expected_seeds is not None and r.expected_seeds < len(r.seeds):
        raise ValueError(f"{len(r.seeds)} seeds, but only {r.expected_seeds} expected")


def _check_values(r: Results) -> None:
    bad = np.flatnonzero((r.labels < 0) | (r.labels >= len(r.classes)))
    if bad.size:
        raise ValueError(
            f"label {r.labels[bad[0]]} of {r.keys[bad[0]]!r} is outside "
            f"0..{len(r.classes) - 1}"
        )
    if r.epochs[0] < 1 or (np.diff(r.epochs) <= 0).any():
        raise ValueError(f"epochs must ascend from 1 or later, got {r.epochs.tolist()}")
    if r.inner_epochs is not None and not np.isin(r.inner_epochs, r.epochs).all():
        raise ValueError(
            f"inner_epochs must be among the stored epochs {r.epochs.tolist()}, got "
            f"{np.unique(r.inner_epochs).tolist()}"
        )
    if not np.isfinite(r.logits).all():
        s, e, n, _ = np.argwhere(~np.isfinite(r.logits))[0]
        raise ValueError(  # argmax would quietly turn NaN into the first NaN's class
            f"logits of {r.keys[n]!r} are not finite (seed {r.seeds[s]}, "
            f"epoch {r.epochs[e]})"
        )
    row_sums_to_one = np.isclose(r.priors.sum(axis=1), 1.0, atol=1e-5)
    bad = np.flatnonzero(~row_sums_to_one | (r.priors < 0).any(axis=1))
    if bad.size:
        raise ValueError(
            f"priors of {r.keys[bad[0]]!r} are no distribution: "
            f"{r.priors[bad[0]].tolist()}"
        )


def _repeated(values: Iterable) -> list:
    return [value for value, count in Counter(values).items() if count > 1]
