"""Does a system decouple motion from identity? Probes of its features, run by run.

A system is probed if the `inspect` of its last stage returns "features": float[B, D],
in evaluation mode, what its classifier reads of each clip. They are probed twice,
"before" with the nets at the beginning of that stage and "after" with those at its
end, and apart for people the run trained on ("seen") and people it did not
("unseen"). Clips of a person alternate, by key, between the two halves of a probe.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.rows import Row
from mer_jax.metrics.probes import probe
from mer_jax.typing import PyTree

Nets = tuple[PyTree, PyTree]  # params, model_state [L, ...]


def check_features(program: Program, waves: Sequence[Wave]) -> None:
    """Traces, compiling nothing, what will be probed: hours later is too late.

    Raises:
      ValueError: for "features" that are not float[B, D].
    """
    if waves:
        _ = program.features


def probes(
    row: Row, program: Program, wave: Wave, nets: Mapping[str, Nets]
) -> list[dict[str, np.ndarray]]:
    """Probes the features that each run of a wave computes of the sample.

    Args:
      row: of the runs.
      program: of the row.
      wave: whose runs have landed.
      nets: stage -> (params, model_state) [L, ...] at its end, of every stage.

    Returns:
      [L], for the run's ledger entry: "probe/<seen|unseen>/<before|after>/<field of
      `Probe`>", scalars. Nothing of a group with fewer than two people of two clips
      each, for padding, without features, or if they are not finite.
    """
    if program.features is None:
        return [{} for _ in wave.runs]
    last = row.system.stages[-1].name
    times = {"before": _beginning(row, program, wave, nets), "after": nets[last]}
    features = {
        when: _features(program, last, of, len(row.corpus.keys))
        for when, of in times.items()
    }
    real = wave.runs[: wave.real]
    found: list[dict[str, np.ndarray]] = [{} for _ in wave.runs]
    for lane, run in enumerate(real):
        own = {when: values[lane] for when, values in features.items()}
        if all(np.isfinite(values).all() for values in own.values()):
            found[lane] = _probe(own, row.corpus, run.fold)
    return found


def _probe(
    features: Mapping[str, np.ndarray], sample: Corpus, fold: Fold
) -> dict[str, np.ndarray]:
    """Returns the probes of one run; features float[N, D] by when they were taken."""
    person, found = sample.subject_numbers, {}
    for group, clips in groups(sample.subjects, fold).items():
        for when, values in features.items():
            of = probe(values[clips], person[clips], halves(person[clips]))
            for name, value in of._asdict().items():
                found[f"probe/{group}/{when}/{name}"] = np.array(value)
    return found


def groups(subjects: Sequence[str], fold: Fold) -> dict[str, np.ndarray]:
    """Returns int[n] positions of the clips to probe in each group, if there are any.

    Args:
      subjects: [N] "corpus/subject" of the sample.
      fold: who trains in it is "seen"; who is held out altogether, "unseen".
    """
    trained = {subjects[i] for i in fold.train}
    often = {who for who, clips in Counter(subjects).items() if clips > 1}
    members = {"seen": often & trained, "unseen": often - trained}
    return {
        group: np.flatnonzero([who in people for who in subjects])
        for group, people in members.items()
        if len(people) > 1
    }


def halves(person: np.ndarray) -> np.ndarray:
    """Returns bool[N], every other clip of each person, the first among them."""
    ranks = np.zeros(len(person), int)
    for who in np.unique(person):
        own = np.flatnonzero(person == who)
        ranks[own] = np.arange(len(own))
    return ranks % 2 == 0


def _beginning(
    row: Row, program: Program, wave: Wave, nets: Mapping[str, Nets]
) -> Nets:
    """Returns the nets before the first step of the last stage, made once more."""
    *earlier, last = (stage.name for stage in row.system.stages)
    keys = jnp.stack([run.key for run in wave.runs])
    steps = np.zeros(len(keys), np.int32)  # no part of the nets
    keys, steps = put(program.mesh, (keys, steps))
    finished = {name: nets[name] for name in earlier}
    state = program.init(last)(keys, steps, finished, program.clips)
    return state.params, state.model_state


def _features(program: Program, stage: str, nets: Nets, clips: int) -> np.ndarray:
    """Returns float[L, N, D] of the sample's clips, a batch of the stage at a time."""
    assert program.features is not None
    batch = program.stages[stage].source.batch
    index = np.full(-(-clips // batch) * batch, -1, np.int32)
    index[:clips] = np.arange(clips)
    found = []
    for rows in index.reshape(-1, batch):
        own = put(program.mesh, np.tile(rows, (program.width, 1)))
        found.append(jax.device_get(program.features(*nets, own, program.clips)))
    return np.concatenate(found, axis=1)[:, :clips]
