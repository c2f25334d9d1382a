"""The commands of `mer data`: prepare, list, doctor, motion, synth."""

from typing import Annotated, Literal

import tyro

Name = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="CORPUS")]]

data = tyro.extras.SubcommandApp()


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
