"""Honest, fold-parallel micro-expression recognition experiments."""

import os
import sys
from typing import Annotated

import tyro

from mer_jax.cli.main_data import data
from mer_jax.cli.options import RunOptions
from mer_jax.errors import UserError
from mer_jax.files import disk_is_full

Folder = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="WORKDIR")]]

app = tyro.extras.SubcommandApp()
app.command(data, name="data", help="Corpora: prepare a release, list, synthesise.")


@app.command
def run(
    training: RunOptions, checkpoint_every: float = 30.0, json: bool = False
) -> None:
    """Prepares the data, trains every run that is missing, and writes the report.

    Killed or interrupted, the same command continues from the last checkpoint.

    Args:
        training: What to train, where, and where results go.
        checkpoint_every: Seconds between checkpoints.
        json: Print the report's JSON to standard output instead of the summary.
    """
    from mer_jax.cli.run import run_command

    run_command(training, checkpoint_every=checkpoint_every, json=json)


@app.command
def plan(
    training: RunOptions,
    tflops: float | None = None,
    explain: bool = False,
    json: bool = False,
) -> None:
    """Shows what `mer run` would take: runs, waves, programs, bytes, FLOPs, time.

    Prepares the data and compiles, but trains nothing and writes no results.

    Args:
        training: What would be trained, and where.
        tflops: Speed of one device for the time, TFLOP/s, as of another machine.
            Default: this one's, measured.
        explain: Measure what is open, such as how convolutions are computed and how
            many runs a device trains at once, and show what is chosen and why.
        json: Print JSON.
    """
    from mer_jax.cli.run import plan_command

    plan_command(training, tflops=tflops, explain=explain, json=json)


@app.command
def status(workdir: Folder, json: bool = False) -> None:
    """Shows how far a workdir is, row by row.

    Args:
        workdir: Folder that `mer run` wrote.
        json: Print JSON.
    """
    from mer_jax.cli.show import status_command

    status_command(workdir, json=json)


@app.command
def report(
    workdir: Folder,
    out: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None,
    json: bool = False,
) -> None:
    """Writes the report of a workdir: Markdown, CSV, JSON, confusion matrices.

    Args:
        workdir: Folder that `mer run` wrote; an unfinished one is marked INCOMPLETE.
        out: Folder of the report. Default: WORKDIR/report.
        json: Print the report's JSON to standard output instead of the summary.
    """
    from mer_jax.cli.show import report_command

    report_command(workdir, out, json=json)


@app.command
def score(
    file: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="FILE.csv")]],
    json: bool = False,
) -> None:
    """Scores predictions from anyone's code: UF1, UAR, accuracy, intervals, confusion.

    Intervals are over subjects. A file cannot show how the epoch was chosen: these are
    scores as handed in, not verified results.

    Args:
        file: CSV with the columns corpus,subject,clip,label,prediction, one row per
            clip; with several seeds a column seed, too. Classes are names or numbers.
            Other columns are let be. A report's predictions-ROW.csv is such a file.
        json: Print JSON.
    """
    from mer_jax.cli.score import score_command

    score_command(file, json=json)


@app.command
def compare(
    a: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="A")]],
    b: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="B")]],
    json: bool = False,
) -> None:
    """Tells whether B scores above A on the same clips, paired, at the last epoch.

    The same subjects are resampled in both for the intervals, and a permutation test
    of UF1 exchanges the predictions of both for whole subjects. With other numbers of
    seeds there is no such test, and the interval alone decides. Both ask for other
    people; whether other seeds would agree is told seed by seed.

    Args:
        a: WORKDIR that mer run wrote, WORKDIR:ROW where it has several rows, or a CSV
            file as mer score reads it.
        b: Likewise. It must score the same clips with the same labels, and of workdirs
            under one protocol: equal hashes.
        json: Print JSON.
    """
    from mer_jax.cli.compare import compare_command

    compare_command(a, b, json=json)


@app.command
def export(
    workdir: Folder,
    file: tyro.conf.Positional[
        Annotated[str, tyro.conf.arg(metavar="FILE.safetensors")]
    ],
    row: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    stage: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    fold: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    json: bool = False,
) -> None:
    """Writes trained nets to a file that other runs can start from.

    Such a run names it, where its system can: --set system.init_weights=FILE. It
    tests fairly only people whom these nets have not seen.

    Args:
        workdir: Folder that `mer run` wrote.
        file: Where; a file that is something else is not replaced.
        row: Of which row. Needed where the workdir has several.
        stage: After which stage. Default: the last that all folds share; without
            one, or with --fold, the last.
        fold: Of which fold. Needed where several have their parameters.
        seed: Of which seed. Needed where there are several.
        json: Print JSON.
    """
    from mer_jax.cli.export import export_command

    export_command(workdir, file, row=row, stage=stage, fold=fold, seed=seed, json=json)


@app.command
def replay(
    workdir: Folder,
    runs: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="[RUN ...]")]
    ] = (),
    row: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    fold: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None,
    seed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    every: Annotated[bool, tyro.conf.arg(name="all")] = False,
    assignments: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(name="set", metavar="FIELD=VALUE"),
    ] = (),
    json: bool = False,
) -> None:
    """Trains finished runs anew, and tells whether they come out bitwise the same.

    Compared are logits of every stored epoch, curves, clips drawn, and parameters where
    they were kept. Trains in the recorded layout; writes nothing. Says what differs
    from what was recorded: versions, devices. Exit status 1 if any run differs.

    Args:
        workdir: Folder that `mer run` wrote, here or elsewhere.
        runs: Ids of finished runs. Default: the first that fits.
        row: Of which row.
        fold: Of which fold.
        seed: Of which seed.
        every: All that have finished and fit.
        assignments: Where something lies that runs know by its content alone, e.g.
            data.release=DIR, system.init_weights=FILE or protocol.name=FILE.toml.
        json: Print JSON.
    """
    from mer_jax.cli.replay import replay_command

    replay_command(
        workdir,
        runs,
        row=row,
        fold=fold,
        seed=seed,
        every=every,
        assignments=assignments,
        json=json,
    )


@app.command(name="list")
def list_() -> None:
    """Lists the shipped experiments and the corpora that have a builder."""
    from mer_jax.cli.show import list_command

    list_command()


def main() -> None:
    """Runs the command line."""
    import absl.flags
    import absl.logging

    absl.flags.FLAGS.mark_as_parsed()  # grain reads absl flags
    absl.logging.set_verbosity(absl.logging.ERROR)  # TFDS warns of what is to come
    try:
        app.cli(
            prog="mer",
            description=__doc__,
            config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff),
        )
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `mer report W --json | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:
        if not _is_for_users(error):
            raise
        print(f"mer: {error}", file=sys.stderr)
        sys.exit(1)


def _is_for_users(error: Exception) -> bool:
    """Returns whether the error's text, without a traceback, is what a user needs."""
    if isinstance(error, UserError) or disk_is_full(error):
        return True
    record = sys.modules.get("datasets_tfds.record")  # only if a builder was used
    return record is not None and isinstance(error, record.ReleaseError)


if __name__ == "__main__":
    main()
