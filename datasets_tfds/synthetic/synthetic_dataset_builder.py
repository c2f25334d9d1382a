"""Synthetic micro-expressions as a TFDS dataset: no download, no licence, no TF."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

from datasets_tfds import record
from datasets_tfds.synthetic import corpus
from datasets_tfds.synthetic.corpus import Clip, Corpus, Frames
from datasets_tfds.synthetic.performance import Setting


@dataclasses.dataclass(kw_only=True)
class SyntheticConfig(tfds.core.BuilderConfig):
    """One way to film the corpora.

    Attributes:
        corpora: which; generated in this order.
        size: height and width of the frames in pixels.
        frames: the 'onset_apex' pair, or 'all' frames from onset to offset.
        setting: difficulty of the movements.
        label_noise: share of clips whose emotion the coders guessed, in [0, 1].
        seed: of everything.
    """

    corpora: tuple[Corpus, ...] = corpus.COMPOSITE
    size: int = 128
    frames: Frames = "onset_apex"
    setting: Setting = Setting()
    label_noise: float = 0.0
    seed: int = 0


# A ridge classifier of optical flow reaches a UF1 of 0.72 (README.md).
HARD = Setting(strength=0.7, nuisance=2.0)
EASIER = Setting(strength=1.5)
OVERT = Setting(strength=2.5)  # expressions that are no micro-expressions
# Plain to see at 64 px, also for a net that learns from some 400 clips.
PLAIN = Setting(strength=3.0, nuisance=0.5, head_motion=0.3)


class Builder(tfds.core.GeneratorBasedBuilder):
    """One record per clip; frames are lossless PNG."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "1.0.0": "First release.",
        "2.0.0": "Blinks and gaze shifts; 'annotated' in place of a class number.",
    }
    BUILDER_CONFIGS = [
        SyntheticConfig(
            name="demo",
            description="442 clips of 68 subjects, onset and apex, hard to read.",
            setting=HARD,
            label_noise=0.1,
        ),
        SyntheticConfig(
            name="easy",
            description="442 clips of 68 subjects, onset and apex, easier to read.",
        ),
        SyntheticConfig(
            name="tiny",
            description="24 clips of 6 subjects, onset and apex, 64 px: for tests.",
            corpora=corpus.TINY,
            size=64,
        ),
        SyntheticConfig(
            name="clips",
            description="The clips of `demo` with all frames from onset to offset.",
            setting=HARD,
            label_noise=0.1,
            frames="all",
        ),
        SyntheticConfig(
            name="others",
            description="600 clips of 94 other people, otherwise as `demo`.",
            corpora=(corpus.OTHERS,),
            setting=HARD,
        ),
        SyntheticConfig(
            name="macro",
            description="600 clips of 100 other people, ordinary expressions.",
            corpora=(corpus.MACRO,),
            setting=OVERT,
        ),
        SyntheticConfig(
            name="clear",
            description="442 clips of 68 subjects, onset and apex, plain to see.",
            setting=OVERT,
        ),
        SyntheticConfig(
            name="clear_others",
            description="600 clips of 94 other people, otherwise as `clear`.",
            corpora=(corpus.OTHERS,),
            setting=OVERT,
        ),
        SyntheticConfig(
            name="tiny_others",
            description="24 clips of 6 people who are not in `tiny`, 64 px: for tests.",
            corpora=(corpus.TINY_OTHERS,),
            size=64,
        ),
        SyntheticConfig(
            name="confounded",
            description="459 clips of 51 people, all frames, 64 px: the faces of 39 "
            "tell what they show, those of 12 do not.",
            corpora=(corpus.CONFOUNDED, corpus.BALANCED),
            size=64,
            frames="all",
            setting=PLAIN,
        ),
        SyntheticConfig(
            name="unconfounded",
            description="459 clips of the same 51 people, whose faces tell nothing.",
            corpora=(corpus.UNCONFOUNDED, corpus.BALANCED),
            size=64,
            frames="all",
            setting=PLAIN,
        ),
        SyntheticConfig(
            name="moving",
            description="442 clips of 68 subjects, all frames, 64 px, easy to read.",
            size=64,
            frames="all",
            setting=EASIER,
        ),
        SyntheticConfig(
            name="plain",
            description="442 clips of 68 subjects, all frames, 64 px, plain to see in "
            "the apex alone.",
            size=64,
            frames="all",
            setting=PLAIN,
        ),
        SyntheticConfig(
            name="macro_moving",
            description="600 clips of 100 other people, all frames, 64 px, ordinary "
            "expressions.",
            corpora=(corpus.MACRO,),
            size=64,
            frames="all",
            setting=OVERT,
        ),
        SyntheticConfig(
            name="crowd",
            description="1161 clips of 129 people, all frames, 64 px: 39 whose faces "
            "tell what they show five times of nine, and 90 whose faces do not.",
            corpora=(corpus.LEANING, corpus.STRANGERS),
            size=64,
            frames="all",
            setting=PLAIN,
        ),
        SyntheticConfig(
            name="few",
            description="1170 clips of 102 people, all frames, 64 px: 12, often "
            "filmed, whose faces tell what they show, and 90 whose faces do not.",
            corpora=(corpus.FEW, corpus.STRANGERS),
            size=64,
            frames="all",
            setting=PLAIN,
        ),
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        size = self.builder_config.size
        frame = tfds.features.Image(shape=(size, size, 3), encoding_format="png")
        payload = {
            "frames": tfds.features.Sequence(frame),  # RGB
            "annotated": record.reading(),
            # Of the camera, frames per second, also where only two are kept.
            "fps": tfds.features.Scalar(np.float32),
        }
        return self.dataset_info_from_configs(features=record.clip_features(payload))

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        return {record.SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        config = self.builder_config
        for member in config.corpora:
            for clip in corpus.clips(
                member,
                seed=config.seed,
                size=config.size,
                setting=config.setting,
                label_noise=config.label_noise,
                frames=config.frames,
            ):
                yield clip.annotation.key, _example(member, clip)


def _example(member: Corpus, clip: Clip) -> dict[str, Any]:
    row = clip.annotation
    last = len(clip.frames) - 1
    return {
        "key": row.key,
        "corpus": row.corpus,
        "subject": row.subject,
        "synthetic": True,
        # PIL images: encoding an ndarray would need TensorFlow.
        "frames": [Image.fromarray(frame) for frame in clip.frames],
        "fps": member.fps,
        "annotated": {
            "emotion": row.emotion,  # as the coders recorded it
            "action_units": clip.action_units,  # as the face shows them, '6+12'
            "onset": "0",
            "apex": str(clip.apex_index),
            "offset": str(last),
            "onset_index": 0,
            "apex_index": clip.apex_index,
            "offset_index": last,
            "apex_source": "annotated",
        },
    }
