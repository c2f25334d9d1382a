"""Tests for mer_jax/losses/classification.py."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from mer_jax.losses import classification
from mer_jax.losses.classification import (
    accuracy,
    binary_cross_entropy,
    cross_entropy,
    masked_mean,
)

LABELS = np.array([2, 0, 1, 2, 0])
WHERE = np.array([True, True, False, True, False])


@pytest.fixture
def logits():
    return 3 * np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)


def naive(logits, labels):
    """The printed mean, one clip at a time, in float64."""
    terms = []
    for z, y in zip(logits.astype(np.float64), labels, strict=True):
        terms.append(-np.log(np.exp(z[y]) / sum(np.exp(value) for value in z)))
    return np.mean(terms)


def test_cross_entropy_is_the_mean_minus_log_probability(logits):
    expected = naive(logits, LABELS)
    np.testing.assert_allclose(cross_entropy(logits, LABELS), expected, rtol=1e-6)


def test_cross_entropy_by_hand():
    # Two classes, logits 0 and log 3: probabilities 1/4 and 3/4.
    logits = jnp.log(jnp.array([[1.0, 3.0], [1.0, 3.0]]))
    expected = -(np.log(0.25) + np.log(0.75)) / 2
    found = cross_entropy(logits, jnp.array([0, 1]))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_padding_rows_change_neither_value_nor_gradient(logits):
    value = lambda z: cross_entropy(z, LABELS, where=WHERE)
    alone = cross_entropy(logits[WHERE], LABELS[WHERE])
    np.testing.assert_allclose(value(logits), alone, rtol=1e-6)
    other = logits.copy()
    other[~WHERE] = -77.0
    assert value(other) == value(logits)
    gradient = jax.grad(value)(logits)
    assert not np.asarray(gradient)[~WHERE].any()
    np.testing.assert_array_equal(gradient[WHERE], jax.grad(value)(other)[WHERE])


def test_gradients_match_finite_differences(logits):
    with jax.enable_x64(True):
        loss = lambda z: cross_entropy(z, LABELS, where=WHERE)
        check_grads(loss, (logits.astype(np.float64),), order=2, modes=["rev"])


def test_great_logits_give_finite_values_and_gradients():
    logits = jnp.array([[1e4, -1e4], [-1e4, 1e4]])
    value, gradient = jax.value_and_grad(cross_entropy)(logits, jnp.array([1, 1]))
    assert value == 1e4 and jnp.isfinite(gradient).all()


def test_half_precision_logits_are_summed_in_single():
    logits = jnp.full((2, 3), 0.1, jnp.bfloat16)
    assert cross_entropy(logits, jnp.array([0, 1])).dtype == jnp.float32
    with jax.enable_x64(True):
        double = cross_entropy(np.zeros((2, 3)), np.array([0, 1]))
        assert double.dtype == jnp.float64


def test_one_lane_of_many_is_the_loss_alone(logits):
    stacked = np.stack([logits, logits + 1, 2 * logits])
    together = jax.vmap(lambda z: cross_entropy(z, LABELS, where=WHERE))(stacked)
    for own, z in zip(together, stacked, strict=True):
        np.testing.assert_allclose(
            own, cross_entropy(z, LABELS, where=WHERE), rtol=1e-6
        )


@pytest.mark.parametrize(
    ("logits", "labels", "where"),
    [
        ((5, 3), (4,), (5,)),
        ((5, 3), (5, 1), (5,)),
        ((5,), (5,), (5,)),
        ((5, 3), (5,), (4,)),
    ],
)
def test_shapes_that_disagree_are_refused(logits, labels, where):
    with pytest.raises(AssertionError):
        cross_entropy(
            jnp.zeros(logits), jnp.zeros(labels, int), where=jnp.ones(where, bool)
        )


# Binary.

ANSWERS = np.array([1, 0, 0, 1, 1])


def naive_binary(logits, answers):
    """The printed mean, one clip at a time, in float64."""
    terms = []
    for z, y in zip(logits.astype(np.float64), answers, strict=True):
        p = 1 / (1 + np.exp(-z))
        terms.append(-(y * np.log(p) + (1 - y) * np.log(1 - p)))
    return np.mean(terms)


@pytest.mark.parametrize("answers", [ANSWERS, ANSWERS > 0, 0.1 + 0.8 * ANSWERS])
def test_binary_cross_entropy_is_the_printed_mean(logits, answers):
    found = binary_cross_entropy(logits[:, 0], answers)
    expected = naive_binary(logits[:, 0], answers)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_binary_cross_entropy_is_scikit_learns(logits):
    metrics = pytest.importorskip("sklearn.metrics")
    probabilities = 1 / (1 + np.exp(-logits[:, 1].astype(np.float64)))
    found = binary_cross_entropy(logits[:, 1], ANSWERS)
    expected = metrics.log_loss(ANSWERS, probabilities)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_binary_cross_entropy_is_that_of_two_classes(logits):
    z = logits[:, 0]
    both = np.stack([np.zeros_like(z), z], axis=1)
    found = binary_cross_entropy(z, ANSWERS, where=WHERE)
    expected = cross_entropy(both, ANSWERS, where=WHERE)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_great_binary_logits_give_finite_values_and_gradients():
    z = jnp.array([1e4, 1e4, -1e4, -1e4])
    answers = jnp.array([1, 0, 1, 0])
    value, gradient = jax.value_and_grad(binary_cross_entropy)(z, answers)
    assert value == 5e3
    np.testing.assert_array_equal(gradient, [0, 0.25, -0.25, 0])
    # Of a confident right answer the value is small, not 0.
    sure = binary_cross_entropy(jnp.array([30.0]), jnp.array([1]))
    np.testing.assert_allclose(sure, np.exp(-30), rtol=1e-5)


def test_binary_gradients_match_finite_differences(logits):
    with jax.enable_x64(True):
        loss = lambda z: binary_cross_entropy(z, ANSWERS, where=WHERE)
        check_grads(loss, (logits[:, 0].astype(np.float64),), order=2, modes=["rev"])


def test_padding_rows_change_no_binary_value_nor_gradient(logits):
    z = logits[:, 0]
    value = lambda z: binary_cross_entropy(z, ANSWERS, where=WHERE)
    alone = binary_cross_entropy(z[WHERE], ANSWERS[WHERE])
    np.testing.assert_allclose(value(z), alone, rtol=1e-6)
    other = np.where(WHERE, z, np.float32(-77))
    assert value(other) == value(z)
    clean, soiled = jax.grad(value)(z), jax.grad(value)(other)
    np.testing.assert_array_equal(clean, soiled)
    assert not np.asarray(clean)[~WHERE].any()


def test_half_precision_binary_logits_are_summed_in_single():
    z = jnp.full(2, 0.1, jnp.bfloat16)
    assert binary_cross_entropy(z, jnp.array([0, 1])).dtype == jnp.float32
    with jax.enable_x64(True):
        double = binary_cross_entropy(np.zeros(2), np.array([0, 1]))
        assert double.dtype == jnp.float64


@pytest.mark.parametrize(
    ("z", "answers", "where"),
    [((5,), (4,), (5,)), ((5, 1), (5,), (5,)), ((5,), (5,), (4,))],
)
def test_binary_shapes_that_disagree_are_refused(z, answers, where):
    with pytest.raises(AssertionError):
        binary_cross_entropy(
            jnp.zeros(z), jnp.zeros(answers), where=jnp.ones(where, bool)
        )


def test_accuracy_is_the_share_of_hits_among_valid_rows():
    logits = jnp.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [1, 0, 0]])
    assert accuracy(logits, LABELS) == pytest.approx(2 / 5)  # the last two
    assert accuracy(logits, LABELS, where=WHERE) == pytest.approx(1 / 3)


def test_masked_mean_is_the_mean_of_what_is_left():
    values = jnp.array([1.0, 2.0, jnp.nan, 6.0, jnp.inf])
    assert masked_mean(values, WHERE) == 3.0
    assert masked_mean(values[:2]) == 1.5


def test_docstring_examples():
    result = doctest.testmod(classification, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
