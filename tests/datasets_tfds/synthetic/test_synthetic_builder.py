"""Tests for datasets_tfds/synthetic/synthetic_dataset_builder.py."""

import collections
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from datasets_tfds import record
from datasets_tfds.synthetic import corpus
from datasets_tfds.synthetic.expressions import EMOTIONS
from datasets_tfds.synthetic.synthetic_dataset_builder import Builder


def prepare(data_dir, config="tiny"):
    builder = Builder(config=config, data_dir=data_dir, file_format="array_record")
    builder.download_and_prepare()
    return builder


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def examples(tiny):
    return list(tiny.as_data_source(record.SPLIT))


def generate(config):
    """The clips of a config as the generator makes them, by key."""
    clips = {}
    for member in config.corpora:
        for clip in corpus.clips(
            member,
            seed=config.seed,
            size=config.size,
            setting=config.setting,
            label_noise=config.label_noise,
            frames=config.frames,
        ):
            clips[clip.annotation.key] = clip
    return clips


def test_frames_come_back_pixel_exact(tiny, examples):
    clips = generate(tiny.builder_config)
    assert {example["key"].decode() for example in examples} == clips.keys()
    for example in examples:
        clip = clips[example["key"].decode()]
        np.testing.assert_array_equal(example["frames"], clip.frames)
        assert example["frames"][0].shape == (64, 64, 3)
        annotated = example["annotated"]
        assert annotated["action_units"].decode() == clip.action_units
        assert annotated["emotion"].decode() == clip.annotation.emotion
        assert annotated["apex"].decode() == str(clip.apex_index)
        assert annotated["apex_source"] == b"annotated"


def test_every_record_keeps_the_contract(tiny, examples):
    assert "label" not in tiny.info.features
    for example in examples:
        assert example.keys() == tiny.info.features.keys()
        key, subject = example["key"].decode(), example["subject"].decode()
        assert key.startswith(subject + "/")
        assert subject.startswith(example["corpus"].decode() + "/sub")
        annotated = example["annotated"]
        positions = [annotated[f"{name}_index"] for name in ("onset", "apex", "offset")]
        assert positions == [0, 1, 1]
        assert [annotated["onset"], annotated["offset"]] == [b"0", b"1"]
        assert example["fps"] == 50
        assert example["synthetic"]
        emotion = annotated["emotion"].decode()
        assert annotated["action_units"].decode() in EMOTIONS[emotion]


def test_tiny_holds_24_clips_of_6_subjects(tiny, examples):
    assert tiny.info.splits[record.SPLIT].num_examples == len(examples) == 24
    assert len({example["subject"] for example in examples}) == 6
    emotions = collections.Counter(e["annotated"]["emotion"] for e in examples)
    assert emotions[b"happiness"] == emotions[b"surprise"] == 6
    assert emotions.total() - 12 == 12  # all else is negative


def test_preparing_again_writes_the_same_records_in_the_same_order(tmp_path, examples):
    again = list(prepare(tmp_path).as_data_source(record.SPLIT))
    assert [e["key"] for e in again] == [e["key"] for e in examples]
    for first, second in zip(examples, again, strict=True):
        np.testing.assert_array_equal(first["frames"], second["frames"])


def test_a_prepared_corpus_opens_without_its_builder(tiny, examples):
    source = tfds.builder_from_directory(tiny.data_dir).as_data_source(record.SPLIT)
    assert len(source) == len(examples)
    assert source[0]["key"] == examples[0]["key"]


def test_the_default_config_is_the_demo(tmp_path):
    assert Builder(data_dir=tmp_path).builder_config.name == "demo"
    assert list(Builder.builder_configs)[:4] == ["demo", "easy", "tiny", "clips"]


def people(name):
    config = Builder.builder_configs[name]
    return {
        row.subject
        for member in config.corpora
        for row in corpus.annotations(member, config.seed, config.label_noise)
    }


def test_others_are_people_whom_no_composite_shows():
    sizes = {"others": 94, "clear_others": 94, "macro": 100, "tiny_others": 6}
    assert {name: len(people(name)) for name in sizes} == sizes
    composite = people("demo") | people("clear") | people("tiny")
    assert not composite & people("others") and not composite & people("macro")
    assert people("tiny_others") <= people("others") == people("clear_others")
    assert not people("others") & people("macro")


@pytest.mark.parametrize(
    ("name", "like"),
    [("moving", "demo"), ("plain", "demo"), ("macro_moving", "macro")],
)
def test_the_same_people_move_in_small_clips_of_all_frames(name, like):
    config = Builder.builder_configs[name]
    assert (config.frames, config.size, config.label_noise) == ("all", 64, 0)
    assert people(name) == people(like)


@pytest.mark.parametrize("name", ["demo", "easy", "clips", "clear"])
def test_large_configs_plan_442_clips_of_68_subjects(name):
    config = Builder.builder_configs[name]
    rows = [
        row
        for member in config.corpora
        for row in corpus.annotations(member, config.seed, config.label_noise)
    ]
    assert len(rows) == 442
    assert len({row.subject for row in rows}) == 68
    assert config.size == 128


def test_the_clips_config_is_the_demo_with_all_frames():
    demo, clips = (Builder.builder_configs[name] for name in ("demo", "clips"))
    assert (demo.frames, clips.frames) == ("onset_apex", "all")
    for field in ("corpora", "size", "setting", "label_noise", "seed"):
        assert getattr(demo, field) == getattr(clips, field)


def python(code):
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_importing_the_package_loads_neither_tfds_nor_opencv():
    python(
        "import sys, datasets_tfds.synthetic;"
        "assert not sys.modules.keys() & {'tensorflow_datasets', 'cv2', 'numpy'}"
    )


def test_the_builder_needs_neither_tensorflow_nor_mer_jax(examples):
    assert "tensorflow" not in sys.modules  # though clips were written and read
    python(
        "import sys, datasets_tfds.synthetic.synthetic_dataset_builder;"
        "assert not sys.modules.keys() & {'tensorflow', 'mer_jax', 'jax'}"
    )
