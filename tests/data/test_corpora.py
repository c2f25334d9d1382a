"""Tests for mer_jax/data/corpora.py: prepare once, read by key, derive, refuse."""

import os
import sys
from collections import Counter
from pathlib import Path

import jax
import numpy as np
import pytest

from mer_jax.data import corpora
from mer_jax.data.corpora import SMOKE, Data, load
from mer_jax.errors import UserError

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
    return load(SMOKE, FLOW, cache=cache)


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
    again = load(SMOKE, FLOW, cache=cache, progress=lambda *words: told.append(words))
    assert again.content_hash() == tiny.content_hash()
    assert not [what for what, *_ in told if "preparing" in what or "flow" in what]


def test_the_size_a_system_reads_decides_the_flow(cache, tiny):
    small = {"flow": jax.ShapeDtypeStruct((16, 16, 3), np.uint8)}
    corpus = load(SMOKE, small, cache=cache)
    assert corpus.features["flow"].shape == (24, 16, 16, 3)
    assert corpus.keys == tiny.keys


def test_no_tensorflow_is_imported(tiny):
    assert "tensorflow" not in sys.modules


def test_a_feature_the_corpus_does_not_have_is_an_error(cache):
    audio = {"audio": jax.ShapeDtypeStruct((9,), np.float32)}
    with pytest.raises(UserError, match="cannot give 'audio'; it stores"):
        load(SMOKE, audio, cache=cache)


def test_a_release_is_asked_for_before_anything_is_written(tmp_path):
    data = Data(corpora=("megc2019_flow",))
    with pytest.raises(UserError, match=r"data\.release=DIR"):
        load(data, FLOW, cache=tmp_path)
    gone = Data(corpora=("megc2019_flow",), release=str(tmp_path / "gone"))
    with pytest.raises(UserError, match="no folder"):
        load(gone, FLOW, cache=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture
def release(tmp_path):
    from datasets_tfds.megc2019_flow.fake_release import write_release

    folder = tmp_path / "release"
    return folder, write_release(folder, subjects=None)


def test_a_changed_release_is_packaged_again(release, tmp_path):
    folder, paths = release
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    before = load(data, FLOW, cache=tmp_path)
    first, second = list(paths.values())[:2]
    first.write_bytes(second.read_bytes())
    after = load(data, FLOW, cache=tmp_path)
    assert after.keys == before.keys
    assert after.content_hash() != before.content_hash()


def test_a_size_the_corpus_does_not_store_is_an_error(release, tmp_path):
    folder, _ = release
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    large = {"flow": jax.ShapeDtypeStruct((32, 32, 3), np.uint8)}
    with pytest.raises(UserError, match=r"change system\.size"):
        load(data, large, cache=tmp_path)


def test_a_broken_release_is_an_error_that_leaves_nothing_prepared(release, tmp_path):
    folder, paths = release
    key, path = next(iter(paths.items()))
    path.write_bytes(path.read_bytes()[:40])
    data = Data(corpora=("megc2019_flow",), release=str(folder))
    with pytest.raises(ValueError, match=path.name.strip()):
        load(data, FLOW, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.array_record*"))


def test_every_corpus_folder_is_found():
    assert {"megc2019_flow", "synthetic"} <= set(corpora.names())


def test_the_cache_goes_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("MER_CACHE", str(tmp_path))
    assert corpora.cache_directory() == tmp_path
    monkeypatch.delenv("MER_CACHE")
    assert corpora.cache_directory() == Path.home() / ".cache" / "mer_jax"


@pytest.mark.skipif(not REAL.is_dir(), reason="no real flow (MER_MEGC2019_FLOW)")
def test_the_real_composite_has_its_published_counts(tmp_path):
    corpus = load(
        Data(corpora=("megc2019_flow",), release=str(REAL)), FLOW, cache=tmp_path
    )
    assert np.bincount(corpus.labels).tolist() == [250, 109, 83]
    assert Counter(corpus.corpora) == {"casme2": 145, "samm": 133, "smic": 164}
    assert len(set(corpus.subjects)) == 68 and not corpus.synthetic.any()
