"""Tests for mer_jax/losses/masks.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from jax.test_util import check_grads

from mer_jax.losses import masks
from mer_jax.losses.masks import consistency, kept_area

B, N, K = 5, 9, 4
WHERE = np.array([True, True, False, True, False])


def drawn(*shape, seed=0):
    return 2 * np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def softmax(x):
    e = np.exp(np.float64(x) - np.float64(x).max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def naive_area(kept, rho):
    """The printed mean, one clip at a time, in float64."""
    return np.mean([(sum(row) / len(row) - rho) ** 2 for row in np.float64(kept)])


def test_consistency_is_scipys_divergence():
    p, q = drawn(B, K), drawn(B, K, seed=1)
    each = scipy.stats.entropy(softmax(p), softmax(q), axis=-1)
    np.testing.assert_allclose(consistency(p, q), each.mean(), rtol=1e-5)
    found = consistency(p, q, where=WHERE)
    np.testing.assert_allclose(found, each[WHERE].mean(), rtol=1e-5)


def test_consistency_moves_the_masked_logits_towards_the_others_only():
    p, q = drawn(B, K), drawn(B, K, seed=1)
    to_p, to_q = jax.grad(consistency, (0, 1))(p, q)
    assert not np.any(to_p)
    # Of cross-entropy with soft labels the gradient is what is too much.
    np.testing.assert_allclose(to_q, (softmax(q) - softmax(p)) / B, atol=1e-6)


def test_sure_logits_give_finite_values_and_gradients():
    p, q = jnp.array([[1e4, -1e4]]), jnp.array([[-1e4, 1e4]])
    for pair, expected in (((p, q), 2e4), ((p, p), 0)):
        value, gradient = jax.value_and_grad(consistency, 1)(*pair)
        assert value == expected and np.isfinite(gradient).all()


@given(st.integers(0, 1000), st.floats(0, 30), st.floats(0, 30))
def test_consistency_is_not_negative(seed, a, b):
    p, q = np.float32(a) * drawn(1, K, seed=seed), np.float32(b) * drawn(1, K)
    assert consistency(p, q) >= -1e-5
    np.testing.assert_allclose(consistency(p, p), 0, atol=1e-6)


def test_area_is_the_printed_mean():
    kept = softmax(drawn(B, N)).astype(np.float32) * N / 3
    for rho in (0.0, 0.3, 1.0):
        np.testing.assert_allclose(
            kept_area(kept, rho), naive_area(kept, rho), rtol=1e-5
        )
        found = kept_area(kept, rho, where=WHERE)
        np.testing.assert_allclose(found, naive_area(kept[WHERE], rho), rtol=1e-5)


def test_area_by_hand():
    # Three quarters and one quarter are each a quarter away from a half.
    kept = jnp.array([[1.0, 1, 1, 0], [0, 0, 0, 1]])
    assert kept_area(kept) == 0.0625
    assert kept_area(kept, 0.25) == 0.125
    gradient = jax.grad(kept_area)(kept)
    np.testing.assert_allclose(gradient, [[1 / 16] * 4, [-1 / 16] * 4])


def test_gradients_match_finite_differences():
    p, q = (np.float64(drawn(B, K, seed=i)) for i in range(2))
    with jax.enable_x64(True):
        loss = lambda q: consistency(p, q, where=WHERE)
        check_grads(loss, (q,), order=2, modes=["rev"])
        area = lambda k: kept_area(k, 0.4, where=WHERE)
        check_grads(area, (np.float64(drawn(B, N)),), order=2, modes=["rev"])


LOSSES = {
    "consistency": lambda x, **more: consistency(drawn(len(x), N, seed=9), x, **more),
    "kept_area": kept_area,
}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


@every_loss
def test_padding_rows_change_neither_value_nor_gradient(loss):
    x = drawn(B, N)
    value = jax.value_and_grad(lambda x: loss(x, where=WHERE))
    soiled = np.where(WHERE[:, None], x, np.float32(-77))
    clean = value(x)
    jax.tree.map(np.testing.assert_array_equal, clean, value(soiled))
    gradient = np.asarray(clean[1])
    assert not gradient[~WHERE].any() and gradient[WHERE].any()


@every_loss
def test_half_precision_is_summed_in_single(loss):
    x = jnp.asarray(drawn(B, N), jnp.bfloat16)
    found = loss(x)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, loss(x.astype(jnp.float32)), rtol=1e-6)


@every_loss
def test_one_lane_of_many_is_the_loss_alone(loss):
    lanes = np.stack([drawn(B, N, seed=seed) for seed in range(3)])
    one = lambda x: loss(x, where=WHERE)
    together = jax.jit(jax.vmap(one))(lanes)
    np.testing.assert_allclose(together, [one(x) for x in lanes], rtol=1e-5)


def test_shapes_that_disagree_are_refused():
    rows = jnp.ones((B, K))
    with pytest.raises(AssertionError):
        consistency(rows, rows[1:])
    with pytest.raises(AssertionError):
        consistency(rows[0], rows[0])
    with pytest.raises(AssertionError):
        consistency(rows, rows, where=jnp.ones(B + 1, bool))
    with pytest.raises(AssertionError):
        kept_area(rows[0])
    with pytest.raises(AssertionError):
        kept_area(rows, where=jnp.ones(B + 1, bool))


def test_docstring_examples():
    result = doctest.testmod(masks, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
