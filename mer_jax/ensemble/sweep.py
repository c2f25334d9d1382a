"""An experiment from its rows to a full ledger: what is left to do, wave by wave."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from mer_jax.ensemble.checkpoint import Checkpoints
from mer_jax.ensemble.cost import cost, steps
from mer_jax.ensemble.embedding import embeddings
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.features import check_features, features
from mer_jax.ensemble.filing import file_wave
from mer_jax.ensemble.ledger import VERSION, Ledger
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave, pack
from mer_jax.ensemble.probing import probes
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.provenance import provenance
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.runner import Flight, WaveRunner
from mer_jax.ensemble.shared import given, train_shared
from mer_jax.ensemble.showing import check_pictures, pictures
from mer_jax.errors import UserError
from mer_jax.typing import PyTree

KEEP_LIMIT = 2e9  # bytes of parameters kept unless told otherwise


def claim(workdir: Path, rows: Sequence[Row], *, inner: bool = False) -> Ledger:
    """Returns the ledger of a workdir that is, or becomes, these rows'.

    Args:
      workdir: the folder.
      rows: what it is for.
      inner: whether it is for their inner runs, too.
    """
    ledger = Ledger(workdir)
    told = [row.manifest(inner=inner) for row in rows]
    ledger.claim({"version": VERSION, "rows": told})
    return ledger


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Holds the workdir, so that two processes do not train the same wave.

    Raises:
      UserError: if another process has it.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    with (workdir / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"{workdir} is in use by another process; wait for it, or choose "
                "another --workdir"
            ) from None
        yield


def train(
    row: Row,
    ledger: Ledger,
    *,
    layout: Layout,
    folds: Sequence[str] | None,
    keep_params: str,
    listener: Listener,
    inner: bool = False,
) -> None:
    """Trains every run of a row that the ledger lacks.

    Args:
      row: the row.
      ledger: of the workdir, claimed.
      layout: devices and lanes.
      folds: names of the folds to train now; None for all.
      keep_params: "auto", "all", "none" or a number of runs.
      listener: progress, and the wish to stop.
      inner: whether to train the inner runs of these folds, too.

    Raises:
      UserError: see `WaveRunner.run`.
      ValueError: if the system shows what is no picture, or its features are none.
      Interrupted: after saving, if the listener wants to stop.
    """
    runs = chosen(row, folds, inner=inner)
    program = Program(row.system, row.clips, row.folds, layout)
    keep = kept(row, program, keep_params)
    left = waves(row, runs, ledger, program.width)
    common = {**provenance(program), "content": row.content}
    common |= cost(program) if left else {}
    looking = [wave for wave in left if not wave.inner]
    check_pictures(row, program, looking)
    check_features(program, looking)
    seeds = {run.seed for wave in left for run in wave.runs}
    train_shared(row, sorted(seeds), ledger, layout, listener)
    for wave in left:
        listener.wave(wave)
        runner, flight, nets = fly(row, program, wave, ledger, listener.hooks)
        told = (
            _left_out(row, wave)
            if wave.inner
            else _shown(row, program, wave, nets, runs[0])
        )
        more = [{**a, **b} for a, b in zip(told, steps(runner), strict=True)]
        new = [r for r in wave.runs[: wave.real] if not ledger.done(r.id)]
        file_wave(runner, flight, ledger, common=common, keep=keep, more=more)
        shutil.rmtree(runner.directory, ignore_errors=True)
        for run in new:
            listener.landed(run)
        if listener.hooks.stop():  # since the last step
            raise Interrupted
    _clear(ledger)


def fly(
    row: Row, program: Program, wave: Wave, ledger: Ledger, hooks: Hooks
) -> tuple[WaveRunner, Flight, Mapping[str, tuple[PyTree, PyTree]]]:
    """Trains a wave, or what is left of it.

    Args:
      row: of its runs.
      program: of the row.
      wave: whose runs to train.
      ledger: it has the stages that all folds share, and checkpoints.
      hooks: handed to the runner.

    Returns:
      What trained it, where it ended, and (params, model_state) [L, ...] at the end of
      every stage, shared ones included.
    """
    earlier = given(row, program, wave, ledger)
    # Inner folds test more clips. The others' predictions keep their shape, and so
    # their bits.
    most = max(len(f.test) for f in row.inner_folds) if wave.inner else None
    directory = ledger.wave_directory(wave.id)
    runner = WaveRunner(program, row.clips, wave, directory, earlier, most)
    flight = runner.run(hooks)
    return runner, flight, {**earlier, **flight.finished}


def _shown(row: Row, program: Program, wave: Wave, nets, first: Run) -> list[dict]:
    """Returns [L], for the run's ledger entry: pictures, and what features tell."""
    found = features(row, program, wave, nets)
    told = (
        pictures(row, program, wave, nets),
        probes(row, wave, found),
        embeddings(row, wave, found, first),
    )
    return [{**a, **b, **c} for a, b, c in zip(*told, strict=True)]


def _left_out(row: Row, wave: Wave) -> list[dict]:
    """Returns [L], for an inner run's ledger entry: whom it leaves out."""
    return [{"left_out": np.array(row.tested(run.fold))} for run in wave.runs]


def _clear(ledger: Ledger) -> None:
    """Deletes checkpoints of runs that were trained in other waves meanwhile."""
    for directory in _flying(ledger):
        with Checkpoints(directory) as checkpoints:
            found = checkpoints.latest()
        if not found or all(ledger.done(run_id) for run_id in found[1]["runs"]):
            shutil.rmtree(directory, ignore_errors=True)


def _flying(ledger: Ledger) -> list[Path]:
    return sorted((ledger.workdir / "waves").glob("*"))


def chosen(row: Row, folds: Sequence[str] | None, *, inner: bool = False) -> list[Run]:
    """Returns the row's runs in the named folds.

    Args:
      row: the row.
      folds: their names; None for all.
      inner: whether their inner runs follow.

    Raises:
      UserError: for a fold the protocol does not have.
    """
    known = [fold.name for fold in row.folds]
    unknown = sorted(set(folds or ()) - set(known))
    if unknown:
        raise UserError(
            f"--folds: no fold {', '.join(unknown)} in {row.experiment.name}; "
            f"there are {len(known)}: {', '.join(known[:5])}, ..."
        )
    runs = [*row.runs, *(row.inner_runs if inner else ())]
    name = lambda run: run.fold.inside or run.fold.name
    return [run for run in runs if folds is None or name(run) in folds]


def waves(row: Row, runs: Sequence[Run], ledger: Ledger, width: int) -> list[Wave]:
    """Returns the waves left to train: those in flight, then runs, then inner runs.

    A wave in flight is taken up with the runs it has, if they are all still
    wanted and it has this width, though some may have been filed; otherwise its runs
    start again.
    """
    wanted = {run.id: run for run in runs}
    left = {name: run for name, run in wanted.items() if not ledger.done(name)}
    resumed = []
    taken: set[str] = set()
    for directory in _flying(ledger):
        with Checkpoints(directory) as checkpoints:
            found = checkpoints.latest()
        ids = found[1]["runs"] if found else []
        whole = len(ids) == width and wanted.keys() >= set(ids)
        if whole and left.keys() & set(ids) and not taken & set(ids):
            resumed.append(Wave(tuple(wanted[i] for i in ids), found[1]["real"]))
            taken.update(ids)
    rest = [run for run in left.values() if run.id not in taken]
    kinds = (
        [run for run in rest if not run.fold.inside],
        [run for run in rest if run.fold.inside],
    )
    return resumed + [w for runs in kinds for w in pack(runs, width, row.steps)]


def kept(row: Row, program: Program, keep_params: str) -> set[str]:
    """Returns the ids of the runs whose parameters are written.

    Raises:
      UserError: if `keep_params` is none of its values.
    """
    ids = [run.id for run in row.runs]
    if keep_params == "auto":
        state = program.abstract_state(row.system.stages[-1].name)
        leaves = jax.tree.leaves((state.params, state.model_state))
        size = sum(x.size * x.dtype.itemsize for x in leaves) / program.width
        keep_params = "all" if size * len(ids) < KEEP_LIMIT else "none"
    if keep_params in ("all", "none"):
        return set(ids) if keep_params == "all" else set()
    if not keep_params.isdigit():
        raise UserError(
            f"--keep-params must be auto, all, none or a number of runs, "
            f"got {keep_params!r}"
        )
    return set(ids[: int(keep_params)])
