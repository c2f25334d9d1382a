"""From a ledger to what inner validation chose: an epoch of every fold and seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mer_jax.ensemble.ledger import Ledger
from mer_jax.metrics.inner import best_epoch


class Inner(NamedTuple):
    """Inner runs of the folds and seeds that count.

    Attributes:
      runs: how many there should be.
      missing: how many have not finished.
      left_out: fold -> the people it left out of training.
      epochs: int [S, F], the stored epoch each chose, folds in order of their names;
        None while runs are missing.
    """

    runs: int
    missing: int
    left_out: Mapping[str, Sequence[str]]
    epochs: np.ndarray | None


def inner_validation(
    ledger: Ledger, row: Mapping[str, Any], folds: Sequence[str], seeds: Sequence[int]
) -> Inner | None:
    """Returns what inner runs chose, None where there were never to be any.

    Args:
      ledger: of the workdir.
      row: of its manifest.
      folds: names of those that are scored.
      seeds: that are scored.

    Raises:
      UserError: if the file of a run is broken.
    """
    if "inner" not in row:
        return None
    told, folds = row["inner"], sorted(folds)
    ids = [told["runs"].get(f"{fold} {seed}") for seed in seeds for fold in folds]
    done = [run for run in ids if run is not None and ledger.done(run)]
    epochs = None
    if len(done) == len(ids):
        chosen = [_chosen(ledger.read(run)) for run in done]
        epochs = np.array(chosen).reshape(len(seeds), len(folds))
    return Inner(
        runs=len(ids),
        missing=len(ids) - len(done),
        left_out={fold: told["left_out"][fold] for fold in folds},
        epochs=epochs,
    )


def _chosen(entry: Mapping[str, Any]) -> int:
    return int(entry["epochs"][best_epoch(entry["logits"], entry["labels"])])
