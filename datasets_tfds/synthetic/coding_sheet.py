"""The coding sheet of a corpus: who is filmed, how often, and what the coders write.

The sheet meets the quotas of its corpus exactly, and so belongs to it as a whole.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np

from datasets_tfds.synthetic.rooms import ROOMS
from datasets_tfds.synthetic.streams import stream

LABELS = ("negative", "positive", "surprise")


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
    if corpus.confound is None:
        dealt = _deal(corpus, rng)
    else:
        dealt = _deal_round(corpus, corpus.confound, rng)
    rows = []
    for i, labels in enumerate(dealt):
        subject = f"{corpus.name}/sub{i + 1:02d}"
        room = None if corpus.confound is None else i % len(ROOMS)
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


def _deal_round(
    corpus: Corpus, confound: float, rng: np.random.Generator
) -> Iterator[list[str]]:
    """The same where subjects go round the labels, see `Corpus.confound`."""
    num_clips = corpus.num_clips // corpus.num_subjects
    num_own = round(confound * num_clips)
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
