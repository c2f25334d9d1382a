"""MMI on disk: folders of sessions, each a video and what its XML files say of it.

Which sessions lie there depends on what somebody chose to download. Nobody annotated
where an expression begins, peaks or ends: a video goes from neutral to neutral.
"""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import video
from datasets_tfds.film import Film, Found
from datasets_tfds.matching import ADVICE, Name, by_clip
from datasets_tfds.mmi.metadata import DUAL, FRONTAL, PROFILE, read_emotion, read_view
from datasets_tfds.record import ReleaseError, problems_found
from datasets_tfds.tree import IMAGES, find_files

CORPUS = "mmi"
FPS = 25.0  # where a video does not tell
EMOTIONS = {
    **{1: "anger", 2: "disgust", 3: "fear"},
    **{4: "happiness", 5: "sadness", 6: "surprise"},
}

_CLIP = r"s(\d{1,4})-(\d{1,4})"
_SIDEWAYS = (720, 576)  # width and height of the frontal clips that others turn


class Session(NamedTuple):
    """What lies beside a clip's XML file, and what that says.

    Attributes:
      path: of the XML file.
      emotion: its code, None without one.
      view: its code, '' without one.
      files: of the clip's name, and of any ending but .xml.
      is_coded: whether there is a file of action units.
    """

    path: Path
    emotion: int | None
    view: str
    files: tuple[Path, ...]
    is_coded: bool

    @property
    def videos(self) -> list[Path]:
        """Those of the files that are videos."""
        return [f for f in self.files if f.suffix.lower() in video.VIDEOS]


def find_films(root: Path) -> Found:
    """Returns the sessions with one of six emotions that show a face from the front.

    Raises:
      ReleaseError: naming every clip that is there more than once, every file that is
        no XML, and every video that cannot be read.
    """
    problems: list[str] = []
    found = list(_sessions(root, problems))
    sessions = by_clip(found, lambda one: one.path, problems)
    version = f"XML, {len(sessions)} sessions"
    films, left_out = [], Counter[str]()
    for name, session in sessions.items():
        if why := _unfit(session):
            left_out[why] += 1
            continue
        try:
            films.append(_film(name, session, version))
        except ReleaseError as error:
            problems.append(str(error))
    if problems:
        raise problems_found(root, problems, ADVICE)
    lines = [f"{n} sessions left out: {why}" for why, n in left_out.most_common()]
    return Found(films, [_summary(films, len(sessions)), *lines])


def parse_name(stem: str) -> Name | None:
    """Returns ('S001', 'S001-001') for 'S001-001' or 's1-1', None for other names."""
    match = re.fullmatch(_CLIP, stem, re.IGNORECASE)
    if match is None:
        return None
    subject = f"S{int(match[1]):03d}"
    return subject, f"{subject}-{int(match[2]):03d}"


def _sessions(root: Path, problems: list[str]) -> Iterator[tuple[Name, Session]]:
    """Yields the clip of every XML file that is called as a clip is."""
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in find_files(root, rf"({_CLIP}.*|session)\..+"):
        folders[path.parent].append(path)
    for files in folders.values():
        for path in files:
            name = parse_name(path.stem)
            if name is None or path.suffix.lower() != ".xml":
                continue
            try:
                yield name, _session(path, files)
            except ReleaseError as error:
                problems.append(str(error))


def _session(path: Path, folder: Sequence[Path]) -> Session:
    clip = path.stem.lower()
    own = [f for f in folder if f.stem.lower() == clip and f.suffix.lower() != ".xml"]
    about = [f for f in folder if f.name.lower() == "session.xml"]
    coded = any(f.name.lower() == f"{clip}-oao_aucs.xml" for f in folder)
    view = read_view(about[0], clip) if about else ""
    return Session(path, read_emotion(path), view, tuple(own), coded)


def _unfit(session: Session) -> str:
    """Returns why a session is no clip here, '' if it is one."""
    if not session.videos:
        stills = any(f.suffix.lower() in IMAGES for f in session.files)
        return "a still, no video" if stills else "no video"
    if session.emotion is None:
        return "no emotion"
    if session.emotion not in EMOTIONS:
        return f"another label than 1 to {max(EMOTIONS)}"
    if session.view == PROFILE:
        return "filmed in profile"
    return "" if session.view in (FRONTAL, DUAL) else "unknown view"


def _film(name: Name, session: Session, version: str) -> Film:
    if len(session.videos) > 1:
        places = " and ".join(map(str, session.videos))
        raise ReleaseError(f"{name[1]} has more than one video: {places}")
    assert session.emotion is not None  # by _unfit
    found = video.probe(session.videos[0])
    return Film(
        corpus=CORPUS,
        subject=name[0],
        clip=name[1],
        written={
            **{"emotion": EMOTIONS[session.emotion], "action_units": ""},
            **{"onset": "0", "apex": "", "offset": str(found.num_frames - 1)},
        },
        frames=functools.partial(video.decode, found.path),
        fps=found.fps or FPS,
        annotation_version=version,
        kind="macro",
        issues=_issues(session, found),
        apexes="none",
    )


def _issues(session: Session, found: video.Video) -> tuple[str, ...]:
    size = f"{found.width}x{found.height}"
    issues = []
    if session.view == DUAL:
        issues.append("dual view: a frame shows the face from the front and in profile")
    if found.width < found.height:
        issues.append(f"upright frames, {size}: turned by somebody; stored as they are")
    elif (
        session.view == FRONTAL
        and (found.width, found.height) == _SIDEWAYS
        and not session.is_coded
    ):
        issues.append(
            f"frontal, {size}, no action units: others turn such clips by 90 degrees "
            "clockwise, as the face lies on its side; stored as they are"
        )
    if found.fps is None:
        issues.append(f"fps not in the video: {FPS:g} assumed")
    return tuple(issues)


def _summary(films: Sequence[Film], sessions: int) -> str:
    people = {film.subject for film in films}
    emotions = Counter(film.written["emotion"] for film in films)
    counts = ", ".join(
        f"{emotion} {emotions[emotion]}" for emotion in EMOTIONS.values()
    )
    return f"{len(films)} of {sessions} sessions, {len(people)} subjects; {counts}"
