"""Writes a twin of the CK+ release: its layout and its oddities, drawn faces.

The counts are the published ones; who shows what is invented. Every sequence starts
with a resting face and ends at the peak.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from datasets_tfds import twins, twins_film
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot

# Where the images and the labels lie, merged or as the archives unpack.
FOLDERS: Mapping[str, tuple[str, str]] = {
    "merged": ("cohn-kanade-images", "Emotion"),
    "unpacked": (
        "extended-cohn-kanade-images/cohn-kanade-images",
        "Emotion_labels/Emotion",
    ),
}
FACS, LANDMARKS = "FACS", "Landmarks"

# S011 has no label at all.
FIRST = ("S005", "S010", "S011", "S014")
UNLABELLED = {"S011", "S040", "S061", "S093", "S120"}
ORDER = tuple(dict.fromkeys((*FIRST, *(f"S{n:03d}" for n in range(5, 128)))))

CODES = {
    **{"anger": 1, "contempt": 2, "disgust": 3, "fear": 4, "happy": 5},
    **{"sadness": 6, "surprise": 7},
}
LABELLED = {
    **{"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happy": 69},
    **{"sadness": 28, "surprise": 83},
}
SEQUENCES = 593
SEVEN = "S005"  # has all labels

FIRST_FRAME = {("S005", 2): 3}  # of every other sequence: 1
FULL_SIZE = ("S127", 3)  # as large as the real ones
SMALL = Camera(height=122, width=160, face=86, centre=(80, 52))
LARGE = Camera(height=490, width=640, face=260, centre=(320, 210))


class Clip(NamedTuple):
    """From a resting face to the peak of an expression."""

    subject: str
    number: int  # of the sequence
    emotion: str | None
    first: int  # frame number
    num_frames: int

    @property
    def folder(self) -> str:
        """'S005/001', in every tree."""
        return f"{self.subject}/{self.number:03d}"

    @property
    def stems(self) -> tuple[str, ...]:
        """Of the files of its frames: 'S005_001_00000001'."""
        last = self.first + self.num_frames
        start = f"{self.subject}_{self.number:03d}"
        return tuple(f"{start}_{frame:08d}" for frame in range(self.first, last))

    @property
    def in_colour(self) -> bool:
        """Or else the images have one channel."""
        return int(self.subject[1:]) % 4 == 2

    @property
    def camera(self) -> Camera:
        """That films it."""
        return LARGE if (self.subject, self.number) == FULL_SIZE else SMALL


def plan() -> tuple[Clip, ...]:
    """Returns the 593 sequences of 123 subjects, 327 labelled; for every seed."""
    emotions = _emotions()
    return tuple(
        _sequence(subject, i + 1, emotion)
        for subject in sorted(ORDER)
        for i, emotion in enumerate(emotions[subject])
    )


def _emotions() -> dict[str, list[str | None]]:
    """What every subject shows, one label at least unless in `UNLABELLED`."""
    rng = stream(0, "twin_ckplus", "sequences")
    subjects = [subject for subject in ORDER if subject not in UNLABELLED]
    labels = {SEVEN: list(CODES)}
    left = dict(LABELLED) | {name: LABELLED[name] - 1 for name in CODES}
    keys = [subject for subject in subjects if subject != SEVEN]
    rest = sum(left.values()) - len(keys)
    keys += rng.choice(keys, rest).tolist()
    dealt = twins.deal(range(len(keys)), left, rng)
    for i, subject in enumerate(keys):
        labels.setdefault(subject, []).append(dealt[i])
    shown: dict[str, list[str | None]] = {s: [*labels.get(s, ())] for s in ORDER}
    for subject in UNLABELLED:
        shown[subject] += [None, None]
    missing = SEQUENCES - sum(map(len, shown.values()))
    for subject in rng.choice([*FIRST, *subjects], missing).tolist():
        shown[subject].insert(int(rng.integers(len(shown[subject]) + 1)), None)
    return shown


def _sequence(subject: str, number: int, emotion: str | None) -> Clip:
    rng = stream(0, "twin_ckplus", subject, number)
    length = int(rng.integers(8, 13)) if emotion else int(rng.integers(3, 5))
    first = FIRST_FRAME.get((subject, number), 1)
    return Clip(subject, number, emotion, first, length)


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    layout: str = "merged",
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the twin; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 593 sequences of 123 subjects, or how many of `ORDER`.
      seed: of faces and movements; names and labels are the same.
      layout: a key of `FOLDERS`.
      progress: told (done, total) after every sequence.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects, or no such
        layout.
    """
    if layout not in FOLDERS:
        raise ValueError(f"layout must be one of {list(FOLDERS)}, got {layout!r}")
    images, labels = FOLDERS[layout]
    kept = twins.keep_first(ORDER, subjects)
    clips = [clip for clip in plan() if clip.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        jobs = [functools.partial(_film, clip, root / images, seed) for clip in clips]
        shown = twins_film.in_parallel(jobs, progress=progress)
        for clip, units in zip(clips, shown, strict=True):
            _write_label(root / labels, clip)
            _write_facs(root / FACS, clip, units)
            _write_landmarks(root / LANDMARKS, clip)
        first = f"{images}/{clips[0].folder}"
        twins.scatter_decoys(root, images, labels, first)
        also = [images, labels]
        twins.mark(root, corpus="ckplus", subjects=subjects, seed=seed, also=also)
        labelled = [clip.subject for clip in clips if clip.emotion]
        return twins.count(root, folder, "ckplus", labelled)


def _film(clip: Clip, images: Path, seed: int) -> str:
    """Films a sequence; returns its action units."""
    shown = "happiness" if clip.emotion == "happy" else clip.emotion
    shot = Shot(
        subject=f"twin_ckplus/{clip.subject}",
        clip=clip.folder,
        emotion=shown or "others",
        camera=clip.camera,
        num_frames=clip.num_frames,
        apex=clip.num_frames - 1,
        strength=twins_film.MACRO,
    )
    files = tuple(images / clip.folder / f"{stem}.png" for stem in clip.stems)
    prints = (Print(files, grey=not clip.in_colour),)
    return twins_film.film_clip([(shot, prints)], seed)[0]


def _write_label(labels: Path, clip: Clip) -> None:
    """Writes the label; without one there is an empty folder, or none at all."""
    folder = labels / clip.folder
    if clip.emotion or clip.number % 3:
        folder.mkdir(parents=True)
    if clip.emotion:
        path = folder / f"{clip.stems[-1]}_emotion.txt"
        path.write_bytes(_line(CODES[clip.emotion]))


def _write_facs(facs: Path, clip: Clip, units: str) -> None:
    """Writes the action units at the peak with their intensities, 0 if not coded."""
    rng = stream(0, "twin_ckplus", clip.folder, "intensities")
    lines = [
        _line(int(unit), int(rng.integers(0, 6))) for unit in re.findall(r"\d+", units)
    ]
    path = facs / clip.folder / f"{clip.stems[-1]}_facs.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(lines))


def _write_landmarks(landmarks: Path, clip: Clip) -> None:
    """Writes 68 points of the peak, all of them on an oval: nobody reads them."""
    x, y = clip.camera.centre
    angles = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    size = clip.camera.scale
    points = zip(x + size * np.cos(angles), y + size * np.sin(angles), strict=True)
    path = landmarks / clip.folder / f"{clip.stems[-1]}_landmarks.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(_line(*point) for point in points))


def _line(*numbers: float) -> bytes:
    return ("".join(f"   {number:.7e}" for number in numbers) + "\n").encode()
