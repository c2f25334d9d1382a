"""Tests for mer_jax/data/film.py: all frames of clips, from a release to a file."""

import dataclasses
import os

import jax
import numpy as np
import pytest

from mer_jax.data import film
from mer_jax.data.corpora import SMOKE, SMOKE_PROTOCOL, Data, load
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from tests.data import releases
from tests.data.test_corpora import original

PICTURE = lambda size: jax.ShapeDtypeStruct((size, size, 3), np.uint8)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Six clips of five frames each, of a square that moves."""
    folder = tmp_path_factory.mktemp("own")
    release = releases.write(folder / "release")
    name = releases.write_protocol(folder)
    return Data(corpora=("custom",), release=str(release)), Protocol(name=name)


def filmed(own, cache, size=48, **changes):
    data = dataclasses.replace(own[0], **changes)
    features = {name: PICTURE(size) for name in ("onset", "apex")}
    return load(data, own[1], features, frames=PICTURE(size), cache=cache)


def test_frames_are_all_from_onset_to_offset_of_every_clip(own, cache):
    corpus = filmed(own, cache)
    assert corpus.frames.owner.tolist() == np.repeat(range(6), 5).tolist()
    for number in range(5):
        np.testing.assert_array_equal(corpus.frames[number], original(own, number))


def test_only_frames_of_the_annotated_interval_count(own, cache, tmp_path):
    release = releases.write(tmp_path / "release")
    table = release / "clips.csv"
    first, second, *rest = table.read_text().splitlines()
    second = second.replace(",0,2,4", ",1,2,3")
    table.write_text("\n".join([first, second, *rest]))
    data = dataclasses.replace(own[0], release=str(release))
    corpus = filmed((data, own[1]), cache)
    assert np.bincount(corpus.frames.owner).tolist() == [3, 5, 5, 5, 5, 5]
    np.testing.assert_array_equal(corpus.frames[0], original(own, 1))


def test_frames_are_cut_out_as_the_features_of_their_clip(own, cache):
    corpus = filmed(own, cache, size=24)
    for clip in range(6):
        first = 5 * clip
        np.testing.assert_array_equal(
            corpus.frames[first], corpus.features["onset"][clip]
        )
        np.testing.assert_array_equal(
            corpus.frames[first + 2], corpus.features["apex"][clip]
        )


def test_the_file_is_mapped_and_not_written_again(own, cache, monkeypatch):
    before = filmed(own, cache)
    monkeypatch.setattr(film, "_write", lambda *args: pytest.fail("written again"))
    again = filmed(own, cache)
    (pixels,) = again.frames.parts
    assert isinstance(pixels, np.memmap)
    assert again.content_hash() == before.content_hash()


def test_a_file_that_is_too_short_or_unknown_is_written_again(own, tmp_path):
    expected = np.array(filmed(own, tmp_path).frames.parts[0])
    (path,) = (tmp_path / "film").glob("*.pixels")
    path.write_bytes(path.read_bytes()[:-1])
    np.testing.assert_array_equal(filmed(own, tmp_path).frames.parts[0], expected)
    path.with_suffix(".json").write_text("{")
    np.testing.assert_array_equal(filmed(own, tmp_path).frames.parts[0], expected)


def test_an_interrupted_file_leaves_nothing(own, tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(film, "crop_clip", interrupt)
        filmed(own, tmp_path)
    assert os.listdir(tmp_path / "film") == []
    assert len(filmed(own, tmp_path).frames) == 30


def test_another_crop_or_another_release_is_another_file(own, tmp_path):
    filmed(own, tmp_path)
    filmed(own, tmp_path, stabilise=True)
    filmed(own, tmp_path, size=24)
    assert len(list((tmp_path / "film").glob("*.pixels"))) == 3


def test_the_content_of_a_corpus_is_that_of_its_frames_too(own, cache, tmp_path):
    """Of two releases that differ in one frame between onset and apex."""
    release = releases.write(tmp_path / "release")
    path = release / "frames" / "p1" / "c0" / "img1.png"
    path.write_bytes((path.parent / "img4.png").read_bytes())
    data = dataclasses.replace(own[0], release=str(release))
    one, other = filmed(own, cache), filmed((data, own[1]), cache)
    for name in one.features:
        np.testing.assert_array_equal(one.features[name], other.features[name])
    assert one.content_hash() != other.content_hash()
    blind = [dataclasses.replace(c, frames=None).content_hash() for c in (one, other)]
    assert blind[0] == blind[1] not in (one.content_hash(), other.content_hash())


def test_a_clip_that_is_skipped_has_no_frames(own, tmp_path, monkeypatch):
    real = film.crop_clip

    def crop(clip, *how):
        return None if clip.key == "custom/p1/c0" else real(clip, *how)

    monkeypatch.setattr(film, "crop_clip", crop)
    corpus = filmed(own, tmp_path)
    assert np.bincount(corpus.frames.owner).tolist() == [5, 5, 0, 5, 5, 5]
    np.testing.assert_array_equal(corpus.frames.of(np.array([2])), [])


def test_frames_are_of_the_clips_that_are_left(own, tmp_path, monkeypatch):
    """A clip without a face is no clip of the corpus; those after it move up."""
    from mer_jax.data import corpora

    real = corpora.feature_arrays

    def without_second(footing, features):
        arrays = real(footing, features)
        kept = np.arange(6) != 1
        shorter = {name: array[kept] for name, array in arrays.features.items()}
        return arrays._replace(features=shorter, kept=kept)

    monkeypatch.setattr(corpora, "feature_arrays", without_second)
    corpus = filmed(own, tmp_path)
    assert len(corpus.keys) == 5 and len(corpus.frames) == 25
    for clip in range(5):
        onset = corpus.frames[corpus.frames.of(np.array([clip]))[0]]
        np.testing.assert_array_equal(onset, corpus.features["onset"][clip])


def test_drawn_corpora_have_frames(tmp_path):
    corpus = load(
        SMOKE,
        SMOKE_PROTOCOL,
        {"apex": PICTURE(32)},
        frames=PICTURE(32),
        cache=tmp_path,
    )
    assert np.bincount(corpus.frames.owner).tolist() == [2] * 24  # onset and apex
    np.testing.assert_array_equal(corpus.frames[1], corpus.features["apex"][0])


def test_a_corpus_that_stores_no_frames_is_refused(tmp_path):
    from datasets_tfds.megc2019_flow.noise_release import write_release

    write_release(tmp_path / "release", subjects=None)
    data = Data(corpora=("megc2019_flow",), release=str(tmp_path / "release"))
    flow = {"flow": PICTURE(28)}
    with pytest.raises(UserError, match=r"megc2019_flow.* stores no frames.*data\.cor"):
        load(data, Protocol(name="cde3"), flow, frames=PICTURE(28), cache=tmp_path)
