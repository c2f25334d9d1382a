"""Tests for mer_jax/metrics/learning.py."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import evaluate, learning

from .made import make, permuted
from .test_paired import naive_differences, naive_mean


def at(results, epoch, lanes=slice(None)):
    """The same results as if only one epoch, and some seeds, had been stored."""
    return replace(
        results,
        seeds=results.seeds[lanes],
        epochs=results.epochs[epoch : epoch + 1],
        logits=results.logits[lanes, epoch : epoch + 1],
    )


def naive_uf1(results, epoch, seed):
    """UF1 of one seed at one epoch, clip by clip and class by class."""
    one = at(results, epoch, slice(seed, seed + 1))
    return naive_mean(one, sorted(set(one.subjects)))[0]


def test_several_seeds_have_a_mean_and_their_least_and_greatest():
    results = make(seeds=3, epochs=4)
    found = learning(results)
    naive = np.array(
        [[naive_uf1(results, e, s) for e in range(4)] for s in range(3)], np.float64
    )
    for got, expected in (
        (found.mean, naive.mean(axis=0)),
        (found.low, naive.min(axis=0)),
        (found.high, naive.max(axis=0)),
    ):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)
    assert found.epochs.tolist() == [10, 20, 30, 40]
    assert (found.seeds, found.level) == (3, None)


def test_one_seed_has_an_interval_over_subjects_at_every_epoch():
    results = make(seeds=1, epochs=2, subjects=5)
    found = learning(results, level=0.9, resamples=100, seed=5)
    for epoch in range(2):
        one = at(results, epoch)
        # Of a row that has every clip wrong, the difference is the score itself.
        none = replace(one, logits=-np.eye(3, dtype=np.float32)[one.labels][None, None])
        value, low, high = naive_differences(none, one, 100, 5)
        ends = [found.mean[epoch], found.low[epoch], found.high[epoch]]
        np.testing.assert_allclose(ends, [value[0], low[0], high[0]], atol=1e-12)
    assert (found.seeds, found.level) == (1, 0.9)


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_last_point_is_the_result(seeds):
    results = make(seeds=seeds, epochs=3)
    cut, found = evaluate(results, repeats=1)["all"], learning(results)
    assert found.mean[-1] == pytest.approx(cut.scores.uf1, abs=1e-12)
    ends = cut.intervals.uf1
    same = (found.low[-1], found.high[-1]) == (ends.low, ends.high)
    assert same == (seeds == 1)


def test_many_epochs_are_resampled_part_by_part_and_alike(monkeypatch):
    results = make(seeds=1, epochs=5)
    whole = learning(results, resamples=50)
    module = sys.modules[learning.__module__]  # it is called like the function
    monkeypatch.setattr(module, "_CELLS", 2 * 50 * 9)  # two epochs at once
    for one, other in zip(learning(results, resamples=50), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_of_one_subject_there_is_no_band():
    found = learning(permuted(make(seeds=1, clips=4), range(4)), resamples=10)
    assert np.isnan([found.low, found.high]).all() and np.isfinite(found.mean).all()


@given(
    seed=st.integers(0, 2**20),
    seeds=st.integers(2, 6),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_the_mean_lies_in_the_band_whatever_the_order_of_seeds_and_clips(
    seed, seeds, order
):
    results = make(seed=seed, seeds=seeds, epochs=2)
    lanes, clips = list(range(seeds)), list(range(len(results.keys)))
    order.shuffle(lanes)
    order.shuffle(clips)
    found = learning(results)
    assert (found.low <= found.mean + 1e-12).all()
    assert (found.mean <= found.high + 1e-12).all()
    other = replace(results, seeds=lanes, logits=results.logits[lanes])
    again = learning(permuted(other, clips))
    np.testing.assert_allclose(again.mean, found.mean, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(again.low, found.low)
    np.testing.assert_array_equal(again.high, found.high)
