"""Trains finished runs anew, and compares: do they come out as they were recorded?

The bits of a run depend on the program that trains it, and that on the layout: devices,
lanes, and how they are spelt. So a run is trained in the layout that was recorded, as
far as there are devices. Runs that trained side by side, on several devices or lanes,
are trained together again, the whole wave, for the program is another where its runs
are of unequal length. A wave that was not recorded, or does not fit the devices here,
is made of the runs asked for, and padded. Only runs asked for are compared.

Stages that all folds share train anew first, and are compared, too. Everything is
written to a temporary folder, nothing to the workdir.
"""

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from mer_jax.data.pools import SHARED
from mer_jax.ensemble.agreement import Outcome, outcome, run_arrays, shared_arrays
from mer_jax.ensemble.choose import formulated
from mer_jax.ensemble.cost import steps
from mer_jax.ensemble.differences import Difference, differences
from mer_jax.ensemble.experiment import Run, run_id
from mer_jax.ensemble.filing import file_wave
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.listener import Interrupted, Listener
from mer_jax.ensemble.pack import Wave, pack
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.provenance import provenance
from mer_jax.ensemble.recorded import Recorded, recorded_runs
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.shared import shared_provenance, train_shared
from mer_jax.ensemble.sweep import fly
from mer_jax.errors import UserError

_SHOWN = 5  # clips of a kind, in messages
_SETTING = ("versions", "commit", "host", "backend", "device", "devices", "xla flags")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Replay:
    """Runs of a row that were recorded in one layout, ready to be trained anew.

    Attributes:
      row: with its clips at hand.
      program: in this layout.
      waves: whose runs to train.
      wanted: `Run.id` here -> what was recorded.
      differing: how what trains here differs from what trained there.
    """

    row: Row
    program: Program
    waves: tuple[Wave, ...]
    wanted: Mapping[str, Recorded]
    differing: tuple[Difference, ...]

    @property
    def runs(self) -> list[Run]:
        """All runs that are trained, those beside the wanted ones included."""
        return [run for wave in self.waves for run in wave.runs[: wave.real]]

    @property
    def seeds(self) -> list[int]:
        """Their seeds."""
        return sorted({run.seed for run in self.runs})


def check_clips(told: Mapping[str, Any], row: Row) -> None:
    """Checks that a row has the clips, labels and folds that a manifest tells of.

    Raises:
      UserError: with what differs.
    """
    here = row.manifest()
    if all(told[k] == here[k] for k in ("classes", "samples", "content")):
        return
    lines = [*_clips(told, here)] or [
        "the same clips and labels, and other pixels, of the sample or a pool: of "
        "another release, or cut out or derived by other versions of libraries"
    ]
    raise UserError(
        f"{row.experiment.name}: the clips are not those recorded (content there "
        f"{told['content']}, here {here['content']}), so nothing was trained:\n"
        + "\n".join(f"  {line}" for line in lines)
        + "\nPrepare the release that was used; `mer data list` shows what is prepared"
    )


def _clips(told: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Yields what differs, but for the pixels."""
    there, now = ({k: rest for k, *rest in x["clips"]} for x in (told, here))
    both = there.keys() & now.keys()
    for what, keys in (
        ("there and not here", there.keys() - now.keys()),
        ("here and not there", now.keys() - there.keys()),
        ("with another label", {k for k in both if there[k][0] != now[k][0]}),
        ("drawn on one side alone", {k for k in both if there[k][1] != now[k][1]}),
    ):
        if keys:
            more = ", ..." if len(keys) > _SHOWN else ""
            some = ", ".join(sorted(keys)[:_SHOWN])
            yield f"clips {what} ({len(keys)}): {some}{more}"
    fields = ("classes", "protocol", "pools")  # old manifests tell of no pools
    told_of = lambda x: {name: x[name] for name in fields if name in told}
    found = [*differences(told_of(told), told_of(here))]
    yield from map(str, found)
    if there == now and not found and told["samples"] != here["samples"]:
        yield "the clips are divided into other folds"


def replays(ledger: Ledger, row: Row, recorded: Sequence[Recorded]) -> Iterator[Replay]:
    """Yields runs of a row layout by layout, each program as its turn comes.

    Args:
      ledger: of the workdir.
      row: opened again, `check_clips` done.
      recorded: its finished runs that are wanted.
    """
    told = {run.id: ledger.read(run.id)["provenance"] for run in recorded}
    groups: dict[Layout, list[Recorded]] = {}
    for run in recorded:
        groups.setdefault(_layout(told[run.id]), []).append(run)
    runs = _runs(row, recorded[0].row)
    for layout, group in groups.items():
        computed = formulated(row, dict(layout.formulation))
        program = Program(computed.system, row.clips, row.folds, layout)
        own = {run.id: told[run.id] for run in group}
        yield Replay(
            row=computed,
            program=program,
            waves=tuple(_waves(row, runs, own, program.width)),
            wanted={runs[run.id].id: run for run in group},
            differing=_differing(own.values(), program),
        )


def _layout(told: Mapping[str, Any]) -> Layout:
    """Returns the layout of a run's provenance, with no more devices than there are."""
    devices = min(told["devices"], len(jax.devices()))
    formulation = tuple(told.get("formulation", {}).items())
    frames = told.get("frames", "auto")
    return Layout(devices, told["lanes"], told["spmd"], frames, formulation)


def _runs(row: Row, told: Mapping[str, Any]) -> dict[str, Run]:
    """Returns the runs of a row, inner ones included, by their ids in the ledger."""
    here = {(run.fold.name, run.seed): run for run in row.runs}
    if "inner" in told:
        here |= {(run.fold.name, run.seed): run for run in row.inner_runs}
    return {run.id: here[run.fold, run.seed] for run in recorded_runs(told)}


def _waves(
    row: Row, runs: Mapping[str, Run], told: Mapping[str, Mapping[str, Any]], width: int
) -> Iterator[Wave]:
    """Yields the waves as they were recorded, then others of the runs that are left."""
    left = dict(told)
    for run, record in told.items():
        beside = record.get("wave", [run])
        if run in left and len(beside) == width and runs.keys() >= set(beside):
            yield Wave(tuple(runs[i] for i in beside), len(set(beside)))
            left = {i: record for i, record in left.items() if i not in beside}
    for inner in (False, True):
        kind = [runs[i] for i in left if bool(runs[i].fold.inside) == inner]
        yield from pack(kind, width, row.steps)


def _differing(
    told: Iterable[Mapping[str, Any]], program: Program
) -> tuple[Difference, ...]:
    """Returns how what trains here differs from the provenance of some runs."""
    now, found = provenance(program), list[Difference]()
    for record in told:
        known = [name for name in _SETTING if name in record]
        there, here = ({name: x[name] for name in known} for x in (record, now))
        found += differences(there, here)
        if record["devices"] * record["lanes"] > 1 and "wave" not in record:
            found.append(Difference("wave", None, "the runs asked for, padded"))
    return tuple(d for i, d in enumerate(found) if d not in found[:i])


def train(replay: Replay, ledger: Ledger, listener: Listener) -> Iterator[Outcome]:
    """Trains the runs, in a temporary folder, and compares each as it has landed.

    Args:
      replay: what to train.
      ledger: of the workdir; only read.
      listener: progress, and the wish to stop.

    Yields:
      What came out of each seed of the stages that all folds share, then of each run.

    Raises:
      UserError: see `WaveRunner.run`.
      Interrupted: if the listener wants to stop.
    """
    row, program = replay.row, replay.program
    params = lambda told: ledger.params_path(told.id).exists()
    keep = {run for run, told in replay.wanted.items() if params(told)}
    with tempfile.TemporaryDirectory(prefix="mer-replay-") as folder:
        fresh = Ledger(Path(folder))
        yield from _shared(replay, ledger, fresh, listener)
        for wave in replay.waves:
            listener.wave(wave)
            runner, flight, _ = fly(row, program, wave, fresh, listener.hooks)
            more = steps(runner)
            file_wave(runner, flight, fresh, common={}, keep=keep, more=more)
            for run in wave.runs[: wave.real]:
                listener.landed(run)
                if told := replay.wanted.get(run.id):
                    arrays = run_arrays(ledger, told.id), run_arrays(fresh, run.id)
                    about = told.row["name"], told.fold, told.seed, told.id
                    yield outcome(*about, *arrays)
            if listener.hooks.stop():  # since the last step
                raise Interrupted


def _shared(
    replay: Replay, ledger: Ledger, fresh: Ledger, listener: Listener
) -> Iterator[Outcome]:
    """Trains shared stages as they were; yields the outcome of every seed recorded."""
    told = next(iter(replay.wanted.values())).row
    name = lambda seed: run_id(told["settings"], told["content"], SHARED, seed)
    layouts: dict[Layout, list[int]] = {}
    for seed in replay.seeds if replay.row.shared_stages else ():
        record = shared_provenance(ledger, name(seed))
        layout = replay.program.layout if record is None else _layout(record)
        layouts.setdefault(layout, []).append(seed)
    for layout, seeds in layouts.items():
        row = formulated(replay.row, dict(layout.formulation))
        train_shared(row, seeds, fresh, layout, listener)
        for seed in seeds:
            there, here = name(seed), replay.row.shared_run(seed).id
            if ledger.shared_path(there).exists():
                arrays = shared_arrays(ledger, there), shared_arrays(fresh, here)
                yield outcome(told["name"], SHARED, seed, there, *arrays)
