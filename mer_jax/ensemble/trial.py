"""A training step, measured: its time, its compilation, its memory."""

import dataclasses
import gc
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mer_jax.data.pools import positions
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.typing import PyTree

TURNS, SECONDS = 5, 6.0  # of a trial, compilation not counted
STEPS = 1000  # of a run, as far as schedules know


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """A step of a stage.

    Attributes:
      lanes: runs per device.
      fields: open fields of the system's config and their values.
      seconds: of one run's step, where all runs of a wave take theirs at once; the
        least seen.
      compile_seconds: of the program.
      bytes: that one device needs while it runs.
    """

    lanes: int
    fields: Mapping[str, Any]
    seconds: float
    compile_seconds: float
    bytes: int


def trial(
    row: Row, run: Run, layout: Layout, stage: str, fields: Mapping[str, Any]
) -> Trial:
    """Compiles and times a step of a stage.

    Args:
      row: with its system computed as the fields say.
      run: whose clips are taken.
      layout: devices and lanes.
      stage: its name; earlier stages that it starts from are as they begin.
      fields: to be told of.
    """
    program = Program(row.system, row.clips, row.folds, layout)
    todo = program.stages[stage]
    clips = positions(row.clips, run.fold, todo.source.pool, todo.source.of)
    index = np.resize(clips, (program.width, 1, todo.rows)).astype(np.int32)
    (rows,) = program.rows(stage, index)
    state = _begun(program, stage, run)
    # What is remembered may take minutes to find, and its values no time.
    remembered = jax.tree.map(
        lambda x: jax.device_put(np.zeros(x.shape, x.dtype), x.sharding),
        program.abstract_remembered(stage),
    )
    step: Any = program.step(stage, False)
    start = time.perf_counter()
    compiled = step.lower(state, rows, program.clips, remembered).compile()
    compile_seconds = time.perf_counter() - start
    seconds: list[float] = []
    begun = time.perf_counter()
    while len(seconds) <= TURNS and time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        state, _ = compiled(state, rows, program.clips, remembered)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - start) / program.width)
    size = needed(compiled.memory_analysis())
    del program, state, remembered, compiled, step
    gc.collect()
    return Trial(
        lanes=layout.lanes,
        fields=fields,
        seconds=min(seconds[1:] or seconds),  # the first warms up
        compile_seconds=compile_seconds,
        bytes=size,
    )


def _begun(program: Program, stage: str, run: Run) -> PyTree:
    """Returns the state in which a stage begins, of every run of a wave."""
    keys = jax.random.split(run.key, program.width)
    steps = np.full(program.width, STEPS, np.int32)
    counts = np.ones((program.width, program.num_classes), np.int32)
    begun = put(program.mesh, (keys, steps, counts))
    finished: dict = {}
    for name in program.stages:
        state = program.init(name)(*begun, finished, program.clips)
        if name == stage:
            return state
        finished[name] = state.params, state.model_state
    raise KeyError(stage)


def needed(memory: Any) -> int:
    """Returns the bytes of a device that a compiled program takes while it runs."""
    # The clips and a state that is donated are counted once, as arguments.
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes
        + memory.temp_size_in_bytes
    )


def on_cpu() -> bool:
    """Returns whether JAX computes on a CPU."""
    return jax.default_backend() == "cpu"


def memory() -> float:
    """Returns the bytes that all of a CPU's devices share, or that a device has.

    Infinite where nothing tells.
    """
    if not on_cpu():
        return (jax.devices()[0].memory_stats() or {}).get("bytes_limit", np.inf)
    told = Path("/proc/meminfo")
    if not told.exists():
        return np.inf
    lines = dict(line.split(":") for line in told.read_text().splitlines())
    return float(lines["MemAvailable"].split()[0]) * 1024
