"""Tests for mer_jax/metrics/evaluation.py."""

from dataclasses import replace

import numpy as np
import pytest

from mer_jax.metrics import evaluate, mean_scores

from .made import composite, make

QUICK = {"repeats": 2, "resamples": 20}


def test_the_composite_has_the_published_counts():
    cuts = evaluate(composite(), **QUICK)
    counts = {
        n: (c.clips, c.subjects, c.folds, c.class_counts) for n, c in cuts.items()
    }
    assert counts == {
        "all": (442, 68, 68, (250, 109, 83)),
        "casme2": (145, 24, 24, (88, 32, 25)),
        "samm": (133, 28, 28, (92, 26, 15)),
        "smic": (164, 16, 16, (70, 51, 43)),
    }


def test_scores_are_means_over_seeds_of_the_last_epoch():
    results = make(seeds=3)
    for cut in evaluate(results, **QUICK).values():
        assert cut.scores == mean_scores(cut.confusion)
        assert cut.scores.uf1 == pytest.approx(np.mean([s.uf1 for s in cut.per_seed]))
    shown = evaluate(results, **QUICK)["all"].confusion
    right = (results.predictions[:, -1] == results.labels).sum(axis=1)
    np.testing.assert_array_equal(np.trace(shown, axis1=1, axis2=2), right)


def test_what_looked_at_test_scores_is_told_from_what_did_not():
    results = make(seeds=1)
    folds = len(set(results.folds))
    chosen = replace(results, inner_epochs=np.full((1, folds), results.epochs[0]))
    plain, both = (evaluate(r, **QUICK)["all"] for r in (results, chosen))
    names = [rung.name for rung in plain.selected]
    assert names == ["shared_epoch", "fold_epoch", "stop_at_100"]
    assert plain.inner is None and both.selected == plain.selected
    assert both.inner.is_result and both.inner not in both.selected
    # The numbers of the whole are those of the last epoch, as without it.
    assert (both.scores, both.intervals) == (plain.scores, plain.intervals)


def test_corpora_add_up_to_the_whole():
    cuts = evaluate(make(), **QUICK)
    parts = cuts["a"].confusion + cuts["b"].confusion
    np.testing.assert_array_equal(parts, cuts["all"].confusion)


def test_one_subject_and_one_class_are_scored_without_an_interval():
    cut = evaluate(make(subjects=2, clips=1), **QUICK)["a"]
    assert cut.subjects == 1
    assert cut.scores.uf1 in (0, 0.5, 1)
    assert np.isnan(cut.intervals.uf1.low)
