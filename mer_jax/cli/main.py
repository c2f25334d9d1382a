"""Honest, fold-parallel micro-expression recognition experiments."""

import os
import sys
from typing import Annotated, Literal

import tyro

from mer_jax.cli.options import RunOptions
from mer_jax.errors import UserError
from mer_jax.files import disk_is_full

Name = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="CORPUS")]]
Folder = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="WORKDIR")]]

app = tyro.extras.SubcommandApp()
data = tyro.extras.SubcommandApp()
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
def plan(training: RunOptions, tflops: float | None = None, json: bool = False) -> None:
    """Shows what `mer run` would take: runs, waves, programs, bytes, FLOPs, time.

    Prepares the data and compiles, but trains nothing and writes no results.

    Args:
        training: What would be trained, and where.
        tflops: Speed of one device for the time, TFLOP/s, as of another machine.
            Default: this one's, measured.
        json: Print JSON.
    """
    from mer_jax.cli.run import plan_command

    plan_command(training, tflops=tflops, json=json)


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


@app.command(name="list")
def list_() -> None:
    """Lists the shipped experiments and the corpora that have a builder."""
    from mer_jax.cli.show import list_command

    list_command()


@data.command
def prepare(
    corpus: Name,
    release: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None,
    sheet: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    json: bool = False,
) -> None:
    """Packages a release once, as it is; `mer run` finds it from then on.

    Args:
        corpus: Name of a corpus, or corpus/config; see mer data list.
        release: The release as its authors distribute it, unpacked.
        sheet: Write a contact sheet (PNG): onset, apex and difference per subject.
        json: Print JSON.
    """
    from mer_jax.cli.data import prepare_command

    prepare_command(corpus, release, sheet, json=json)


@data.command(name="list")
def data_list(json: bool = False) -> None:
    """Lists corpora, what is prepared of them, and protocols.

    Args:
        json: Print JSON.
    """
    from mer_jax.cli.data import list_command

    list_command(json=json)


@data.command
def doctor(
    corpus: Name,
    release: Annotated[str, tyro.conf.arg(metavar="DIR")],
    sheets: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None,
    landmarker: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    json: bool = False,
) -> None:
    """Tells what is wrong with a release, frame by frame; packages nothing.

    The exit status is 1 if there is an error: what would stop mer data prepare or a
    run, or may change a result. Everything else is a note; so is what a published
    correction (repair) mends, and a missing offset if there is an apex.

    Errors: refused, duplicate key, rows without frames, corrupt frame, gap, frame
    sizes, no onset, no apex, apex outside, no offset, onset after offset, repair not
    made, no face, counts differ.

    Notes: apex is onset, apex is offset, too long (for a micro-expression: over
    0.5 s, and 0.26 s from onset to apex), repair, folders without a row, annotation,
    counts, faces, nothing, remark.

    Args:
        corpus: Name of a corpus, or corpus/config for one of its configs.
        release: The release as its authors distribute it, unpacked.
        sheets: Write contact sheets (PNG) here, one of each subject.
        landmarker: The MediaPipe model, by default $MER_FACE_LANDMARKER. Without it
            faces are not looked for.
        json: Print JSON.
    """
    from mer_jax.cli.doctor import doctor_command

    doctor_command(corpus, release, sheets, landmarker, json=json)


@data.command
def motion(
    corpora: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="CORPUS")]
    ],
    out: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    frames: Annotated[int, tyro.conf.arg(metavar="K")] = 20,
    align: Literal["none", "center_crop", "template", "moext"] = "template",
    crop: Annotated[int, tyro.conf.arg(metavar="PX")] = 128,
    landmarker: Annotated[str | None, tyro.conf.arg(metavar="FILE")] = None,
    json: bool = False,
) -> None:
    """Shows how far faces move from the onset to each later frame.

    As Figure 6 of MoExt (Li et al. 2024): mean length and direction of optical flow,
    for micro- and for macro-expressions; and the pseudo-apex that follows: the first
    frame at which macro-expressions moved as far as micro-expressions at their apex.

    Args:
        corpora: Prepared corpora, of both kinds for a comparison.
        out: Write a picture (PNG).
        frames: How many frames, the onset being the first.
        align: How faces are cut out, as data.align of a run.
        crop: Width and height of a face cut out.
        landmarker: The MediaPipe model, by default $MER_FACE_LANDMARKER.
        json: Print JSON.
    """
    from mer_jax.cli.motion import motion_command

    motion_command(
        corpora,
        out,
        frames=frames,
        align=align,
        crop=crop,
        landmarker=landmarker,
        json=json,
    )


@data.command
def synth(
    corpus: Name,
    folder: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="DIR")]],
    subjects: Annotated[int | None, tyro.conf.arg(metavar="N")] = None,
    seed: int = 0,
) -> None:
    """Writes a synthetic twin: the official layout, drawn faces, no licence needed.

    Scores on a twin say nothing about the real corpus, and are stamped so.

    Args:
        corpus: Name of a corpus.
        folder: Where; absent or empty.
        subjects: How many. Default: all, with the published number of clips.
        seed: Of faces and movements.
    """
    from mer_jax.cli.data import synth_command

    synth_command(corpus, folder, subjects=subjects, seed=seed)


def main() -> None:
    """Runs the command line; the console script `mer`."""
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
