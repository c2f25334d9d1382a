"""A training step, measured: its time, its compilation, its memory."""

import dataclasses
import gc
import time
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from mer_jax.data.pools import positions
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.lift import put, run_mesh
from mer_jax.ensemble.machine import memory, on_cpu
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.typing import PyTree

TURNS, SECONDS = 5, 6.0  # of a trial, compilation not counted
STEPS = 1000  # of a run, as far as schedules know
MEMORY = 0.8  # of what is there, which programs may take


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """A step of a stage.

    Attributes:
      devices: how many took it at once.
      lanes: runs per device.
      fields: open fields of the system's config and their values.
      seconds: of one run's step, where all runs of a wave take theirs at once; the
        least seen; None if memory does not suffice.
      compile_seconds: of the program.
      bytes: that one device needs while it runs; 0 if the device refused to say.
    """

    devices: int
    lanes: int
    fields: Mapping[str, Any]
    seconds: float | None
    compile_seconds: float
    bytes: int

    @property
    def time(self) -> float:
        """`seconds`, infinite for None."""
        return np.inf if self.seconds is None else self.seconds


def room(devices: int) -> float:
    """Returns the bytes that each of so many devices may take."""
    return MEMORY * memory() / (devices if on_cpu() else 1)


def trial(
    row: Row, run: Run, layout: Layout, stage: str, fields: Mapping[str, Any]
) -> Trial:
    """Compiles and times a step of a stage, if memory suffices.

    Args:
      row: with its system computed as the fields say.
      run: whose clips are taken.
      layout: devices and lanes.
      stage: its name; earlier stages that it starts from are as they begin.
      fields: to be told of.
    """
    told = {"devices": run_mesh(layout.devices).size, "lanes": layout.lanes}
    try:
        measured = _measured(row, run, layout, stage)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        measured = {"seconds": None, "compile_seconds": 0.0, "bytes": 0}
    gc.collect()
    return Trial(fields=fields, **told, **measured)


def _measured(row: Row, run: Run, layout: Layout, stage: str) -> dict[str, Any]:
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
    size = needed(compiled.memory_analysis())
    told = {"compile_seconds": time.perf_counter() - start, "bytes": size}
    if size > room(program.mesh.size):
        return {"seconds": None, **told}
    seconds: list[float] = []
    begun = time.perf_counter()
    while len(seconds) <= TURNS and time.perf_counter() - begun < SECONDS:
        start = time.perf_counter()
        state, _ = compiled(state, rows, program.clips, remembered)
        jax.block_until_ready(state)
        seconds.append((time.perf_counter() - start) / program.width)
    return {"seconds": min(seconds[1:] or seconds), **told}  # the first warms up


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
