"""Tests for mer_jax/data/corpora.py: prepare once, read by key, derive, refuse."""

import dataclasses
import os
import sys
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest

from mer_jax.data.corpora import SMOKE, SMOKE_PROTOCOL, Data, load
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from tests.data import releases

CDE = Protocol(name="cde3")
FLOW = {"flow": jax.ShapeDtypeStruct((28, 28, 3), np.uint8)}
REAL = Path(
    os.environ.get("MER_MEGC2019_FLOW")
    or Path(__file__).parents[3] / "shared" / "data" / "megc2019_flow"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def tiny(cache):
    return load(SMOKE, SMOKE_PROTOCOL, FLOW, cache=cache)


def test_the_synthetic_corpus_needs_nothing_and_says_what_it_is(tiny):
    assert len(tiny.keys) == 24 and tiny.synthetic.all()
    assert all(key.startswith("synthetic_") for key in tiny.keys)
    assert tiny.features["flow"].shape == (24, 28, 28, 3)
    assert tiny.features["flow"].dtype == np.uint8
    assert len(set(tiny.subjects)) == 6


def test_clips_are_sorted_by_key_though_records_are_not(tiny):
    assert list(tiny.keys) == sorted(tiny.keys)


def test_loading_again_reads_the_cache_and_gives_the_same(tiny, cache):
    told = []
    again = load(
        SMOKE,
        SMOKE_PROTOCOL,
        FLOW,
        cache=cache,
        progress=lambda *words: told.append(words),
    )
    assert again.content_hash() == tiny.content_hash()
    assert not [what for what, *_ in told if "preparing" in what or "flow" in what]


def test_the_size_a_system_reads_decides_the_flow(cache, tiny):
    small = {"flow": jax.ShapeDtypeStruct((16, 16, 3), np.uint8)}
    corpus = load(SMOKE, SMOKE_PROTOCOL, small, cache=cache)
    assert corpus.features["flow"].shape == (24, 16, 16, 3)
    assert corpus.keys == tiny.keys


def test_no_tensorflow_is_imported(tiny):
    assert "tensorflow" not in sys.modules


def test_a_feature_the_corpus_does_not_have_is_an_error(cache):
    audio = {"audio": jax.ShapeDtypeStruct((9,), np.float32)}
    with pytest.raises(UserError, match="cannot give 'audio'; they store"):
        load(SMOKE, SMOKE_PROTOCOL, audio, cache=cache)


def test_a_release_is_asked_for_before_anything_is_written(tmp_path):
    data = Data(corpora=("megc2019_flow",))
    with pytest.raises(UserError, match="mer data prepare megc2019_flow"):
        load(data, CDE, FLOW, cache=tmp_path)
    gone = Data(corpora=("megc2019_flow",), release=str(tmp_path / "gone"))
    with pytest.raises(UserError, match="no folder"):
        load(gone, CDE, FLOW, cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def release(tmp_path):
    from datasets_tfds.megc2019_flow.noise_release import write_release

    folder = tmp_path / "release"
    return folder, write_release(folder, subjects=None)


def test_a_changed_release_is_packaged_again(release, tmp_path):
    folder, paths = release
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    before = load(data, CDE, FLOW, cache=tmp_path)
    first, second = list(paths.values())[:2]
    first.write_bytes(second.read_bytes())
    after = load(data, CDE, FLOW, cache=tmp_path)
    assert after.keys == before.keys
    assert after.content_hash() != before.content_hash()


def test_a_size_the_corpus_does_not_store_is_an_error(release, tmp_path):
    folder, _ = release
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    large = {"flow": jax.ShapeDtypeStruct((32, 32, 3), np.uint8)}
    with pytest.raises(UserError, match=r"change system\.size"):
        load(data, CDE, large, cache=tmp_path)


def test_a_broken_release_is_an_error_that_leaves_nothing_prepared(release, tmp_path):
    folder, paths = release
    key, path = next(iter(paths.items()))
    path.write_bytes(path.read_bytes()[:40])
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    with pytest.raises(ValueError, match=path.name.strip()):
        load(data, CDE, FLOW, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.array_record*"))


@pytest.mark.skipif(not REAL.is_dir(), reason="no real flow (MER_MEGC2019_FLOW)")
def test_the_real_composite_has_its_published_counts(tmp_path):
    corpus = load(
        Data(corpora=("megc2019_flow",), release=str(REAL)), CDE, FLOW, cache=tmp_path
    )
    assert np.bincount(corpus.labels).tolist() == [250, 109, 83]
    assert Counter(corpus.corpora) == {"casme2": 145, "samm": 133, "smic": 164}
    assert len(set(corpus.subjects)) == 68 and not corpus.synthetic.any()
    assert not corpus.reduced


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A corpus of one's own of moving squares, and a protocol for it."""
    folder = tmp_path_factory.mktemp("own")
    release = releases.write(folder / "release", apex="")
    name = releases.write_protocol(folder)
    return Data(corpora=("custom",), release=str(release)), Protocol(name=name)


def test_a_corpus_of_ones_own_needs_a_table_and_a_protocol(own, cache):
    corpus = load(*own, FLOW, cache=cache)
    assert corpus.classes == ("calm", "cross")
    assert corpus.labels.tolist() == [0, 1] * 3
    assert corpus.features["flow"].shape == (6, 28, 28, 3)
    assert not corpus.synthetic.any() and not corpus.reduced
    told = "no usable apex is annotated for 6 clips: the middle frame"
    assert told in corpus.rules


def test_a_spotted_apex_is_the_frame_that_moved_most(own, cache):
    data, protocol = own
    middle = load(data, protocol, FLOW, cache=cache)
    spotted = load(
        dataclasses.replace(data, apex="spotted"), protocol, FLOW, cache=cache
    )
    assert "no usable apex is annotated for 6 clips: spotted by optical flow" in (
        spotted.rules
    )
    moved = lambda corpus: np.abs(corpus.features["flow"][..., 0] - 128.0).mean()
    assert moved(spotted) > 1.5 * moved(middle)  # 4 px in frame 3, 2 px in frame 2


def test_several_releases_lie_in_one_folder(own, tmp_path, cache):
    data, protocol = own
    two = dataclasses.replace(
        data, corpora=("custom", "synthetic/tiny"), release=str(tmp_path)
    )
    with pytest.raises(UserError, match="one folder for each, named as the corpus"):
        load(two, protocol, FLOW, cache=cache)
    (tmp_path / "custom").symlink_to(data.release)
    assert len(load(two, protocol, FLOW, cache=cache).keys) == 6


def test_clips_in_two_corpora_are_named(own, cache):
    data, protocol = own
    twice = dataclasses.replace(data, corpora=("custom", "custom/clips"))
    with pytest.raises(UserError, match="custom/p0/c0"):
        load(dataclasses.replace(twice, release=None), protocol, FLOW, cache=cache)


def test_another_annotation_than_the_protocols_is_refused(cache):
    data = Data(corpora=("casme2/cropped-2019", "samm", "smic"))
    with pytest.raises(UserError, match="casme2/cropped, casme2/raw, not on casme2/"):
        load(data, CDE, FLOW, cache=cache)


def frames(size):
    return {
        n: jax.ShapeDtypeStruct((size, size, 3), np.uint8) for n in ("onset", "apex")
    }


def test_onset_and_apex_are_cut_out_at_the_size_a_system_reads(own, cache):
    corpus = load(*own, frames(24), cache=cache)
    onset, apex = (corpus.features[n].astype(int) for n in ("onset", "apex"))
    assert onset.shape == apex.shape == (6, 24, 24, 3)
    assert (onset != apex).any(axis=(1, 2, 3)).all()
    # The bright square of 16 px in 48 is 8 px here, and has moved 2 px, 1 px here.
    bright = lambda images: (images.min(axis=-1) > 100).sum(axis=1) > 0
    assert (bright(onset) != bright(apex)).any(axis=1).all()
    whole = load(*own, frames(48), cache=cache)
    np.testing.assert_array_equal(whole.features["onset"][0], original(own, 0))
    np.testing.assert_array_equal(whole.features["apex"][0], original(own, 2))


def original(own, number):
    from PIL import Image

    path = Path(own[0].release) / "frames" / "p0" / "c0" / f"img{number}.png"
    return np.asarray(Image.open(path))


def macro_release(folder):
    """Clips of macro-expressions, their apex the second frame."""
    release = releases.write(folder / "release", apex="1")
    table = release / "clips.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join([rows[0] + ",kind", *(r + ",macro" for r in rows[1:])]))
    return release


def test_macro_clips_may_have_a_pseudo_apex(tmp_path):
    release = macro_release(tmp_path)
    protocol = Protocol(name=releases.write_protocol(tmp_path))
    data = Data(corpora=("custom",), release=str(release))
    annotated = load(data, protocol, frames(48), cache=tmp_path)
    np.testing.assert_array_equal(annotated.features["apex"][0], original((data,), 1))
    for number, frame in ((3, 3), (9, 4)):  # at most the offset
        pseudo = dataclasses.replace(data, macro_apex=number)
        corpus = load(pseudo, protocol, frames(48), cache=tmp_path)
        np.testing.assert_array_equal(
            corpus.features["apex"][0], original((data,), frame)
        )
        assert f"apex of 6 macro clips: {number} frames after the onset" in corpus.rules


def clip(count, size=48, kind="clip"):
    return {kind: jax.ShapeDtypeStruct((count, size, size, 3), np.uint8)}


@pytest.mark.parametrize(
    ("count", "numbers"),
    [
        (1, (0,)),
        (2, (0, 4)),
        (3, (0, 2, 4)),
        (4, (0, 1, 3, 4)),
        (7, (0, 1, 1, 2, 3, 3, 4)),
    ],
)
def test_a_clip_is_frames_evenly_from_onset_to_offset(count, numbers, own, cache):
    corpus = load(*own, clip(count), cache=cache)
    assert corpus.features["clip"].shape == (6, count, 48, 48, 3)
    for position, number in enumerate(numbers):
        found = corpus.features["clip"][0, position]
        np.testing.assert_array_equal(found, original(own, number))


def test_a_clip_is_cut_out_at_the_size_a_system_reads(own, cache):
    small = load(*own, clip(2, 24), cache=cache).features["clip"]
    both = load(*own, frames(24), cache=cache).features
    np.testing.assert_array_equal(small[:, 0], both["onset"])
    assert (small[:, 0] != small[:, 1]).any()


@pytest.mark.parametrize(
    ("apex", "numbers"),
    [
        ({"apex": "middle"}, (0, 1, 1, 2)),  # 2, of 0 to 4
        ({"apex": "spotted"}, (0, 1, 2, 3)),
    ],
)
def test_a_rise_is_frames_evenly_from_onset_to_apex(apex, numbers, own, cache):
    data = dataclasses.replace(own[0], **apex)
    corpus = load(data, own[1], clip(4, kind="rise"), cache=cache)
    assert corpus.features["rise"].shape == (6, 4, 48, 48, 3)
    for position, number in enumerate(numbers):
        found = corpus.features["rise"][0, position]
        np.testing.assert_array_equal(found, original(own, number))


def test_the_rise_of_a_macro_clip_ends_at_its_pseudo_apex(tmp_path):
    release = macro_release(tmp_path)
    protocol = Protocol(name=releases.write_protocol(tmp_path))
    data = Data(corpora=("custom",), release=str(release), macro_apex=3)
    corpus = load(data, protocol, clip(2, kind="rise"), cache=tmp_path)
    for position, number in enumerate((0, 3)):
        found = corpus.features["rise"][0, position]
        np.testing.assert_array_equal(found, original((data,), number))
