"""Tests for mer_jax/losses/reconstruction.py."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mer_jax.losses import reconstruction
from mer_jax.losses.reconstruction import absolute_error, squared_error

SHAPE = (4, 2, 5, 5, 3)
WHERE = np.array([True, False, True, True])


def drawn():
    rng = np.random.default_rng(0)
    return rng.random(SHAPE), rng.random(SHAPE)


def test_it_is_the_mean_over_valid_clips_and_all_pixels():
    found, target = drawn()
    np.testing.assert_allclose(
        absolute_error(found, target), np.abs(found - target).mean(), rtol=1e-6
    )
    alone = np.abs(found - target)[WHERE].mean()
    loss = absolute_error(found, target, where=WHERE)
    np.testing.assert_allclose(loss, alone, rtol=1e-6)


def test_padding_rows_have_no_gradient():
    found, target = drawn()
    gradient = jax.grad(lambda x: absolute_error(x, target, where=WHERE))(found)
    assert not np.asarray(gradient)[~WHERE].any()
    expected = np.sign(found - target)[WHERE] / (3 * np.prod(SHAPE[1:]))
    np.testing.assert_allclose(gradient[WHERE], expected, rtol=1e-6)


def test_gradients_match_finite_differences():
    found, target = drawn()
    with jax.enable_x64(True):
        loss = lambda x: absolute_error(x, target, where=WHERE)
        check_grads(loss, (found,), order=1, modes=["rev"], eps=1e-6)


def test_the_squared_error_is_the_mean_over_valid_clips_and_all_pixels():
    found, target = drawn()
    expected = np.square(found - target)[WHERE].mean()
    loss = squared_error(found, target, where=WHERE)
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    whole = squared_error(found, target)
    np.testing.assert_allclose(whole, np.square(found - target).mean(), rtol=1e-6)


def test_its_gradient_is_the_difference_and_none_of_padding_rows():
    found, target = drawn()
    gradient = jax.grad(lambda x: squared_error(x, target, where=WHERE))(found)
    expected = 2 * (found - target) / (3 * np.prod(SHAPE[1:]))
    expected[~WHERE] = 0
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("error", [absolute_error, squared_error])
def test_half_precision_is_summed_in_single(error):
    half = jnp.full((2, 64, 64, 3), 0.1, jnp.bfloat16)
    loss = error(half, jnp.zeros_like(half))
    assert loss.dtype == jnp.float32
    power = 1 if error is absolute_error else 2
    expected = np.float32(half[0, 0, 0, 0]) ** power
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("error", [absolute_error, squared_error])
def test_shapes_that_disagree_are_refused(error):
    with pytest.raises(AssertionError):
        error(jnp.zeros(SHAPE), jnp.zeros(SHAPE[:-1]))


def test_docstring_examples():
    result = doctest.testmod(reconstruction, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
