"""The programs of one experiment row: everything its waves share."""

import dataclasses
import functools
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax import rng
from mer_jax.data.clips import gather, gather_inputs
from mer_jax.data.corpus import Corpus
from mer_jax.data.folds import Fold
from mer_jax.data.pools import Resident, resident_arrays
from mer_jax.ensemble.feed import FrameFeed, Way
from mer_jax.ensemble.lift import Spmd, lift, per_run, put, replicate, run_mesh
from mer_jax.ensemble.looks import check_features, looking, picture
from mer_jax.train.gradcam import overlays
from mer_jax.train.stage import Stage, System
from mer_jax.train.step import RunState, init_run, train_step, train_step_or_wait
from mer_jax.typing import PyTree


@dataclasses.dataclass(frozen=True)
class Layout:
    """How runs lie on devices.

    Attributes:
      devices: how many; None for all.
      lanes: runs per device, `vmap`ped where more than one.
      spmd: see `lift`.
      frames: how frames come to the devices, see `FrameFeed`.
      formulation: open fields of the system's config and what was chosen: for the
        record, as the system is built with them.
    """

    devices: int | None = None
    lanes: int = 1
    spmd: Spmd = "shard_map"
    frames: Way = "auto"
    formulation: tuple[tuple[str, Any], ...] = ()


class Program:
    """A system's functions of L runs, each traced once, and the resident clips."""

    def __init__(
        self,
        system: System,
        corpus: Corpus | Resident,
        folds: Sequence[Fold],
        layout: Layout,
    ):
        self.system = system
        self.folds = tuple(folds)
        self.num_classes = len(corpus.classes)
        self.max_test = max(len(fold.test) for fold in folds)
        self.stages = {stage.name: stage for stage in system.stages}
        self.layout = layout
        self.mesh = run_mesh(layout.devices)
        self.width = self.mesh.size * layout.lanes
        self.clips: Mapping[str, jax.Array] = replicate(
            self.mesh, resident_arrays(corpus)
        )
        self.feed = FrameFeed(corpus, self.mesh, self._lift, layout.frames)
        # `(params, model_state, index [L, M], clips)` -> `overlays`, [L, M, ...]
        self.grad_cam = self._lift(looking(functools.partial(overlays, system)))
        # Cached per program, so that a sweep's next row frees this one's clips.
        self.init = functools.cache(self._init)
        self.step = functools.cache(self._step)
        self.remember = functools.cache(self._remember)
        self.inspect = functools.cache(self._inspect)
        self.metric_names = functools.cache(self._metric_names)

    def _lift(self, fn: Callable, donate: tuple[str, ...] = ()) -> Callable:
        return lift(
            fn,
            self.mesh,
            lanes=self.layout.lanes,
            shared=("clips",),
            donate=donate,
            spmd=self.layout.spmd,
        )

    def _init(self, stage: str) -> Callable:
        """Returns `(key [L], num_steps [L], class_counts [L, K], finished [L, ...],
        clips) -> RunState`.
        """
        todo = self.stages[stage]
        rows = np.full(todo.rows, -1, np.int32)

        def init(key, num_steps, class_counts, finished, clips):
            if todo.source.of == "frames":
                batch = self.feed.example(todo.rows)
            else:
                batch = gather_inputs(clips, rows, todo.inputs)
            return init_run(todo, key, num_steps, class_counts, batch, finished)

        return self._lift(init)

    def _step(self, stage: str, unequal: bool) -> Callable:
        """Returns `(state, rows [L, ...], clips, remembered) -> (state, metrics)`.

        Args:
          stage: its name.
          unequal: some run of the wave has fewer steps per epoch than another.

        Rows come from `rows`, what is remembered from `remembered`; metrics are [L].
        """
        todo = self.stages[stage]
        advance = train_step_or_wait if unequal else train_step

        def step(state, rows, clips, remembered):
            if todo.source.of == "clips":
                rows = gather_inputs(clips, rows, todo.inputs, remembered)
            return advance(todo, state, rows)

        return self._lift(step, donate=("state",))

    def rows(self, stage: str, index: np.ndarray) -> Generator[PyTree, None, None]:
        """Yields what each of T steps takes, laid out on the devices.

        Args:
          stage: its name.
          index: int32[L, T, rows], positions of clips or frames.

        Yields:
          int32[L, rows], or of a stage of frames the batches [L, B, ...] themselves.
        """
        if self.stages[stage].source.of == "frames":
            return self.feed.batches(index)
        return (put(self.mesh, index[:, t]) for t in range(index.shape[1]))

    def abstract_rows(self, stage: str) -> PyTree:
        """Returns the shapes of what `rows` yields."""
        shape = self.width, self.stages[stage].rows
        rows: PyTree = jax.ShapeDtypeStruct(shape, np.int32)
        if self.stages[stage].source.of == "frames":
            rows = jax.eval_shape(lambda: self.feed.example(*shape))
        return jax.tree.map(self._on_mesh, rows)

    def _remember(self, stage: str, name: str) -> Callable:
        """Returns `(params, model_state, index [L, B], clips)` -> found [L, B, ...]."""
        return self._lift(looking(self.stages[stage].remember[name]))

    def remembered(self, stage: str, state: RunState) -> PyTree:
        """Returns what a stage remembers of its further inputs, as it begins or later.

        Args:
          stage: its name.
          state: [L, ...] of the runs.

        Returns:
          Input -> "row" int32[L, N] and "found", name -> [L, n, ...], of the n clips
          that are in the input's pool in any fold; see `gather_inputs`.
        """
        kept = {}
        for name in self.stages[stage].remember:
            clips = self._pool(stage, name)
            found = self._found(stage, name, state, clips)
            kept[name] = {"row": self._everywhere(self._row(clips)), "found": found}
        return kept

    def _found(self, stage: str, name: str, state: RunState, clips: np.ndarray):
        """Returns what is found in clips, [L, n, ...], a step's batch at a time."""
        look, nets = self.remember(stage, name), (state.params, state.model_state)
        batches = self.batches(clips, self.stages[stage].inputs[name])
        parts = [look(*nets, index, self.clips) for index in batches]
        join = lambda *parts: jnp.concatenate(parts, 1)[:, : len(clips)]
        return put(self.mesh, jax.tree.map(join, *parts))

    def batches(self, clips: np.ndarray, batch: int) -> list[jax.Array]:
        """Returns clips as int32[L, batch] each, alike in all runs; -1 at the end."""
        index = np.full(-(-len(clips) // batch) * batch, -1, np.int32)
        index[: len(clips)] = clips
        return [self._everywhere(rows) for rows in index.reshape(-1, batch)]

    def _row(self, clips: np.ndarray) -> np.ndarray:
        """Returns int32[N], where each of some clips is among them; 0 of others."""
        row = np.zeros(len(self.clips["label"]), np.int32)
        row[clips] = np.arange(len(clips))
        return row

    def abstract_remembered(self, stage: str) -> PyTree:
        """Returns the shapes of `remembered`, laid out on the devices."""
        state, kept = self.abstract_state(stage), {}
        for name in self.stages[stage].remember:
            clips = self._pool(stage, name)
            index = self._everywhere(clips.astype(np.int32))
            arguments = state.params, state.model_state, index, self.clips
            found = jax.eval_shape(self.remember(stage, name), *arguments)
            kept[name] = {"row": self._everywhere(self._row(clips)), "found": found}
        return jax.tree.map(self._on_mesh, kept)

    def _pool(self, stage: str, name: str) -> np.ndarray:
        """Returns int[n], the clips that an input may have in any fold, ascending."""
        pool = self.stages[stage].beside[name].pool
        return np.unique(np.concatenate([fold.clips(pool) for fold in self.folds]))

    def _everywhere(self, row: np.ndarray) -> jax.Array:
        """Returns [L, ...] the same for all runs."""
        return put(self.mesh, np.tile(row, (self.width, *[1] * row.ndim)))

    @functools.cached_property
    def predict(self) -> Callable:
        """`(params, model_state, index [L, M], clips) -> logits [L, M, K]`."""

        def predict(params, model_state, index, clips):
            return self.system.predict(params, model_state, gather(clips, index))

        return self._lift(predict)

    def _inspect(self, stage: str) -> Callable:
        """Returns `(params, model_state, index [L, M], clips)` -> what a stage shows.

        That is name -> float[L, M, H, W] or [L, M, H, W, 3]; traced, it raises
        ValueError for anything else.
        """
        todo = self.stages[stage]

        def inspect(params, model_state, index, clips):
            if todo.inspect is None:
                raise ValueError(f"stage {stage!r} has `shows` and no `inspect`")
            found = todo.inspect(params, model_state, gather(clips, index))
            return {name: picture(stage, name, found) for name in todo.shows}

        return self._lift(inspect)

    @functools.cached_property
    def features(self) -> Mapping[str, Callable]:
        """Input -> `(params, model_state, index [L, B], clips) -> features [L, B, D]`.

        They are what the last stage's `inspect`, for '', and `inspect_beside`, for a
        further input, call "features". Nothing where `inspect` calls nothing so, and
        of further inputs those alone whose features are of its D.

        Raises:
          ValueError: if one is not float[B, D], or is of an input that is none.
        """
        last = self.system.stages[-1]
        looks: dict[str, Callable] = {"": last.inspect} if last.inspect else {}
        looks |= last.inspect_beside
        if strange := sorted(looks.keys() - last.inputs.keys()):
            raise ValueError(
                f"stage {last.name!r} inspects {strange} beside its clips; its further "
                f"inputs are {sorted(last.beside)}"
            )
        widths = {name: self._width(last, name, look) for name, look in looks.items()}
        own = widths.get("")
        return {
            name: self._lift(looking(look, "features"))
            for name, look in looks.items()
            if own is not None and widths[name] == own
        }

    def _width(self, stage: Stage, name: str, look: Callable) -> int | None:
        """Returns D of an input's features, None if there are none."""
        state = self.abstract_state(stage.name)
        shape = (self.width, stage.inputs[name])
        index = put(self.mesh, np.zeros(shape, np.int32))
        nets = state.params, state.model_state
        found = jax.eval_shape(self._lift(looking(look)), *nets, index, self.clips)
        if "features" not in found:
            return None
        check_features(stage.name, found["features"], shape)
        return found["features"].shape[2]

    def test_rows(self, test: np.ndarray, most: int | None = None) -> np.ndarray:
        """Returns int32[M] test positions, padded with -1 to `most`, or the largest."""
        missing = (self.max_test if most is None else most) - len(test)
        return np.pad(test, (0, missing), constant_values=-1).astype(np.int32)

    def abstract_state(self, stage: str) -> RunState:
        """Returns the shapes [L, ...] of a stage's state, laid out on the devices."""
        keys = jax.random.split(rng.run_key(seed=0, protocol="", fold=""), self.width)
        # On the mesh, as in training: where arrays lie is part of what is traced.
        steps = np.zeros(self.width, np.int32)
        counts = np.zeros((self.width, self.num_classes), np.int32)
        begun = put(self.mesh, (keys, steps, counts))
        finished = self.abstract_finished(stage)
        shapes = jax.eval_shape(self.init(stage), *begun, finished, self.clips)
        return jax.tree.map(self._on_mesh, shapes)

    def abstract_finished(self, stage: str) -> PyTree:
        """Returns the shapes of the nets that were trained before `stage`."""
        earlier = list(self.stages)[: list(self.stages).index(stage)]
        states = {name: self.abstract_state(name) for name in earlier}
        return {name: (s.params, s.model_state) for name, s in states.items()}

    def _metric_names(self, stage: str) -> tuple[str, ...]:
        """Returns the metrics of one step, sorted."""
        state, rows = self.abstract_state(stage), self.abstract_rows(stage)
        step, kept = self.step(stage, False), self.abstract_remembered(stage)
        return tuple(sorted(jax.eval_shape(step, state, rows, self.clips, kept)[1]))

    def _on_mesh(self, leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=per_run(self.mesh))
