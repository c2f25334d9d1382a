"""How much better one row of a table is than another, on the same clips.

Two rows that score the same people share most of what makes their scores uncertain:
a hard subject is hard for both. Their two intervals may therefore overlap although
one row is reliably the better one. What is resampled here is the difference: every
resample draws subjects once and scores both rows on them, as `bootstrap` scores one
row. What is said there of seeds, folds and lost classes holds here, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_jax.metrics.bootstrap import (
    Interval,
    confusion_by_subject,
    percentile_interval,
    pooled_resamples,
)
from mer_jax.metrics.results import ALL, Results
from mer_jax.metrics.scores import accuracy, uar, uf1

DECIMALS = 12  # of a difference: rounding is far below, one clip more far above


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One score of a row minus that of another, in [-1, 1].

    Attributes:
      value: positive if the second row is above the first.
      interval: of the value over subjects.
    """

    value: float
    interval: Interval

    @property
    def distinguishable(self) -> bool:
        """Whether there is an interval and it excludes 0."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True, kw_only=True)
class Differences:
    """Differences of the three scores.

    Attributes:
      uf1, uar, accuracy: of the last epoch, mean over seeds.
      level: nominal coverage of the intervals.
      resamples: how many.
    """

    uf1: Difference
    uar: Difference
    accuracy: Difference
    level: float
    resamples: int


def paired_differences(
    a: Results,
    b: Results,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Differences:
    """Subject-clustered percentile bootstrap of what `b` scores above `a`.

    Args:
      a: the row to compare with.
      b: the row to compare; of the same clips, in any order, with any seeds.
      level: nominal coverage.
      resamples: R; each draws the same subjects for both rows.
      seed: of the draws.

    Returns:
      b - a; exactly the negative of a - b.

    Raises:
      ValueError: if the two do not hold the same clips, labels, subjects or classes.
    """
    check_same_clips(a, b)
    both = np.concatenate([last_confusions(r) for r in (a, b)])  # [Sa + Sb, G, K, K]
    pooled = pooled_resamples(both, resamples=resamples, seed=seed)
    seeds, subjects = len(a.seeds), both.shape[1]

    def gap(scores: np.ndarray) -> np.ndarray:
        return scores[..., seeds:].mean(axis=-1) - scores[..., :seeds].mean(axis=-1)

    def difference(score: Callable[[np.ndarray], np.ndarray]) -> Difference:
        resampled = gap(score(pooled)).round(DECIMALS)
        return Difference(
            value=float(gap(score(both.sum(axis=1)))),
            interval=percentile_interval(resampled, level=level, subjects=subjects),
        )

    return Differences(
        uf1=difference(uf1),
        uar=difference(uar),
        accuracy=difference(accuracy),
        level=level,
        resamples=resamples,
    )


def last_confusions(results: Results) -> np.ndarray:
    """Returns int64 [S, G, K, K], of each subject at the last epoch."""
    everything = results.subsets[ALL]
    return confusion_by_subject(results, everything, results.predictions[:, -1])


def check_same_clips(a: Results, b: Results) -> None:
    """Raises ValueError unless clips, their labels and subjects, and classes agree."""
    if a.classes != b.classes:
        raise ValueError(f"classes differ: {a.classes} and {b.classes}")
    if different := sorted(set(a.keys) ^ set(b.keys)):
        first = len(set(a.keys) - set(b.keys))
        raise ValueError(
            f"clips differ: {first} of the first are not in the second, "
            f"{len(different) - first} of the second are not in the first, "
            f"such as {different[0]!r}"
        )
    _check_same("label", _by_key(a, _true_classes(a)), _by_key(b, _true_classes(b)))
    _check_same("subject", _by_key(a, a.subjects), _by_key(b, b.subjects))


def _true_classes(results: Results) -> list[str]:
    return [results.classes[label] for label in results.labels]


def _by_key(results: Results, values: Sequence[str]) -> dict[str, str]:
    return dict(zip(results.keys, values, strict=True))


def _check_same(what: str, a: Mapping[str, str], b: Mapping[str, str]) -> None:
    if different := sorted(key for key in a if a[key] != b[key]):
        key = different[0]
        raise ValueError(
            f"{what}s differ at {len(different)} of {len(a)} clips, such as {key!r}: "
            f"{a[key]!r} in the first, {b[key]!r} in the second"
        )
