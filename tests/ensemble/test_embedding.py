"""Tests for mer_jax/ensemble/embedding.py: features of one run are filed, thinned."""

import dataclasses

import numpy as np
import pytest

from mer_jax.ensemble import sweep
from mer_jax.ensemble.collect import collect
from mer_jax.ensemble.embedding import MOST, embeddings, evenly
from mer_jax.ensemble.features import Features, clips_of
from tests import flights

from .two_domains import FOLDS, INPUT, program, row, train

TIMES = ("before", "after")
WIDE = 17  # features


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "Program", lambda *_: program())
        return train(tmp_path_factory.mktemp("w"), folds=FOLDS[::-1])


def entries(ledger):
    runs = {(run.fold.name, run.seed): run.id for run in row().runs}
    return {
        (fold, seed): ledger.read(runs[fold, seed]) for fold in FOLDS for seed in (3, 7)
    }


def embedding(entry):
    return {name: entry[name] for name in entry if name.startswith("embedding/")}


def test_one_run_of_those_asked_for_files_its_features(ledger):
    """The first fold, in the order of the row, with the first seed."""
    filed = [name for name, entry in entries(ledger).items() if embedding(entry)]
    assert filed == [("samm/006", 3)]
    assert [fold.name for fold in row().folds].index("samm/006") == 2  # not asked for
    entry = entries(ledger)["samm/006", 3]
    (run,) = [r for r in row().runs if (r.fold.name, r.seed) == ("samm/006", 3)]
    assert embedding(entry).keys() == {
        f"embedding/{what}/{name}"
        for what in ("keys", "labels", *TIMES)
        for name in ("own", INPUT)
    }
    for name, clips in (
        ("own", np.arange(24)),
        (INPUT, clips_of(row(), run.fold, INPUT)),
    ):
        keys = [row().clips.keys[i] for i in clips]
        assert entry[f"embedding/keys/{name}"].tolist() == keys
        labels = entry[f"embedding/labels/{name}"]
        np.testing.assert_array_equal(labels, row().clips.labels[clips])
        for when in TIMES:
            values = entry[f"embedding/{when}/{name}"]
            assert values.shape == (len(clips), WIDE) and values.dtype == np.float16
    before, after = (entry[f"embedding/{when}/own"] for when in TIMES)
    assert (before != after).any()


def test_whoever_was_held_out_is_told_from_the_others(ledger):
    (manifest,) = ledger.manifest()["rows"]
    found = collect(ledger, manifest).embedding
    assert (found.fold, found.seed) == ("samm/006", 3)
    own, other = found.inputs.values()
    held_out = [who == "samm/006" for who in row().corpus.subjects]
    assert own.held_out.tolist() == held_out and not other.held_out.any()


def of_clips(draw, scale=1.0):
    """Made features of a run alone, by input."""
    (run,) = flights.wave(row(), ["smic/s06"]).runs
    clips = {name: clips_of(row(), run.fold, name) for name in ("", INPUT)}
    made = lambda n: {t: scale * draw.normal(size=(1, n, 3)) for t in TIMES}
    return {name: Features(own, made(len(own))) for name, own in clips.items()}


def filed(features, of="smic/s06"):
    """What two lanes file, the second of them padding."""
    wave = flights.wave(row(), ["smic/s06"] * 2, real=1)
    (run,) = flights.wave(row(), [of]).runs
    twice = lambda values: {when: np.repeat(x, 2, 0) for when, x in values.items()}
    lanes = {n: one._replace(values=twice(one.values)) for n, one in features.items()}
    return embeddings(row(), wave, lanes, run)


def test_neither_padding_nor_other_runs_nor_a_single_domain_is_filed():
    features = of_clips(np.random.default_rng(0))
    one, padding = filed(features)
    assert len(one) == 8 and padding == {}
    assert filed(features, of="samm/006") == [{}, {}]
    assert filed({"": features[""]}) == [{}, {}]
    assert filed({}) == [{}, {}]


def test_what_is_not_finite_is_not_filed_and_what_is_too_great_is_the_greatest():
    features = of_clips(np.random.default_rng(0), scale=1e30)
    one, _ = filed(features)
    assert np.isfinite(one["embedding/after/own"]).all()
    assert np.abs(one["embedding/after/own"]).max() == np.finfo(np.float16).max
    features[INPUT].values["after"][0, 3, 1] = np.nan
    assert filed(features) == [{}, {}]


def test_of_many_clips_five_hundred_are_chosen_evenly():
    for number in (1, MOST, MOST + 1, 1234):
        clips = 7 + np.arange(number)
        found = evenly(clips)
        assert len(found) == min(number, MOST)
        assert (found[0], found[-1]) == (clips[0], clips[-1])
        gaps = np.diff(found)
        assert not len(gaps) or gaps.max() - gaps.min() <= 1


def test_clips_without_a_label_have_none():
    pool, corpus = row().pools[0]
    unlabelled = ((dataclasses.replace(pool, protocol=None), corpus),)
    of = dataclasses.replace(row(), pools=unlabelled)
    wave = flights.wave(of, ["smic/s06"])
    found = embeddings(of, wave, of_clips(np.random.default_rng(0)), wave.runs[0])
    assert (found[0][f"embedding/labels/{INPUT}"] == -1).all()
    assert (found[0]["embedding/labels/own"] >= 0).all()
