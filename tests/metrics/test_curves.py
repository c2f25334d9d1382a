"""Tests for mer_jax/metrics/curves.py."""

import numpy as np
import pytest

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
