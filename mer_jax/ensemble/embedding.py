"""What a picture of the domains of features needs, filed with one run of a row."""

from collections.abc import Mapping

import numpy as np

from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.features import Features, clips_of
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.rows import Row

MOST = 500  # clips of an input, so that an entry remains small
OWN = "own"  # what the sample is called among the inputs
_LIMIT = float(np.finfo(np.float16).max)


def embeddings(
    row: Row, wave: Wave, features: Mapping[str, Features], run: Run
) -> list[dict[str, np.ndarray]]:
    """Thins the features of one run, for its ledger entry.

    Args:
      row: of the runs.
      wave: whose runs have landed.
      features: of the wave, see `features.features`.
      run: whose features to file, if it is in the wave.

    Returns:
      [L]: "embedding/keys/<own|input>" str[n], "embedding/labels/<own|input>" int32[n],
      -1 where a pool has none, and "embedding/<before|after>/<own|input>"
      float16[n, D], of at most 500 clips each, evenly chosen. Nothing for other runs,
      for padding, without features of a further input, or if some are not finite.
    """
    found: list[dict[str, np.ndarray]] = [{} for _ in wave.runs]
    if len(features) < 2:
        return found
    for lane, one in enumerate(wave.runs[: wave.real]):
        if one.id == run.id:
            found[lane] = _of_run(row, run, lane, features)
    return found


def _of_run(
    row: Row, run: Run, lane: int, features: Mapping[str, Features]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, one in features.items():
        clips, what = evenly(clips_of(row, run.fold, name)), name or OWN
        found[f"embedding/keys/{what}"] = np.array([row.clips.keys[i] for i in clips])
        found[f"embedding/labels/{what}"] = row.clips.labels[clips]
        for when, values in one.of(lane, clips).items():
            if not np.isfinite(values).all():
                return {}
            small = values.clip(-_LIMIT, _LIMIT).astype(np.float16)
            found[f"embedding/{when}/{what}"] = small
    return found


def evenly(clips: np.ndarray) -> np.ndarray:
    """Returns at most 500 of the clips, the first and the last among them."""
    if len(clips) <= MOST:
        return clips
    return clips[np.linspace(0, len(clips) - 1, MOST).round().astype(int)]
