"""The corpora: who is filmed, how often, and what the coders write down.

A twin of the MEGC2019 composite: the published number of clips, subjects and
labels, with synthetic faces. The coding sheet (`annotations`) meets these quotas
and so belongs to a corpus as a whole. All else is a pure function of (seed,
subject, clip, emotion): a clip looks the same alone, in its corpus, and in a
corpus with more subjects.
"""

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np

from datasets_tfds.synthetic.footage import Camera, film
from datasets_tfds.synthetic.performance import Setting
from datasets_tfds.synthetic.streams import stream

NUM_FRAMES = 16  # of a clip, from onset to offset
LABELS = ("negative", "positive", "surprise")

Frames = Literal["onset_apex", "all"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """One sub-corpus.

    Attributes:
        name: also the first part of every key.
        num_subjects: each has at least one clip.
        label_counts: recorded labels, in the order of `LABELS`.
        emotions: for each label the emotions that are coded so.
        fps: of the camera, frames per second.
        grey: from a monochrome camera.
    """

    name: str
    num_subjects: int
    label_counts: tuple[int, int, int]
    emotions: tuple[tuple[str, ...], ...] = (
        ("disgust", "repression"),
        ("happiness",),
        ("surprise",),
    )
    fps: float = 50.0  # 16 frames last 0.3 s, a typical micro-expression
    grey: bool = False

    @property
    def num_clips(self) -> int:
        """Over all labels."""
        return sum(self.label_counts)


CASME2 = Corpus(name="synthetic_casme2", num_subjects=24, label_counts=(88, 32, 25))
SMIC = Corpus(name="synthetic_smic", num_subjects=16, label_counts=(70, 51, 43))
SAMM = Corpus(
    name="synthetic_samm",
    num_subjects=28,
    label_counts=(92, 26, 15),
    emotions=(
        ("anger", "contempt", "disgust", "fear", "sadness"),
        ("happiness",),
        ("surprise",),
    ),
    grey=True,
)
COMPOSITE = (CASME2, SMIC, SAMM)
# To pre-train on: nobody of the composite is in it.
EMOTIONS = (
    ("anger", "disgust", "fear", "sadness"),
    ("happiness",),
    ("surprise",),
)
OTHERS = Corpus(
    name="synthetic_casme3",
    num_subjects=94,
    label_counts=(400, 60, 140),
    emotions=EMOTIONS,
)
MACRO = Corpus(
    name="synthetic_macro",
    num_subjects=100,
    label_counts=(300, 150, 150),
    emotions=EMOTIONS,
)
TINY = tuple(
    dataclasses.replace(corpus, num_subjects=2, label_counts=(4, 2, 2))
    for corpus in COMPOSITE
)
TINY_OTHERS = dataclasses.replace(OTHERS, num_subjects=6, label_counts=(12, 6, 6))


@dataclasses.dataclass(frozen=True)
class Annotation:
    """One row of the coding sheet, and what the coders could not know.

    Attributes:
        corpus: 'synthetic_casme2'.
        subject: 'synthetic_casme2/sub01'.
        clip: 'EP01_01'.
        label: one of `LABELS`, as recorded.
        emotion: as recorded; belongs to `label`.
        shown: the emotion that the face shows, equal to `emotion` except where
            the coders erred.
    """

    corpus: str
    subject: str
    clip: str
    label: str
    emotion: str
    shown: str

    @property
    def key(self) -> str:
        """'synthetic_casme2/sub01/EP01_01'."""
        return f"{self.subject}/{self.clip}"


@dataclasses.dataclass(frozen=True)
class Clip:
    """A filmed clip.

    Attributes:
        annotation: its row of the coding sheet.
        action_units: what the face does, e.g. '6+12' or 'L14'.
        frames: `[H, W, 3]` uint8 RGB each.
        apex_index: position in `frames`; the onset is the first, the offset the last.
    """

    annotation: Annotation
    action_units: str
    frames: tuple[np.ndarray, ...]
    apex_index: int


def annotations(
    corpus: Corpus, seed: int, label_noise: float = 0.0
) -> tuple[Annotation, ...]:
    """The coding sheet, subject by subject.

    Args:
        corpus: its quotas are met exactly, with any label noise.
        seed: decides who has how many clips and of which label.
        label_noise: share of clips that show an emotion drawn anew, with the
            frequencies of the corpus; it may come out the same.
    """
    rng = stream(seed, corpus.name, "coding sheet")
    labels = iter(rng.permutation(np.repeat(LABELS, corpus.label_counts)).tolist())
    rows = []
    for i, num_clips in enumerate(_clips_per_subject(corpus, rng), start=1):
        subject = f"{corpus.name}/sub{i:02d}"
        for j in range(1, num_clips + 1):
            clip, label = f"EP{j:02d}_01", next(labels)
            coder = stream(seed, subject, clip, "coder")
            emotion = _draw_emotion(corpus, label, coder)
            shown = emotion
            if coder.random() < label_noise:
                shown = _draw_emotion(corpus, _draw_label(corpus, coder), coder)
            rows.append(Annotation(corpus.name, subject, clip, label, emotion, shown))
    return tuple(rows)


def _clips_per_subject(corpus: Corpus, rng: np.random.Generator) -> list[int]:
    """At least one each; the rest goes to the expressive, as in the real corpora."""
    expressiveness = rng.gamma(1.2, size=corpus.num_subjects) + 0.15
    rest = corpus.num_clips - corpus.num_subjects
    return (1 + rng.multinomial(rest, expressiveness / expressiveness.sum())).tolist()


def _draw_label(corpus: Corpus, rng: np.random.Generator) -> str:
    shares = np.asarray(corpus.label_counts) / corpus.num_clips
    return str(rng.choice(LABELS, p=shares))


def _draw_emotion(corpus: Corpus, label: str, rng: np.random.Generator) -> str:
    return str(rng.choice(corpus.emotions[LABELS.index(label)]))


def clips(
    corpus: Corpus,
    *,
    seed: int,
    size: int,
    setting: Setting,
    label_noise: float = 0.0,
    frames: Frames = "onset_apex",
) -> Iterator[Clip]:
    """All clips of a corpus, subject by subject.

    Args:
        corpus: which.
        seed: of faces, movements and coding sheet.
        size: height and width of the frames in pixels.
        setting: difficulty of the movements.
        label_noise: see `annotations`.
        frames: see `film_clip`.
    """
    camera = Camera.close_up(size, corpus.grey)
    for row in annotations(corpus, seed, label_noise):
        yield film_clip(row, seed=seed, camera=camera, setting=setting, frames=frames)


def film_clip(
    row: Annotation,
    *,
    seed: int,
    camera: Camera,
    setting: Setting,
    frames: Frames = "onset_apex",
) -> Clip:
    """Films one clip.

    Args:
        row: what to show, and who shows it.
        seed: of faces and movements.
        camera: that films it.
        setting: difficulty of the movements.
        frames: 'all' from onset to offset, or the 'onset_apex' pair of the same
            clip.
    """
    footage = film(
        seed=seed,
        subject=row.subject,
        clip=row.clip,
        emotion=row.shown,
        camera=camera,
        num_frames=NUM_FRAMES,
        setting=setting,
    )
    times = range(NUM_FRAMES) if frames == "all" else (0, footage.apex)
    return Clip(
        annotation=row,
        action_units=footage.action_units,
        frames=tuple(footage.frame(t) for t in times),
        apex_index=times.index(footage.apex),
    )
