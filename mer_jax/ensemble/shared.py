"""Stages that are the same in every fold: trained once per seed, then handed on."""

import dataclasses
import json
import shutil
import time
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from mer_jax.ensemble.cost import steps
from mer_jax.ensemble.filing import curves, seen
from mer_jax.ensemble.ledger import Ledger, read_nets, write_npz
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.listener import Interrupted, Listener
from mer_jax.ensemble.pack import Wave, pack
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.provenance import provenance
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.runner import Flight, WaveRunner
from mer_jax.typing import PyTree


def train_shared(
    row: Row, seeds: Sequence[int], ledger: Ledger, layout: Layout, listener: Listener
) -> None:
    """Trains the row's shared stages with every seed that the ledger lacks.

    Raises:
      UserError: see `WaveRunner.run`.
      Interrupted: after saving, if the listener wants to stop.
    """
    runs = [row.shared_run(seed) for seed in seeds if row.shared_stages]
    left = [run for run in runs if not ledger.done(run.id)]
    if not left:
        return
    # Its fold tests nothing, so the nets of a last stage are never asked for.
    system = dataclasses.replace(row.system, stages=row.shared_stages)
    program = Program(system, row.clips, [left[0].fold], layout)
    for wave in pack(left, program.width, lambda run: 0):
        listener.wave(wave)
        directory = ledger.wave_directory(wave.id)
        runner = WaveRunner(program, row.clips, wave, directory)
        flight = runner.run(listener.hooks)
        for lane, run in enumerate(wave.runs[: wave.real]):
            told = {"provenance": np.array(json.dumps(provenance(program)))}
            write_npz(ledger.shared_path(run.id), _entry(runner, flight, lane) | told)
        shutil.rmtree(directory, ignore_errors=True)
        if listener.hooks.stop():
            raise Interrupted


def _entry(runner: WaveRunner, flight: Flight, lane: int) -> dict[str, np.ndarray]:
    """Returns the nets after every stage, its curves, and the clips it saw."""
    leaves = _named(jax.device_get(flight.finished))
    nets = {f"nets/{name}": leaf[lane] for name, leaf in leaves.items()}
    clips = {f"seen/{s.name}": seen(runner, s.name, lane) for s in runner.stages}
    own: dict[str, np.ndarray] = {}
    for stage in runner.stages:
        shape = runner.indices[stage.name][lane].shape[:2]
        own |= curves(lane, stage.name, shape, runner, flight)
    finished = time.strftime("%Y-%m-%dT%H:%M:%S%z")
    return {
        **nets,
        **clips,
        **own,
        **steps(runner)[lane],
        "finished": np.array(finished),
        "seconds": flight.seconds / runner.wave.real,
    }


def given(
    row: Row, program: Program, wave: Wave, ledger: Ledger
) -> dict[str, tuple[PyTree, PyTree]]:
    """Returns what the shared stages hand to a wave: stage -> nets [L, ...]."""
    if not row.shared_stages:
        return {}
    first = row.own_stages[0].name
    abstract = program.abstract_finished(first)
    archives = {
        run.seed: read_nets(ledger.shared_path(row.shared_run(run.seed).id))
        for run in wave.runs
    }
    names, tree = list(_named(abstract)), jax.tree.structure(abstract)
    lanes = [[archives[run.seed][f"nets/{n}"] for n in names] for run in wave.runs]
    stacked = [np.stack(leaves) for leaves in zip(*lanes, strict=True)]
    return put(program.mesh, jax.tree.unflatten(tree, stacked))


def shared_provenance(ledger: Ledger, run_id: str) -> dict[str, Any] | None:
    """Returns what trained shared stages; None if that, or the run, is not there."""
    path = ledger.shared_path(run_id)
    found = read_nets(path, "provenance") if path.exists() else {}
    return json.loads(str(found[""])) if found else None


def shared_records(ledger: Ledger, run_id: str) -> dict[str, np.ndarray]:
    """Returns curves, steps and seconds that `train_shared` wrote, if it wrote any."""
    path = ledger.shared_path(run_id)
    kinds = ("curves/", "steps/", "seconds") if path.exists() else ()
    return {k + name: x for k in kinds for name, x in read_nets(path, k).items()}


def _named(tree: PyTree) -> dict[str, Any]:
    paths = jax.tree_util.tree_flatten_with_path(tree)[0]
    name = lambda path: jax.tree_util.keystr(path, simple=True, separator="/")
    return {name(path): leaf for path, leaf in paths}
