"""Predictions of clips from a CSV file, whoever's code wrote it, as `Results`.

One row per clip, and per seed where the column "seed" is there: who is filmed, the true
class, the predicted one. Such a file tells neither how the epoch was chosen nor what
the nets were trained on: whoever prints its scores says so. The predictions of a report
are such files, too.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mer_jax.errors import UserError
from mer_jax.metrics import _table
from mer_jax.metrics.results import ALL, Results

REQUIRED = ("corpus", "subject", "clip", "label", "prediction")
SEED = "seed"
STAMPS = ("stamp", "warning")  # columns in which a report says what its scores are not
MOST_CLASSES = 64  # a column of more holds something else
_DIGITS = 18  # of a number, at most: a seed is an int64


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a file of predictions says.

    Attributes:
      results: of one epoch. Classes are all that are true or predicted, in order of
        their numbers or names; logits are 1 for the predicted class and 0 for others;
        every person is a fold; priors are how frequent the classes are in the file.
      never_true: class that is predicted and never true -> in how many rows.
      stamps: different texts in the columns `STAMPS`.
    """

    results: Results
    never_true: Mapping[str, int]
    stamps: Sequence[str]


class _Line(NamedTuple):
    place: str  # 'file, row 17'
    corpus: str
    subject: str
    clip: str
    label: str
    prediction: str
    seed: int

    @property
    def key(self) -> str:
        return f"{self.corpus}/{self.subject}/{self.clip}"


def read_predictions(path: Path) -> Predictions:
    """Reads a CSV file with the columns `REQUIRED`, in any order.

    The column "seed" is read, too, and other columns are let be. Cells are texts:
    classes may be names or numbers. A predicted class that is never true is a miss.

    Raises:
      UserError: with file and row, if the file is no such table, a cell is empty, a
        clip is there twice in a seed, seeds differ in clips or labels, one class only
        is true, a class is spelled in two ways, or there are more than `MOST_CLASSES`.
    """
    rows = list(_table.rows(path, REQUIRED, (*REQUIRED, SEED, *STAMPS)))
    lines = [_line(place, cells) for place, cells in rows]
    seeds: dict[int, dict[str, _Line]] = {}
    for line in lines:
        _add(seeds.setdefault(line.seed, {}), line)
    first = _same_clips(path, seeds)
    never_true = _never_true(lines)
    classes = _in_order({line.label for line in lines} | set(never_true))
    if len(classes) > MOST_CLASSES:
        raise UserError(
            f"{path}: {len(classes)} classes, {', '.join(classes[:5])}, ...; expected "
            f"at most {MOST_CLASSES}. Do the columns 'label' and 'prediction' hold "
            "classes?"
        )
    labels = np.array([classes.index(line.label) for line in first.values()])
    predictions = [
        [classes.index(own[key].prediction) for key in first]
        for _, own in sorted(seeds.items())
    ]
    counts = np.bincount(labels, minlength=len(classes))
    subjects = [f"{line.corpus}/{line.subject}" for line in first.values()]
    stamps = [cells.get(name, "") for _, cells in rows for name in STAMPS]
    return Predictions(
        results=Results(
            keys=tuple(first),
            corpora=[line.corpus for line in first.values()],
            subjects=subjects,
            labels=labels,
            folds=subjects,
            classes=classes,
            seeds=sorted(seeds),
            epochs=np.array([1]),
            logits=_one_hot(np.array(predictions)[:, None], len(classes)),
            priors=np.tile(counts / counts.sum(), (len(labels), 1)),
            expected_clips=len(labels),
        ),
        never_true=never_true,
        stamps=[text for text in dict.fromkeys(stamps) if text],
    )


def in_classes(results: Results, classes: Sequence[str]) -> Results:
    """Returns results over other classes, with the same predictions.

    Args:
      results: whose logits become 1 for the predicted class and 0 for others.
      classes: the names of all of `results`, in any order, and further ones.
    """
    position = np.array([list(classes).index(name) for name in results.classes])
    priors = np.zeros((len(results.keys), len(classes)))
    priors[:, position] = results.priors
    return replace(
        results,
        labels=position[results.labels],
        classes=classes,
        logits=_one_hot(position[results.predictions], len(classes)),
        priors=priors,
    )


def _one_hot(predictions: np.ndarray, num_classes: int) -> np.ndarray:
    return np.eye(num_classes, dtype=np.float32)[predictions]


def _in_order(classes: Iterable[str]) -> list[str]:
    """Returns numbers by size, where all are, or else names by the alphabet."""
    names = sorted(classes)
    return sorted(names, key=int) if all(map(_is_number, names)) else names


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-")
    return text.isascii() and digits.isdecimal() and len(digits) <= _DIGITS


def _line(place: str, cells: Mapping[str, str]) -> _Line:
    for name in (*REQUIRED, SEED, *STAMPS):
        text = cells.get(name)
        if text == "" and name not in STAMPS:
            raise UserError(f"{place}: no {name}; every row needs one")
        if text is not None and not text.isprintable():
            raise UserError(
                f"{place}: {name} {text!r} has characters that cannot be printed"
            )
    if cells["corpus"] == ALL:
        raise UserError(f"{place}: a corpus cannot be called {ALL!r}; rename it")
    seed = cells.get(SEED, "0")
    if not _is_number(seed):
        raise UserError(f"{place}: seed {seed!r}, expected an integer such as 0")
    return _Line(place=place, seed=int(seed), **{n: cells[n] for n in REQUIRED})


def _add(own: dict[str, _Line], line: _Line) -> None:
    """Adds a row to those of its seed."""
    if (before := own.setdefault(line.key, line)) is not line:
        raise UserError(
            f"{line.place}: clip {line.key!r} is there twice with seed {line.seed}, "
            f"see also {_row(before)}. Keep one row per clip and seed (of several "
            "epochs the last, fixed beforehand), or tell seeds apart in a column 'seed'"
        )


def _row(line: _Line) -> str:
    return line.place.rpartition(", ")[2]


def _same_clips(path: Path, seeds: Mapping[int, dict[str, _Line]]) -> dict[str, _Line]:
    """Returns the rows of the first seed by clip, after a look at the others'."""
    if not seeds:
        raise UserError(f"{path} has no rows below its header; expected one per clip")
    number, *others = sorted(seeds)
    first = seeds[number]
    for seed in others:
        own = seeds[seed]
        for a, b, here, there in (
            (first, own, number, seed),
            (own, first, seed, number),
        ):
            if lost := [line for key, line in a.items() if key not in b]:
                raise UserError(
                    f"{lost[0].place}: seed {there} lacks {len(lost)} of the "
                    f"{len(a)} clips of seed {here}, such as {lost[0].key!r}. Every "
                    "seed needs the same clips"
                )
        for key, line in own.items():
            if line.label != first[key].label:
                raise UserError(
                    f"{line.place}: clip {key!r} has label {line.label!r}, and "
                    f"{first[key].label!r} with seed {number} ({_row(first[key])}). A "
                    "clip has one true class"
                )
    return first


def _never_true(lines: Sequence[_Line]) -> dict[str, int]:
    """Returns classes that are predicted and never true, and how often they are."""
    true = {line.label for line in lines}
    place, label = lines[0].place, lines[0].label
    if len(true) < 2:
        raise UserError(
            f"{place}: every label is {label!r}; scores need two true classes or more"
        )
    spelled: dict[str, str] = {}
    for line in lines:
        for name in (line.label, line.prediction):
            if (before := spelled.setdefault(name.casefold(), name)) != name:
                raise UserError(
                    f"{line.place}: class {name!r} is {before!r} above; spell a class "
                    "in one way"
                )
    counts = Counter(x.prediction for x in lines if x.prediction not in true)
    if counts.total() == len(lines):
        raise UserError(
            f"{place}: prediction {lines[0].prediction!r}, and every other, is none of "
            f"the labels, {', '.join(_in_order(true))}. Name classes alike in both "
            "columns"
        )
    return dict(counts)
