"""Numbers of training, epoch by epoch, over runs. They are of clips that train."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Curve(NamedTuple):
    """One number over the epochs of a stage.

    Attributes:
      mean, least, greatest: float64[E], over the runs.
      runs: how many there are.
    """

    mean: np.ndarray
    least: np.ndarray
    greatest: np.ndarray
    runs: int


def over_runs(values: Sequence[np.ndarray]) -> Curve:
    """Returns the curve of at least one run's float[E] each.

    Raises:
      ValueError: for runs of different length.
    """
    every = np.stack(values).astype(np.float64)
    return Curve(every.mean(axis=0), every.min(axis=0), every.max(axis=0), len(every))
