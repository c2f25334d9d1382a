"""The options that `mer run` and `mer plan` share. tyro reads the comments."""

import dataclasses
from typing import Annotated, Literal

import tyro

Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Names = Annotated[str | None, tyro.conf.arg(metavar="A,B,...")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What to train, where, and where results go."""

    experiment: tyro.conf.Positional[
        Annotated[str, tyro.conf.arg(metavar="EXPERIMENT")]
    ]
    """Python file, or the name of a shipped experiment (see mer list)."""

    assignments: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]],
        tyro.conf.arg(name="set", metavar="FIELD=VALUE"),
    ] = ()
    """A field of the experiment, e.g. system.epochs=100 or data.release=DIR; v1,v2
    sweeps over values; a tuple is [v1,v2]."""

    seeds: Names = None
    """Seeds, e.g. 0,1,2. Default: the experiment's."""

    folds: Names = None
    """Train only these folds now, e.g. casme2/sub01."""

    workdir: Annotated[str | None, tyro.conf.arg(metavar="DIR")] = None
    """Where results go. Default: results/<name>-<fingerprint>."""

    devices: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """How many devices to use; each core of a CPU is one. Default: all, as far as there
    are runs for them, and on a CPU memory."""

    lanes: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Runs trained together on one device. More than 1 pays for tiny networks on an
    accelerator, and gives up bitwise equality with a run alone. Default: 1 on a CPU;
    elsewhere measured, see mer plan --explain."""

    spmd: Literal["shard_map", "pmap"] = "shard_map"
    """Two spellings of one program."""

    frames: Literal["auto", "resident", "streamed"] = "auto"
    """Of stages that train on all frames: these lie on every device, or each batch is
    read from disk when its turn comes. auto is resident up to 2 GB. Speed only."""

    keep_params: Annotated[str, tyro.conf.arg(metavar="auto|all|none|N")] = "auto"
    """Runs whose trained parameters are written; auto is all, below 2 GB."""

    inner_val: bool = False
    """Inner validation: beside every run, a second one that leaves out a fifth of the
    people who train, and chooses the epoch by their UF1. At that epoch the run itself
    is scored: a result, too, as the clips tested have no say. About as many steps
    again; runs that are done already are used as they are."""

    smoke: bool = False
    """A trial on a tiny synthetic corpus: two folds, a few steps."""
