"""The numbers of one training step of every system, and the tool that records them.

python -m tests.systems.golden_step NAME    # from the root; without names, all anew
"""

import dataclasses
import functools
import json
import pathlib
import sys
import tempfile
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from mer_jax.train.stage import Stage, Update, split
from mer_jax.train.step import RunState, train_step
from tests import flights

FILE = pathlib.Path(__file__).with_name("golden_step.json")
WHAT_TO_DO = (
    "Loss, gradient norm and update norm of the first step of every stage. If a test "
    "says one has changed: find the commit that changed it. If it meant to change "
    "numerics, results recorded before it no longer compare with those after: say so "
    "in CHANGELOG.md, check the parity tests of the system, then run `python -m "
    "tests.systems.golden_step` and commit this file alone. If it did not mean to, it "
    "has a bug. A new version of JAX may move the last digits, not the fourth."
)


def spied(update: Update) -> Update:
    """`update` with the norms of its gradients and of its steps on record."""

    def gradients(*args):
        grads, aux = update.gradients(*args)
        metrics = {**aux.metrics, "gradient_norm": optax.tree.norm(grads)}
        return grads, aux._replace(metrics=metrics)

    recorder = optax.GradientTransformation(
        lambda params: jnp.zeros(()),
        lambda updates, state, params=None: (updates, optax.tree.norm(updates)),
    )
    tx = optax.chain(update.tx, recorder)
    return dataclasses.replace(update, gradients=gradients, tx=tx)


def spied_stage(stage: Stage) -> Stage:
    """`stage` with its updates spied on."""
    return dataclasses.replace(stage, updates=tuple(map(spied, stage.updates)))


@functools.cache
def jitted(name: str, stage: str, *, x64: bool = False):
    """Returns `step(state, batch)` of one run, jitted and spied on."""
    stages = {s.name: s for s in flights.row(name, x64=x64).system.stages}
    return jax.jit(functools.partial(train_step, spied_stage(stages[stage])))


def first_states(name: str, *, x64: bool = False) -> dict[str, RunState]:
    """Stage -> the state before its first step, the earlier ones just begun.

    Adam's first step is the sign of each gradient, so rounding decides it where that
    is nearly 0: it would hand another net to the next stage on another compiler.
    """
    row, program = flights.row(name, x64=x64), flights.program(name, x64=x64)
    with tempfile.TemporaryDirectory() as folder:
        fold = flights.folds_of(row)[0]
        runner = flights.runner(row, program, [fold], pathlib.Path(folder))
    finished, states = {}, {}
    for stage in row.system.stages:
        stacked = flights.enter(runner, stage.name, finished)
        state = jax.tree.map(lambda x: x[0], stacked)
        trained = (split(state.params, update.trains)[0] for update in stage.updates)
        updates = zip(spied_stage(stage).updates, trained, strict=True)
        state = state.replace(opt_states=tuple(u.tx.init(t) for u, t in updates))
        states[stage.name] = state
        nets = state.params, state.model_state
        finished[stage.name] = jax.tree.map(lambda x: x[None], nets)
    return states


def batch(name: str, stage: Stage, *, x64: bool = False) -> dict[str, jax.Array]:
    """The first clips; the last row of the source is padding."""
    index = np.arange(stage.rows)
    index[stage.source.batch - 1] = -1
    return flights.batch_of(flights.row(name, x64=x64).clips, index, stage)


def measure(name: str) -> dict[str, Any]:
    """Returns stage -> update -> number -> value.

    In float64, as batch norm of a few small values magnifies rounding a thousandfold.
    """
    with jax.enable_x64(True):
        return _measured(name)


def _measured(name: str) -> dict[str, Any]:
    measured = {}
    states = first_states(name, x64=True)
    for stage in flights.row(name, x64=True).system.stages:
        step = jitted(name, stage.name, x64=True)
        state, metrics = step(states[stage.name], batch(name, stage, x64=True))
        measured[stage.name] = {
            update.name: {
                "loss": float(metrics[f"{update.name}/loss"]),
                "gradient_norm": float(metrics[f"{update.name}/gradient_norm"]),
                "update_norm": float(state.opt_states[i][-1]),
            }
            for i, update in enumerate(stage.updates)
        }
    return measured


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", 4)  # as in the tests
    numbers = json.loads(FILE.read_text())["systems"]
    numbers |= {name: measure(name) for name in sys.argv[1:] or flights.SYSTEMS}
    numbers = {name: numbers[name] for name in flights.SYSTEMS if name in numbers}
    text = json.dumps({"what to do": WHAT_TO_DO, "systems": numbers}, indent=1)
    FILE.write_text(text + "\n")
    print(FILE)
