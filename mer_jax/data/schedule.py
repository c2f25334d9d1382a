"""Which clips every step of a run sees: host NumPy, a pure function of names."""

import hashlib
from collections.abc import Sequence

import numpy as np

from mer_jax import rng
from mer_jax.typing import Draw, Order


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


def beside(
    index: np.ndarray,
    pool: np.ndarray,
    *,
    labels: np.ndarray,
    batch: int,
    draw: Draw,
    words: tuple[str | int, ...],
) -> np.ndarray:
    """Returns the clips that come beside those of a schedule, step by step.

    Args:
      index: int32[epochs, S, B] of the schedule.
      pool: int[n] positions of the clips to draw from, at least one.
      labels: int[N].
      batch: rows per step.
      draw: see `train.stage.Beside`.
      words: names of this run, stage and input, the seed of the drawing.

    Returns:
      int32[epochs, S, batch], without padding, but where rows are matched to padding.

    Raises:
      ValueError: for an empty pool, an unknown draw, or rows to be matched that are
        not as many as those of `index`.
    """
    if len(pool) == 0:
        raise ValueError(f"no clips to draw from for {words}")
    epochs, steps, rows = index.shape
    if draw == "random":
        total = epochs * steps * batch
        passes = range(-(-total // len(pool)))
        drawn = [rng.generator(*words, number).permutation(pool) for number in passes]
        flat = np.concatenate(drawn)[:total]
        return flat.reshape(epochs, steps, batch).astype(np.int32)
    if draw != "class_matched":
        raise ValueError(f"draw must be random or class_matched, got {draw!r}")
    if rows != batch:
        raise ValueError(f"{batch} clips cannot be matched to the classes of {rows}")
    return np.stack(
        [
            _matched(epoch, pool, labels, rng.generator(*words, number))
            for number, epoch in enumerate(index)
        ]
    )


def _matched(index, pool, labels, generator: np.random.Generator) -> np.ndarray:
    """Returns clips of the classes of those at int32[S, B]; -1 remains."""
    matched = np.full_like(index, -1)
    for label in np.unique(labels[index[index >= 0]]):
        wanted = (index >= 0) & (labels[index] == label)
        own = pool[labels[pool] == label]
        matched[wanted] = generator.choice(own if len(own) else pool, wanted.sum())
    return matched


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
