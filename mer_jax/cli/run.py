"""`mer run` and `mer plan`."""

import dataclasses
import json as json_module
from collections.abc import Mapping, Sequence
from pathlib import Path

from mer_jax.cli import files, overrides
from mer_jax.cli.layout import choice_of, layout_of, told
from mer_jax.cli.options import RunOptions
from mer_jax.cli.progress import Preparing, TrainingProgress, console
from mer_jax.cli.show import print_plans, report_command
from mer_jax.cli.stopping import stop_on_signals
from mer_jax.data.corpora import SMOKE, SMOKE_POOL, SMOKE_POOL_PROTOCOL, SMOKE_PROTOCOL
from mer_jax.data.folds import Division
from mer_jax.data.prepared import cache_directory
from mer_jax.ensemble import choose, sweep
from mer_jax.ensemble.experiment import Experiment, Run, fingerprint, settings
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.plan import plan
from mer_jax.ensemble.rows import Row, open_rows
from mer_jax.errors import UserError

SMOKE_FOLDS = 2
# The people of a trial are too few for ten folds.
SMOKE_DIVISIONS: Mapping[Division, Division] = {
    "10fold": "5fold",
    "10fold-few": "5fold",
}


def experiments_of(options: RunOptions) -> list[Experiment]:
    """Returns the file's rows, with the options applied."""
    rows = files.read(options.experiment)
    if options.smoke:
        rows = [_trial(row) for row in rows]
    if options.seeds is not None:
        seeds = _integers(options.seeds)
        rows = [dataclasses.replace(row, seeds=seeds) for row in rows]
    return overrides.sweep(rows, options.assignments)


def _trial(row: Experiment) -> Experiment:
    """Returns the row at its smallest, on a few drawn clips."""
    division = row.protocol.division
    return dataclasses.replace(
        row,
        name=f"{row.name}-smoke",
        system=row.system.tiny(),
        data=SMOKE,
        protocol=dataclasses.replace(
            SMOKE_PROTOCOL, division=SMOKE_DIVISIONS.get(division, division)
        ),
        pools=tuple(
            dataclasses.replace(
                pool, data=SMOKE_POOL, protocol=pool.protocol and SMOKE_POOL_PROTOCOL
            )
            for pool in row.pools
        ),
    )


def folds_of(options: RunOptions, row: Row) -> list[str] | None:
    """Returns the names of the folds to train, None for all."""
    if options.folds is not None:
        return [name.strip() for name in options.folds.split(",") if name.strip()]
    return [f.name for f in row.folds[:SMOKE_FOLDS]] if options.smoke else None


def workdir_of(options: RunOptions, experiments: Sequence[Experiment]) -> Path:
    """Returns the workdir; by default one that this configuration alone has."""
    if options.workdir is not None:
        return Path(options.workdir).expanduser()
    name = Path(options.experiment).stem + ("-smoke" if options.smoke else "")
    digest = fingerprint(*(settings(e) for e in experiments))
    return Path("results") / f"{name}-{digest[:8]}"


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UserError(
            f"--seeds {text}: expected different integers, e.g. 0,1,2"
        ) from None


def run_command(options: RunOptions, *, checkpoint_every: float, json: bool) -> None:
    """See `mer run --help`."""
    screen = console()
    layout, experiments = layout_of(options), experiments_of(options)
    workdir = workdir_of(options, experiments)
    rows = _open(experiments, screen)
    screen.print(f"results in {workdir}")
    with sweep.locked(workdir):
        ledger = sweep.claim(workdir, rows, inner=options.inner_val)
        for row in rows:
            try:
                _train(row, options, layout, ledger, checkpoint_every, screen)
            except Interrupted:
                screen.print("stopped; everything is saved. The same command continues")
                raise KeyboardInterrupt from None
    report_command(str(workdir), None, json=json)


def _open(experiments: Sequence[Experiment], screen) -> list[Row]:
    cache = cache_directory()
    return open_rows(experiments, cache=cache, progress=Preparing(screen))


def _train(row, options, layout, ledger, checkpoint_every, screen) -> None:
    folds = folds_of(options, row)
    chosen = sweep.chosen(row, folds, inner=options.inner_val)
    left = [run for run in chosen if not ledger.done(run.id)]
    half = " (half of them inner runs)" if options.inner_val else ""
    screen.print(
        f"{row.experiment.name}: {len(row.corpus.keys)} clips, {len(row.folds)} folds, "
        f"{len(chosen)} runs{half}, {len(chosen) - len(left)} done already"
    )
    if not left:
        return
    given = options, row, chosen, layout, ledger, screen
    choice = choice_of(*given, measure=True, keep=True)
    screen.print(f"computed {told(choice)}")
    row, layout = choose.applied(row, layout, choice)
    progress = TrainingProgress(
        screen,
        steps=sum(row.total_steps(run) for run in left),
        runs=len(left),
        shared_steps=sum(row.shared_steps(seed) for seed in _seeds(row, left, ledger)),
        shared=[stage.name for stage in row.shared_stages],
    )
    with stop_on_signals(screen) as stop, progress.shown():
        hooks = Hooks(
            resumed=progress.resumed,
            dropped=progress.dropped,
            stepped=progress.stepped,
            stop=stop.is_set,
            checkpoint_every=checkpoint_every,
        )
        sweep.train(
            row,
            ledger,
            layout=layout,
            folds=folds,
            keep_params=options.keep_params,
            listener=Listener(wave=progress.wave, landed=progress.landed, hooks=hooks),
            inner=options.inner_val,
        )


def _seeds(row: Row, left: Sequence[Run], ledger: Ledger) -> set[int]:
    """Returns the seeds whose shared stages, if there are any, are left to train."""
    seeds = {run.seed for run in left}
    return {seed for seed in seeds if not ledger.done(row.shared_run(seed).id)}


def plan_command(
    options: RunOptions, *, tflops: float | None, explain: bool, json: bool
) -> None:
    """See `mer plan --help`."""
    if tflops is not None and not tflops > 0:
        raise UserError(f"--tflops must be above 0, got {tflops}")
    screen = console()
    layout, experiments = layout_of(options), experiments_of(options)
    ledger = Ledger(workdir_of(options, experiments))
    plans = []
    for row in _open(experiments, screen):
        folds = folds_of(options, row)
        runs = sweep.chosen(row, folds, inner=options.inner_val)
        given = options, row, runs, layout, ledger, screen
        choice = choice_of(*given, measure=explain, keep=False)
        row, where = choose.applied(row, layout, choice)
        planned = plan(
            row,
            ledger,
            layout=where,
            folds=folds,
            keep_params=options.keep_params,
            device_flops=None if tflops is None else tflops * 1e12,
            inner=options.inner_val,
        )
        plans.append((planned, choice))
    if json:
        shown = [
            {
                **dataclasses.asdict(p),
                "flops": p.flops,
                "computed": dataclasses.asdict(c),
            }
            for p, c in plans
        ]
        print(json_module.dumps(shown, indent=1))
    else:
        print_plans(plans, explain=explain)
