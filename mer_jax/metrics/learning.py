"""How the score of the clips held out moves from stored epoch to stored epoch.

A picture of training, with a band that says how far to trust it. Only its last epoch,
fixed beforehand, is a result: the best of the others is what selecting would print.
"""

from typing import NamedTuple

import numpy as np

from mer_jax.metrics.bootstrap import (
    confusion_by_subject,
    percentile_interval,
    pooled_resamples,
)
from mer_jax.metrics.results import ALL, Results
from mer_jax.metrics.scores import confusion, uf1

_CELLS = 2**22  # resampled counts held at once, 32 MB


class Learning(NamedTuple):
    """UF1 of the pooled predictions of all folds, at every stored epoch.

    Attributes:
      epochs: int64[E], counted from 1; the last is the end of training.
      mean: float64[E], over seeds.
      low, high: float64[E], the least and the greatest of several seeds; of one, the
        ends of an interval over subjects, NaN where there is one subject.
      seeds: how many there are.
      level: nominal coverage of that interval, at each epoch by itself; None where the
        band is of seeds.
    """

    epochs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    seeds: int
    level: float | None


def learning(
    results: Results, *, level: float = 0.95, resamples: int = 10_000, seed: int = 0
) -> Learning:
    """Returns UF1 at every stored epoch, with a band.

    Args:
      results: of an experiment.
      level: of the interval over subjects.
      resamples: of subjects. Every epoch gets the same ones, those that the interval
        of the result is from: at the last epoch the two are the same.
      seed: of the draws.
    """
    counted = confusion(results.labels, results.predictions, len(results.classes))
    per_seed = uf1(counted)  # [S, E]
    several = len(results.seeds) > 1
    if several:
        low, high = per_seed.min(axis=0), per_seed.max(axis=0)
    else:
        low, high = _over_subjects(results, level, resamples, seed)
    return Learning(
        epochs=results.epochs,
        mean=per_seed.mean(axis=0),
        low=low,
        high=high,
        seeds=len(results.seeds),
        level=None if several else level,
    )


def _over_subjects(
    results: Results, level: float, resamples: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns low and high, float64[E], of the first seed."""
    everything = results.subsets[ALL]
    by_subject = confusion_by_subject(results, everything, results.predictions[0])
    epochs, subjects, k, _ = by_subject.shape
    at_once = max(1, _CELLS // (resamples * k * k))
    ends = []
    for start in range(0, epochs, at_once):
        part = by_subject[start : start + at_once]
        scores = uf1(pooled_resamples(part, resamples=resamples, seed=seed))  # [R, E']
        ends += [
            percentile_interval(own, level=level, subjects=subjects) for own in scores.T
        ]
    return np.array([x.low for x in ends]), np.array([x.high for x in ends])
