"""Tests for mer_jax/metrics/paired.py."""

import dataclasses
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import Difference, Interval, evaluate, paired_differences
from mer_jax.metrics._random import generator

from .made import make, permuted

SCORES = ("uf1", "uar", "accuracy")


def another(results, *, seeds=2, skill=1.0, seed=1):
    """A row of other logits on the same clips."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(seeds, len(results.epochs), *results.logits.shape[2:]))
    logits[..., np.arange(len(results.labels)), results.labels] += skill
    return replace(results, seeds=range(seeds), logits=logits)


def naive_scores(pairs, classes):
    """UF1, UAR and accuracy of (true, predicted) pairs, class by class."""
    f1, recall = [], []
    for c in range(classes):
        hits = sum(y == c == p for y, p in pairs)
        true, predicted = sum(y == c for y, _ in pairs), sum(p == c for _, p in pairs)
        if true:
            f1.append(2 * hits / (true + predicted))
            recall.append(hits / true)
    right = sum(y == p for y, p in pairs) / len(pairs)
    return np.array([sum(f1) / len(f1), sum(recall) / len(recall), right])


def naive_mean(results, people):
    """Scores of the last epoch on the clips of people, mean over seeds."""
    of_seeds = []
    for lane in range(len(results.seeds)):
        pairs = []
        for person in people:
            for n, subject in enumerate(results.subjects):
                if subject == person:
                    logits = results.logits[lane, -1, n].tolist()
                    pairs.append((int(results.labels[n]), logits.index(max(logits))))
        of_seeds.append(naive_scores(pairs, len(results.classes)))
    return sum(of_seeds) / len(of_seeds)


def naive_differences(a, b, resamples, seed):
    """[3] values and [3] low and high ends, people drawn and scored one by one."""
    people = sorted(set(a.subjects))
    draws, g = generator("bootstrap", seed), len(people)
    gaps = []
    for times in draws.multinomial(g, np.full(g, 1 / g), size=resamples):
        drawn = [
            p for p, often in zip(people, times, strict=True) for _ in range(often)
        ]
        gaps.append(naive_mean(b, drawn) - naive_mean(a, drawn))
    values = naive_mean(b, people) - naive_mean(a, people)
    return values, *np.quantile(gaps, [0.05, 0.95], axis=0)


@pytest.mark.parametrize("sizes", [{}, {"subjects": 4, "clips": 2, "classes": 4}])
def test_differences_equal_a_loop_over_resamples_seeds_people_and_clips(sizes):
    a = make(seeds=3, **sizes)
    b = permuted(another(a), np.random.default_rng(0).permutation(len(a.keys)))
    got = paired_differences(a, b, level=0.9, resamples=100, seed=5)
    naive = zip(SCORES, *naive_differences(a, b, 100, 5), strict=True)
    for name, *expected in naive:
        one = getattr(got, name)
        ends = [one.value, one.interval.low, one.interval.high]
        np.testing.assert_allclose(ends, expected, rtol=0, atol=1e-12)
    assert (got.level, got.resamples) == (0.9, 100)


def test_the_value_is_the_difference_of_the_printed_results():
    a = make(subjects=9, seeds=3)
    b = another(a, seeds=1)
    first, second = (evaluate(r, repeats=1, resamples=2)["all"].scores for r in (a, b))
    differences = paired_differences(a, b, resamples=2)
    for name in SCORES:
        expected = getattr(second, name) - getattr(first, name)
        assert getattr(differences, name).value == expected


@given(
    seed=st.integers(0, 2**20),
    seeds=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    subjects=st.integers(2, 9),
    level=st.sampled_from([0.5, 0.9, 0.95]),
)
@settings(max_examples=30, deadline=None)
def test_swapping_the_rows_changes_the_sign_and_nothing_else(
    seed, seeds, subjects, level
):
    a = make(seed=seed, seeds=seeds[0], subjects=subjects)
    b = another(a, seeds=seeds[1], seed=seed)
    options = {"level": level, "resamples": 101, "seed": seed}
    there, back = (paired_differences(*x, **options) for x in ((a, b), (b, a)))
    for name in SCORES:
        one, other = getattr(there, name), getattr(back, name)
        assert one.value == -other.value
        assert one.interval.low == -other.interval.high
        assert one.interval.high == -other.interval.low
        assert one.distinguishable == other.distinguishable


@given(st.integers(0, 2**20), st.integers(1, 9))
@settings(max_examples=20, deadline=None)
def test_a_row_does_not_differ_from_itself(seed, seeds):
    a = make(seed=seed, seeds=seeds)
    differences = paired_differences(a, replace(a), resamples=100)
    for name in SCORES:
        one = getattr(differences, name)
        numbers = (one.value, one.interval.low, one.interval.high)
        assert numbers == (0, 0, 0)
        assert [math.copysign(1, x) for x in numbers] == [1, 1, 1]  # none prints -0.000
        assert not one.distinguishable


@given(st.integers(0, 2**20), st.floats(-2, 4))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_clips_is_free_and_differences_stay_in_range(seed, skill):
    rng = np.random.default_rng(seed)
    a = make(seed=seed, skill=skill)
    b = another(a, seed=seed, skill=-skill)
    differences = paired_differences(a, b, resamples=100)
    mixed = [permuted(r, rng.permutation(len(r.keys))) for r in (a, b)]
    assert paired_differences(*mixed, resamples=100) == differences
    for name in SCORES:
        one = getattr(differences, name)
        assert -1 <= one.interval.low <= one.interval.high <= 1
        assert -1 <= one.value <= 1


def test_only_the_last_epoch_and_no_number_of_epochs_counts():
    a = make(epochs=3)
    b = another(a)
    last = replace(b, epochs=b.epochs[-1:], logits=b.logits[:, -1:])
    assert paired_differences(a, b, resamples=50) == paired_differences(
        a, last, resamples=50
    )


def test_the_best_and_the_worst_row_are_one_apart():
    worst, best = make(skill=-99), make(skill=99)
    difference = paired_differences(worst, best, resamples=50).accuracy
    assert difference == Difference(value=1.0, interval=Interval(low=1.0, high=1.0))
    assert difference.distinguishable


def test_rows_that_share_their_hard_subjects_are_told_apart_where_intervals_overlap():
    """The reason to pair: here every subject is all right or all wrong in both."""
    a = make(subjects=40, clips=5, seeds=1, skill=99)
    hard = np.array([int(s[-2:]) % 2 for s in a.subjects], bool)
    first, second = a.logits.copy(), a.logits.copy()
    first[:, :, hard] *= -1
    second[:, :, hard] *= -1
    slips = (np.arange(len(a.keys)) % 5 == 0) & ~hard  # one clip of half the people
    first[:, :, slips] *= -1
    worse, better = replace(a, logits=first), replace(a, logits=second)
    own = [evaluate(r, repeats=1)["all"].intervals.accuracy for r in (worse, better)]
    assert own[0].high > own[1].low
    difference = paired_differences(worse, better).accuracy
    assert difference.value == pytest.approx(0.1)
    assert difference.distinguishable
    paired = difference.interval.high - difference.interval.low
    assert paired < (own[0].high - own[0].low) / 3


def test_rows_of_equal_skill_are_called_different_about_as_seldom_as_it_says():
    false_alarms = 0
    for seed in range(200):
        a = make(subjects=40, clips=3, seeds=1, epochs=1, skill=1.2, seed=seed)
        b = another(a, seeds=1, skill=1.2, seed=10_000 + seed)
        false_alarms += paired_differences(a, b, resamples=300).accuracy.distinguishable
    assert 0.01 <= false_alarms / 200 <= 0.12


@pytest.mark.parametrize(
    ("low", "high", "distinguishable"),
    [
        (0.01, 0.2, True),
        (-0.2, -0.01, True),
        (-0.1, 0.1, False),
        (0.0, 0.2, False),
        (-0.2, 0.0, False),
        (math.nan, math.nan, False),
    ],
)
def test_an_interval_that_holds_zero_tells_nothing_apart(low, high, distinguishable):
    one = Difference(value=0.1, interval=Interval(low=low, high=high))
    assert one.distinguishable is distinguishable


@pytest.mark.parametrize("seeds", [3, 6, 7])
def test_means_that_differ_by_rounding_alone_do_not_differ(seeds):
    a = make(seeds=1, subjects=10)
    b = replace(a, seeds=range(seeds), logits=np.repeat(a.logits, seeds, axis=0))
    found = paired_differences(a, b, resamples=500)
    for name in SCORES:
        one = getattr(found, name)
        assert one.value == pytest.approx(0, abs=1e-12)
        assert (one.interval.low, one.interval.high) == (0, 0)
        assert not one.distinguishable


def test_one_subject_allows_no_interval():
    two = replace(make(), expected_folds=None)
    one = permuted(two, [n for n, s in enumerate(two.subjects) if s == "a/s00"])
    difference = paired_differences(one, another(one), resamples=20).uf1
    assert math.isnan(difference.interval.low) and math.isnan(difference.interval.high)
    assert -1 <= difference.value <= 1


def without(results, n):
    """The results without their clip n."""
    order = [i for i in range(len(results.keys)) if i != n]
    return permuted(replace(results, expected_folds=None), order)


def relabelled(results):
    labels = results.labels.copy()
    labels[2] = (labels[2] + 1) % 3
    return replace(results, labels=labels)


def moved(results):
    """The first clip is of a subject named by one folder more: its key stays."""
    subjects = [f"{s}/deep" if n == 0 else s for n, s in enumerate(results.subjects)]
    return replace(results, subjects=subjects)


def renamed(results):
    return replace(results, classes=("class0", "class2", "class1"))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (renamed, r"classes differ: \('class0', 'class1', 'class2'\) and \('class0',"),
        (
            relabelled,
            r"labels differ at 1 of 24 clips, such as 'a/s00/deep/c2': 'class",
        ),
        (
            moved,
            r"subjects differ at 1 of .*c0': 'a/s00' in the first, 'a/s00/deep' in",
        ),
        (
            lambda r: without(r, 3),
            "clips differ: 1 of the first are not in the second, 0 of the second are "
            "not in the first, such as 'a/s00/deep/c3'",
        ),
    ],
)
def test_rows_of_other_clips_labels_subjects_or_classes_are_refused(change, complaint):
    a = make()
    keys = [f"{s}/deep/c{n}" for n, s in enumerate(a.subjects)]
    a = replace(a, keys=keys)
    with pytest.raises(ValueError, match=complaint):
        paired_differences(a, change(a))
    with pytest.raises(ValueError, match="differ"):
        paired_differences(change(a), a)


def test_every_score_has_a_difference():
    fields = [f.name for f in dataclasses.fields(paired_differences(make(), make()))]
    assert fields == [*SCORES, "level", "resamples"]
