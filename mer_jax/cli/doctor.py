"""`mer data doctor`: what is wrong with a release, as text or JSON."""

import json as json_module
import sys
import time
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from mer_jax.cli.progress import Preparing, console, duration
from mer_jax.data.doctor import Checkup, examine, landmarker_at_hand
from mer_jax.data.findings import Finding
from mer_jax.files import write_atomic
from mer_jax.report.text import count


def doctor_command(
    corpus: str,
    release: str,
    sheets: str | None,
    landmarker: str | None,
    *,
    json: bool,
) -> None:
    """See `mer data doctor --help`."""
    screen, begun = console(), time.monotonic()
    folder = None if sheets is None else Path(sheets).expanduser()
    checkups = []
    with landmarker_at_hand(landmarker) or nullcontext() as landmarks:
        for checkup in examine(
            corpus,
            Path(release),
            landmarks=landmarks,
            save=None if folder is None else _writer(folder),
            progress=Preparing(screen),
        ):
            checkups.append(checkup)
            if not json:
                _print(checkup)
    errors = sum(checkup.errors for checkup in checkups)
    if json:
        facts = {
            "release": str(Path(release).expanduser().resolve()),
            "faces": landmarks is not None,
            "errors": errors,
            "configs": [facts_of(checkup) for checkup in checkups],
        }
        print(json_module.dumps(facts, indent=1))
    if folder is not None:
        screen.print(f"contact sheets: {folder}")
    took = duration(time.monotonic() - begun)
    screen.print(f"examined in {took}: {count(errors, 'error')}")
    if errors:
        sys.exit(1)


def facts_of(checkup: Checkup) -> dict[str, Any]:
    """Returns a checkup as JSON values."""
    return {
        "config": checkup.config,
        "synthetic": checkup.synthetic,
        "clips": checkup.clips,
        "subjects": checkup.subjects,
        "frames": checkup.frames,
        "annotations": list(checkup.annotations),
        "errors": checkup.errors,
        "counts": [
            {**found._asdict(), "complete": found.complete} for found in checkup.counts
        ],
        "findings": [finding._asdict() for finding in checkup.findings],
    }


def _writer(folder: Path):
    def save(config: str, subject: str, png: bytes) -> None:
        name = subject.replace("/", "-")
        write_atomic(folder / config.replace("/", "-") / f"{name}.png", png)

    return save


def _print(checkup: Checkup) -> None:
    """Prints how many findings there are of each kind, then each of them."""
    page = Console(highlight=False, soft_wrap=True, markup=False)
    stamp = ", SYNTHETIC" if checkup.synthetic else ""
    page.print(
        f"{checkup.config}: {count(checkup.clips, 'clip')}, "
        f"{count(checkup.subjects, 'subject')}, "
        f"{count(checkup.frames, 'frame')}{stamp}",
        style="bold",
    )
    findings = sorted(checkup.findings, key=lambda finding: not finding.error)
    for (error, kind), number in Counter((f.error, f.kind) for f in findings).items():
        page.print(f"  {_level(error)} {number:5} {kind}", style=_style(error))
    for finding in findings:
        page.print(f"  {_line(finding)}", style=_style(finding.error))


def _line(finding: Finding) -> str:
    about = f"{finding.about}: " if finding.about else ""
    return f"{_level(finding.error)} {finding.kind}: {about}{finding.text}"


def _level(error: bool) -> str:
    return "error" if error else "note "


def _style(error: bool) -> str | None:
    return "red" if error else None
