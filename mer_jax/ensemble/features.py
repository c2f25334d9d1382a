"""Features of clips: what the last stage's nets make of them, before and after it.

A system has features if the `inspect` of its last stage returns "features":
float[B, D], in evaluation mode, what its classifier reads of each clip. Those of a
further input's clips, from the stage's `inspect_beside`, join them where they are as
wide. "before" is with the nets at the beginning of that stage, "after" at its end.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.folds import Fold
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.rows import Row
from mer_jax.typing import PyTree

Nets = tuple[PyTree, PyTree]  # params, model_state [L, ...]


class Features(NamedTuple):
    """What the runs of a wave compute of the clips of one input.

    Attributes:
      clips: int[n], positions among the resident clips, ascending.
      values: "before" and "after" -> float[L, n, D].
    """

    clips: np.ndarray
    values: Mapping[str, np.ndarray]

    def of(self, lane: int, clips: np.ndarray) -> dict[str, np.ndarray]:
        """Returns float[m, D] of some clips by one run, "before" and "after"."""
        rows = np.searchsorted(self.clips, clips)
        return {when: values[lane][rows] for when, values in self.values.items()}


def check_features(program: Program, waves: Sequence[Wave]) -> None:
    """Traces, compiling nothing, what will be probed: hours later is too late.

    Raises:
      ValueError: see `Program.features`.
    """
    if waves:
        _ = program.features


def features(
    row: Row, program: Program, wave: Wave, nets: Mapping[str, Nets]
) -> dict[str, Features]:
    """Returns the features of the sample's clips, and of those of further inputs.

    Args:
      row: of the runs.
      program: of the row.
      wave: whose runs have landed.
      nets: stage -> (params, model_state) [L, ...] at its end, of every stage.

    Returns:
      Features by input, the sample's as '' and first; nothing without features. Of a
      further input they are of all clips that some run of the wave may train on,
      but for those of the sample.
    """
    if not program.features:
        return {}
    last = row.system.stages[-1].name
    times = {"before": _beginning(row, program, wave, nets), "after": nets[last]}
    found = {}
    for name in program.features:
        own = [clips_of(row, run.fold, name) for run in wave.runs]
        clips = np.unique(np.concatenate(own))
        if len(clips):
            values = {t: _look(program, name, of, clips) for t, of in times.items()}
            found[name] = Features(clips, values)
    return found


def clips_of(row: Row, fold: Fold, name: str) -> np.ndarray:
    """Returns int[n] positions of the clips of an input whose features count.

    They are the sample's for '', and for a further input those that may train in the
    fold and are not the sample's.
    """
    sample = len(row.corpus.keys)
    if not name:
        return np.arange(sample)
    clips = fold.clips(row.system.stages[-1].beside[name].pool)
    return np.sort(clips[clips >= sample])


def _beginning(
    row: Row, program: Program, wave: Wave, nets: Mapping[str, Nets]
) -> Nets:
    """Returns the nets before the first step of the last stage, made once more."""
    *earlier, last = (stage.name for stage in row.system.stages)
    keys = jnp.stack([run.key for run in wave.runs])
    steps = np.zeros(len(keys), np.int32)  # no part of the nets, nor are counts
    counts = np.zeros((len(keys), program.num_classes), np.int32)
    begun = put(program.mesh, (keys, steps, counts))
    finished = {name: nets[name] for name in earlier}
    state = program.init(last)(*begun, finished, program.clips)
    return state.params, state.model_state


def _look(program: Program, name: str, nets: Nets, clips: np.ndarray) -> np.ndarray:
    """Returns float[L, n, D] of an input's clips, a batch of the stage at a time."""
    look, batch = program.features[name], program.system.stages[-1].inputs[name]
    found = [
        jax.device_get(look(*nets, index, program.clips))
        for index in program.batches(clips, batch)
    ]
    return np.concatenate(found, axis=1)[:, : len(clips)]
