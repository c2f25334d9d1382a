r"""UF1, UAR and accuracy of confusion matrices, vectorised over leading axes.

The conventions, because each of them changes published numbers:

* **Pooled.** Held-out predictions of all folds go into one confusion matrix, as the
  MEGC2019 organisers define it. Scores of folds are never averaged: most folds lack
  a class.
* **The class set is the protocol's**, not the classes that happen to be predicted.
* **A class without a true clip in the scored set is left out** of the mean of UF1
  and of UAR. Its recall is 0/0; calling it 0 or 1 would move a corpus that lacks
  the class by up to 1/K. Predicting it is still punished, as a miss of the true
  class. On a whole protocol no class is absent and the rule is idle.
* An empty set scores NaN.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Scores:
    """The three numbers of one set of predictions, each in [0, 1]."""

    uf1: float
    uar: float
    accuracy: float


def confusion(
    labels: np.ndarray, predictions: np.ndarray, num_classes: int
) -> np.ndarray:
    """Counts true class against predicted class.

    Args:
      labels: int [N].
      predictions: int [..., N].
      num_classes: K, fixed by the protocol.

    Returns:
      int64 [..., K, K], rows are true classes.
    """
    one_group = np.zeros(len(labels), np.int64)
    return confusion_by_group(labels, predictions, one_group, 1, num_classes)[
        ..., 0, :, :
    ]


def confusion_by_group(
    labels: np.ndarray,
    predictions: np.ndarray,
    groups: np.ndarray,
    num_groups: int,
    num_classes: int,
) -> np.ndarray:
    """Counts true class against predicted class within each group of clips.

    Args:
      labels: int [N].
      predictions: int [..., N].
      groups: int [N], group (subject, fold, corpus) of each clip, below `num_groups`.
      num_groups: G.
      num_classes: K.

    Returns:
      int64 [..., G, K, K], rows are true classes.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if predictions.shape[-1:] != labels.shape:
        raise ValueError(
            f"labels {labels.shape} and predictions {predictions.shape} "
            "differ in the number of clips"
        )
    _check_range("labels", labels, num_classes)
    _check_range("predictions", predictions, num_classes)
    _check_range("groups", groups, num_groups)
    lead = predictions.shape[:-1]
    lanes, cells = int(np.prod(lead)), num_groups * num_classes**2
    row = (np.asarray(groups) * num_classes + labels) * num_classes  # [N]
    cell = row + predictions.reshape(lanes, len(labels))  # [lanes, N]
    cell = cell + cells * np.arange(lanes)[:, None]
    counts = np.bincount(cell.ravel(), minlength=lanes * cells)
    return counts.reshape(*lead, num_groups, num_classes, num_classes)


def uf1(confusion: np.ndarray) -> np.ndarray:
    r"""Unweighted F1: the mean of the classes' F1 scores.

    .. math:: \frac1K \sum_c \frac{2\,TP_c}{2\,TP_c + FP_c + FN_c}

    Args:
      confusion: [..., K, K], rows are true classes; counts, weights allowed.

    Returns:
      float64 [...].
    """
    hits, true, predicted = _margins(confusion)
    # 2 TP + FP + FN = (TP + FN) + (TP + FP); positive where the class is present.
    return _mean_over_present(2 * hits, true + predicted, true)


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall (balanced accuracy): the mean of TP_c / n_c.

    Args:
      confusion: [..., K, K], rows are true classes.

    Returns:
      float64 [...].
    """
    hits, true, _ = _margins(confusion)
    return _mean_over_present(hits, true, true)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Share of clips that are right.

    Args:
      confusion: [..., K, K], rows are true classes.

    Returns:
      float64 [...].
    """
    hits, true, _ = _margins(confusion)
    return _ratio(hits.sum(axis=-1), true.sum(axis=-1), empty=np.nan)


def mean_scores(confusion: np.ndarray) -> Scores:
    """Returns the scores of each matrix of [..., K, K], averaged over all of them."""
    return Scores(
        uf1=float(uf1(confusion).mean()),
        uar=float(uar(confusion).mean()),
        accuracy=float(accuracy(confusion).mean()),
    )


def _margins(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    confusion = np.asarray(confusion, np.float64)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    return hits, confusion.sum(axis=-1), confusion.sum(axis=-2)


def _mean_over_present(
    numerator: np.ndarray, denominator: np.ndarray, true: np.ndarray
) -> np.ndarray:
    present = true > 0
    per_class = _ratio(numerator, np.where(present, denominator, 0.0), empty=0.0)
    return _ratio(per_class.sum(axis=-1), present.sum(axis=-1), empty=np.nan)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, empty: float) -> np.ndarray:
    out = np.full(np.shape(numerator), empty)
    return np.divide(numerator, denominator, out=out, where=np.greater(denominator, 0))


def _check_range(name: str, values: np.ndarray, stop: int) -> None:
    values = np.asarray(values)
    if values.size and not (0 <= values.min() and values.max() < stop):
        raise ValueError(
            f"{name} must be in 0..{stop - 1}, got {values.min()}..{values.max()}"
        )
