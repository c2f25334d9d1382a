"""Part A of a release of CAS(ME)^3 on disk: its clips, by annotation and frames."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from datasets_tfds.casme3.annotation import OBJECTIVE, annotation, clips
from datasets_tfds.casme3.footage import Footage, find_footage
from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Name, by_clip, listed, told
from datasets_tfds.record import DEPTH, problems_found
from datasets_tfds.repairs import FRAMES, Repair, read_repairs
from datasets_tfds.sheet import Row, Table
from datasets_tfds.tree import defect

CORPUS = "casme3"
FPS = 30.0

_PREFIXES = {"micro": "", "macro": "macro_"}


def read_release(root: Path, kind: str, modality: str) -> Found:
    """Returns the annotated clips that have frames.

    Args:
      root: of the release.
      kind: 'micro' or 'macro'.
      modality: 'color' or 'depth'.

    Raises:
      ReleaseError: naming all that is wrong.
    """
    table, lines = annotation(root, kind)
    problems: list[str] = []
    named, twice = clips(table, problems)
    rows = by_clip(named, lambda row: row.place, problems)
    footage = find_footage(root, kind, modality, problems)
    if problems:
        raise problems_found(root, problems, ADVICE)
    films, unusable = [], {}
    repairs = read_repairs(__package__)
    for name, row in rows.items():
        film = _film(name, row, table, kind, modality)
        takes = list(_takes(name, row, footage, repairs.get(film.key, ())))
        reasons = [_unusable(frames, modality) for frames in takes]
        if "" in reasons:
            films.append(film._replace(frames=takes[reasons.index("")]))
        elif reasons:
            unusable[name] = f"{'/'.join(name)} ({reasons[0]})"
    if unusable:
        lines.append(f"without a frame of use: {listed(list(unusable.values()))}")
    lines += [*twice, f"annotated in {table.version}"]
    return Found(films, [*_told(rows, footage, unusable), *lines])


def _film(name: Name, row: Row, table: Table, kind: str, modality: str) -> Film:
    """Returns a clip that has no frames yet."""
    subject, clip = name
    return Film(
        corpus=CORPUS,
        subject=subject,
        clip=_PREFIXES[kind] + clip,
        written={field: row[field] for field in (*FRAMES, "emotion", "action_units")},
        frames={},
        fps=FPS,
        annotation_version=table.version,
        kind=kind,
        modality=modality,
        objective_class=row.get(OBJECTIVE),
    )


def _takes(
    name: Name, row: Row, footage: Footage, repairs: Sequence[Repair]
) -> Iterator[Mapping[int, Path]]:
    """Yields the frames of a clip: of its recording, then of a folder of its own."""
    subject, clip = name
    if whole := footage.videos.get((subject, clip[0])):
        yield _cut(row, whole.frames, repairs)
    if own := footage.clips.get(name):
        yield own.frames


def _cut(
    row: Row, frames: Mapping[int, Path], repairs: Sequence[Repair]
) -> Mapping[int, Path]:
    """Returns a recording's frames from the first to the last that a row asks for.

    Those that its repairs ask for count. Of a row whose onset lies after its offset
    all numbers count, but for 0: of such rows some have 0 for a frame nobody coded.
    """
    onset, apex, offset = (_number(row[field]) for field in FRAMES)
    if onset <= offset:
        asked = [onset, offset]
    else:
        asked = [number for number in (onset, apex, offset) if number]
    asked += [int(r.new) for r in repairs if r.field in FRAMES]
    return {n: frames[n] for n in frames if min(asked) <= n <= max(asked)}


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _unusable(frames: Mapping[int, Path], modality: str) -> str:
    """Returns why not one frame can be read, '' if one can; mostly the first can."""
    why = "none between onset and offset"
    for frame in frames.values():
        if not (why := defect(frame, depth=modality == DEPTH)):
            return ""
    return why


def _told(
    rows: Mapping[Name, Row], footage: Footage, unusable: Collection[Name]
) -> Sequence[str]:
    """Returns lines on rows without frames and folders without a row."""
    filmed = [name for name in rows if (name[0], name[1][0]) in footage.videos]
    return told(
        {name: "/".join(name) for name in rows},
        {n: "/".join(n) for n in [*filmed, *footage.clips] if n not in unusable},
    )
