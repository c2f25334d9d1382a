"""Tests for mer_jax/losses/classification.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.losses import classification
from mer_jax.losses.classification import (
    accuracy,
    binary_cross_entropy,
    cross_entropy,
    focal,
    inverse_frequency,
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


# Focal.

WEIGHTS = np.float32([0.5, 1.7, 0.8])
GAMMAS = [0.0, 0.5, 2.0]
every_gamma = pytest.mark.parametrize("gamma", GAMMAS)


def naive_focal(logits, labels, gamma, weights):
    """The printed mean, one clip at a time, in float64."""
    terms = []
    for z, y in zip(logits.astype(np.float64), labels, strict=True):
        p = np.exp(z[y]) / sum(np.exp(value) for value in z)
        terms.append(-weights[y] * (1 - p) ** gamma * np.log(p))
    return np.mean(terms)


@every_gamma
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_focal_is_the_printed_mean(logits, gamma, weights):
    found = focal(logits, LABELS, gamma=gamma, class_weights=weights)
    expected = naive_focal(
        logits, LABELS, gamma, np.ones(3) if weights is None else weights
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_focal_is_cross_entropy_where_it_makes_no_difference(logits):
    options = dict(gamma=0.0, class_weights=np.ones(3, np.float32), where=WHERE)
    expected = jax.value_and_grad(cross_entropy)(logits, LABELS, where=WHERE)
    found = jax.value_and_grad(focal)(logits, LABELS, **options)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-5, atol=1e-7)


def test_focal_by_hand():
    # Logits 0 and log 3: the true class has probability 1/4, then 3/4.
    logits = jnp.log(jnp.array([[1.0, 3.0], [1.0, 3.0]]))
    weights = jnp.array([3.0, 1.0])
    expected = -(3 * 0.75**2 * np.log(0.25) + 0.25**2 * np.log(0.75)) / 2
    found = focal(logits, jnp.array([0, 1]), class_weights=weights)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@every_gamma
def test_focal_is_pytorchs(logits, gamma):
    torch = pytest.importorskip("torch")
    z = torch.from_numpy(logits.astype(np.float64)).requires_grad_()
    y, w = torch.from_numpy(LABELS), torch.from_numpy(WEIGHTS.astype(np.float64))
    entropy = torch.nn.functional.cross_entropy(z, y, reduction="none")
    expected = (w[y] * (1 - torch.exp(-entropy)) ** gamma * entropy).mean()
    expected.backward()
    with jax.enable_x64(True):
        loss = lambda z: focal(z, LABELS, gamma=gamma, class_weights=WEIGHTS)
        value, gradient = jax.value_and_grad(loss)(logits.astype(np.float64))
    np.testing.assert_allclose(value, expected.item(), rtol=1e-12)
    np.testing.assert_allclose(gradient, z.grad.numpy(), rtol=1e-9, atol=1e-14)


@every_gamma
def test_padding_rows_change_no_focal_value_nor_gradient(logits, gamma):
    options = dict(gamma=gamma, class_weights=WEIGHTS)
    value = lambda z: focal(z, LABELS, where=WHERE, **options)
    alone = focal(logits[WHERE], LABELS[WHERE], **options)
    np.testing.assert_allclose(value(logits), alone, rtol=1e-6)
    other = np.where(WHERE[:, None], logits, np.float32(-77))
    clean, soiled = (jax.value_and_grad(value)(z) for z in (logits, other))
    jax.tree.map(np.testing.assert_array_equal, clean, soiled)
    assert not np.asarray(clean[1])[~WHERE].any()


@every_gamma
def test_focal_gradients_match_finite_differences(logits, gamma):
    with jax.enable_x64(True):
        options = dict(gamma=gamma, class_weights=WEIGHTS, where=WHERE)
        loss = jax.jit(lambda z: focal(z, LABELS, **options))
        check_grads(loss, (logits.astype(np.float64),), order=2, modes=["rev"])


@every_gamma
def test_focal_is_exact_at_both_ends(gamma):
    loss = lambda z: focal(z, jnp.array([0]), gamma=gamma)
    loss = jax.jit(jax.value_and_grad(loss))
    # As good as certain, and right: 1 - p rounds to 0 in float32, the loss does not.
    p = np.exp(-20.0)
    value, gradient = loss(jnp.array([[20.0, 0.0]]))
    np.testing.assert_allclose(value, p ** (1 + gamma), rtol=1e-4)
    slope = (1 + gamma) * p ** (1 + gamma)
    np.testing.assert_allclose(gradient, [[-slope, slope]], rtol=1e-4)
    # Certain: everything is 0. Certain, and wrong: that of cross-entropy.
    value, gradient = loss(jnp.array([[1e4, -1e4]]))
    assert value == 0 and not np.any(gradient)
    value, gradient = loss(jnp.array([[-1e4, 1e4]]))
    assert value == 2e4
    np.testing.assert_array_equal(gradient, [[-1, 1]])


FOCAL = jax.jit(jax.value_and_grad(lambda z, gamma: focal(z, LABELS[:2], gamma=gamma)))
logit = st.sampled_from([0.0, 1e-30, 1.0, 17.0, 88.0, 104.0, 1e4, 1e30])
row = st.lists(
    st.builds(lambda z, s: s * z, logit, st.sampled_from([-1, 1])),
    min_size=3,
    max_size=3,
)


@settings(max_examples=200)
@given(st.lists(row, min_size=2, max_size=2), st.floats(0, 5), st.floats(0, 5))
def test_focal_is_finite_and_falls_with_gamma(rows, gamma, other):
    z = np.float32(rows)
    low, high = sorted([gamma, other])
    (value, gradient), (smaller, _) = FOCAL(z, low), FOCAL(z, high)
    assert np.isfinite(value) and np.isfinite(gradient).all()
    assert 0 <= smaller <= value * (1 + 1e-5)
    # Only differences of logits count, so a gradient sums to 0.
    np.testing.assert_allclose(gradient.sum(1), 0, atol=1e-4 * np.abs(gradient).max())


WEIGHTED = jax.jit(lambda z, w: focal(z, LABELS, class_weights=w))


@given(st.floats(0.01, 100), st.integers(-50, 50))
def test_focal_grows_with_the_weights_and_not_with_all_logits(factor, shift):
    z = 3 * np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    once = WEIGHTED(z, WEIGHTS)
    many = WEIGHTED(z, np.float32(factor) * WEIGHTS)
    np.testing.assert_allclose(many, np.float32(factor) * once, rtol=1e-5)
    moved = WEIGHTED(z + np.float32(shift), WEIGHTS)
    np.testing.assert_allclose(moved, once, rtol=1e-4)


def test_half_precision_focal_is_summed_in_single():
    z = jnp.full((2, 3), 0.1, jnp.bfloat16)
    assert focal(z, jnp.array([0, 1])).dtype == jnp.float32
    with jax.enable_x64(True):
        assert focal(np.zeros((2, 3)), np.array([0, 1])).dtype == jnp.float64


def test_one_lane_of_many_is_the_focal_loss_alone(logits):
    lanes = np.stack([logits, logits + 1, 2 * logits])
    weights = np.stack([WEIGHTS, WEIGHTS[::-1], 2 * WEIGHTS])
    loss = lambda z, w: focal(z, LABELS, class_weights=w, where=WHERE)
    alone = [loss(z, w) for z, w in zip(lanes, weights, strict=True)]
    np.testing.assert_allclose(jax.vmap(loss)(lanes, weights), alone, rtol=1e-6)


@pytest.mark.parametrize(
    ("z", "labels", "weights", "where"),
    [
        ((5, 3), (4,), (3,), (5,)),
        ((5,), (5,), (3,), (5,)),
        ((5, 1), (5,), (1,), (5,)),
        ((5, 3), (5,), (4,), (5,)),
        ((5, 3), (5,), (3,), (4,)),
    ],
)
def test_focal_shapes_that_disagree_are_refused(z, labels, weights, where):
    options = dict(class_weights=jnp.ones(weights), where=jnp.ones(where, bool))
    with pytest.raises(AssertionError):
        focal(jnp.zeros(z), jnp.zeros(labels, int), **options)


@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=8))
def test_classes_that_occur_weigh_the_same_together(counts):
    counts = np.array(counts)
    occurs = counts > 0
    if not occurs.any():
        counts[0], occurs[0] = 1, True
    found = np.asarray(inverse_frequency(counts))
    assert not found[~occurs].any()
    np.testing.assert_allclose(found[occurs].mean(), 1, rtol=1e-5)
    together = (found * counts)[occurs]
    np.testing.assert_allclose(together, together[0], rtol=1e-5)


def test_inverse_frequency_is_scikit_learns_but_for_the_scale():
    utils = pytest.importorskip("sklearn.utils.class_weight")
    labels = np.repeat([0, 1, 2], [250, 109, 83])
    expected = utils.compute_class_weight("balanced", classes=np.arange(3), y=labels)
    found = jax.jit(inverse_frequency)(np.bincount(labels))
    np.testing.assert_allclose(found, expected / expected.mean(), rtol=1e-6)
    assert found.dtype == jnp.float32


def test_inverse_frequency_of_a_table_is_refused():
    with pytest.raises(AssertionError):
        inverse_frequency(jnp.ones((2, 3)))


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
