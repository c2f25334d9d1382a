"""Tests for mer_jax/data/prepared.py: packaged once, found again, never decoded."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from mer_jax.data import prepared
from mer_jax.data.prepared import find, prepare, registered
from mer_jax.errors import UserError
from tests.data import releases


def silent(what, done, total):
    pass


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return releases.write(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def own(release, cache):
    return prepare("custom", str(release), cache=cache, progress=silent)


def test_clips_are_records_by_key_without_their_images(own):
    keys = [clip["key"] for clip in own.clips]
    assert keys == [f"custom/p{s}/c{c}" for s in range(3) for c in range(2)]
    clip = own.clips[0]
    assert "frames" not in clip and clip["frame_numbers"] == [0, 1, 2, 3, 4]
    assert clip["annotated"]["emotion"] == "happiness"
    assert clip["annotated"]["apex_index"] == 2
    json.dumps(clip)  # plain values only
    assert len({clip["content"] for clip in own.clips}) == 3  # one film per subject


def test_images_are_the_release_byte_by_byte(own, release):
    clip = own.clips[3]
    files = sorted((release / "frames/p1/c1").glob("*.png"))
    assert list(own.encoded(clip, "frames")) == [f.read_bytes() for f in files]


def test_a_stored_feature_is_decoded(own):
    frames = own.decoded(own.clips[0], "frames")
    assert np.asarray(frames).shape == (5, 48, 48, 3)
    assert "frames" in own.stored and "flow" not in own.stored


def test_what_was_prepared_is_found_without_its_release(own, cache, release):
    told = []
    again = find(
        "custom/clips", cache=cache, progress=lambda *words: told.append(words)
    )
    assert again.clips == own.clips and again.name == "custom/clips"
    assert not told
    (entry,) = registered("custom/clips", cache)
    assert (entry["clips"], entry["subjects"], entry["synthetic"]) == (6, 3, False)
    assert entry["release"] == str(release)


def test_the_real_release_comes_before_its_twin(tmp_path, release):
    twin = releases.write(tmp_path / "twin", subjects=2, synthetic=True)
    cache = tmp_path / "cache"
    prepare("custom", str(release), cache=cache, progress=silent)
    made = prepare("custom", str(twin), cache=cache, progress=silent)
    assert made.synthetic and len(made.clips) == 4
    assert not find("custom", cache=cache, progress=silent).synthetic
    assert [e["synthetic"] for e in registered("custom/clips", cache)] == [False, True]


def test_a_changed_release_is_packaged_again(tmp_path):
    release = releases.write(tmp_path / "release")
    cache = tmp_path / "cache"
    before = prepare("custom", str(release), cache=cache, progress=silent)
    frame = release / "frames/p0/c0/img3.png"
    frame.write_bytes((release / "frames/p1/c0/img3.png").read_bytes())
    after = prepare("custom", str(release), cache=cache, progress=silent)
    assert after.clips[0]["content"] != before.clips[0]["content"]
    assert after.clips[1:] == tuple(
        {**clip, "row": now["row"]}
        for clip, now in zip(before.clips[1:], after.clips[1:], strict=True)
    )


def test_a_corpus_that_was_never_prepared_tells_how(tmp_path):
    with pytest.raises(UserError) as error:
        find("custom", cache=tmp_path, progress=silent)
    assert "mer data prepare custom/clips --release DIR" in str(error.value)
    assert "mer data synth custom DIR" in str(error.value)


def test_lost_records_are_as_if_never_prepared(tmp_path, release):
    prepare("custom", str(release), cache=tmp_path, progress=silent)
    shutil.rmtree(tmp_path / "tfds")
    with pytest.raises(UserError, match="is not prepared"):
        find("custom", cache=tmp_path, progress=silent)


def test_two_processes_may_prepare_the_same_at_once(tmp_path, release, monkeypatch):
    package = prepared._package

    def beaten(builder, manual):
        package(builder, manual)
        raise FileExistsError("as when a finished folder is renamed onto another")

    monkeypatch.setattr(prepared, "_package", beaten)
    own = prepare("custom", str(release), cache=tmp_path, progress=silent)
    assert len(own.clips) == 6

    def refused(builder, manual):
        raise FileExistsError("something else is in the way")

    monkeypatch.setattr(prepared, "_package", refused)
    with pytest.raises(FileExistsError, match="in the way"):
        prepare("custom", str(release), cache=tmp_path / "other", progress=silent)


def test_a_folder_is_asked_for_and_must_exist(tmp_path):
    with pytest.raises(UserError, match="not free to redistribute"):
        prepare("custom", None, cache=tmp_path, progress=silent)
    with pytest.raises(UserError, match="no folder .*gone"):
        prepare("custom", str(tmp_path / "gone"), cache=tmp_path, progress=silent)
    assert not list(tmp_path.iterdir())


def test_the_cache_goes_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MER_CACHE", str(tmp_path))
    assert prepared.cache_directory() == tmp_path
    monkeypatch.delenv("MER_CACHE")
    assert prepared.cache_directory() == Path.home() / ".cache" / "mer_jax"
