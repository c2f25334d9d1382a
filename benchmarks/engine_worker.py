"""What our engine's workers share: a stage of so many runs, whose steps are timed."""

import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.interleaved import answer
from mer_jax import rng
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.provenance import provenance

MATRIX = 8192  # edge of the matrices whose product tells the card's rate
STEPS = 1000  # of a run, as far as schedules know


def work(
    program: Program, stage: str, rows: np.ndarray, count: Callable, start: float
) -> None:
    """Answers with steps of a stage, as `mer run` takes them.

    Args:
      program: of all lanes.
      stage: its name; earlier stages that it starts from are as they begin.
      rows: int32[rows], positions of a step's clips.
      count: `(step, state, index, clips, remembered)`, as the program takes them ->
        "products" of a step per sample, and "more" for the result.
      start: when the worker began, by `time.perf_counter`.
    """
    lanes = program.width
    keys = jax.random.split(rng.run_key(seed=0, protocol="", fold=""), lanes)
    total, index = np.full(lanes, STEPS, np.int32), np.tile(rows, (lanes, 1))
    counts = np.ones((lanes, program.num_classes), np.int32)
    *begun, index = put(program.mesh, (keys, total, counts, index))
    finished: dict = {}
    for name in sorted({t.stage for t in program.stages[stage].init_from}):
        first = program.init(name)(*begun, {}, program.clips)
        finished[name] = first.params, first.model_state
    state = program.init(stage)(*begun, finished, program.clips)
    step = program.step(stage, False)
    remembered = program.remembered(stage, state)
    counted = count(step, state, index, program.clips, remembered)

    def steps(number):
        nonlocal state
        for _ in range(number):
            state, _ = step(state, index, program.clips, remembered)
        jax.block_until_ready(state)

    steps(3)
    ready = {
        "seconds": time.perf_counter() - start,
        "provenance": provenance(program),
        **counted,
        "matrix_rate": matrix_rate() if on_gpu() else None,
    }
    answer(steps, ready)


def on_gpu() -> bool:
    """Returns whether JAX computes on a GPU."""
    return jax.default_backend() == "gpu"


def matrix_rate() -> float:
    """Returns the bfloat16 products of large matrices, FLOP per second."""
    a = jnp.ones((MATRIX, MATRIX), jnp.bfloat16)
    product = jax.jit(lambda a: a @ a)
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        product(a).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * MATRIX**3 / min(seconds)
