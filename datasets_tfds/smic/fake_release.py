"""Writes a twin of the SMIC release: its layout and its oddities, drawn faces.

Two releases: the short clips of three cameras (HS, VIS, NIR) have no annotation but
their folders; SMIC-E has the HS clips with what came before and after, and a
spreadsheet. One film makes both. Frame numbers of the two do not agree.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from datasets_tfds import twins, twins_film
from datasets_tfds.smic import fake_annotation
from datasets_tfds.smic.fake_annotation import LongClip
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.streams import stream
from datasets_tfds.twins import Twin
from datasets_tfds.twins_film import Print, Shot, Take

SHORT = "SMIC_all_cropped"
LONG = "SMIC-E_raw image/HS_long"

# The first subjects carry the odd clips; s13 shows a single class.
ORDER = (
    *("s01", "s09", "s11", "s04", "s02", "s13", "s03", "s05", "s06", "s08", "s12"),
    *("s14", "s15", "s18", "s19", "s20"),
)
ALL_CAMERAS = {"s11", "s12", "s13", "s14", "s15", "s18", "s19", "s20"}
FULL_SIZE = "s20_sur_05"  # as large and long as the real ones get
# One event is a surprise in the HS release and negative in the other two.
ONLY_HS, NOT_HS = "s20_sur_05", "s20_ne_15"

LOST = {"s1_ne_02", "s2_sur_05"}  # not in SMIC-E
WITHIN = {  # clip -> the long clip that shows it second or third
    "s3_ne_03": "s3_ne_02",
    "s3_ne_20": "s3_ne_19",
    "s4_ne_05": "s4_ne_04",
    "s4_ne_06": "s4_ne_04",
    "s9_sur_02": "s9_sur_01",
}
FIRST_NUMBERS = {  # of the short clips
    "s1_ne_01": 36033,
    "s1_po_01": 99994,  # crosses 99999
    "s9_po_01": 999993,  # crosses 999999: seven digits after six
    "s4_sur_01": 17581039,
}
FIRST_LONG_NUMBERS = {
    "s1_ne_01": 72643,
    "s1_po_01": 99990,
    "s4_ne_01": 426679,  # the cell says MISSING
    "s4_sur_01": 17581020,
}
FIRST_VIS_NUMBERS = {"s11_ne_01": 99996}  # reg_99999.bmp, reg_100000.bmp

CLASSES = ("negative", "positive", "surprise")
ABBREVIATIONS = {"ne": "negative", "po": "positive", "sur": "surprise"}
SHOWN = {
    "negative": ("disgust", "sadness", "fear"),
    "positive": ("happiness",),
    "surprise": ("surprise",),
}

RAW = Camera(height=240, width=320, face=130, centre=(160, 110))
CROP = (80, 21, 160, 190)
CLOSE = Camera(height=190, width=160, face=130, centre=(80, 89))
CLOSE_GREY = Camera(height=190, width=160, face=130, centre=(80, 89), grey=True)
LARGE_RAW = Camera(height=480, width=640, face=330, centre=(320, 224))
LARGE_CROP = (120, 0, 400, 480)


class Clip(NamedTuple):
    """One expression before one camera."""

    subject: str  # 's01', as in the challenge list
    name: str  # 's1_ne_01', as on disk
    modality: str  # 'HS', 'VIS' or 'NIR'
    first: int  # frame number
    num_frames: int
    apex_index: int

    @property
    def label(self) -> str:
        """One of `CLASSES`."""
        return ABBREVIATIONS[self.name.split("_")[1]]

    @property
    def shown(self) -> str:
        """The emotion on the face: the same for every camera."""
        rng = stream(0, "twin_smic", self.name, "emotion")
        return str(rng.choice(SHOWN[self.label]))

    @property
    def files(self) -> tuple[Path, ...]:
        """Of the short clip, relative to the twin."""
        stem = "reg_image{:06d}.bmp" if self.modality == "HS" else "reg_{:05d}.bmp"
        person = self.name.split("_")[0]
        folder = Path(SHORT, self.modality, person, "micro", self.label, self.name)
        numbers = range(self.first, self.first + self.num_frames)
        return tuple(folder / stem.format(number) for number in numbers)


def plan() -> tuple[Clip, ...]:
    """Returns the clips: 164 HS, 71 VIS, 71 NIR; the same for every seed."""
    published = sorted(twins.published_labels("smic"))
    clips = [_clip(subject, "HS", _on_disk(clip)) for subject, clip in published]
    for modality in ("VIS", "NIR"):
        for clip in clips[: len(published)]:
            if clip.subject in ALL_CAMERAS:
                name = NOT_HS if clip.name == ONLY_HS else clip.name
                clips.append(_clip(clip.subject, modality, name))
    return tuple(clips)


def _on_disk(clip: str) -> str:
    """'s01_ne_01' of the challenge list -> 's1_ne_01'."""
    return f"s{int(clip[1:3])}{clip[3:]}"


def _clip(subject: str, modality: str, name: str) -> Clip:
    rng = stream(0, "twin_smic", name, modality)
    if modality == "HS":
        num_frames, first = int(rng.integers(10, 17)), int(rng.integers(1000, 900_000))
        first = FIRST_NUMBERS.get(name, first)
    else:
        num_frames, first = int(rng.integers(6, 11)), FIRST_VIS_NUMBERS.get(name, 1)
    num_frames = 50 if name == FULL_SIZE else num_frames
    apex = round((num_frames - 1) * rng.uniform(0.3, 0.7))
    return Clip(subject, name, modality, first, num_frames, apex)


def plan_long(clips: Sequence[Clip]) -> tuple[LongClip, ...]:
    """Returns the long clips, by subject and name, that show these short ones."""
    of = {clip.name: clip for clip in clips if clip.modality == "HS"}
    long_clips = []
    for name, clip in of.items():
        if name in LOST or name in WITHIN:
            continue
        inside = [clip, *(of[other] for other, home in WITHIN.items() if home == name)]
        rng = stream(0, "twin_smic", name, "long")
        first = FIRST_LONG_NUMBERS.get(name, int(rng.integers(1000, 900_000)))
        before, *pauses = rng.integers(5, 10, len(inside) + 1).tolist()
        long_clips.append(
            LongClip(
                subject=clip.subject,
                name=name,
                label=clip.label,
                first=first,
                before=before,
                lengths=tuple(clip.num_frames for clip in inside),
                pauses=tuple(pauses),
                expressions=tuple(clip.name for clip in inside),
            )
        )
    return tuple(long_clips)


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
      subjects: None for all 306 short and 157 long clips of 16 subjects, or how
        many of `ORDER`.
      seed: of faces and movements; names, numbers and sheet are the same.
      progress: told (done, total) after every clip.

    Raises:
      ValueError: if the folder is not empty, or there are fewer subjects.
    """
    kept = twins.keep_first(ORDER, subjects)
    clips = [clip for clip in plan() if clip.subject in kept]
    long_clips = plan_long(clips)
    with twins.whole_or_nothing(folder) as root:
        takes = _takes(root, clips, long_clips)
        twins_film.film_all(takes, seed=seed, progress=progress)
        visible = [clip.name for clip in clips if clip.modality == "VIS"]
        sheet = root / LONG / "SMIC-HS-E_annotation.xlsx"
        fake_annotation.write_annotation(sheet, long_clips, visible)
        present = sorted({clip.modality for clip in clips})
        inner = [LONG, f"{LONG}/SMIC-HS-E", *(f"{SHORT}/{name}" for name in present)]
        first = str(clips[0].files[0].parent)
        twins.scatter_decoys(root, f"{SHORT}/HS", f"{LONG}/SMIC-HS-E", first)
        twins.mark(root, corpus="smic", subjects=subjects, seed=seed, also=inner)
        return twins.count(root, folder, "smic", [clip.subject for clip in clips])


def _takes(
    root: Path, clips: Sequence[Clip], long_clips: Sequence[LongClip]
) -> list[list[Take]]:
    """What is filmed, clip by clip: every expression once for each camera."""
    of = {clip.name: clip for clip in clips if clip.modality == "HS"}
    takes = [_long_takes(root, long_clip, of) for long_clip in long_clips]
    for clip in clips:
        if clip.modality != "HS":
            takes.append([_short_take(root, clip)])
        elif clip.name in LOST:
            takes.append([_high_speed_take(root, clip, ())])
    faces = sorted({(clip.subject, clip.modality) for clip in clips})
    takes += [[_non_micro_take(root, *face)] for face in faces]
    return takes


def _long_takes(root: Path, long_clip: LongClip, of: Mapping[str, Clip]) -> list[Take]:
    """Rest, expression, rest, and again; the face jumps a little where two meet."""
    clips = [of[name] for name in long_clip.expressions]
    folder = root / LONG / "SMIC-HS-E" / long_clip.subject / long_clip.name
    numbers = range(long_clip.first, long_clip.last + 1)
    files = iter([folder / f"image{number:06d}.jpg" for number in numbers])

    def some(count: int) -> tuple[Path, ...]:
        return tuple(next(files) for _ in range(count))

    takes = [_rest(clips[0], "before", some(long_clip.before), backwards=True)]
    for clip, pause in zip(clips, long_clip.pauses, strict=True):
        takes.append(_high_speed_take(root, clip, some(clip.num_frames)))
        takes.append(_rest(clip, "after", some(pause), backwards=False))
    return takes


def _rest(clip: Clip, when: str, files: tuple[Path, ...], *, backwards: bool) -> Take:
    shot = _shot(clip, LARGE_RAW if clip.name == FULL_SIZE else RAW)
    shot = shot._replace(
        clip=f"{clip.name}/{when}",
        emotion="neutral",
        num_frames=len(files),
        apex=1,
        backwards=backwards,
    )
    return shot, (Print(files),)


def _high_speed_take(root: Path, clip: Clip, raw_files: tuple[Path, ...]) -> Take:
    large = clip.name == FULL_SIZE
    short = tuple(root / file for file in clip.files)
    copies = (Print(short, LARGE_CROP if large else CROP), Print(raw_files))
    return _shot(clip, LARGE_RAW if large else RAW), copies


def _short_take(root: Path, clip: Clip) -> Take:
    camera = CLOSE_GREY if clip.modality == "NIR" else CLOSE
    return _shot(clip, camera), (Print(tuple(root / file for file in clip.files)),)


def _shot(clip: Clip, camera: Camera) -> Shot:
    return Shot(
        subject=f"twin_smic/{clip.subject}",
        clip=clip.name,
        emotion=clip.shown,
        camera=camera,
        num_frames=clip.num_frames,
        apex=clip.apex_index,
    )


def _non_micro_take(root: Path, subject: str, modality: str) -> Take:
    """A clip in which nothing happens: beside the others, and none of them."""
    person = f"s{int(subject[1:])}"
    clip = Clip(subject, f"{person}_ne_00", modality, 101, 6, 1)
    folder = root / SHORT / modality / person / "non_micro" / f"{person}_n1"
    shot, _ = _short_take(root, clip)
    files = tuple(folder / file.name for file in clip.files)
    return shot._replace(clip=f"{person}_n1", emotion="neutral"), (Print(files),)
