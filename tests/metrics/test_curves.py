"""Tests for mer_jax/metrics/curves.py."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from mer_jax.metrics.curves import over_runs


def test_a_curve_is_the_mean_between_the_least_and_the_greatest():
    found = over_runs([np.float32([0, 1, 4]), np.float32([2, 1, 0])])
    assert found.mean.tolist() == [1, 1, 2]
    assert found.least.tolist() == [0, 1, 0]
    assert found.greatest.tolist() == [2, 1, 4]
    assert found.runs == 2 and found.mean.dtype == np.float64


def test_one_run_is_its_own_mean():
    found = over_runs([np.float32([0.25, 0.5])])
    assert found.mean.tolist() == found.least.tolist() == found.greatest.tolist()
    assert found.runs == 1


def test_runs_of_different_length_are_an_error():
    with pytest.raises(ValueError, match="same shape"):
        over_runs([np.zeros(3), np.zeros(4)])


def naive_quantile(values, share):
    """Between the two runs about that share, in order, by how near it is to each."""
    values, place = sorted(values), share * (len(values) - 1)
    below, part = int(place), place - int(place)
    above = min(below + 1, len(values) - 1)
    return values[below] + part * (values[above] - values[below])


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=12),
        elements=st.floats(-1e3, 1e3),
    )
)
@settings(max_examples=50, deadline=None)
def test_a_band_holds_the_middle_of_the_runs_and_the_median(runs):
    found = over_runs(list(runs))
    for share, got in ((0.1, found.low), (0.5, found.median), (0.9, found.high)):
        expected = [naive_quantile(own.tolist(), share) for own in runs.T]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)
    order = (found.least, found.low, found.median, found.high, found.greatest)
    for lower, upper in itertools.pairwise(order):
        assert (lower <= upper + 1e-9).all()
    backwards = over_runs(list(runs[::-1]))
    for one, other in zip(found, backwards, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
