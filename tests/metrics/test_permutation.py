"""Tests for mer_jax/metrics/permutation.py."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import Permutation, paired_differences, paired_permutation

from .made import make, permuted
from .test_paired import another, moved, relabelled, renamed, without


def naive_uf1(pairs, classes):
    """UF1 of (true, predicted) pairs, as a fraction."""
    f1 = []
    for c in range(classes):
        true, predicted = sum(y == c for y, _ in pairs), sum(p == c for _, p in pairs)
        if true:
            hits = sum(y == c == p for y, p in pairs)
            f1.append(Fraction(2 * hits, true + predicted))
    return sum(f1) / len(f1)


def naive_gap(a, b, exchanged):
    """UF1 of b minus that of a, times the seeds, some people exchanged."""
    total = Fraction(0)
    rank = {key: n for n, key in enumerate(b.keys)}
    for one, other in zip(a.predictions[:, -1], b.predictions[:, -1], strict=True):
        pairs = {"a": [], "b": []}
        for n, (key, subject) in enumerate(zip(a.keys, a.subjects, strict=True)):
            said = [int(one[n]), int(other[rank[key]])]
            if subject in exchanged:
                said.reverse()
            for name, prediction in zip("ab", said, strict=True):
                pairs[name].append((int(a.labels[n]), prediction))
        total += naive_uf1(pairs["b"], 3) - naive_uf1(pairs["a"], 3)
    return total


def naive_p(a, b):
    """The share of all exchanges that set the rows as far apart, by enumeration."""
    people = sorted(set(a.subjects))
    observed = abs(naive_gap(a, b, set()))
    exchanges = [
        set(itertools.compress(people, coins))
        for coins in itertools.product([0, 1], repeat=len(people))
    ]
    far = sum(abs(naive_gap(a, b, exchanged)) >= observed for exchanged in exchanges)
    return far / len(exchanges)


@pytest.mark.parametrize(
    "sizes",
    [
        {"skill": 1.8, "seed": 1},
        {"skill": 1.0, "seed": 2},
        {"seeds": 1, "skill": 1.3, "seed": 3},  # with ties of other exchanges
    ],
)
def test_eight_people_are_exchanged_in_all_ways(sizes):
    a = make(subjects=8, clips=3, seeds=sizes.get("seeds", 2))
    b = permuted(another(a, **sizes), np.random.default_rng(0).permutation(24))
    found = paired_permutation(a, b)
    expected = naive_p(a, b)
    assert found == Permutation(p_value=expected, exchanges=256, exact=True)
    assert 2 / 256 <= expected < 1  # all exchanged, none exchanged: the same


def test_p_of_some_exchanges_is_near_that_of_all():
    a = make(subjects=12)
    b = another(a, skill=1.8)
    all_of_them, some = (
        paired_permutation(a, b),
        paired_permutation(a, b, exchanges=999),
    )
    assert (all_of_them.exchanges, all_of_them.exact) == (4096, True)
    assert (some.exchanges, some.exact) == (999, False)
    assert some.p_value * 1000 == pytest.approx(round(some.p_value * 1000))
    p = all_of_them.p_value
    assert 0.01 < p < 0.5
    # The count is binomial, plus the row itself: five standard deviations.
    width = 5 * math.sqrt(999 * p * (1 - p)) + 1
    assert abs(some.p_value * 1000 - 999 * p) <= width


def test_p_is_as_good_as_uniform_where_the_rows_do_not_differ():
    """Dvoretzky, Kiefer, Wolfowitz: of n draws, sup |F_n - F| > e with 2 exp(-2 n e^2).

    The p of 199 exchanges are multiples of 1/200.
    """
    draws, exchanges = 300, 199
    p = []
    for number in range(draws):
        a = make(subjects=20, clips=3, seeds=1, epochs=1, seed=number)
        b = another(a, seeds=1, seed=draws + number)
        p.append(paired_permutation(a, b, exchanges=exchanges, seed=number).p_value)
    grid = np.arange(1, exchanges + 2) / (exchanges + 1)
    share = np.mean(np.array(p)[:, None] <= grid + 1e-9, axis=0)
    tolerance = math.sqrt(math.log(2 / 1e-3) / (2 * draws))
    assert tolerance < 0.12
    assert np.abs(share - grid).max() < tolerance


def test_a_real_difference_is_found_and_the_least_p_is_one_of_all_exchanges():
    worst, best = make(subjects=30, skill=-99), make(subjects=30, skill=99)
    found = paired_permutation(worst, best)
    assert found == Permutation(p_value=1 / 10_000, exchanges=9_999, exact=False)
    assert found.distinguishable


@given(st.integers(0, 2**20), st.integers(1, 4), st.integers(2, 9))
@settings(max_examples=20, deadline=None)
def test_the_same_predictions_have_a_p_of_1(seed, seeds, subjects):
    a = make(seed=seed, seeds=seeds, subjects=subjects)
    found = paired_permutation(a, replace(a))
    assert found.p_value == 1 and not found.distinguishable


@given(st.integers(0, 2**20), st.integers(1, 3), st.sampled_from([6, 40]))
@settings(max_examples=15, deadline=None)
def test_neither_the_order_of_rows_or_clips_nor_another_call_changes_p(
    seed, seeds, subjects
):
    rng = np.random.default_rng(seed)
    a = make(seed=seed, seeds=seeds, subjects=subjects)
    b = another(a, seeds=seeds, seed=seed)
    found = paired_permutation(a, b, exchanges=99)
    mixed = [permuted(r, rng.permutation(len(r.keys))) for r in (a, b)]
    assert found == paired_permutation(*mixed, exchanges=99)
    assert found == paired_permutation(b, a, exchanges=99)
    lanes = rng.permutation(seeds)
    listed = replace(a, seeds=lanes, logits=a.logits[lanes])
    assert found == paired_permutation(listed, b, exchanges=99)
    assert 0 < found.p_value <= 1


def test_more_exchanges_than_are_held_at_once_are_drawn_as_if_they_were(monkeypatch):
    a = make(subjects=20)
    b = another(a)
    found = paired_permutation(a, b, exchanges=150)
    monkeypatch.setattr("mer_jax.metrics.permutation._BATCH", 7)
    assert paired_permutation(a, b, exchanges=150) == found
    assert paired_permutation(a, b, exchanges=150, seed=1) != found


def test_one_person_tells_nothing():
    two = make(subjects=2, clips=9)
    one = permuted(two, [n for n, s in enumerate(two.subjects) if s == "a/s00"])
    found = paired_permutation(one, another(one, skill=9))
    assert found == Permutation(p_value=1.0, exchanges=2, exact=True)


def test_a_row_that_is_above_in_every_seed_but_of_one_person_is_not_told_apart():
    """Subjects, not clips: one person with many clips is one exchange."""
    many = make(subjects=6, clips=40, skill=9)
    labels = np.tile(np.arange(3), 80)
    many = replace(many, labels=labels)
    logits = np.tile(9.0 * np.eye(3)[labels], (2, 3, 1, 1))
    wrong = logits.copy()
    of_one = np.array(many.subjects) == "a/s00"
    wrong[:, :, of_one] = np.roll(wrong[:, :, of_one], 1, axis=-1)
    good, bad = (replace(many, logits=x) for x in (logits, wrong))
    assert paired_differences(bad, good).uf1.value > 0.1
    assert paired_permutation(bad, good).p_value == 1


def test_rows_with_other_numbers_of_seeds_are_refused():
    a = make(seeds=3)
    with pytest.raises(ValueError, match=r"in number: \(0, 1, 2\) and \(0, 1\)"):
        paired_permutation(a, another(a, seeds=2))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (renamed, "classes differ"),
        (relabelled, "labels differ at 1 of 24 clips"),
        (moved, "subjects differ at 1 of 24 clips"),
        (lambda r: without(r, 3), "clips differ: 1 of the first are not in the second"),
    ],
)
def test_rows_of_other_clips_labels_subjects_or_classes_are_refused(change, complaint):
    a = make()
    a = replace(a, keys=[f"{s}/deep/c{n}" for n, s in enumerate(a.subjects)])
    with pytest.raises(ValueError, match=complaint):
        paired_permutation(a, change(a))
