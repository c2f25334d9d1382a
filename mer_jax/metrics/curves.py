"""Numbers of training, epoch by epoch, over runs. They are of clips that train."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MIDDLE = 0.8  # share of the runs that a curve's band holds


class Curve(NamedTuple):
    """One number over the epochs of a stage.

    Attributes:
      mean, least, greatest, median: float64[E], over the runs.
      low, high: float64[E], ends of the middle 80 % of them.
      runs: how many there are.
    """

    mean: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    median: np.ndarray
    low: np.ndarray
    high: np.ndarray
    runs: int


def over_runs(values: Sequence[np.ndarray]) -> Curve:
    """Returns the curve of at least one run's float[E] each.

    Raises:
      ValueError: for runs of different length.
    """
    every = np.stack(values).astype(np.float64)
    tail = (1 - MIDDLE) / 2
    low, median, high = np.quantile(every, [tail, 0.5, 1 - tail], axis=0)
    return Curve(
        mean=every.mean(axis=0),
        least=every.min(axis=0),
        greatest=every.max(axis=0),
        median=median,
        low=low,
        high=high,
        runs=len(every),
    )
