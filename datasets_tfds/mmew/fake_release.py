"""Writes a twin of the MMEW release: its layout and its oddities, drawn faces.

Micro-expressions are folders of frames, macro-expressions single images. The counts
are the published ones; whose clips they are, and what is wrong in the sixteen rows
that are known to be wrong, is invented.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins, twins_film, twins_sheet
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot
from datasets_tfds.twins_sheet import Cell

TOP = "MMEW_Final"
MICRO, MACRO = "Micro_Expression", "Macro_Expression"
SHEET = "MMEW_Micro_Exp.xlsx"
HEADER = (
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *("Action Units", "Estimated Emotion", "remarks"),
)

# The first subjects have the wrong rows; S09 has nothing but 'others'.
FIRST = ("S04", "S15", "S09", "S05", "S16")
ORDER = tuple(dict.fromkeys((*FIRST, *(f"S{n:02d}" for n in range(1, 31)))))
ONLY_OTHERS = "S09"

CODES = {  # the second part of a clip's name
    **{"happiness": 1, "surprise": 2, "disgust": 3, "others": 4, "fear": 5},
    **{"sadness": 6, "anger": 7},
}
MICRO_COUNTS = {
    **{"happiness": 36, "surprise": 89, "disgust": 72, "others": 66, "fear": 16},
    **{"sadness": 13, "anger": 8},
}
MACRO_EMOTIONS = tuple(emotion for emotion in CODES if emotion != "others")
STILLS_EACH = 5
CLIPS_EACH = 10  # of a subject
WRONG_ROWS = (33, *range(35, 43), 142, 143, 145, 146, 148, 154, 156)  # from 0
NUMERIC = 34  # the row whose subject is a number

FULL_SIZE = "S30-02-001"  # as large as the real ones
SMALL = Camera(height=144, width=256, face=90, centre=(128, 62))
LARGE = Camera(height=1080, width=1920, face=400, centre=(960, 480))


class Clip(NamedTuple):
    """One micro-expression, as annotated and as it lies on disk."""

    subject: str
    emotion: str  # in the sheet
    sample: int
    num_frames: int  # on disk
    peak: int  # number of the frame that is at the apex
    interval: tuple[int, int, int]  # onset, apex, offset, as annotated

    @property
    def name(self) -> str:
        """'S13-07-001'."""
        return f"{self.subject}-{CODES[self.emotion]:02d}-{self.sample:03d}"


def plan() -> tuple[Clip, ...]:
    """Returns the 300 micro-expressions as the sheet has them, for every seed."""
    clips: list[Clip] = []
    for subject, emotions in _emotions().items():
        for emotion in CODES:
            for sample in range(1, emotions.count(emotion) + 1):
                clips.append(_clip(subject, emotion, sample, len(clips)))
    return tuple(clips)


def _emotions() -> dict[str, list[str]]:
    """The emotions of every subject; the first two have all of them."""
    subjects = sorted(ORDER)
    all_seven = [(subject, i) for subject in ORDER[:2] for i in range(len(CODES))]
    emotions = {key: list(CODES)[key[1]] for key in all_seven}
    emotions |= {(ONLY_OTHERS, i): "others" for i in range(CLIPS_EACH)}
    left = dict(MICRO_COUNTS)
    for emotion in emotions.values():
        left[emotion] -= 1
    keys = [(subject, i) for subject in subjects for i in range(CLIPS_EACH)]
    rest = [key for key in keys if key not in emotions]
    emotions |= twins.deal(rest, left, stream(0, "twin_mmew", "emotions"))
    return {s: [emotions[s, i] for i in range(CLIPS_EACH)] for s in subjects}


def _clip(subject: str, emotion: str, sample: int, row: int) -> Clip:
    rng = stream(0, "twin_mmew", subject, emotion, sample)
    onset, after = rng.integers(1, 4, 2).tolist()
    length = int(rng.integers(8, 15))
    offset = onset + length - 1
    apex = onset + round((length - 1) * rng.uniform(0.3, 0.7))
    last = offset + after - 1
    interval = (onset, apex, offset)
    if row in WRONG_ROWS:
        wrong = (
            (onset, offset, apex),  # the apex after the offset
            (onset, apex, last + 7),  # the offset after the last frame
            (onset, last + 4, last + 9),  # both after it
        )
        interval = wrong[WRONG_ROWS.index(row) % 3]
    return Clip(subject, emotion, sample, last, apex, interval)


def write_release(
    folder: Path,
    *,
    subjects: int | None = None,
    seed: int = 0,
    others_folder: str = "repression",
    by_subject: bool = False,
    progress: twins_film.Progress | None = None,
) -> Twin:
    """Writes the twin; a folder is there whole or not at all.

    Args:
      folder: absent or empty.
      subjects: None for all 300 clips and 900 stills of 30 subjects, or how many of
        `ORDER`.
      seed: of faces and movements; the sheet is the same, but for the units.
      others_folder: with the clips that are 'others' in the sheet; in other copies
        it is 'others'.
      by_subject: clips lie in <subject>/<emotion> as the official page says, not in
        <emotion> as those have them who hold the release.
      progress: told (done, total) after every clip and still.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    clips = [clip for clip in plan() if clip.subject in kept]
    with twins.whole_or_nothing(folder) as root:
        folders = []
        for clip in clips:
            emotion = others_folder if clip.emotion == "others" else clip.emotion
            nested = Path(clip.subject, emotion) if by_subject else Path(emotion)
            folders.append(root / TOP / MICRO / nested / clip.name)
        jobs = [
            functools.partial(_film_clip, clip, home, seed)
            for clip, home in zip(clips, folders, strict=True)
        ]
        stills = root / TOP / MACRO
        jobs += [functools.partial(_film_stills, s, stills, seed) for s in sorted(kept)]
        shown = twins_film.in_parallel(jobs, progress=progress)
        write_sheet(root / TOP / SHEET, clips, shown[: len(clips)])
        twins_sheet.lock_file(root / TOP / SHEET)
        first = str(folders[0].relative_to(root))
        twins.scatter_decoys(root, f"{TOP}/{MICRO}", f"{TOP}/{MACRO}", first)
        also = [f"{TOP}/{MICRO}", f"{TOP}/{MACRO}"]
        twins.mark(root, corpus="mmew", subjects=subjects, seed=seed, also=also)
        return twins.count(root, folder, "mmew", [clip.subject for clip in clips])


def _film_clip(clip: Clip, folder: Path, seed: int) -> str:
    """Films a micro-expression; returns its action units."""
    shot = Shot(
        subject=f"twin_mmew/{clip.subject}",
        clip=clip.name,
        emotion=clip.emotion,
        camera=LARGE if clip.name == FULL_SIZE else SMALL,
        num_frames=clip.num_frames,
        apex=clip.peak - 1,
    )
    files = tuple(folder / f"{n}.jpg" for n in range(1, clip.num_frames + 1))
    return twins_film.film_clip([(shot, (Print(files),))], seed)[0]


def _film_stills(subject: str, folder: Path, seed: int) -> str:
    """Photographs all macro-expressions of a subject at their apex."""
    takes = []
    for emotion in MACRO_EMOTIONS:
        for sample in range(1, STILLS_EACH + 1):
            name = f"{subject}-{CODES[emotion]:02d}-{sample:03d}"
            shot = Shot(
                subject=f"twin_mmew/{subject}",
                clip=f"{name}/macro",
                emotion=emotion,
                camera=SMALL,
                num_frames=2,
                apex=1,
                backwards=True,  # only the first frame is printed: the apex
                strength=twins_film.MACRO,
            )
            files = (folder / subject / emotion / f"{name}.jpg",)
            takes.append((shot, (Print(files),)))
    return " ".join(twins_film.film_clip(takes, seed))


def write_sheet(path: Path, clips: Sequence[Clip], shown: Sequence[str]) -> None:
    """Writes the sheet of the micro-expressions.

    Args:
      path: of the file.
      clips: one row each.
      shown: the action units on the face in each.
    """
    numeric = plan()[NUMERIC]
    rows: list[Sequence[Cell]] = [HEADER]
    for clip, units in zip(clips, shown, strict=True):
        subject = int(clip.subject[1:]) if clip == numeric else clip.subject
        remarks = "blinks" if clip.sample == 3 else None
        coded = (twins_sheet.number_or_text(units), clip.emotion, remarks)
        rows.append((subject, clip.name, *clip.interval, *coded))
    twins_sheet.write_sheets(path, {"Sheet1": rows})
