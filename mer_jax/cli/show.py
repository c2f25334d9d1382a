"""`mer status`, `mer report`, `mer list`, and the printing of plans."""

import json as json_module
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mer_jax.cli.files import shipped
from mer_jax.cli.layout import explained, told
from mer_jax.cli.progress import console, duration
from mer_jax.data.builders import names
from mer_jax.ensemble.choose import Choice
from mer_jax.ensemble.collect import Collected, Shown, collect
from mer_jax.ensemble.embedding import OWN
from mer_jax.ensemble.inner import Inner
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.plan import Plan
from mer_jax.errors import UserError
from mer_jax.metrics import Published
from mer_jax.report import (
    Cost,
    Embedded,
    Embedding,
    InnerInfo,
    PoolInfo,
    ProtocolInfo,
    Row,
    SampleClips,
    text_summary,
    write,
)


def status_command(workdir: str, *, json: bool) -> None:
    """See `mer status --help`."""
    ledger = Ledger(Path(workdir).expanduser())
    rows = []
    for row in ledger.manifest()["rows"]:
        runs = [row["runs"][f"{f} {s}"] for f in row["folds"] for s in row["seeds"]]
        done = sum(ledger.done(run) for run in runs)
        rows.append({"name": row["name"], "runs": len(runs), "done": done})
        if "inner" in row:
            inner = row["inner"]["runs"].values()
            done = sum(ledger.done(run) for run in inner)
            rows[-1] |= {"inner runs": len(inner), "inner done": done}
    flying = len(list((ledger.workdir / "waves").glob("*")))
    if json:
        print(json_module.dumps({"rows": rows, "waves in flight": flying}, indent=1))
        return
    for row in rows:
        print(f"{row['name']}: {_progress(row, 'runs', 'done')}")
        if "inner runs" in row:
            told = _progress(row, "inner runs", "inner done")
            print(f"{row['name']}, inner validation: {told}")
    if flying:
        print(
            f"{flying} wave(s) in flight or interrupted; the same `mer run` continues"
        )


def _progress(row: dict[str, Any], all_of: str, done: str) -> str:
    state = "complete" if row[done] == row[all_of] else "incomplete"
    return f"{row[done]} of {row[all_of]} {all_of} done, {state}"


def report_command(workdir: str, out: str | None, *, json: bool) -> None:
    """See `mer report --help`."""
    ledger = Ledger(Path(workdir).expanduser())
    screen = console()
    rows = []
    for row in ledger.manifest()["rows"]:
        if any(ledger.done(run) for run in row["runs"].values()):
            rows.append(report_row(ledger, row))
        else:
            screen.print(f"left out: {row['name']}, no run has finished yet")
    if not rows:
        raise UserError(f"{workdir}: no run of any row has finished yet")
    written = write(rows, Path(out) if out else ledger.workdir / "report")
    if json:
        print(written.json.read_text())
    else:
        print(text_summary(rows))
    screen.print(f"report: {written.markdown}")


def report_row(ledger: Ledger, row: dict[str, Any]) -> Row:
    """Returns what a report says of a row of the manifest.

    Raises:
      UserError: if no run of it has finished.
    """
    collected = collect(ledger, row)
    labels = Counter(label for _, label, _ in row["clips"])
    subjects = {key.rsplit("/", 1)[0] for key, _, _ in row["clips"]}
    return Row(
        name=row["name"],
        results=collected.results,
        synthetic=any(synthetic for _, _, synthetic in row["clips"]),
        protocol=ProtocolInfo(
            name="{title} v{version}, {division}".format(**row["protocol"]),
            hash=row["samples"],
            num_clips=len(row["clips"]),
            num_subjects=len(subjects),
            class_counts={c: labels[i] for i, c in enumerate(row["classes"])},
            rules=row["rules"],
            leak=row["protocol"]["leak"],
            reduced=row["reduced"],
            # Manifests of before pools were printed have none.
            pools=[PoolInfo(**pool) for pool in row.get("pools", ())],
        ),
        settings=_named(row["settings"]),
        caveat=row.get("caveat", ""),  # older manifests have none
        provenance=collected.provenance,
        published=[Published(**p) for p in row["published"]],
        sample_clips=_sample_clips(collected.shown, row["clips"]),
        probes=collected.probes,
        domains=collected.domains,
        embedding=_embedding(collected),
        curves=collected.curves,
        cost=Cost(**collected.cost._asdict()),
        inner=_inner(collected.inner),
    )


def _inner(found: Inner | None) -> InnerInfo | None:
    if found is None:
        return None
    return InnerInfo(runs=found.runs, missing=found.missing, left_out=found.left_out)


def _sample_clips(shown: Shown | None, clips) -> SampleClips | None:
    if shown is None:
        return None
    filmed = any(key in shown.pictures and not drawn for key, _, drawn in clips)
    return SampleClips(seed=shown.seed, pictures=shown.pictures, filmed=filmed)


def _embedding(collected: Collected) -> Embedding | None:
    found = collected.embedding
    if found is None:
        return None
    parts = {name: Embedded(**part._asdict()) for name, part in found.inputs.items()}
    domains = {"the sample": parts.pop(OWN), **parts}
    return Embedding(fold=found.fold, seed=found.seed, domains=domains)


def _named(settings: Any) -> Any:
    """Returns settings with the class of each config under a name of its own."""
    if not isinstance(settings, dict):
        return settings
    return {key or "class": _named(value) for key, value in settings.items()}


def list_command() -> None:
    """See `mer list --help`."""
    print("experiments (mer run NAME):")
    for name, path in sorted(shipped().items()):
        docstring = path.read_text().partition('"""')[2].partition("\n")[0]
        print(f"  {name:24} {docstring}")
    print("corpora (--set data.corpora=NAME; more in `mer data list`):")
    for name in names():
        print(f"  {name}")


def print_plans(plans: Sequence[tuple[Plan, Choice]], *, explain: bool = False) -> None:
    """Prints plans as text, one paragraph each, and how they were chosen."""
    for plan, choice in plans:
        print(f"{plan.row}")
        frames = f"{plan.frames} frames {plan.frames_way}, " if plan.frames else ""
        print(
            f"  data      {plan.clips} clips, {frames}{_bytes(plan.resident_bytes)} "
            "per device"
        )
        inner = f", {plan.inner} of them inner runs" if plan.inner else ""
        print(
            f"  runs      {plan.runs} ({plan.folds} folds x {plan.seeds} seeds)"
            f"{inner}, {plan.done} done already"
        )
        print(f"  waves     {plan.waves} of {plan.width}, {plan.padding} padding lanes")
        print(f"  computed  {told(choice)}")
        for line in explained(choice) if explain else ():
            print(f"            {line}")
        for stage in plan.stages:
            print(
                f"  program   {stage.name}: {stage.steps} steps left, "
                f"{stage.step_flops / 1e6:.4g} MFLOP a step, "
                f"{_bytes(stage.step_bytes)} while it runs, "
                f"compiled in {stage.compile_seconds:.1f} s"
            )
        print(f"  state     {_bytes(plan.state_bytes)} per run")
        print(f"  disk      {_bytes(plan.kept_bytes)} of parameters kept")
        print(f"  work      {plan.flops / 1e12:.4g} TFLOP left")
        print(
            f"  time      at least {duration(plan.floor_seconds)}: the matrix products "
            f"alone at {plan.device_flops / 1e9:.0f} GFLOP/s, "
            f"{'as stated' if plan.stated else 'measured now'}"
        )
        left = plan.runs - plan.done
        if plan.seconds_per_run is not None:
            total = duration(left * plan.seconds_per_run)
            print(
                f"            {total} at the {plan.seconds_per_run:.1f} s per run that "
                "runs of this workdir took"
            )


def _bytes(number: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1000 or unit == "GB":
            break
        number /= 1000
    return f"{number:.3g} {unit}"
