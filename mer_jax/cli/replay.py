"""`mer replay`: whether finished runs, trained anew, come out bit by bit the same."""

import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mer_jax.cli import overrides
from mer_jax.cli.configs import configs
from mer_jax.cli.layout import cores_as_devices, keep_programs
from mer_jax.cli.progress import Preparing, TrainingProgress, console
from mer_jax.cli.stopping import stop_on_signals
from mer_jax.data.prepared import cache_directory
from mer_jax.ensemble.agreement import Apart, Outcome
from mer_jax.ensemble.differences import Difference
from mer_jax.ensemble.experiment import Experiment
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.rebuild import check_rebuilt, rebuild
from mer_jax.ensemble.recorded import Recorded, choose
from mer_jax.ensemble.replay import Replay, check_clips, replays, train
from mer_jax.ensemble.rows import open_rows
from mer_jax.errors import UserError
from mer_jax.report.tables import json_text
from mer_jax.report.text import count

_NETS = ("params/", "model_state/", "nets/")


def replay_command(
    workdir: str,
    runs: Sequence[str],
    *,
    row: str | None,
    fold: str | None,
    seed: int | None,
    every: bool,
    assignments: Sequence[str],
    json: bool,
) -> None:
    """See `mer replay --help`."""
    cores_as_devices()
    keep_programs()
    screen, ledger = console(), Ledger(Path(workdir).expanduser())
    chosen = choose(ledger, runs=runs, row=row, fold=fold, seed=seed, every=every)
    outcomes: list[Outcome] = []
    differing: list[Difference] = []
    try:
        for name in dict.fromkeys(run.row["name"] for run in chosen):
            own = [run for run in chosen if run.row["name"] == name]
            for replay, added in _opened(ledger, own, assignments, screen):
                now = [*added, *replay.differing]
                _warn(name, now, screen)
                differing += [d for d in now if d not in differing]
                _train(replay, ledger, outcomes, screen)
    except Interrupted:
        screen.print("stopped; the workdir is as it was")
        raise KeyboardInterrupt from None
    finally:
        if not json:  # of runs compared before it stopped, too
            for line in (line for outcome in outcomes for line in _lines(outcome)):
                print(line)
    if json:
        print(json_text(_facts(workdir, outcomes, differing)), end="")
    else:
        print(_summary(outcomes, differing))
    if not all(outcome.matches for outcome in outcomes):
        sys.exit(1)


def _opened(
    ledger: Ledger, runs: Sequence[Recorded], assignments: Sequence[str], screen
) -> Iterator[tuple[Replay, list[Difference]]]:
    """Yields what to train of one row, with the fields that were not recorded."""
    told = runs[0].row
    made = ledger.read(runs[0].id)["provenance"]
    made_by = f"mer_jax {made['versions']['mer_jax']}, commit {made['commit']}"
    rebuilt = rebuild(
        told["settings"], seeds=told["seeds"], configs=configs(), made_by=made_by
    )
    experiment = _assigned(rebuilt.experiment, assignments)
    added = check_rebuilt(told["settings"], rebuilt, experiment)
    progress = Preparing(screen)
    (row,) = open_rows([experiment], cache=cache_directory(), progress=progress)
    check_clips(told, row)
    for replay in replays(ledger, row, runs):
        yield replay, added


def _assigned(experiment: Experiment, assignments: Sequence[str]) -> Experiment:
    found = overrides.sweep([experiment], assignments)
    if len(found) > 1:
        raise UserError("--set: one value each; a replay trains what was recorded")
    return found[0]


def _warn(name: str, differing: Sequence[Difference], screen) -> None:
    if not differing:
        screen.print(f"{name}: same versions, devices and layout as recorded")
        return
    screen.print(f"{name}: not all is as it was recorded")
    for difference in differing:
        screen.print(f"  {difference}")
    screen.print("  other bits are to be expected of other versions or devices")


def _train(replay: Replay, ledger: Ledger, outcomes: list[Outcome], screen) -> None:
    """Trains, and adds each outcome as its run has landed."""
    row, runs = replay.row, replay.runs
    progress = TrainingProgress(
        screen,
        steps=sum(map(row.total_steps, runs)),
        runs=len(runs),
        shared_steps=sum(map(row.shared_steps, replay.seeds)),
        shared=[stage.name for stage in row.shared_stages],
    )
    with stop_on_signals(screen, "stopping after this step") as stop, progress.shown():
        hooks = Hooks(
            stepped=progress.stepped,
            stop=stop.is_set,
            checkpoint_every=math.inf,  # nobody could go on from one
        )
        listener = Listener(wave=progress.wave, landed=progress.landed, hooks=hooks)
        for outcome in train(replay, ledger, listener):
            outcomes.append(outcome)


def _lines(of: Outcome) -> Iterator[str]:
    """Yields an outcome as text."""
    about = f"{of.row}, fold {of.fold}, seed {of.seed} ({of.run})"
    nets = [name for name in of.compared if name.startswith(_NETS)]
    if of.matches:
        kept = f", {len(nets)} of them nets" if nets else "; nets were not kept"
        yield f"{about}: bitwise the same, {count(len(of.compared), 'array')}{kept}"
        return
    yield f"{about}: NOT the same"
    if of.clips:
        yield f"  {_logits(of)}"
    yield from (
        f"  {_array(a)}"
        for a in of.apart
        if a.name != "logits" and not a.name.startswith(_NETS)
    )
    apart = [a for a in of.apart if a.name.startswith(_NETS)]
    if apart:
        gaps = [a.largest for a in apart if a.largest is not None]
        most = f", up to {max(gaps):.3g} apart" if gaps else ""
        yield f"  nets: {len(apart)} of {len(nets)} arrays differ{most}"


def _logits(of: Outcome) -> str:
    if of.logits is None:
        return "logits are bitwise the same"
    same = of.clips - of.changed
    return (
        f"{_array(of.logits)}; predictions of the last epoch: {same} of "
        f"{count(of.clips, 'clip')} the same"
    )


def _array(apart: Apart) -> str:
    gap = "" if apart.largest is None else f", up to {apart.largest:.3g} apart"
    first = "" if apart.first is None else f", first after epoch {apart.first}"
    return f"{apart.name}: differ{gap}{first}"


def _summary(outcomes: Sequence[Outcome], differing: Sequence[Difference]) -> str:
    same = sum(outcome.matches for outcome in outcomes)
    text = f"{same} of {count(len(outcomes), 'training')} came out bitwise the same"
    if not differing or same == len(outcomes):
        return text
    paths = ", ".join(difference.path for difference in differing)
    return f"{text}; not as recorded: {paths}"


def _facts(
    workdir: str, outcomes: Sequence[Outcome], differing: Sequence[Difference]
) -> dict[str, Any]:
    """Returns all of it as JSON values."""
    return {
        "schema": 1,
        "workdir": workdir,
        "matches": all(outcome.matches for outcome in outcomes),
        "not_as_recorded": [difference._asdict() for difference in differing],
        "runs": [
            {
                **{name: getattr(of, name) for name in ("row", "fold", "seed", "run")},
                "matches": of.matches,
                "arrays": len(of.compared),
                "differing": [apart._asdict() for apart in of.apart],
                "clips": of.clips,
                "changed_predictions": of.changed,
            }
            for of in outcomes
        ],
    }
