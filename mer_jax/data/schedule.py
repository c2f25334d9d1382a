"""Which clips every step of a run sees: host NumPy, a pure function of names."""

import hashlib
from collections.abc import Sequence

import numpy as np

from mer_jax import rng
from mer_jax.typing import Order


def schedule(
    train: np.ndarray,
    *,
    keys: Sequence[str],
    labels: np.ndarray,
    batch: int,
    order: Order,
    num_epochs: int,
    words: tuple[str | int, ...],
) -> np.ndarray:
    """Returns the clip index of every row of every step.

    Args:
      train: int[n] positions of the fold's training clips, at least one.
      keys: [N] "corpus/subject/clip" of the whole corpus.
      labels: int[N].
      batch: rows per step.
      order: see `Source`.
      num_epochs: passes over `train`.
      words: names of this run and stage, the seed of the shuffling.

    Returns:
      int32[num_epochs, S, batch] with S = ceil(n / batch). Each epoch holds each
      training clip once; the rows left over in its last batch are -1.

    Raises:
      ValueError: for an empty fold or an unknown order.
    """
    if len(train) == 0:
        raise ValueError(f"no training clips for {words}")
    steps = -(-len(train) // batch)
    index = np.full((num_epochs, steps * batch), -1, np.int32)
    if order == "shuffled":
        for epoch in range(num_epochs):
            permuted = rng.generator(*words, epoch).permutation(train)
            index[epoch, : len(train)] = permuted
    else:
        index[:, : len(train)] = _sorted(train, keys, labels, order)
    return index.reshape(num_epochs, steps, batch)


def _sorted(train, keys, labels, order: Order) -> np.ndarray:
    if order == "subject":
        return np.array(sorted(train, key=lambda i: keys[i]))
    if order == "label":
        return np.array(sorted(train, key=lambda i: (labels[i], _file_name(keys[i]))))
    raise ValueError(f"order must be shuffled, subject or label, got {order!r}")


def _file_name(key: str) -> str:
    """Returns "<subject>_<clip>": published label folders mix the corpora."""
    return "_".join(key.split("/")[1:])


def pad_steps(index: np.ndarray, steps: int) -> np.ndarray:
    """Returns `index` with every epoch lengthened to `steps` by steps of padding."""
    missing = steps - index.shape[1]
    return np.pad(index, ((0, 0), (0, missing), (0, 0)), constant_values=-1)


def digest(index: np.ndarray) -> str:
    """Returns 16 hex digits of the schedule, recorded with a run.

    NumPy may change its random streams between versions; this shows it.
    """
    return hashlib.sha256(np.ascontiguousarray(index).tobytes()).hexdigest()[:16]
