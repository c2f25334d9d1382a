"""A filmed clip of a release, from its annotation and frames to its record."""

import bisect
import io
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from datasets_tfds.record import DEPTH, ReleaseError
from datasets_tfds.repairs import FRAMES, Repair, repair
from datasets_tfds.tree import defect

Apexes = Literal["annotated", "none", "last", "still"]


class Film(NamedTuple):
    """One clip as a release holds it.

    Attributes:
      corpus, subject, clip: canonical names; 'corpus/subject/clip' is the key.
      written: 'emotion', 'action_units', 'onset', 'apex', 'offset' -> text, as
        annotated; 'apex' is '' in corpora that never have one.
      frames: number -> image file, ascending; or, for a video, a function that gives
        number -> encoded image. Frames before the onset or after the offset may be
        among them and are left out of the record.
      fps: of the camera, frames per second; 0 of a still.
      annotation_version: `sheet.Table.version`.
      kind: 'micro' or 'macro'.
      modality: 'color', 'grey', 'HS', ...; frames of `record.DEPTH` have 16 bits.
      objective_class: text, '' if none.
      issues: what the builder found odd.
      apexes: where this corpus has them: 'annotated' (one that is missing is an
        issue), 'none' (the middle is taken), 'last' (by definition the offset), or
        'still', of one picture and no film.
    """

    corpus: str
    subject: str
    clip: str
    written: Mapping[str, str]
    frames: Mapping[int, Path] | Callable[[], Mapping[int, bytes]]
    fps: float
    annotation_version: str
    kind: str = "micro"
    modality: str = "color"
    objective_class: str = ""
    issues: tuple[str, ...] = ()
    apexes: Apexes = "annotated"

    @property
    def key(self) -> str:
        """'corpus/subject/clip'."""
        return f"{self.corpus}/{self.subject}/{self.clip}"


class Found(NamedTuple):
    """What a release holds.

    Attributes:
      films: its clips, in the order of the annotation.
      lines: what a person should know of it: what was left out, and why.
    """

    films: list[Film]
    lines: list[str]


class Positions(NamedTuple):
    """Where a reading of the annotation lies in the frames at hand.

    Attributes:
      onset, apex, offset: positions in the frames, counted from 0.
      apex_source: 'annotated', 'middle' or 'still'.
      issues: what had to be guessed, or is odd.
    """

    onset: int
    apex: int
    offset: int
    apex_source: str
    issues: tuple[str, ...]


def example(
    film: Film, repairs: Sequence[Repair], *, synthetic: bool
) -> dict[str, Any]:
    """Returns the record of a clip, as `record.film_features` describes it.

    Frames that do not decode are left out. They, and gaps, are told among the issues.

    Raises:
      ReleaseError: if no frame is left.
    """
    frames = film.frames() if callable(film.frames) else film.frames
    mended, told = repair(film.written, repairs, frames.keys())
    span = _span(list(frames), (film.written, mended))
    depth = film.modality == DEPTH
    broken = {n: why for n in span if (why := defect(frames[n], depth=depth))}
    numbers = [n for n in span if n not in broken]
    if not numbers:
        raise _unusable(film, len(frames), broken)
    annotated, repaired = (
        positions(reading, numbers, film.apexes) for reading in (film.written, mended)
    )
    return {
        "key": film.key,
        "corpus": film.corpus,
        "subject": f"{film.corpus}/{film.subject}",
        "synthetic": synthetic,
        "frames": [_stored(frames[n]) for n in numbers],
        "frame_numbers": numbers,
        "annotated": _reading(film.written, annotated),
        "repaired": _reading(mended, repaired),
        "repairs": told,
        "issues": [*film.issues, *_left_out(span, broken), *annotated.issues],
        "kind": film.kind,
        "modality": film.modality,
        "fps": film.fps,
        "objective_class": film.objective_class,
        "annotation_version": film.annotation_version,
    }


def _unusable(film: Film, count: int, broken: Mapping[int, str]) -> ReleaseError:
    why = next(iter(broken.values()), "none lies between onset and offset")
    return ReleaseError(
        f"{film.key}: not one of {count} frames can be used ({why}). No dataset was "
        "written; unpack this clip again"
    )


def _left_out(span: Sequence[int], broken: Mapping[int, str]) -> list[str]:
    lines = [f"frame {n} left out: {why}" for n, why in broken.items()]
    if absent := span[-1] - span[0] + 1 - len(span):
        lines.append(f"{absent} frame numbers between {span[0]} and {span[-1]} absent")
    return lines


def nothing_shown(film: Film) -> str:
    """Returns how annotation and frames on disk miss each other, '' if they do not.

    Videos, which are decoded one at a time, are taken to be right.
    """
    if callable(film.frames) or _span(list(film.frames), [film.written]):
        return ""
    numbers = list(film.frames)
    there = f"frames {numbers[0]}..{numbers[-1]}" if numbers else "no frame"
    return (
        f"annotated from {film.written['onset']} to {film.written['offset']}, "
        f"but {there} on disk"
    )


def _stored(image: Path | bytes) -> Path | io.BytesIO:
    """Returns what TFDS stores byte by byte."""
    return io.BytesIO(image) if isinstance(image, bytes) else image


def positions(
    written: Mapping[str, str], numbers: Sequence[int], apexes: Apexes = "annotated"
) -> Positions:
    """Returns where onset, apex and offset lie among the frames.

    * A boundary that is no number, or has no frame, becomes the nearest frame inside
      the clip; an onset after the offset and that offset, the first and last frame.
    * An apex that is no number or lies outside of onset..offset becomes the middle,
      onset + floor((offset - onset) / 2), as for corpora without apexes (MoExt,
      section 4.1).
    * An apex on the onset or offset is kept as written, and told.

    Args:
      written: 'onset', 'apex', 'offset' -> text.
      numbers: of the frames, ascending, at least one.
      apexes: see `Film`.
    """
    if apexes == "still":
        return Positions(0, 0, 0, "still", ())
    issues: list[str] = []
    onset, offset = 0, len(numbers) - 1
    crossed = _crossed(written)
    if not crossed:
        onset = _boundary("onset", written["onset"], numbers, onset, issues)
        offset = _boundary("offset", written["offset"], numbers, offset, issues)
    if crossed or onset > offset:
        issues.append(f"onset {written['onset']} after offset {written['offset']}")
        onset, offset = 0, len(numbers) - 1
    middle = onset + (offset - onset) // 2
    apex = _number(written["apex"])
    if apex is None:
        if apexes != "none":
            issues.append(f"apex {written['apex']!r} is no frame number: middle taken")
        return Positions(onset, middle, offset, "middle", tuple(issues))
    if not numbers[onset] <= apex <= numbers[offset]:
        issues.append(
            f"apex {apex} outside of {numbers[onset]}..{numbers[offset]}: middle taken"
        )
        return Positions(onset, middle, offset, "middle", tuple(issues))
    for name, position in (("onset", onset), ("offset", offset)):
        if apex == numbers[position] and (apexes, name) != ("last", "offset"):
            issues.append(f"apex {apex} is the {name}")
    nearest = min(range(onset, offset + 1), key=lambda i: abs(numbers[i] - apex))
    if numbers[nearest] != apex:
        issues.append(f"apex {apex} has no frame: {numbers[nearest]} taken")
    return Positions(onset, nearest, offset, "annotated", tuple(issues))


def _crossed(written: Mapping[str, str]) -> bool:
    """Returns whether the onset is written to be after the offset."""
    onset, offset = _number(written["onset"]), _number(written["offset"])
    return onset is not None and offset is not None and onset > offset


def _boundary(name, text, numbers: Sequence[int], end: int, issues: list[str]) -> int:
    """Returns the position of onset or offset; `end` is its end of the frames."""
    number = _number(text)
    if number is None:
        if text:
            issues.append(f"{name} {text!r} is no frame number: {numbers[end]} taken")
        return end
    inside = bisect.bisect_left(numbers, number)
    if inside < len(numbers) and numbers[inside] == number:
        return inside
    position = inside if name == "onset" else inside - 1
    position = min(max(position, 0), len(numbers) - 1)
    issues.append(f"{name} {number} has no frame: {numbers[position]} taken")
    return position


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,9}", text) else None


def _span(numbers: Sequence[int], readings: Sequence[Mapping[str, str]]) -> list[int]:
    """Returns the frames from the first onset to the last offset of all readings."""
    onsets = [_number(r["onset"]) for r in readings]
    offsets = [_number(r["offset"]) for r in readings]
    first = min((n for n in onsets if n is not None), default=0)
    last = max((n for n in offsets if n is not None), default=max(numbers, default=0))
    if None in onsets or None in offsets or first > last:
        return list(numbers)
    return [n for n in numbers if first <= n <= last]


def _reading(written: Mapping[str, str], found: Positions) -> dict[str, Any]:
    return {
        **{name: written[name] for name in ("emotion", "action_units", *FRAMES)},
        "apex_source": found.apex_source,
        "onset_index": found.onset,
        "apex_index": found.apex,
        "offset_index": found.offset,
    }
