"""The epoch that inner validation chooses, by people who were left out of training."""

import numpy as np

from mer_jax.metrics.scores import confusion, uf1


def best_epoch(logits: np.ndarray, labels: np.ndarray) -> int:
    """Returns the position of the epoch of best UF1; of equals the latest.

    The mean is over the classes that these clips show. Of few people it moves in large
    steps and the choice is then close to a draw: that may cost the test subject's
    score, and cannot flatter it.

    Args:
      logits: float [E, M, K], of the clips left out, at every stored epoch.
      labels: int [M], true class.

    Raises:
      ValueError: for no clips, or logits that are not finite.
    """
    if not len(labels):
        raise ValueError("no clips to choose the epoch by")
    if not np.isfinite(logits).all():
        raise ValueError("logits of the clips left out are not finite")
    scores = uf1(confusion(labels, logits.argmax(axis=-1), logits.shape[-1]))
    # Equal means of other counts may differ in their last bits: they shall tie.
    return len(scores) - 1 - int(scores.round(9)[::-1].argmax())
