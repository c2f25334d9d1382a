"""Tests for mer_jax/metrics/seeds.py."""

import statistics
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.metrics import (
    Scores,
    evaluate,
    paired_differences,
    seed_differences,
    standard_deviation,
)
from mer_jax.metrics.paired import last_confusions
from mer_jax.metrics.scores import uf1

from .made import make, permuted
from .test_paired import SCORES, another, naive_mean


def with_seeds(results, *seeds):
    return replace(results, seeds=seeds)


def of_seed(results, seed):
    """Scores [3] of one seed, clip by clip and class by class."""
    lane = results.seeds.index(seed)
    one = replace(results, seeds=[seed], logits=results.logits[lane : lane + 1])
    return naive_mean(one, sorted(set(one.subjects)))


@given(st.lists(st.tuples(*3 * [st.floats(0, 1)]), min_size=2, max_size=9))
@settings(max_examples=50, deadline=None)
def test_the_standard_deviation_is_that_of_a_sample(values):
    found = standard_deviation([Scores(uf1=x, uar=y, accuracy=z) for x, y, z in values])
    for name, own in zip(SCORES, zip(*values, strict=True), strict=True):
        expected = statistics.stdev(own)
        assert getattr(found, name) == pytest.approx(expected, abs=1e-12)


def test_one_seed_has_no_standard_deviation():
    assert standard_deviation([Scores(uf1=0.5, uar=0.5, accuracy=0.5)]) is None


def test_every_rung_has_the_scores_of_its_seeds():
    results = make(seeds=3, epochs=2)
    last, *others = evaluate(results, repeats=1, resamples=2)["all"].ladder
    for seed, own in zip(results.seeds, last.per_seed, strict=True):
        expected = of_seed(results, seed)
        np.testing.assert_allclose(list(vars(own).values()), expected, atol=1e-12)
    for rung in others:
        mean = np.mean([own.uf1 for own in rung.per_seed])
        assert rung.scores.uf1 == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        ((0, 1, 2), (2, 0, 1), [(0, 0), (1, 1), (2, 2)]),
        ((5,), (5,), [(5, 5)]),
        ((1, 0), (1, 2), [(0, 1), (0, 2), (1, 1), (1, 2)]),
        ((3,), (1, 0, 2), [(3, 0), (3, 1), (3, 2)]),
    ],
)
def test_each_seed_is_compared_with_itself_or_with_every_other(one, other, pairs):
    a = with_seeds(make(seeds=len(one)), *one)
    b = with_seeds(another(a, seeds=len(other)), *other)
    found = seed_differences(a, b)
    assert found.pairs == tuple(pairs)
    assert found.matched == (set(one) == set(other))
    gaps = np.array([of_seed(b, y) - of_seed(a, x) for x, y in pairs])
    for name, expected in zip(SCORES, gaps.T, strict=True):
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=1e-12)
    assert found.above == (gaps[:, 0] > 0).sum()
    assert found.below == (gaps[:, 0] < 0).sum()


@given(
    seed=st.integers(0, 2**20),
    seeds=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_their_mean_is_the_difference_and_lies_between_the_least_and_the_greatest(
    seed, seeds, order
):
    a = make(seed=seed, seeds=seeds[0])
    b = another(a, seeds=seeds[1], seed=seed)
    found = seed_differences(a, b)
    printed = paired_differences(a, b, resamples=2)
    for name in SCORES:
        gaps, value = getattr(found, name), getattr(printed, name).value
        assert np.mean(gaps) == pytest.approx(value, abs=1e-12)
        assert min(gaps) - 1e-12 <= value <= max(gaps) + 1e-12
    lanes, clips = list(range(seeds[1])), list(range(len(b.keys)))
    order.shuffle(lanes)
    order.shuffle(clips)
    shuffled = permuted(replace(b, seeds=lanes, logits=b.logits[lanes]), clips)
    assert seed_differences(a, shuffled) == found
    back = seed_differences(b, a)
    assert sorted(back.uf1) == sorted(-gap for gap in found.uf1)
    assert (back.above, back.below) == (found.below, found.above)
    assert back.one_sign == found.one_sign


def test_seeds_agree_where_all_are_above_or_all_are_below():
    made = lambda *gaps: replace(
        seed_differences(make(seeds=1), make(seeds=1)),
        pairs=tuple((i, i) for i in range(len(gaps))),
        uf1=gaps,
    )
    assert made(0.1, 0.2).one_sign and made(-0.1, -0.2).one_sign
    for gaps in ((0.1, -0.2), (0.1, 0.0), (0.0, 0.0)):
        assert not made(*gaps).one_sign


def test_a_row_does_not_differ_from_itself_with_any_seed():
    a = make(seeds=3)
    found = seed_differences(a, a)
    assert found.uf1 == found.uar == found.accuracy == (0, 0, 0)
    assert found.above == found.below == 0


def test_scores_that_differ_by_rounding_alone_do_not_differ():
    """With as many clips of each class, UF1 is the same if classes change places."""
    noise = set()
    for seed in range(20):
        a = make(seeds=3, seed=seed)
        count = len(a.labels)
        a = replace(a, labels=np.arange(count) % 3)
        places = np.arange(count)
        turned = places - places % 3 + (places + 1) % 3  # of the next class
        logits = np.empty_like(a.logits)
        logits[..., turned, :] = np.roll(a.logits, 1, axis=-1)
        b = replace(a, logits=logits)
        one, other = (uf1(last_confusions(r).sum(axis=1)) for r in (a, b))
        noise |= set((other - one).tolist())
        assert seed_differences(a, b).uf1 == (0, 0, 0)
    assert len(noise) > 1 and max(map(abs, noise)) < 1e-12


def test_other_clips_are_an_error():
    with pytest.raises(ValueError, match="clips differ"):
        seed_differences(make(), make(clips=3))
