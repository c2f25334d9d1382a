"""Tests for mer_jax/ensemble/collect.py."""

import numpy as np
import pytest

from mer_jax.data.pools import SHARED
from mer_jax.ensemble.collect import collect
from mer_jax.ensemble.experiment import run_id
from mer_jax.ensemble.ledger import Ledger, write_npz
from mer_jax.errors import UserError
from mer_jax.metrics.domains import DomainProbe

FOLDS = {"a/1": ("a/1/x", "a/1/y"), "b/1": ("b/1/x",), "b/2": ("b/2/x", "b/2/y")}
CLIPS = [key for keys in FOLDS.values() for key in keys]


def row(seeds=(0, 1)):
    runs = {
        f"{fold} {seed}": f"{i}{seed}abc" for seed in seeds for i, fold in _number()
    }
    return {
        "name": "row",
        "settings": {},
        "content": "",
        "classes": ["no", "yes"],
        "clips": [[key, i % 2, False] for i, key in enumerate(CLIPS)],
        "protocol": {"leak": ""},
        "folds": list(FOLDS),
        "seeds": list(seeds),
        "runs": runs,
    }


def _number():
    return list(enumerate(FOLDS))


def file_run(ledger, manifest, fold, seed, seconds=2.0, more=None):
    keys = FOLDS[fold]
    labels = np.array([CLIPS.index(key) % 2 for key in keys])
    number = list(FOLDS).index(fold)
    logits = np.zeros((2, len(keys), 2), np.float32)
    logits[..., 0] = 100 * seed + 10 * number + np.arange(len(keys))
    arrays = {
        "keys": np.array(keys),
        "labels": labels,
        "epochs": np.array([1, 2]),
        "logits": logits,
        "train_counts": np.array([3 + number, 1]),
    }
    provenance = {"seconds": seconds, "finished": f"2026-01-0{seed + 1}", "lanes": 1}
    provenance |= {"device": f"card {number}", "wave": [f"{fold} {seed}"]}
    arrays |= more or {}
    ledger.write(manifest["runs"][f"{fold} {seed}"], arrays, provenance)


def test_logits_are_joined_by_clip_whatever_the_order_of_finishing(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    for fold in reversed(FOLDS):
        for seed in (1, 0):
            file_run(ledger, manifest, fold, seed)
    results, provenance, *_ = collect(ledger, manifest)
    assert results.keys == tuple(CLIPS) and results.complete
    assert results.labels.tolist() == [0, 1, 0, 1, 0]
    assert results.folds == ("a/1", "a/1", "b/1", "b/2", "b/2")
    expected = np.array([0, 1, 10, 20, 21])
    np.testing.assert_array_equal(results.logits[0, 1, :, 0], expected)
    np.testing.assert_array_equal(results.logits[1, 1, :, 0], expected + 100)
    np.testing.assert_allclose(results.priors[2], [4 / 5, 1 / 5])
    assert provenance["runs done"] == "6 of 6" and provenance["lanes"] == 1
    assert provenance["device"] == ["card 0", "card 1", "card 2"]
    assert provenance["seconds per run"] == 2.0 and "wave" not in provenance


def test_the_seeds_with_most_folds_count(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    for fold in FOLDS:
        file_run(ledger, manifest, fold, 1)
    file_run(ledger, manifest, "a/1", 0)
    results, provenance, *_ = collect(ledger, manifest)
    assert results.seeds == (1,) and results.expected_seeds == 2
    assert not results.complete  # a seed that failed must not go unseen
    assert provenance["runs done"] == "4 of 6"


def test_clips_pool_over_folds_that_all_seeds_have(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    for fold, seed in (("a/1", 0), ("b/1", 0), ("b/1", 1), ("b/2", 1)):
        file_run(ledger, manifest, fold, seed)
    results, *_ = collect(ledger, manifest)
    assert results.keys == ("b/1/x",) and results.seeds == (0, 1)
    assert not results.complete


def test_seeds_without_a_common_fold_are_not_mixed(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    file_run(ledger, manifest, "a/1", 0)
    file_run(ledger, manifest, "b/2", 1)
    results, *_ = collect(ledger, manifest)
    assert results.seeds == (0,) and set(results.folds) == {"a/1"}


def test_nothing_finished_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no run of 6 has finished"):
        collect(Ledger(tmp_path), row())


def test_runs_of_before_there_were_sample_clips_and_probes_show_none(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    file_run(ledger, manifest, "a/1", 0)
    collected = collect(ledger, manifest)
    assert collected.shown is None and collected.embedding is None
    assert collected.probes == collected.domains == collected.curves == {}


def drawing(seed, *keys):
    value = lambda key: 10 * seed + CLIPS.index(key)
    maps = np.stack([np.full((4, 3), value(key), np.uint8) for key in keys])
    image = np.stack([maps, maps, maps], axis=-1)
    return {"shown/keys": np.array(keys), "shown/s/z": maps, "shown/s/a": image}


def test_sample_clips_are_of_the_seed_that_drew_most_by_key(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    file_run(ledger, manifest, "b/2", 0, more=drawing(0, "b/2/y"))
    file_run(ledger, manifest, "a/1", 0)
    file_run(ledger, manifest, "b/2", 1, more=drawing(1, "b/2/x", "b/2/y"))
    file_run(ledger, manifest, "a/1", 1, more=drawing(1, "a/1/x"))
    shown = collect(ledger, manifest).shown
    assert shown.seed == 1
    assert list(shown.pictures) == ["a/1/x", "b/2/x", "b/2/y"]
    for key, pictures in shown.pictures.items():
        assert list(pictures) == ["s/z", "s/a"]  # as they were filed
        assert pictures["s/z"].shape == (4, 3) and pictures["s/a"].shape == (4, 3, 3)
        assert all((p == 10 + CLIPS.index(key)).all() for p in pictures.values())


def test_domain_probes_are_of_every_run_that_filed_some(tmp_path):
    ledger, manifest = Ledger(tmp_path), row(seeds=(0,))
    made = {
        "a/1": {"macro": {"before": (1, 2, 3, 4), "after": (0, 2, 1, 4)}},
        "b/1": {"macro": {"before": (5, 6, 7, 8), "after": (3, 6, 4, 8)}},
        "b/2": {},
    }
    for fold, inputs in made.items():
        more = {
            f"domain/{name}/{when}/{field}": np.array(value)
            for name, times in inputs.items()
            for when, values in times.items()
            for field, value in zip(DomainProbe._fields, values, strict=True)
        }
        file_run(ledger, manifest, fold, 0, more=more)
    assert collect(ledger, manifest).domains == {
        "macro": {
            "before": [DomainProbe(1, 2, 3, 4), DomainProbe(5, 6, 7, 8)],
            "after": [DomainProbe(0, 2, 1, 4), DomainProbe(3, 6, 4, 8)],
        }
    }


def features_of(seed, fold):
    """Features of a clip, of those that were held out, and of one of a pool."""
    keys = {"zoo": ["zoo/1/x"], "own": ["c/1/x", *FOLDS[fold]]}
    found = {}
    for name, own in keys.items():
        found[f"embedding/keys/{name}"] = np.array(own)
        found[f"embedding/labels/{name}"] = np.arange(len(own)) - 1
        for when in ("before", "after"):
            values = np.full((len(own), 3), seed + (when == "after") / 2)
            found[f"embedding/{when}/{name}"] = values.astype(np.float16)
    return found


def test_features_are_of_the_first_run_that_filed_some(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    for seed in (1, 0):
        file_run(ledger, manifest, "a/1", seed)
        file_run(ledger, manifest, "b/2", seed, more=features_of(seed, "b/2"))
        file_run(
            *(ledger, manifest, "b/1", seed),
            more=features_of(seed, "b/1") if seed else None,
        )
    found = collect(ledger, manifest).embedding
    assert (found.fold, found.seed) == ("b/1", 1)
    assert list(found.inputs) == ["own", "zoo"]
    own, other = found.inputs.values()
    assert own.labels.tolist() == [-1, 0] and other.labels.tolist() == [-1]
    assert own.held_out.tolist() == [False, True] and not other.held_out.any()
    np.testing.assert_array_equal(own.before, np.full((2, 3), 1.0))
    np.testing.assert_array_equal(other.after, np.full((1, 3), 1.5))
    assert own.before.dtype == np.float32


def test_curves_are_over_the_runs_that_count_those_of_shared_stages_first(tmp_path):
    ledger, manifest = Ledger(tmp_path), row()
    for number, fold in _number():
        for seed in (0, 1):
            own = {"curves/tune/net/accuracy": np.float32([number, seed])}
            if (fold, seed) != ("b/2", 0):  # seed 1 alone is complete
                file_run(ledger, manifest, fold, seed, more=own)
    for seed in (0, 1):
        nets = {"nets/pre/0/a": np.zeros(3), "finished": np.array("today")}
        nets["curves/pre/net/loss"] = np.float32([9 + seed])
        write_npz(ledger.shared_path(run_id({}, "", SHARED, seed)), nets)
    curves = collect(ledger, manifest).curves
    assert list(curves) == ["pre", "tune"]
    (loss,), (accuracy,) = (own.values() for own in curves.values())
    assert list(curves["pre"]) == ["net/loss"] and loss.mean == [10] and loss.runs == 1
    assert accuracy.mean.tolist() == [1, 1] and accuracy.runs == 3
    assert accuracy.least.tolist() == [0, 1] and accuracy.greatest.tolist() == [2, 1]
