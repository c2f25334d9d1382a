"""Writes a twin of the MMI release: its layout and its oddities, drawn faces.

The counts of the 205 usable sessions are the published ones; whose they are, and the
sessions that nobody can use, are invented. A video starts with a resting face and
all but returns to it; its apex is near the middle and, for an emotion, not annotated.
"""

import functools
import re
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np

from datasets_tfds import twins, twins_film
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Shot

SESSIONS = "Sessions"
# S003 has nothing but sessions that nobody can use, as has S031 among the last.
ORDER = tuple(f"S{number:03d}" for number in range(1, 33))
NOTHING_USABLE = ("S003", "S031")

CODES = {
    **{"anger": 1, "disgust": 2, "fear": 3, "happiness": 4, "sadness": 5},
    **{"surprise": 6},
}
USABLE = {
    **{"anger": 31, "disgust": 32, "fear": 28, "happiness": 42, "sadness": 32},
    **{"surprise": 40},
}
VIEWS = {"frontal": 0, "turned": 0, "profile": 1, "dual": 2}
USABLE_VIEWS = {"frontal": 125, "turned": 20, "dual": 60}
Kind = tuple[str | None, str, str]  # emotion as annotated, view, recording
# Of the other sessions; some subjects have one of each.
UNUSABLE: tuple[Kind, ...] = (
    ("7", "frontal", "avi"),
    ("8", "frontal", "avi"),
    (None, "frontal", "avi"),
    ("4", "profile", "avi"),
    ("6", "frontal", "jpg"),
)
UNUSABLE_SUBJECTS = ("S001", "S012", *NOTHING_USABLE)

FPS = 25
FULL_SIZE = "S032-002"  # as large as the real ones
# The twin has no mirror: half of a dual view is wall, and a profile half a face.
CAMERAS = {
    "frontal": Camera(height=144, width=180, face=90, centre=(90, 64)),
    "profile": Camera(height=144, width=180, face=90, centre=(25, 64)),
    "turned": Camera(height=144, width=180, face=90, centre=(90, 64)),
    "dual": Camera(height=144, width=180, face=60, centre=(45, 60)),
}
LARGE = Camera(height=576, width=720, face=360, centre=(360, 256))


class Session(NamedTuple):
    """One recording."""

    number: int  # of the session
    subject: str
    clip: int  # of the subject, from 1
    code: str | None  # of the emotion, as annotated; None for no such tag
    view: str  # a key of `VIEWS`
    suffix: str  # of the recording
    num_frames: int
    apex: int  # from 0

    @property
    def name(self) -> str:
        """'S001-001'."""
        return f"{self.subject}-{self.clip:03d}"

    @property
    def folder(self) -> str:
        """'Sessions/101', relative to the twin."""
        return f"{SESSIONS}/{self.number}"

    @property
    def usable(self) -> bool:
        """Whether it shows one of six emotions from the front."""
        six = self.code in {str(code) for code in CODES.values()}
        return six and self.view != "profile" and self.suffix == "avi"

    @property
    def units_coded(self) -> bool:
        """Frontal videos without are turned: so goes by it who reads the release."""
        coded = self.view == "frontal" or (self.view == "dual" and self.clip % 2 == 0)
        return coded and self.suffix == "avi"


def plan() -> tuple[Session, ...]:
    """Returns the 205 usable sessions and 20 others by subject; for every seed."""
    sessions: list[Session] = []
    usable = _usable()
    for subject in ORDER:
        kinds: list[Kind] = [
            (str(CODES[emotion]), view, "avi")
            for emotion, view in usable.get(subject, ())
        ]
        kinds += UNUSABLE if subject in UNUSABLE_SUBJECTS else ()
        for clip, (code, view, suffix) in enumerate(kinds, start=1):
            sessions.append(_session(subject, clip, code, view, suffix))
    return tuple(sessions)


def _usable() -> dict[str, list[tuple[str, str]]]:
    """Subject -> emotion and view of the usable sessions; the first has them all."""
    rng = stream(0, "twin_mmi", "sessions")
    first, *others = (subject for subject in ORDER if subject not in NOTHING_USABLE)
    rest = sum(USABLE.values()) - len(USABLE) - len(others)
    subjects = [first] * len(USABLE) + others + rng.choice(others, rest).tolist()
    emotions = [*USABLE, *_deal(USABLE, rng)]
    views = [*USABLE_VIEWS, *_deal(USABLE_VIEWS, rng)]
    found: dict[str, list[tuple[str, str]]] = {}
    for subject, emotion, view in zip(subjects, emotions, views, strict=True):
        found.setdefault(subject, []).append((emotion, view))
    return found


def _deal(quotas: dict[str, int], rng: np.random.Generator) -> list[str]:
    """One of each is dealt already; returns the others in some order."""
    left = {name: count - 1 for name, count in quotas.items()}
    return list(twins.deal(range(sum(left.values())), left, rng).values())


def _session(
    subject: str, clip: int, code: str | None, view: str, suffix: str
) -> Session:
    rng = stream(0, "twin_mmi", subject, clip)
    num_frames = int(rng.integers(12, 21))
    apex = round((num_frames - 1) * rng.uniform(0.42, 0.58))
    number = 100 * int(subject[1:]) + clip
    return Session(number, subject, clip, code, view, suffix, num_frames, apex)


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the twin; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 205 usable sessions of 30 subjects and 20 others, or how
        many of `ORDER`.
      seed: of faces and movements; names, codes and views are the same.
      progress: told (done, total) after every session.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    sessions = [session for session in plan() if session.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        jobs = [functools.partial(_film, session, root, seed) for session in sessions]
        shown = twins_film.in_parallel(jobs, progress=progress)
        for session, units in zip(sessions, shown, strict=True):
            _describe(root / session.folder, session, units)
        first = sessions[0].folder
        twins.scatter_decoys(root, SESSIONS, first)
        twins.mark(root, corpus="mmi", subjects=subjects, seed=seed)
        usable = [session.subject for session in sessions if session.usable]
        return twins.count(root, folder, "mmi", usable)


def _film(session: Session, root: Path, seed: int) -> str:
    """Films a session; returns its action units."""
    names = {str(code): emotion for emotion, code in CODES.items()}
    shot = Shot(
        subject=f"twin_mmi/{session.subject}",
        clip=session.name,
        emotion=names.get(session.code or "", "others"),
        camera=LARGE if session.name == FULL_SIZE else CAMERAS[session.view],
        num_frames=session.num_frames,
        apex=session.apex,
        strength=twins_film.MACRO,
    )
    path = root / session.folder / f"{session.name}.{session.suffix}"
    filmed = twins_film.film(shot, seed)
    turns = 1 if session.view == "turned" else 0  # to the left, by 90 degrees
    frames = (np.ascontiguousarray(np.rot90(f, turns)) for f in filmed.frames())
    if session.suffix == "avi":
        twins_film.write_video(path, frames, fps=FPS)
    else:
        twins_film.write_image(path, list(frames)[session.apex])
    return filmed.action_units


def _describe(folder: Path, session: Session, units: str) -> None:
    """Writes what is known of a session, and its action units where they are coded."""
    name = session.name
    recording = f"{name}.{session.suffix}"
    about = Element("session", {"id": str(session.number)})
    view = str(VIEWS[session.view])
    track = SubElement(about, "track", {"filename": recording, "view": view})
    SubElement(track, "annotation", {"filename": f"{name}.xml"})
    clip = Element("Metadata")
    tags = {"Subject": str(int(session.subject[1:])), "Session": str(session.number)}
    if session.code:
        tags["Emotion"] = session.code
    for key, value in (tags | {"Illumination": "1"}).items():
        SubElement(clip, "Metatag", {"Name": key, "Value": value})
    if session.units_coded:
        coding = f"{name}-oao_aucs.xml"
        SubElement(track, "annotation", {"filename": coding})
        _write_xml(folder / coding, _events(session, units))
    _write_xml(folder / f"{name}.xml", clip)
    _write_xml(folder / "session.xml", about)


def _events(session: Session, units: str) -> Element:
    """Onset, apex and offset of every action unit; frames count from 1."""
    coding = Element("ActionUnitCoding")
    frames = {"Onset": 2, "Apex": session.apex + 1, "Offset": session.num_frames - 1}
    for number in re.findall(r"\d+", units):
        unit = SubElement(coding, "ActionUnit", {"Number": number})
        for kind, frame in frames.items():
            SubElement(unit, "Marker", {"Type": kind, "Frame": str(frame)})
    return coding


def _write_xml(path: Path, root: Element) -> None:
    indent(root)
    path.write_bytes(tostring(root, encoding="utf-8", xml_declaration=True))
