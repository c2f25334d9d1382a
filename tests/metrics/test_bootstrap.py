"""Tests for mer_jax/metrics/bootstrap.py."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import accuracy, confusion_by_group, subject_intervals, uar, uf1
from mer_jax.metrics._random import generator

from .made import composite

SCORES = {"uf1": uf1, "uar": uar, "accuracy": accuracy}


def confusions(*, seeds=2, subjects=30, clips=6, skill=0.6, seed=0):
    """[S, G, 3, 3] of subjects whose clips are right with probability `skill`."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=subjects * clips)
    wrong = (labels + rng.integers(1, 3, size=(seeds, len(labels)))) % 3
    right = rng.random((seeds, len(labels))) < skill
    groups = np.repeat(np.arange(subjects), clips)
    return confusion_by_group(
        labels, np.where(right, labels, wrong), groups, subjects, 3
    )


def naive_interval(matrices, score, resamples, seed):
    """Adds up the drawn subjects one by one."""
    s, g = matrices.shape[:2]
    draws = generator("bootstrap", seed)
    values = []
    for times in draws.multinomial(g, np.full(g, 1 / g), size=resamples):
        of_seeds = []
        for lane in range(s):
            pooled = np.zeros((3, 3))
            for subject, often in enumerate(times):
                for _ in range(often):
                    pooled += matrices[lane, subject]
            of_seeds.append(score(pooled))
        values.append(np.mean(of_seeds))
    return np.quantile(values, [0.025, 0.975])


@pytest.mark.parametrize("name", SCORES)
def test_intervals_equal_a_resample_by_resample_sum(name):
    matrices = confusions(subjects=7, clips=3)
    got = getattr(subject_intervals(matrices, resamples=200, seed=3), name)
    naive = naive_interval(matrices, SCORES[name], 200, 3)
    np.testing.assert_allclose([got.low, got.high], naive, rtol=1e-12)


@given(st.integers(0, 2**20), st.sampled_from([0.3, 0.6, 0.9]))
@settings(max_examples=20, deadline=None)
def test_intervals_hold_the_point_estimate(seed, skill):
    matrices = confusions(seed=seed, skill=skill)
    intervals = subject_intervals(matrices, resamples=1000)
    for name, score in SCORES.items():
        point = score(matrices.sum(axis=1)).mean()
        assert getattr(intervals, name).low < point < getattr(intervals, name).high


def test_fewer_subjects_widen_the_intervals():
    few, many = (
        subject_intervals(confusions(subjects=g), resamples=1000) for g in (8, 80)
    )
    for name in SCORES:
        wide, narrow = getattr(few, name), getattr(many, name)
        assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_clips_that_agree_within_a_subject_widen_the_intervals():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=200)
    alone = np.arange(200)
    right_subjects = rng.random(20) < 0.6
    together = np.repeat(np.arange(20), 10)
    predictions = np.where(right_subjects[together], labels, (labels + 1) % 3)[None]
    by_clip = confusion_by_group(labels, predictions, alone, 200, 3)
    by_subject = confusion_by_group(labels, predictions, together, 20, 3)
    naive, clustered = (subject_intervals(m).accuracy for m in (by_clip, by_subject))
    assert clustered.high - clustered.low > 2 * (naive.high - naive.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        matrices = confusions(seeds=1, subjects=40, clips=3, skill=0.6, seed=seed)
        interval = subject_intervals(matrices, resamples=300).accuracy
        covered += interval.low <= 0.6 <= interval.high
    assert 0.88 <= covered / 200 <= 0.99


def test_perfect_predictions_have_an_interval_of_no_width():
    interval = subject_intervals(confusions(skill=1.1), resamples=200).uf1
    assert (interval.low, interval.high) == (1, 1)


def test_one_subject_allows_no_interval():
    intervals = subject_intervals(confusions(subjects=1), resamples=50)
    assert np.isnan([intervals.uf1.low, intervals.accuracy.high]).all()


def test_subjects_of_one_class_leave_resamples_that_lack_a_class_and_are_counted():
    matrices = np.zeros((1, 3, 3, 3), int)
    for subject in range(3):
        matrices[0, subject, subject, subject] = 4
    intervals = subject_intervals(matrices, resamples=2000)
    assert intervals.lacking == pytest.approx(1 - 6 / 27, abs=0.05)
    assert intervals.uf1.low == 1  # scored over the classes that are there


def test_a_class_that_the_whole_set_lacks_is_not_counted_as_lost():
    matrices = np.zeros((1, 4, 3, 3), int)
    matrices[0, :, :2, :2] = np.eye(2, dtype=int)
    assert subject_intervals(matrices, resamples=100).lacking == 0


def test_the_seed_decides_the_draws():
    matrices = confusions()
    first, again, other = (
        subject_intervals(matrices, resamples=100, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_the_composite_takes_less_than_a_second():
    results = composite(seeds=3)
    _, subject = np.unique(results.subjects, return_inverse=True)
    last = results.predictions[:, -1]
    matrices = confusion_by_group(results.labels, last, subject, 68, 3)
    start = time.perf_counter()
    subject_intervals(matrices)
    assert time.perf_counter() - start < 1
