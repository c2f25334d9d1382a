"""`mer data motion`: how far faces move, as text, JSON and a picture."""

import json as json_module
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.cli.progress import Preparing, console
from mer_jax.data.motion import (
    KINDS,
    PAPER,
    Align,
    ClipMotion,
    Curve,
    apex_motion,
    curve,
    motion_of_corpora,
    pseudo_apex,
)
from mer_jax.data.prepared import cache_directory, find
from mer_jax.errors import UserError
from mer_jax.files import write_atomic
from mer_jax.report.motion import STAMP, motion_png
from mer_jax.report.motion import Curve as Drawn

LEAST = 2  # frames: there is no motion in one


def motion_command(
    corpora: Sequence[str],
    out: str | None,
    *,
    frames: int,
    align: Align,
    crop: int,
    landmarker: str | None,
    json: bool,
) -> None:
    """See `mer data motion --help`."""
    if not corpora or len(set(corpora)) < len(corpora):
        raise UserError("name one corpus or more, each once; see mer data list")
    if frames < LEAST:
        raise UserError(f"--frames must be at least {LEAST}, got {frames}")
    screen = console()
    progress, cache = Preparing(screen), cache_directory()
    found = [find(name, cache=cache, progress=progress) for name in corpora]
    clips = motion_of_corpora(
        found,
        frames,
        align=align,
        crop=crop,
        landmarker=landmarker,
        cache=cache,
        progress=progress,
    )
    name = "+".join(one.name for one in found)
    facts, curves = summary(name, clips, frames)
    facts["crop"] = {"align": align, "size": crop}
    if json:
        print(json_module.dumps(facts, indent=1))
    else:
        _print(facts)
    if out is not None:
        write_atomic(Path(out).expanduser(), _picture(facts, curves))
        screen.print(f"picture: {out}")


def summary(
    name: str, clips: Sequence[ClipMotion], frames: int
) -> tuple[dict[str, Any], dict[str, Curve]]:
    """Returns what there is to say of the motion of clips, as JSON values, and curves.

    Raises:
      UserError: if no face was found in any of them.
    """
    faces = [clip for clip in clips if len(clip.flow)]
    seen = {kind: [c for c in faces if c.kind == kind] for kind in KINDS}
    if not any(seen.values()):
        raise UserError(f"{name}: of {len(clips)} clips not one shows a face")
    curves = {kind: curve(own, frames) for kind, own in seen.items() if own}
    reach, apexes = apex_motion(seen["micro"])
    comparable = "macro" in curves and apexes > 0
    facts = {
        "corpora": name,
        "synthetic": any(clip.synthetic for clip in clips),
        "without a face": [clip.key for clip in clips if not len(clip.flow)],
        "fps": {k: sorted({c.fps for c in own}) for k, own in seen.items() if own},
        "micro at apex": {"px": _number(reach), "clips": apexes},
        "pseudo-apex": pseudo_apex(curves["macro"], reach) if comparable else None,
        "pseudo-apex of MoExt": PAPER,
        "missing": _missing(curves, apexes),
        "curves": {
            kind: {
                field: [_number(value) for value in values]
                for field, values in one._asdict().items()
            }
            for kind, one in curves.items()
        },
    }
    return facts, curves


def _missing(curves: Mapping[str, Curve], apexes: int) -> str:
    """Returns why there is no pseudo-apex, '' if nothing is missing."""
    absent = [kind for kind in KINDS if kind not in curves]
    if absent:
        return f"no {absent[0]}-expressions here"
    return "" if apexes else "no micro-expression here has an annotated apex"


def _number(value: np.generic | float) -> float | int | None:
    """Returns a number as JSON has it."""
    if np.isnan(value):
        return None
    return int(value) if isinstance(value, np.integer) else round(float(value), 4)


def _print(facts: Mapping[str, Any]) -> None:
    if facts["synthetic"]:
        print(STAMP)
    for kind, one in facts["curves"].items():
        fps = ", ".join(f"{rate:g}" for rate in facts["fps"][kind])
        print(f"{kind}-expressions of {facts['corpora']}, {fps} fps")
        print("   k  clips  length px    +-   direction    +-")
        for k, row in enumerate(zip(*one.values(), strict=True), start=1):
            n, length, length_error, angle, angle_error = row
            print(
                f"{k:4} {n:6} {_cell(length, 10, 3)} {_cell(length_error, 5, 3)} "
                f"{_cell(angle, 11, 0)} {_cell(angle_error, 5, 0)}"
            )
    at_apex = facts["micro at apex"]
    if at_apex["clips"]:
        print(f"micro, at the apex: {at_apex['px']:.3f} px ({at_apex['clips']} clips)")
    print(_conclusion(facts))
    if lost := facts["without a face"]:
        print(f"left out, no face found: {', '.join(lost)}")


def _cell(value: float | None, width: int, digits: int) -> str:
    return f"{'-':>{width}}" if value is None else f"{value:{width}.{digits}f}"


def _conclusion(facts: Mapping[str, Any]) -> str:
    if facts["missing"]:
        return f"pseudo-apex: unknown, {facts['missing']}"
    frame, frames = facts["pseudo-apex"], len(facts["curves"]["macro"]["clips"])
    if frame is None:
        return f"pseudo-apex: after frame {frames}; MoExt takes frame {PAPER}"
    text = f"pseudo-apex: frame {frame}, onset + {frame - 1}; MoExt takes frame {PAPER}"
    if facts["fps"]["micro"] != facts["fps"]["macro"]:
        text += ". Frame rates differ: k counts frames, not time"
    return text


def _picture(facts: Mapping[str, Any], curves: Mapping[str, Curve]) -> bytes:
    frames = {"pseudo-apex of MoExt": PAPER}
    if facts["pseudo-apex"] is not None:
        frames["pseudo-apex here"] = facts["pseudo-apex"]
    return motion_png(
        {kind: Drawn(*one) for kind, one in curves.items()},
        title=f"motion since the onset, {facts['corpora']}",
        reach=facts["micro at apex"]["px"],
        frames=frames if "macro" in curves else {},
        synthetic=facts["synthetic"],
    )
