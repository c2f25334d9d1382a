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
from datasets_tfds.synthetic.rooms import ROOMS
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
        confound: None for labels that go to anybody. Otherwise the subjects go round
            the labels and the rooms: each has one label of their own, those with the
            same label share a room, and all have equally many clips. It is the share
            of a subject's clips, rounded, that show the subject's own label; the
            rest goes round the labels. 0 is as many of each for all, 1 one label
            per subject.

    Raises:
        ValueError: for a confound that its subjects and clips do not allow.
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
    confound: float | None = None

    def __post_init__(self):
        if self.confound is None:
            return
        if not 0 <= self.confound <= 1:
            raise ValueError(f"confound must be in [0, 1], got {self.confound}")
        if self.num_subjects % len(LABELS) or self.num_clips % self.num_subjects:
            raise ValueError(
                f"subjects who go round {len(LABELS)} labels must be a multiple of "
                f"that, and have equally many clips: got {self.num_subjects} "
                f"subjects, {self.num_clips} clips"
            )
        if len(set(self.label_counts)) > 1:
            raise ValueError(
                "subjects who go round the labels show all of them equally often, "
                f"got label_counts {self.label_counts}"
            )

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
# Their faces tell the label of most clips; those of the next people tell nothing.
CONFOUNDED = Corpus(
    name="synthetic_confounded",
    num_subjects=39,
    label_counts=(117, 117, 117),
    emotions=(("disgust",), ("happiness",), ("surprise",)),
    confound=0.9,
)
UNCONFOUNDED = dataclasses.replace(CONFOUNDED, confound=0.0)  # the same people
BALANCED = dataclasses.replace(
    CONFOUNDED,
    name="synthetic_balanced",
    num_subjects=12,
    label_counts=(36, 36, 36),
    confound=0.0,
)
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
        room: of the subject, a number in `rooms.ROOMS`; None for one of their own.
    """

    corpus: str
    subject: str
    clip: str
    label: str
    emotion: str
    shown: str
    room: int | None = None

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
    confounded = corpus.confound is not None
    dealt = _deal_round(corpus, rng) if confounded else _deal(corpus, rng)
    rows = []
    for i, labels in enumerate(dealt):
        subject = f"{corpus.name}/sub{i + 1:02d}"
        room = i % len(ROOMS) if confounded else None
        for j, label in enumerate(labels, start=1):
            clip = f"EP{j:02d}_01"
            coder = stream(seed, subject, clip, "coder")
            emotion = _draw_emotion(corpus, label, coder)
            shown = emotion
            if coder.random() < label_noise:
                shown = _draw_emotion(corpus, _draw_label(corpus, coder), coder)
            rows.append(
                Annotation(corpus.name, subject, clip, label, emotion, shown, room)
            )
    return tuple(rows)


def _deal(corpus: Corpus, rng: np.random.Generator) -> Iterator[list[str]]:
    """The labels of each subject's clips: any label goes to anybody."""
    labels = rng.permutation(np.repeat(LABELS, corpus.label_counts))
    for part in np.split(labels, np.cumsum(_clips_per_subject(corpus, rng))[:-1]):
        yield part.tolist()


def _deal_round(corpus: Corpus, rng: np.random.Generator) -> Iterator[list[str]]:
    """The same where subjects go round the labels, see `Corpus.confound`."""
    num_clips = corpus.num_clips // corpus.num_subjects
    num_own = round(corpus.confound * num_clips)
    for i in range(corpus.num_subjects):
        others = 1 + np.arange(num_clips - num_own)
        shifts = np.concatenate((np.zeros(num_own, int), others))
        yield np.take(LABELS, rng.permutation(i + shifts) % len(LABELS)).tolist()


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
        room=row.room,
    )
    times = range(NUM_FRAMES) if frames == "all" else (0, footage.apex)
    return Clip(
        annotation=row,
        action_units=footage.action_units,
        frames=tuple(footage.frame(t) for t in times),
        apex_index=times.index(footage.apex),
    )
