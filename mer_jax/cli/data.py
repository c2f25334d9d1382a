"""`mer data prepare`, `mer data list`, `mer data synth`."""

import importlib
import json as json_module
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mer_jax.cli.progress import Preparing, console, duration
from mer_jax.data import protocols
from mer_jax.data.builders import builder_class, full_name, names, twins
from mer_jax.data.prepared import (
    Clip,
    Prepared,
    cache_directory,
    prepare,
    registered,
)
from mer_jax.data.sheet import sheet_of
from mer_jax.errors import UserError
from mer_jax.files import write_atomic


def prepare_command(
    corpus: str, release: str | None, sheet: str | None, *, json: bool
) -> None:
    """See `mer data prepare --help`."""
    screen, begun = console(), time.monotonic()
    found = prepare(
        corpus, release, cache=cache_directory(), progress=Preparing(screen)
    )
    facts = summary(found)
    if json:
        print(json_module.dumps(facts, indent=1))
    else:
        _print_summary(facts)
    if sheet is not None:
        write_atomic(Path(sheet).expanduser(), sheet_of(found))
        screen.print(f"contact sheet: {sheet}")
    screen.print(f"prepared in {duration(time.monotonic() - begun)}")


def summary(prepared: Prepared) -> dict[str, Any]:
    """Returns what a person should know of a prepared corpus, as JSON values."""
    clips = prepared.clips
    emotions = Counter(clip["annotated"]["emotion"] for clip in clips)
    return {
        "corpus": prepared.name,
        "synthetic": prepared.synthetic,
        "clips": len(clips),
        "subjects": len({clip["subject"] for clip in clips}),
        "emotions": dict(emotions.most_common()),
        "frames": sum(len(clip.get("frame_numbers", ())) for clip in clips),
        "annotations": sorted({c.get("annotation_version", "") for c in clips} - {""}),
        "without apex": sum(map(_without_apex, clips)),
        "repairs": _lines(clips, "repairs"),
        "issues": _lines(clips, "issues"),
    }


def _without_apex(clip: Clip) -> bool:
    return clip["annotated"].get("apex_source") == "middle"


def _lines(clips: Sequence[Clip], what: str) -> list[str]:
    return [f"{clip['key']}: {line}" for clip in clips for line in clip.get(what, ())]


def _print_summary(facts: dict[str, Any]) -> None:
    stamp = ", SYNTHETIC" if facts["synthetic"] else ""
    clips, subjects = facts["clips"], facts["subjects"]
    emotions = ", ".join(f"{n} {name}" for name, n in facts["emotions"].items())
    print(f"{facts['corpus']}: {clips} clips, {subjects} subjects{stamp}")
    print(f"  emotions   {emotions}")
    if facts["frames"]:
        print(f"  frames     {facts['frames']}")
    for version in facts["annotations"]:
        print(f"  annotation {version}")
    if facts["without apex"]:
        print(f"  no apex    {facts['without apex']} clips")
    for what in ("repairs", "issues"):
        print(f"  {what:10} {len(facts[what])}")
        for line in facts[what]:
            print(f"    {line}")


def list_command(*, json: bool) -> None:
    """See `mer data list --help`."""
    cache = cache_directory()
    corpora = [_corpus(name, cache) for name in names()]
    known = [protocols.Protocol(name=n).definition() for n in protocols.names()]
    if json:
        about = {d.name: {"version": d.version, "about": d.about} for d in known}
        print(json_module.dumps({"corpora": corpora, "protocols": about}, indent=1))
        return
    print("corpora (mer data prepare CORPUS --release DIR):")
    for corpus in corpora:
        print(f"  {corpus['name']:20} {', '.join(corpus['configs'])}")
        if not corpus["needs a release"]:
            print("    needs no release: made when first used")
        for entry in corpus["prepared"]:
            kind = "SYNTHETIC twin" if entry["synthetic"] else "real release"
            print(
                f"    prepared: {entry['name']}, {entry['clips']} clips, "
                f"{entry['subjects']} subjects, {kind} {entry['release']}, "
                f"{entry['prepared']}"
            )
    print("protocols (--set protocol.name=NAME):")
    for definition in known:
        print(f"  {definition.name:20} v{definition.version}  {definition.about}")


def _corpus(name: str, cache: Path) -> dict[str, Any]:
    builder = builder_class(name)
    configs = [config.name for config in builder.BUILDER_CONFIGS]
    return {
        "name": name,
        "configs": configs,
        "needs a release": bool(builder.MANUAL_DOWNLOAD_INSTRUCTIONS),
        "prepared": [e for c in configs for e in registered(f"{name}/{c}", cache)],
    }


def synth_command(corpus: str, folder: str, *, subjects: int | None, seed: int) -> None:
    """See `mer data synth --help`."""
    module = f"datasets_tfds.{corpus}.fake_release"
    try:
        write_release = importlib.import_module(module).write_release
    except ModuleNotFoundError as error:
        if error.name not in (module, module.rpartition(".")[0]):
            raise
        raise UserError(
            f"no twin of {corpus!r}; there are: {', '.join(twins())}"
        ) from None
    screen, begun = console(), time.monotonic()
    path, told = Path(folder).expanduser(), Preparing(screen)
    what = f"filming a twin of {corpus}"
    told(what, 0, 1)
    try:
        twin = write_release(
            path,
            subjects=subjects,
            seed=seed,
            progress=lambda done, total: told(what, done, total),
        )
    except ValueError as error:
        raise UserError(str(error)) from error
    print(f"SYNTHETIC twin of {corpus}: {twin.clips} clips, {twin.subjects} subjects")
    print(f"written to {path} in {duration(time.monotonic() - begun)}. Next:")
    print(f"  mer data prepare {full_name(corpus)} --release {path}")
