"""A corpus of one's own on disk: `clips.csv`, one row for each clip, and its frames.

The table is read and checked whole, and so are the frames it names, before anything
is written: all that is wrong is told at once, by row.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import video
from datasets_tfds.custom import media, table
from datasets_tfds.custom.media import Footage
from datasets_tfds.film import Film, Found, nothing_shown
from datasets_tfds.matching import by_clip
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.sheet import Row

FPS = 25.0  # where neither the table nor the video tells

_ADVICE = "mend the table or the frames (README.md of custom shows how they should be)"


class Listed(NamedTuple):
    """A clip, the row that lists it, and its frames."""

    place: str
    film: Film
    footage: Footage


def read_release(root: Path) -> Found:
    """Returns the clips that a release's table lists.

    Raises:
      ReleaseError: if there is no table, or naming every row that is wrong.
    """
    root = root.resolve()
    problems: list[str] = []
    clips = table.read_clips(table.find_table(root), problems)
    has_apex = any(row.get("apex") for row in clips.rows)
    # Rows that share a folder or a video have it read once.
    read = functools.cache(functools.partial(media.read_footage, root))
    listed = []
    for row in clips.rows:
        footage = _footage(root, clips.path.parent, row, read, problems)
        film = _film(row, footage, clips.version, has_apex, problems)
        if film is not None and footage is not None:
            listed.append(Listed(row.place, film, footage))
    problems += _clashes(listed)
    if problems:
        raise problems_found(root, problems, _ADVICE)
    films = [one.film for one in listed]
    lines = [_summary(films)]
    if ignored := table.ignored_columns(clips):
        lines.append(f"columns ignored: {', '.join(ignored)}")
    return Found(films, lines)


def _footage(
    root: Path,
    folder: Path,
    row: Row,
    read: Callable[[Path], Footage],
    problems: list[str],
) -> Footage | None:
    if not row["path"]:
        problems.append(f"{row.place}: no path")
        return None
    try:
        return read(media.locate(root, folder, row["path"]))
    except ReleaseError as error:
        problems.append(f"{row.place}: {error}")
        return None


def _film(
    row: Row,
    footage: Footage | None,
    version: str,
    has_apex: bool,
    problems: list[str],
) -> Film | None:
    """Returns the film of a row, None if there is a problem with it."""
    before = len(problems)
    corpus = table.read_name(row, "corpus", problems)
    subject = table.read_name(row, "subject", problems)
    clip = table.read_name(row, "clip", problems)
    if not row["emotion"]:
        problems.append(f"{row.place}: no emotion")
    kind = table.read_kind(row, problems)
    fps = table.read_fps(row, problems)
    if footage is None or len(problems) > before:
        return None
    fps, issues = (fps, ()) if fps else _assumed_fps(footage)
    film = Film(
        corpus=corpus,
        subject=subject,
        clip=clip,
        written={field: row.get(field) for field in table.WRITTEN},
        frames=footage.frames,
        fps=fps,
        annotation_version=version,
        kind=kind,
        modality="",  # nobody told
        objective_class=row.get("objective_class"),
        issues=issues,
        apexes="annotated" if has_apex else "none",
    )
    if why := nothing_shown(film):
        problems.append(f"{row.place}: {why}")
    return film._replace(frames=_decoder(film, footage)) if footage.is_video else film


def _assumed_fps(footage: Footage) -> tuple[float, tuple[str, ...]]:
    if footage.fps:
        return footage.fps, (
            f"fps not in the table: {footage.fps:g} as the video says",
        )
    return FPS, (f"fps not in the table: {FPS:g} assumed",)


def _decoder(film: Film, footage: Footage) -> functools.partial[dict[int, bytes]]:
    """Returns what decodes the frames that the annotation spans, and no others."""
    onset, offset = film.written["onset"], film.written["offset"]
    first, last = 0, None
    if onset.isdecimal() and offset.isdecimal() and int(onset) <= int(offset):
        first, last = int(onset), int(offset)
    return functools.partial(video.decode, footage.path, first, last)


def _clashes(listed: Sequence[Listed]) -> list[str]:
    """Returns what clips contradict in one another."""
    problems: list[str] = []
    keys = [((_group(one), media.plain(one.film.clip)), one) for one in listed]
    by_clip(keys, lambda one: one.place, problems)
    frames = [((str(o.footage.path), _interval(o.film)), o) for o in listed]
    by_clip(frames, lambda one: one.place, problems)
    return problems + _mixed_subjects(listed)


def _mixed_subjects(listed: Sequence[Listed]) -> list[str]:
    """Returns where one person may count as two: a face in training and in test."""
    spellings, faces = defaultdict(set), defaultdict(set)
    for one in listed:
        subject = f"{one.film.corpus}/{one.film.subject}"
        spellings[_group(one)].add(subject)
        faces[one.footage.path].add(subject)
    problems = [
        f"{' and '.join(sorted(names))} differ in case only: name one person one way, "
        "and two people differently"
        for names in spellings.values()
        if len(names) > 1
    ]
    return problems + [
        f"{path} is listed for more than one subject: {', '.join(sorted(names))}"
        for path, names in faces.items()
        if len(names) > 1
    ]


def _group(one: Listed) -> str:
    return media.plain(f"{one.film.corpus}/{one.film.subject}")


def _interval(film: Film) -> str:
    onset, offset = film.written["onset"], film.written["offset"]
    return f"frames {onset or 'first'} to {offset or 'last'}"


def _summary(films: Sequence[Film]) -> str:
    subjects = {(film.corpus, film.subject) for film in films}
    emotions = Counter(film.written["emotion"] for film in films)
    counts = ", ".join(f"{name} {n}" for name, n in emotions.most_common())
    return f"{len(films)} clips, {len(subjects)} subjects; {counts}"
