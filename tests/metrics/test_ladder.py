"""Tests for mer_jax/metrics/ladder.py."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import accuracy, confusion, ladder, uar, uf1
from mer_jax.metrics.inner import best_epoch

from .made import composite, make, permuted

QUICK = {"repeats": 2, "resamples": 20}
NAMES = ["last", "shared_epoch", "fold_epoch", "stop_at_100"]


def naive_ladder(results):
    """Rule to mean (UF1, UAR, accuracy), by loops over seeds, folds and epochs."""
    labels, folds = results.labels, np.array(results.folds)
    num_epochs, k = len(results.epochs), len(results.classes)
    scores = {name: [] for name in NAMES}
    for predictions in results.predictions:  # [E, N]
        pooled = [float(uf1(confusion(labels, p, k))) for p in predictions]
        shared = max(range(num_epochs), key=lambda e: (pooled[e], e))
        picked = {name: np.full(len(labels), -1) for name in NAMES}
        for fold in set(results.folds):
            here = folds == fold
            best, best_epoch, stop_epoch = 0.0, None, None
            for e in range(num_epochs):
                right = float(np.mean(predictions[e, here] == labels[here]))
                if best <= right:
                    best, best_epoch = right, e
                if right == 1 and stop_epoch is None:
                    stop_epoch = e
            stop = best_epoch if stop_epoch is None else stop_epoch
            epochs = (num_epochs - 1, shared, best_epoch, stop)
            for name, e in zip(NAMES, epochs, strict=True):
                picked[name][here] = predictions[e, here]
        for name in NAMES:
            matrix = confusion(labels, picked[name], k)
            scores[name].append((uf1(matrix), uar(matrix), accuracy(matrix)))
    return {name: np.mean(values, axis=0) for name, values in scores.items()}


@given(
    subjects=st.integers(2, 6),
    clips=st.integers(1, 4),
    epochs=st.integers(1, 6),
    classes=st.integers(2, 4),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=40, deadline=None)
def test_every_rung_equals_a_loop_over_seeds_folds_and_epochs(seed, **sizes):
    results = make(seed=seed, **sizes)
    naive = naive_ladder(results)
    for rung in ladder(results, **QUICK)["all"]:
        got = (rung.scores.uf1, rung.scores.uar, rung.scores.accuracy)
        np.testing.assert_allclose(got, naive[rung.name], rtol=1e-12)


@given(st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_the_order_of_the_clips_changes_nothing(seed):
    results = make(seed=seed, subjects=5)
    order = np.random.default_rng(seed).permutation(len(results.keys))
    assert ladder(results, **QUICK) == ladder(permuted(results, order), **QUICK)


@given(st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_selection_per_fold_is_at_least_as_accurate_in_every_fold(seed):
    results = make(seed=seed, epochs=5)
    rungs = {rung.name: rung for rung in ladder(results, **QUICK)["all"]}
    names, folds = np.unique(results.folds, return_inverse=True)
    right = results.predictions == results.labels
    position = {epoch: e for e, epoch in enumerate(results.epochs.tolist())}
    for s, f in np.ndindex(len(results.seeds), len(names)):
        at = {
            name: right[s, position[rung.epochs[s][f]], folds == f].mean()
            for name, rung in rungs.items()
        }
        assert (
            at["fold_epoch"] == at["stop_at_100"] >= max(at["last"], at["shared_epoch"])
        )


def test_stopping_at_100_scores_as_the_best_epoch_but_trains_less():
    results = make(epochs=20, skill=0.5)
    *_, best, stop = ladder(results, **QUICK)["all"]
    assert stop.scores == best.scores
    assert stop.random == best.random
    assert (np.array(stop.epochs) <= best.epochs).all()
    assert (np.array(stop.epochs) < best.epochs).any()


def test_ties_go_to_the_latest_epoch_and_stopping_to_the_first():
    results = make(seeds=1, epochs=3)
    perfect = np.broadcast_to(np.eye(3)[results.labels], results.logits.shape)
    epochs = {
        rung.name: set(rung.epochs[0])
        for rung in ladder(replace(results, logits=perfect), **QUICK)["all"]
    }
    assert epochs == {
        "last": {30},
        "shared_epoch": {30},
        "fold_epoch": {30},
        "stop_at_100": {10},
    }


def with_inner(results, seed=0):
    """The same, an epoch chosen for every seed and fold."""
    shape = len(results.seeds), len(set(results.folds))
    epochs = np.random.default_rng(seed).choice(results.epochs, shape)
    return replace(results, inner_epochs=epochs)


@given(
    subjects=st.integers(2, 6),
    clips=st.integers(1, 4),
    epochs=st.integers(1, 6),
    classes=st.integers(2, 4),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=20, deadline=None)
def test_inner_validation_takes_each_fold_at_the_epoch_chosen_for_it(seed, **sizes):
    results = with_inner(make(seed=seed, **sizes), seed)
    _, inner, *_ = ladder(results, **QUICK)["all"]
    names = sorted(set(results.folds))
    scores = []
    for s in range(len(results.seeds)):
        picked = np.full(len(results.keys), -1)
        for n, fold in enumerate(results.folds):
            chosen = results.inner_epochs[s, names.index(fold)]
            e = results.epochs.tolist().index(chosen)
            picked[n] = results.logits.astype(np.float64)[s, e, n].argmax()
        matrix = confusion(results.labels, picked, len(results.classes))
        scores.append((uf1(matrix), uar(matrix), accuracy(matrix)))
    got = (inner.scores.uf1, inner.scores.uar, inner.scores.accuracy)
    np.testing.assert_allclose(got, np.mean(scores, axis=0), rtol=1e-12)
    assert inner.epochs == tuple(map(tuple, results.inner_epochs.tolist()))


def test_inner_validation_is_a_result_and_moves_no_other_rung():
    results = make(subjects=8, epochs=5)
    plain, both = ladder(results, **QUICK), ladder(with_inner(results), **QUICK)
    for subset, rungs in plain.items():
        last, inner, *others = both[subset]
        assert (last, *others) == rungs
        assert (inner.name, inner.is_result, inner.looks) == ("inner_val", True, 1)
        assert inner.intervals is not None and inner.scores != last.scores
    partial = ladder(replace(with_inner(results), expected_clips=99), **QUICK)["all"]
    assert not any(rung.is_result for rung in partial)


def test_chance_under_inner_validation_is_that_of_one_look():
    """As a random classifier that is selected by what it draws of people left out."""
    results = with_inner(composite(epochs=50))
    last, inner, *_ = ladder(results, resamples=20)["all"]
    assert inner.random == last.random
    rng, scores = np.random.default_rng(0), []
    names, folds = np.unique(results.folds, return_inverse=True)
    thresholds = results.priors.cumsum(axis=1)
    for _ in range(40):
        draw = (rng.random((50, len(folds), 1)) > thresholds[:, :2]).sum(axis=-1)
        chosen = []
        for fold in range(len(names)):
            inside = np.flatnonzero(folds == (fold + 1) % len(names))  # somebody else
            guesses = np.eye(3)[rng.integers(3, size=(50, len(inside)))]
            chosen.append(best_epoch(guesses, results.labels[inside]))
        picked = draw[np.array(chosen)[folds], np.arange(len(folds))]
        scores.append(float(uf1(confusion(results.labels, picked, 3))))
    assert np.mean(scores) == pytest.approx(inner.random.uf1, abs=0.01)


def test_one_stored_epoch_leaves_nothing_to_choose():
    rungs = ladder(make(epochs=1), **QUICK)["all"]
    assert len({(rung.scores, rung.random, rung.looks) for rung in rungs}) == 1


def test_only_the_last_epoch_is_a_result_and_only_when_complete():
    results = make()
    rungs = ladder(results, **QUICK)["all"]
    assert [rung.name for rung in rungs] == NAMES
    assert [rung.is_result for rung in rungs] == [True, False, False, False]
    assert [rung.looks for rung in rungs] == [1, 3, 3, 3]
    assert [rung.intervals is None for rung in rungs] == [False, True, True, True]
    partial = ladder(replace(results, expected_clips=99), **QUICK)["all"]
    assert not any(rung.is_result for rung in partial)


def test_a_corpus_is_cut_from_the_predictions_chosen_on_the_whole():
    results = make(subjects=8, epochs=4)
    rungs = ladder(results, **QUICK)
    whole, part = rungs["all"][1], rungs["a"][1]
    assert part.epochs == whole.epochs
    here = np.array(results.corpora) == "a"
    position = results.epochs.tolist().index(whole.epochs[0][0])
    matrix = confusion(results.labels[here], results.predictions[0, position, here], 3)
    one_seed = replace(results, seeds=[0], logits=results.logits[:1])
    assert ladder(one_seed, **QUICK)["a"][1].scores.uf1 == pytest.approx(uf1(matrix))


def test_the_random_classifier_is_lifted_by_looking_as_is_known_of_the_composite():
    """Simulations by others: .334 honest, .71 best of 50, .82 best of 800 per fold."""
    honest, shared, per_fold, _ = ladder(composite(epochs=50), resamples=20)["all"]
    assert honest.random.uf1 == pytest.approx(0.33, abs=0.01)
    assert honest.random.uar == pytest.approx(0.33, abs=0.01)
    assert shared.random.uf1 == pytest.approx(0.38, abs=0.01)
    assert per_fold.random.uf1 == pytest.approx(0.70, abs=0.015)
    assert per_fold.random.uar == pytest.approx(0.69, abs=0.015)
    *_, of_800, _ = ladder(composite(epochs=800), repeats=8, resamples=20)["all"]
    assert of_800.random.uf1 == pytest.approx(0.82, abs=0.02)
    assert of_800.random.uar == pytest.approx(0.81, abs=0.02)


def test_the_random_classifier_ignores_the_network_and_how_often_it_was_stored():
    random = {
        ladder(composite(epochs=epochs, skill=skill), **QUICK)["all"][0].random
        for epochs, skill in ((1, 0.0), (3, 2.0))
    }
    assert len(random) == 1


def test_the_random_classifier_never_draws_a_class_without_training_clips():
    results = make(classes=3)
    certain = np.tile([0.0, 1.0, 0.0], (len(results.keys), 1))
    share = np.mean(results.labels == 1)
    for rung in ladder(replace(results, priors=certain), **QUICK)["all"]:
        assert rung.random.accuracy == pytest.approx(share)
