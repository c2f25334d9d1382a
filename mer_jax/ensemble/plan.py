"""What an experiment would take: runs, waves, programs, bytes, FLOPs, time."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.ensemble.cost import step_flops
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.sweep import chosen, kept, waves
from mer_jax.ensemble.trial import needed


@dataclasses.dataclass(frozen=True, kw_only=True)
class StagePlan:
    """One compiled program, the training step of a stage.

    Attributes:
      name: of the stage.
      steps: int, of all runs left to do.
      step_flops: of one run's step; matrix products and convolutions.
      step_bytes: of one wave's step while it runs: arguments, results, scratch.
      compile_seconds: measured.
    """

    name: str
    steps: int
    step_flops: int
    step_bytes: int
    compile_seconds: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """What a row would take from here.

    Attributes:
      row: name.
      clips, folds, seeds: how many.
      frames: how many there are of clips and pools, 0 where no stage trains on them.
      frames_way: "resident" or "streamed", see `FrameFeed`, or ''.
      runs, done: in all, and those in the ledger.
      inner: how many of all are inner runs.
      waves, width: groups left to train, and the runs in each.
      padding: lanes of the waves whose results are thrown away.
      resident_bytes: the clips, and frames if they are resident, on every device.
      state_bytes: of one run: parameters, optimiser, batch statistics.
      kept_bytes: parameters on disk at the end.
      stages: one program each.
      seconds_per_run: measured by finished runs of this workdir, else None.
      floor_seconds: all FLOPs left at this device's matrix speed.
      device_flops: that speed, FLOP/s.
      stated: whether the speed was given, and not measured on this device.
    """

    row: str
    clips: int
    frames: int
    frames_way: str
    folds: int
    seeds: int
    runs: int
    done: int
    waves: int
    width: int
    padding: int
    resident_bytes: int
    state_bytes: int
    kept_bytes: int
    stages: tuple[StagePlan, ...]
    seconds_per_run: float | None
    floor_seconds: float
    device_flops: float
    stated: bool = False
    inner: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations left."""
        return sum(stage.steps * stage.step_flops for stage in self.stages)


def plan(
    row: Row,
    ledger: Ledger,
    *,
    layout: Layout,
    folds: Sequence[str] | None = None,
    keep_params: str = "auto",
    device_flops: float | None = None,
    inner: bool = False,
) -> Plan:
    """Compiles a row's programs and counts. Trains nothing, writes nothing.

    Args:
      row: the row.
      ledger: of the workdir; what it has is not planned again.
      layout: devices and lanes.
      folds: names of the folds to train; None for all.
      keep_params: see `sweep.train`.
      device_flops: FLOP/s of one device, e.g. of another machine; None measures this
        one's.
      inner: whether the inner runs of these folds are to be trained, too.
    """
    runs = chosen(row, folds, inner=inner)
    program = Program(row.system, row.clips, row.folds, layout)
    left = waves(row, runs, ledger, program.width)
    todo = [r for w in left for r in w.runs[: w.real] if not ledger.done(r.id)]
    stages = []
    seeds = {run.seed for run in todo}
    shared = [row.shared_run(seed) for seed in sorted(seeds)]
    once = {stage.name for stage in row.shared_stages}
    for name, stage in program.stages.items():
        trained = [r for r in shared if not ledger.done(r.id)] if name in once else todo
        steps = sum(row.epoch_steps(stage, run) for run in trained)
        stages.append(_stage_plan(program, name, steps * stage.num_epochs))
    state = program.abstract_state(row.system.stages[-1].name)
    nets = _bytes((state.params, state.model_state)) // program.width
    speed = matrix_speed() if device_flops is None else device_flops
    work = sum(stage.steps * stage.step_flops for stage in stages)
    return Plan(
        row=row.experiment.name,
        clips=len(row.corpus.keys),
        frames=len(program.feed.frames or ()),
        frames_way=program.feed.way if program.feed.frames else "",
        folds=len(row.folds),
        seeds=len(row.experiment.seeds),
        runs=len(runs),
        done=len(runs) - len(todo),
        waves=len(left),
        width=program.width,
        padding=sum(len(wave.runs) - wave.real for wave in left),
        resident_bytes=_bytes(program.clips) + program.feed.resident_bytes,
        state_bytes=_bytes(state) // program.width,
        kept_bytes=nets * len(kept(row, program, keep_params)),
        stages=tuple(stages),
        seconds_per_run=_measured(runs, ledger),
        floor_seconds=work / (speed * program.mesh.size),
        device_flops=speed,
        stated=device_flops is not None,
        inner=sum(bool(run.fold.inside) for run in runs),
    )


def _stage_plan(program: Program, name: str, steps: int) -> StagePlan:
    state, rows = program.abstract_state(name), program.abstract_rows(name)
    step: Any = program.step(name, False)
    arguments = state, rows, program.clips, program.abstract_remembered(name)
    start = time.monotonic()
    memory = step.lower(*arguments).compile().memory_analysis()
    return StagePlan(
        name=name,
        steps=steps,
        step_flops=step_flops(program, name),
        step_bytes=needed(memory),
        compile_seconds=time.monotonic() - start,
    )


def _bytes(tree: Any) -> int:
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def _measured(runs, ledger: Ledger) -> float | None:
    done = [run for run in runs if ledger.done(run.id)]
    seconds = [ledger.read(run.id)["provenance"]["seconds"] for run in done[:20]]
    return float(np.mean(seconds)) if seconds else None


def matrix_speed(size: int = 1024) -> float:
    """Returns FLOP/s of float32 matrix products on the first device, best of 5."""
    a = jnp.ones((size, size), jnp.float32)
    multiply = jax.jit(lambda a: a @ a)
    multiply(a).block_until_ready()
    seconds = []
    for _ in range(5):
        start = time.monotonic()
        multiply(a).block_until_ready()
        seconds.append(time.monotonic() - start)
    return 2 * size**3 / min(seconds)
