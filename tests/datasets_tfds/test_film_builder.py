"""Tests for datasets_tfds/film_builder.py, with a corpus of their own."""

import importlib
import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from releases import prepare, records, told, write_frames

from datasets_tfds.record import MARKER, SPLIT, ReleaseError

BUILDER = '''
import tensorflow_datasets as tfds
from datasets_tfds.film import Film, Found
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.tree import image_folders, numbered

class Builder(FilmBuilder):
    """Every folder 's<N>_...' is a clip, from frame 1 to frame 5."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Draw it yourself."
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("all", "none")]

    def find(self, root):
        return Found([
            Film("toyfilms", f.parts[-1][:2], f.parts[-1], dict(
                emotion="joy", action_units="", onset="1", apex="2", offset="5"
            ), numbered(f.files), 100.0, "by hand")
            for f in image_folders(root) if self.builder_config.name == "all"
        ], ["one line", "and another"])
'''
REPAIRS = (
    "corpus,subject,clip,field,old,new,reason,source\n"
    "toyfilms,s1,s1_a,apex,2,3,a test,nobody\n"
)


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("packages")
    package = folder / "toyfilms"
    package.mkdir()
    for name, content in (
        ("__init__.py", ""),
        ("toyfilms_dataset_builder.py", BUILDER),
        ("repairs.csv", REPAIRS),
        ("README.md", "A toy."),
        ("CITATIONS.bib", ""),
    ):
        (package / name).write_text(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("toyfilms.toyfilms_dataset_builder").Builder


@pytest.fixture
def release(tmp_path):
    root = tmp_path / "release"
    for clip in ("s1_a", "s1_b", "s2_a"):
        write_frames(root / clip, range(1, 8))
    return root


def refused(builder, release, data_dir, config=None):
    with pytest.raises(ReleaseError) as caught:
        prepare(builder, release, data_dir, config)
    for pattern in ("dataset_info.json", "features.json", "*.array_record*"):
        assert not list(data_dir.rglob(pattern))
    assert not list(data_dir.rglob("*incomplete*"))
    return str(caught.value)


def test_clips_are_packaged_with_their_repairs(builder, release, tmp_path, capsys):
    made = prepare(builder, release, tmp_path / "data")
    assert told(capsys.readouterr().out, "toyfilms/all") == ["one line", "and another"]
    clips = records(made)
    assert set(clips) == {"toyfilms/s1/s1_a", "toyfilms/s1/s1_b", "toyfilms/s2/s2_a"}
    mended = clips["toyfilms/s1/s1_a"]
    assert mended["annotated"]["apex_index"] == 1
    assert mended["repaired"]["apex_index"] == 2
    assert mended["repairs"] == ["made: apex '2' -> '3' (a test; nobody)"]
    for key, clip in clips.items():
        assert clip["subject"] == key.rpartition("/")[0]
        folder = release / key.rpartition("/")[2]
        assert list(clip["frame_numbers"]) == [1, 2, 3, 4, 5]
        paths = [folder / f"img{n}.jpg" for n in range(1, 6)]
        assert [bytes(f) for f in clip["frames"]] == [p.read_bytes() for p in paths]
        assert not clip["synthetic"]
        assert clip["fps"] == 100


def test_frames_are_read_as_rgb_without_tensorflow(builder, release, tmp_path):
    made = prepare(builder, release, tmp_path / "data")
    clip = made.as_data_source(SPLIT)[0]
    assert len(clip["frames"]) == 5
    assert {(f.shape, f.dtype) for f in clip["frames"]} == {((4, 6, 3), np.dtype("u1"))}


def test_a_single_frame_is_a_clip(builder, tmp_path):
    write_frames(tmp_path / "release" / "s1_a", (2,))
    made = prepare(builder, tmp_path / "release", tmp_path / "data")
    (clip,) = records(made).values()
    assert [len(clip["frames"]), clip["annotated"]["offset_index"]] == [1, 0]


def test_a_marked_release_is_synthetic(builder, release, tmp_path):
    (release / "s1_a" / MARKER).touch()
    clips = records(prepare(builder, release, tmp_path / "data"))
    assert all(clip["synthetic"] for clip in clips.values())


def test_a_prepared_corpus_opens_without_its_builder(builder, release, tmp_path):
    made = prepare(builder, release, tmp_path / "data")
    source = tfds.builder_from_directory(made.data_dir).as_data_source(SPLIT)
    assert len(source) == 3


def test_no_clip_is_an_error_that_says_what_was_seen(builder, release, tmp_path):
    message = refused(builder, release, tmp_path / "data", "none")
    assert "no clip found for toyfilms/none/1.0.0" in message
    assert (
        f"3 folders with images were looked at, the first of them {release}" in message
    )
    assert "links to folders are not followed" in message
    assert "Draw it yourself." in message


def test_a_key_twice_and_frames_elsewhere_are_told_together(builder, release, tmp_path):
    for n in (1, 2):
        write_frames(release / f"copy{n}" / "s3_a", (1, 2))
    write_frames(release / "s4_a", (6, 7))
    message = refused(builder, release, tmp_path / "data")
    assert "2 problem(s)" in message
    assert "toyfilms/s3/s3_a: 2 clips have this key" in message
    assert "toyfilms/s4/s4_a: annotated from 1 to 5, but frames 6..7 on disk" in message


def test_a_clip_of_broken_frames_is_an_error_and_nothing_is_left(
    builder, release, tmp_path
):
    for path in (release / "s2_a").iterdir():
        path.write_bytes(b"")
    message = refused(builder, release, tmp_path / "data")
    assert "toyfilms/s2/s2_a" in message
    write_frames(release / "s2_a", range(1, 8))  # mended, the same folder can be used
    assert len(records(prepare(builder, release, tmp_path / "data"))) == 3


@pytest.mark.parametrize("manual", ["absent", "empty", "file"])
def test_a_release_that_is_not_there_is_a_release_error(builder, manual, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    message = refused(builder, tmp_path / manual, tmp_path / "data")
    assert str(tmp_path / manual) in message


def test_linked_folders_are_not_read(builder, release, tmp_path):
    (tmp_path / "links").mkdir()
    os.symlink(release, tmp_path / "links" / "release")
    message = refused(builder, tmp_path / "links", tmp_path / "data")
    assert "0 folders with images" in message
