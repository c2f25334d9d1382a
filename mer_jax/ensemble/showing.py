"""Sample clips as pictures: what a system's stages make of a few held-out clips."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import jax
import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.rows import Row
from mer_jax.typing import PyTree

MOST = 8  # clips of a row


def sample_clips(sample: Corpus) -> tuple[int, ...]:
    """Returns the positions of at most eight clips, ascending; nothing random.

    They are dealt class by class, each class going through the corpora from another
    start. Of one class and corpus comes the first clip by key, then the first of the
    next person.
    """
    corpora, labels = sorted(set(sample.corpora)), sample.labels.tolist()
    cells = list(zip(labels, sample.corpora, strict=True))
    own = _ranks(list(zip(labels, sample.subjects, strict=True)))
    order = sorted(range(len(cells)), key=lambda i: (own[i], i))
    rank = dict(zip(order, _ranks([cells[i] for i in order]), strict=True))

    def turn(i: int) -> tuple[int, ...]:
        label, corpus = cells[i]
        return rank[i], (corpora.index(corpus) - label) % len(corpora), label, i

    return tuple(sorted(sorted(range(len(cells)), key=turn)[:MOST]))


def _ranks(groups: Sequence) -> list[int]:
    """Returns how many of its group come before each."""
    before: Counter = Counter()
    ranks = []
    for group in groups:
        ranks.append(before[group])
        before[group] += 1
    return ranks


def check_pictures(row: Row, program: Program, waves: Sequence[Wave]) -> None:
    """Traces, compiling nothing, what will be drawn: hours later is too late.

    Raises:
      ValueError: for a stage that shows what is no picture, see `Program.inspect`; for
        a map that is none, see `grad_cam`.
    """
    if not any(clips for wave in waves for clips in _shown(row, wave)):
        return
    index = _index(row, [()] * program.width)
    for stage, _, look in _looks(row, program):
        state, at = program.abstract_state(stage), put(program.mesh, index)
        jax.eval_shape(look, state.params, state.model_state, at, program.clips)


def pictures(
    row: Row,
    program: Program,
    wave: Wave,
    nets: Mapping[str, tuple[PyTree, PyTree]],
) -> list[dict[str, np.ndarray]]:
    """Draws the sample clips that each run of a wave held out.

    Args:
      row: of the runs.
      program: of the row.
      wave: whose runs have landed.
      nets: stage -> (params, model_state) [L, ...] at its end, of every stage.

    Returns:
      [L], for the run's ledger entry: "shown/keys" str[n], and for every picture
      "shown/<stage>/<name>" uint8[n, H, W], [n, H, W, 3], or [n, H, W, 2] of a grey
      image and a map to be laid over it; in the order of the stages and of their
      `shows`, then of the system's `maps`. Nothing where no sample clip is held out,
      or with another seed than the first.
    """
    shown = _shown(row, wave)
    if not any(shown):
        return [{} for _ in shown]
    index = put(program.mesh, _index(row, shown))
    keys = [np.array([row.corpus.keys[i] for i in clips]) for clips in shown]
    drawn: dict[str, np.ndarray] = {}
    for stage, names, look in _looks(row, program):
        found = jax.device_get(look(*nets[stage], index, program.clips))
        drawn |= {f"shown/{stage}/{name}": _bytes(found[of]) for name, of in names}
    return [
        {"shown/keys": keys[lane]}
        | {name: array[lane, : len(clips)] for name, array in drawn.items()}
        if clips
        else {}
        for lane, clips in enumerate(shown)
    ]


def _looks(
    row: Row, program: Program
) -> Iterator[tuple[str, list[tuple[str, str]], Callable]]:
    """Yields a stage, what is drawn as (name, name in the look), and the look."""
    for stage in row.system.stages:
        if stage.shows:
            names = [(name, name) for name in stage.shows]
            yield stage.name, names, program.inspect(stage.name)
    if maps := row.system.maps:
        names = [(f"Grad-CAM {name}", name) for name in maps]
        yield row.system.stages[-1].name, names, program.grad_cam


def _shown(row: Row, wave: Wave) -> list[tuple[int, ...]]:
    """Returns the positions [L] of what each run draws."""
    if not (row.system.maps or any(stage.shows for stage in row.system.stages)):
        return [() for _ in wave.runs]
    first, chosen = row.experiment.seeds[0], sample_clips(row.corpus)
    return [
        tuple(i for i in chosen if run.seed == first and i in run.fold.test)
        for run in wave.runs
    ]


def _index(row: Row, shown: Sequence[Sequence[int]]) -> np.ndarray:
    """Returns int32[L, M], -1 where padded; M of the fold that holds out most."""
    chosen = sample_clips(row.corpus)
    most = max(int(np.isin(chosen, fold.test).sum()) for fold in row.folds)
    index = np.full((len(shown), most), -1, np.int32)
    for lane, clips in enumerate(shown):
        index[lane, : len(clips)] = clips
    return index


def _bytes(values: np.ndarray) -> np.ndarray:
    """Returns [0, 1] as uint8; what is no number is black."""
    return np.rint(np.clip(np.nan_to_num(values), 0, 1) * 255).astype(np.uint8)
