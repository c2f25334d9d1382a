"""From a wave that has landed to the ledger: what a run leaves behind."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.data.pools import Resident
from mer_jax.data.schedule import digest
from mer_jax.ensemble.ledger import Ledger, write_npz
from mer_jax.ensemble.runner import Flight, WaveRunner
from mer_jax.train.stage import flatten


def file_wave(
    runner: WaveRunner,
    flight: Flight,
    ledger: Ledger,
    *,
    common: dict[str, Any],
    keep: set[str],
    more: Sequence[Mapping[str, np.ndarray]],
) -> None:
    """Writes the ledger entries that a wave's real runs lack.

    Args:
      runner: trained the wave.
      flight: where it ended.
      ledger: of the workdir.
      common: provenance all runs of the row share.
      keep: ids of the runs whose parameters are kept.
      more: [L] pictures, probes and features: `showing`, `probing`, `embedding`.
    """
    wave = runner.wave
    nets = {"params": flight.state.params, "model_state": flight.state.model_state}
    leaves = flatten(jax.device_get(nets)) if keep else {}
    for lane, run in enumerate(wave.runs[: wave.real]):
        if ledger.done(run.id):  # before an interruption
            continue
        if run.id in keep:
            own = {name: leaf[lane] for name, leaf in leaves.items()}
            write_npz(ledger.params_path(run.id), own)
        schedules = {s.name: runner.indices[s.name][lane] for s in runner.stages}
        details = {
            "row": run.experiment.name,
            "fold": run.fold.name,
            "seed": run.seed,
            "schedules": {name: digest(index) for name, index in schedules.items()},
            "seconds": float(flight.seconds[0]) / wave.real,
            "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }
        if len(wave.runs) > 1:
            details["wave"] = [run.id for run in wave.runs]
        arrays = _arrays(lane, run.fold, runner.corpus, runner.epochs, flight)
        arrays |= {f"seen/{s.name}": seen(runner, s.name, lane) for s in runner.stages}
        arrays |= more[lane]
        for stage, index in schedules.items():
            arrays |= curves(lane, stage, index.shape[:2], runner, flight)
        ledger.write(run.id, arrays, {**common, **details})


def seen(runner: WaveRunner, stage: str, lane: int) -> np.ndarray:
    """Returns the keys of all clips that a stage drew, one a line, as UTF-8 bytes."""
    index = runner.indices[stage][lane]
    drawn = np.unique(index[index >= 0])
    if runner.program.stages[stage].source.of == "frames":
        drawn = np.unique(runner.program.feed.owner[drawn])
    keys = [runner.corpus.keys[i] for i in drawn]
    return np.frombuffer("\n".join(keys).encode(), np.uint8)


def _arrays(lane: int, fold, corpus: Corpus | Resident, epochs, flight: Flight):
    counts = np.bincount(corpus.labels[fold.train], minlength=len(corpus.classes))
    return {
        "keys": np.array([corpus.keys[i] for i in fold.test]),
        "labels": corpus.labels[fold.test],
        "epochs": np.array(epochs, np.int32),
        "logits": flight.logits[lane, :, : len(fold.test)],
        "train_counts": counts,
    }


def curves(lane: int, stage: str, shape, runner: WaveRunner, flight: Flight):
    """Returns the means over each epoch's own steps, float32[epochs] by metric."""
    epochs, steps = shape
    table = flight.metrics[stage][lane]  # [T, metrics], T of the longest run
    means = table.reshape(epochs, -1, table.shape[-1])[:, :steps].mean(axis=1)
    names = runner.program.metric_names(stage)
    return {f"curves/{stage}/{n}": means[:, i] for i, n in enumerate(names)}
