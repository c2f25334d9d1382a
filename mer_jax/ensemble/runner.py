"""Trains one wave: stage after stage, step after step."""

import contextlib
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.corpus import Corpus
from mer_jax.data.pools import Resident, positions
from mer_jax.data.schedule import beside, pad_steps, schedule
from mer_jax.ensemble.checkpoint import Checkpoints, Place, drop_others
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.listener import Hooks, Interrupted
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.pending import Pending
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.provenance import computed
from mer_jax.errors import UserError
from mer_jax.train.stage import Stage
from mer_jax.typing import PyTree

WAITING = 2  # batches of frames that lie on the devices before their step


@dataclasses.dataclass(kw_only=True)
class Flight:
    """What a wave has so far; saved and restored whole.

    Attributes:
      place: where it stands.
      state: RunState [L, ...] of the current stage.
      finished: stage -> (params, model_state) [L, ...] at its end.
      metrics: stage -> float32[L, T, metrics], NaN where not yet reached.
      logits: float32[L, E, M, K] of the test clips, NaN likewise.
      seconds: float64[1] spent training.
    """

    place: Place
    state: PyTree
    finished: dict[str, tuple[PyTree, PyTree]]
    metrics: dict[str, np.ndarray]
    logits: np.ndarray
    seconds: np.ndarray

    def tree(self) -> dict[str, Any]:
        """Returns what a checkpoint holds; orbax refuses arrays of size zero."""
        fields = ["state", "finished", "metrics", "seconds"]
        fields += ["logits"] if self.logits.size else []
        return {name: getattr(self, name) for name in fields}


class WaveRunner:
    """Trains the runs of one wave.

    Attributes:
      indices: stage -> per run, int32[epochs, S, rows], see `Stage.rows`.
      test: int32[L, M] test clips, -1 on padding rows.
      epochs: after which test logits are stored.
    """

    def __init__(
        self,
        program: Program,
        corpus: Corpus | Resident,
        wave: Wave,
        directory: Path,
        given: Mapping[str, tuple[PyTree, PyTree]] | None = None,
        most: int | None = None,
    ):
        """Takes what `run` needs.

        Args:
          program: of the row.
          corpus: its resident clips.
          wave: whose runs to train.
          directory: of the wave's checkpoints.
          given: stage -> nets [L, ...] of stages that were trained already.
          most: M; None for the most test clips of any of the program's folds.
        """
        self.program, self.corpus, self.wave = program, corpus, wave
        self.directory, self.given = directory, given or {}
        self.experiment = wave.runs[0].experiment
        self.stages = [s for s in program.stages.values() if s.name not in self.given]
        self.indices = {
            s.name: [self._index(r, s) for r in wave.runs] for s in self.stages
        }
        rows = [program.test_rows(run.fold.test, most) for run in wave.runs]
        self.test = np.stack(rows)
        self.epochs = eval_epochs(
            self.stages[-1].num_epochs, self.experiment.eval_every
        )

    def _index(self, run: Run, stage: Stage) -> np.ndarray:
        """Returns int32[epochs, S, rows] of one run, its inputs side by side."""
        source, title = stage.source, self.experiment.protocol.title
        keys, labels = self.corpus.keys, self.corpus.labels
        if source.of == "frames":
            owner = self.program.feed.owner
            keys, labels = tuple(keys[i] for i in owner), labels[owner]
        words = (title, run.fold.name, stage.name, run.seed)
        index = schedule(
            positions(self.corpus, run.fold, source.pool, source.of),
            keys=keys,
            labels=labels,
            batch=source.batch,
            order=source.order,
            num_epochs=stage.num_epochs,
            words=words,
        )
        further = [
            beside(
                index,
                run.fold.clips(other.pool),
                labels=labels,
                batch=other.batch,
                draw=other.draw,
                words=(*words, name),
            )
            for name, other in stage.beside.items()
        ]
        return np.concatenate([index, *further], axis=-1)

    def _class_counts(self, run: Run, stage: Stage) -> np.ndarray:
        """Returns int32[K], see `RunState`."""
        labels = self.corpus.labels[run.fold.clips(stage.source.pool)]
        counts = np.bincount(labels[labels >= 0], minlength=len(self.corpus.classes))
        return counts.astype(np.int32)

    def run(self, hooks: Hooks) -> Flight:
        """Trains to the end, from where a checkpoint stands.

        Raises:
          UserError: for a loss that is not finite, or a disk that refuses.
          Interrupted: after saving, if `hooks.stop` says so.
        """
        if steps := drop_others(self.directory, computed(self.program)):
            hooks.dropped(steps)
        with Checkpoints(self.directory, clean=True) as checkpoints:
            flight = self._restore(checkpoints) or self._start()
            hooks.resumed(flight.place.order)
            first = [s.name for s in self.stages].index(flight.place.stage)
            for number, stage in enumerate(self.stages[first:], start=first):
                self._train(stage, flight, checkpoints, hooks)
                done = (flight.state.params, flight.state.model_state)
                flight.finished[stage.name] = done
                if number + 1 < len(self.stages):
                    self._enter(self.stages[number + 1], flight, flight.place.order)
        return flight

    def _start(self) -> Flight:
        flight = Flight(
            place=Place(self.stages[0].name, 0, 0),
            state=None,
            finished={},
            metrics={},
            logits=self._blank_logits(),
            seconds=np.zeros(1),
        )
        self._enter(self.stages[0], flight, 0)
        return flight

    def _enter(self, stage: Stage, flight: Flight, order: int) -> None:
        """Puts the flight at the start of `stage`."""
        keys = jnp.stack([run.key for run in self.wave.runs])
        own = [i.shape[0] * i.shape[1] for i in self.indices[stage.name]]
        counts = np.stack([self._class_counts(run, stage) for run in self.wave.runs])
        begun = put(self.program.mesh, (keys, np.array(own, np.int32), counts))
        init = self.program.init(stage.name)
        finished = {**self.given, **flight.finished}
        flight.state = init(*begun, finished, self.program.clips)
        flight.metrics[stage.name] = self._blank_metrics(stage)
        flight.place = Place(stage.name, 0, order)

    def _blank_metrics(self, stage: Stage) -> np.ndarray:
        steps = max(index.shape[1] for index in self.indices[stage.name])
        metrics = len(self.program.metric_names(stage.name))
        shape = (len(self.wave.runs), stage.num_epochs * steps, metrics)
        return np.full(shape, np.nan, np.float32)

    def _blank_logits(self) -> np.ndarray:
        lanes, rows = self.test.shape
        shape = (lanes, len(self.epochs), rows, len(self.corpus.classes))
        return np.full(shape, np.nan, np.float32)

    def _train(
        self, stage: Stage, flight: Flight, checkpoints: Checkpoints, hooks: Hooks
    ) -> None:
        """Takes the stage's remaining steps."""
        indices = self.indices[stage.name]
        steps = max(index.shape[1] for index in indices)
        unequal = any(index.shape[1] < steps for index in indices)
        index = np.stack([pad_steps(i, steps) for i in indices])  # [L, epochs, S, B]
        program, of_frames = self.program, stage.source.of == "frames"
        take_step = program.step(stage.name, unequal)
        remembered = program.remembered(stage.name, flight.state)
        final = stage is self.stages[-1]
        names, table = program.metric_names(stage.name), flight.metrics[stage.name]
        pending = Pending(self.wave.runs, stage.name, names, table, flight.logits)
        began, saved = time.monotonic(), time.monotonic()
        start = flight.place.order - flight.place.step  # orders of earlier stages
        total, begin = stage.num_epochs * steps, flight.place.step
        index = index.reshape(len(index), total, -1)
        feed = program.rows(stage.name, index[:, begin:])
        with jax.transfer_guard("disallow"), contextlib.closing(feed):
            for t, rows in enumerate(feed, start=begin):
                epoch, s = divmod(t, steps)
                flight.state, metrics = take_step(
                    flight.state, rows, program.clips, remembered
                )
                pending.add_metrics(t, metrics)
                if of_frames:  # the host must not run far ahead: they are large
                    pending.collect(keep=WAITING)
                flight.place = Place(stage.name, t + 1, start + t + 1)
                if s + 1 == steps:
                    if final and self.test.size and epoch + 1 in self.epochs:
                        where = self.epochs.index(epoch + 1)
                        pending.add_logits(where, self._predict(flight))
                    pending.collect(keep=steps)  # the newest epoch is still running
                hooks.stepped()
                if final and t + 1 == total:
                    break  # landed: what is left is to file the results
                now, stop = time.monotonic(), hooks.stop()
                if stop or now - saved > hooks.checkpoint_every:
                    pending.collect()
                    pending.check(flight.state.params)
                    flight.seconds = flight.seconds + (now - began)
                    began = saved = now
                    runs, made = [r.id for r in self.wave.runs], computed(self.program)
                    told = runs, self.wave.real, made
                    checkpoints.save(flight.place, flight.tree(), *told)
                if stop:
                    raise Interrupted
            pending.collect()
        flight.seconds = flight.seconds + (time.monotonic() - began)

    def _predict(self, flight: Flight) -> jax.Array:
        return self.program.predict(
            flight.state.params,
            flight.state.model_state,
            put(self.program.mesh, self.test),
            self.program.clips,
        )

    def _restore(self, checkpoints: Checkpoints) -> Flight | None:
        """Returns the flight on disk, if there is one."""
        found = checkpoints.latest()
        if found is None:
            return None
        place, _ = found
        entered = self.stages[: [s.name for s in self.stages].index(place.stage) + 1]
        abstract = Flight(
            place=place,
            state=self.program.abstract_state(place.stage),
            finished={
                name: nets
                for name, nets in self.program.abstract_finished(place.stage).items()
                if name not in self.given
            },
            metrics={s.name: self._blank_metrics(s) for s in entered},
            logits=self._blank_logits(),
            seconds=np.zeros(1),
        )
        tree = checkpoints.load(place, abstract.tree())
        tree = {"logits": abstract.logits, **tree}
        for name in ("metrics", "logits", "seconds"):  # arrays to be written into
            tree[name] = jax.tree.map(np.array, tree[name])
        return Flight(place=place, **tree)


def eval_epochs(num_epochs: int, every: int) -> list[int]:
    """Returns the epochs, from 1, after which test logits are stored."""
    if every < 1:
        raise UserError(f"eval_every must be 1 or more, got {every}")
    return sorted({*range(every, num_epochs + 1, every), num_epochs})
