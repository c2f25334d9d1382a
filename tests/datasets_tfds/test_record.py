"""Tests for datasets_tfds/record.py."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from releases import Encoded, picture

from datasets_tfds import record

ROOT = Path(__file__).parents[2]


def test_every_clip_has_the_record_and_its_payload():
    payload = {"flow": tfds.features.Image(shape=(28, 28, 3))}
    features = record.clip_features(payload)
    names = {"key", "corpus", "subject", "synthetic", "annotated", "flow"}
    assert set(features) == names
    assert set(features["annotated"]) == {"emotion"}
    assert features["synthetic"].np_dtype == np.bool_


@pytest.mark.parametrize("name", ["key", "corpus", "subject", "synthetic"])
def test_a_payload_cannot_redefine_the_record(name):
    with pytest.raises(ValueError, match=name):
        record.clip_features({name: tfds.features.Text()})


def test_a_reading_may_say_more_than_the_emotion():
    features = record.clip_features({"annotated": record.reading()})
    assert set(features["annotated"]) == {
        *("emotion", "action_units", "onset", "apex", "offset", "apex_source"),
        *("onset_index", "apex_index", "offset_index"),
    }


def test_a_filmed_clip_has_two_readings_of_one_shape():
    features = record.film_features()
    assert set(features["annotated"]) == set(features["repaired"])
    assert set(features) == {
        *("key", "corpus", "subject", "synthetic", "frames", "frame_numbers"),
        *("annotated", "repaired", "repairs", "issues", "kind", "modality", "fps"),
        *("objective_class", "annotation_version"),
    }


@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "JPEG"), ("RGB", "JPEG"), ("L", "BMP"), ("RGB", "BMP"), ("P", "PNG")]
    + [("L", "PNG"), ("RGB", "PNG")],
)
def test_frames_keep_their_bytes_and_decode_to_rgb(mode, format, tmp_path):
    features = tfds.features.FeaturesDict({"frames": record.film_features()["frames"]})
    data = [picture(n, mode=mode, format=format) for n in range(3)]
    paths = [tmp_path / f"{n}.{format}" for n in range(3)]
    for path, content in zip(paths, data, strict=True):
        path.write_bytes(content)
    stored = features.serialize_example({"frames": paths})
    skipped = features.deserialize_example_np(stored, decoders={"frames": Encoded()})
    assert [bytes(frame) for frame in skipped["frames"]] == data
    frames = features.deserialize_example_np(stored)["frames"]
    for frame, path in zip(frames, paths, strict=True):
        assert frame.dtype == np.uint8
        np.testing.assert_array_equal(frame, Image.open(path).convert("RGB"))
    assert "tensorflow" not in sys.modules


def test_depth_keeps_all_of_its_sixteen_bits(tmp_path):
    frames = record.film_features(depth=True)["frames"]
    features = tfds.features.FeaturesDict({"frames": frames})
    maps = [np.arange(2**16, dtype=np.uint16).reshape(256, 256), np.zeros((3, 5), "u2")]
    paths = [tmp_path / f"{n}.png" for n in range(2)]
    for path, depth in zip(paths, maps, strict=True):
        Image.fromarray(depth).save(path)
    stored = features.serialize_example({"frames": paths})
    read = features.deserialize_example_np(stored)["frames"]
    for found, depth in zip(read, maps, strict=True):
        assert (found.dtype, found.shape) == (np.uint16, (*depth.shape, 1))
        np.testing.assert_array_equal(found[..., 0], depth)
    as_pictures = tfds.features.FeaturesDict(
        {"frames": record.film_features()["frames"]}
    )
    wrapped = as_pictures.deserialize_example_np(stored)["frames"][0]
    assert wrapped.max() == 255  # which is why they are no pictures
    assert "tensorflow" not in sys.modules


def test_a_release_error_is_a_value_error():
    assert issubclass(record.ReleaseError, ValueError)


def test_all_problems_are_told_at_once_and_long_lists_are_cut(tmp_path):
    error = record.problems_found(tmp_path, ["one", "two"], "mend them")
    assert str(error) == (
        f"{tmp_path}: 2 problem(s). No dataset was written; mend them:\n  one\n  two"
    )
    many = str(record.problems_found(tmp_path, [f"<{n}>" for n in range(23)], "mend"))
    assert "23 problem(s)" in many
    assert "<19>" in many and "<20>" not in many and many.endswith("and 3 more")


@pytest.mark.parametrize("place", [".", "release", "release/sub01/EP01", "beside"])
def test_the_marker_in_around_or_below_a_release_makes_it_synthetic(place, tmp_path):
    release = tmp_path / "release"
    (release / "sub01" / "EP01").mkdir(parents=True)
    (tmp_path / "beside").mkdir()
    assert not record.is_synthetic(release)
    (tmp_path / place / record.MARKER).touch()
    assert record.is_synthetic(release) == (place != "beside")
    link = tmp_path / "beside" / "link"
    os.symlink(release, link)
    assert record.is_synthetic(link) == (place != "beside")


def test_an_error_can_be_printed_whatever_a_file_is_called():
    name = os.fsdecode(b"sub\xff1")
    assert str(record.ReleaseError(f"{name}: no frame")) == "sub\\udcff1: no frame"
    assert record.printable("caf\u00e9") == "caf\u00e9"


def test_importing_the_package_imports_nothing_else():
    code = (
        "import sys, datasets_tfds\n"
        "heavy = {'numpy', 'tensorflow_datasets', 'jax'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_builders_import_neither_mer_jax_nor_tensorflow():
    code = (
        "import sys\n"
        "from datasets_tfds.casme2 import casme2_dataset_builder\n"
        "from datasets_tfds.megc2019_flow import noise_release\n"
        "from datasets_tfds.megc2019_flow import megc2019_flow_dataset_builder\n"
        "from datasets_tfds.samm import samm_dataset_builder\n"
        "heavy = {'tensorflow', 'jax', 'mer_jax'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
