"""Intervals over subjects.

Clips of one face are not independent, so subjects are resampled, with replacement,
and each brings all of its clips. The interval answers "what if other people of this
kind had been recorded?" for the trained seeds as they are: scores are averaged over
seeds inside each resample. The spread over seeds is another question, printed apart.
Folds are not retrained, so the dependence between folds through their shared
training clips is not in the interval: read it as a lower bound of the uncertainty.

A small corpus may lose a class in a resample. The resample is then scored by the
statistic that scores everything else here (`scores`): the mean over the classes it
holds. Redrawing until every class is there would condition on luck and narrow the
interval; calling the missing class 0 or 1 would shift it. `Intervals.lacking` says
how often it happened.
"""

from dataclasses import dataclass

import numpy as np

from mer_jax.metrics._random import generator
from mer_jax.metrics.results import Results
from mer_jax.metrics.scores import accuracy, confusion_by_group, uar, uf1


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Ends of a percentile interval; NaN when there is one subject only."""

    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """Percentile intervals of the three scores.

    Attributes:
      uf1, uar, accuracy: the intervals.
      level: their nominal coverage.
      resamples: how many.
      lacking: share of the resamples that lack a class the whole set has.
    """

    uf1: Interval
    uar: Interval
    accuracy: Interval
    level: float
    resamples: int
    lacking: float


def subject_intervals(
    confusions: np.ndarray,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Intervals:
    """Subject-clustered percentile bootstrap of UF1, UAR and accuracy.

    Args:
      confusions: int [S, G, K, K], one matrix per seed and subject. The order of
        the subjects matters to the draws: sort them by name.
      level: nominal coverage.
      resamples: R.
      seed: of the draws.

    Returns:
      The intervals of the mean over seeds.
    """
    pooled = pooled_resamples(confusions, resamples=resamples, seed=seed)
    subjects = confusions.shape[1]

    def interval(score) -> Interval:
        values = score(pooled).mean(axis=1)
        return percentile_interval(values, level=level, subjects=subjects)

    held = pooled[:, 0].sum(axis=-1) > 0  # [R, K]; true classes, the same in all seeds
    lacks = (held.sum(axis=-1) < held.any(axis=0).sum()).mean()
    return Intervals(
        uf1=interval(uf1),
        uar=interval(uar),
        accuracy=interval(accuracy),
        level=level,
        resamples=resamples,
        lacking=float(lacks),
    )


def confusion_by_subject(
    results: Results, where: np.ndarray, predictions: np.ndarray
) -> np.ndarray:
    """Counts true class against predicted class of each subject.

    Args:
      results: whose labels and subjects.
      where: bool [N], the M clips to count.
      predictions: int [S, M], of these clips.

    Returns:
      int64 [S, G, K, K], subjects in order of their names, rows are true classes.
    """
    names, subject = np.unique(np.array(results.subjects)[where], return_inverse=True)
    return confusion_by_group(
        results.labels[where], predictions, subject, len(names), len(results.classes)
    )


def pooled_resamples(
    confusions: np.ndarray, *, resamples: int, seed: int
) -> np.ndarray:
    """Draws subjects and adds up their confusion matrices.

    Args:
      confusions: int [S, G, K, K]. Every one of the S gets the same subjects.
      resamples: R.
      seed: of the draws, which depend on nothing else but G and R.

    Returns:
      float64 [R, S, K, K], whole numbers.
    """
    s, g, k, _ = confusions.shape
    draws = generator("bootstrap", seed)
    times = draws.multinomial(g, np.full(g, 1 / g), size=resamples)  # [R, G]
    by_subject = np.moveaxis(confusions, 1, 0).reshape(g, s * k * k)
    # Floats, as BLAS has no integer product; counts are far below 2**53: exact.
    pooled = times.astype(np.float64) @ by_subject.astype(np.float64)
    return pooled.reshape(resamples, s, k, k)


def percentile_interval(values: np.ndarray, *, level: float, subjects: int) -> Interval:
    """Returns the ends of the middle `level` of resampled values [R].

    The ends of the negated values are exactly the negated ends.
    """
    if subjects < 2:
        return Interval(low=float("nan"), high=float("nan"))
    tail = (1 - level) / 2
    low, high = np.quantile(values, tail), 0.0 - np.quantile(-values, tail)
    return Interval(low=float(low), high=float(high))
