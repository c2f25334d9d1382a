"""The corpora, and their clips on film.

A twin of the MEGC2019 composite: the published number of clips, subjects and
labels, with synthetic faces. The coding sheet meets these quotas and so belongs to
a corpus as a whole. All else is a pure function of (seed, subject, clip, emotion,
room): a clip looks the same alone, in its corpus, and in a corpus with more subjects.
"""

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np

from datasets_tfds.synthetic.coding_sheet import Annotation, Corpus, annotations
from datasets_tfds.synthetic.footage import Camera, film
from datasets_tfds.synthetic.performance import Setting

NUM_FRAMES = 16  # of a clip, from onset to offset

Frames = Literal["onset_apex", "all"]

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
# The faces of the first tell the label of most clips, those of the others nothing.
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
# Other people, whose faces tell the label of five clips in nine.
LEANING = dataclasses.replace(CONFOUNDED, name="synthetic_leaning", confound=1 / 3)
# Few people, often filmed, whose faces tell the label of three clips in five; and many
# others, of whom they tell nothing.
FEW = dataclasses.replace(
    CONFOUNDED,
    name="synthetic_few",
    num_subjects=12,
    label_counts=(120, 120, 120),
    confound=0.4,
)
STRANGERS = dataclasses.replace(
    BALANCED, name="synthetic_strangers", num_subjects=90, label_counts=(270, 270, 270)
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
