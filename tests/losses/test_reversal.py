"""Tests for mer_jax/losses/reversal.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from mer_jax.losses import reversal
from mer_jax.losses.reversal import dann_strength, reverse_gradient

B, D = 3, 4
VALUES = np.random.default_rng(0).normal(size=(B, D)).astype(np.float32)


def score(x):
    """What follows the reversal: some smooth function of all values."""
    return (jnp.sin(x) * jnp.arange(1.0, D + 1)).sum()


def reversed_score(x, strength):
    return score(reverse_gradient(x, strength))


def slope(x, eps=1e-6):
    """Central differences of `score`, one value at a time, in float64."""
    out = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[i] = eps
        up, down = (np.sin(x + s) * np.arange(1.0, D + 1) for s in (step, -step))
        out[i] = (up - down).sum() / (2 * eps)
    return out


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 2.5])
def test_the_gradient_is_minus_the_strength_times_the_slope(strength):
    with jax.enable_x64(True):
        row = VALUES[0].astype(np.float64)
        value, gradient = jax.value_and_grad(reversed_score)(row, strength)
        np.testing.assert_array_equal(value, score(row))
        np.testing.assert_allclose(gradient, -strength * slope(row), atol=1e-8)


def test_what_follows_it_gets_its_whole_gradient():
    """The discriminator's own weights are not scaled, nor turned."""
    loss = lambda w, x: (w * reverse_gradient(w * x, 0.3)).sum()
    w, x = VALUES[0], VALUES[1]
    of_outer = w * x
    of_inner = -0.3 * w * x
    np.testing.assert_allclose(jax.grad(loss)(w, x), of_outer + of_inner, rtol=1e-5)


def test_a_traced_strength_has_no_gradient():
    of_both = jax.jit(jax.grad(reversed_score, (0, 1)))
    for strength in (0.25, 1.0):
        of_x, of_strength = of_both(VALUES[0], strength)
        np.testing.assert_allclose(of_x, -strength * slope(VALUES[0], 1e-2), atol=1e-2)
        assert of_strength == 0
    # Nor where a schedule made it, under one trace.
    assert of_both._cache_size() == 1


def test_a_strength_of_progress_is_one_of_a_traced_step():
    @jax.jit
    def gradient(step):
        return jax.grad(reversed_score)(VALUES[0], dann_strength(step / 10))

    plain = jax.grad(score)(VALUES[0])
    for step in (0, 1, 9):
        expected = -(2 / (1 + np.exp(-step)) - 1) * plain
        np.testing.assert_allclose(gradient(step), expected, atol=1e-6)


def test_every_row_may_have_a_strength_of_its_own():
    strengths = np.float32([0.0, 0.5, 2.0])
    found = jax.jit(jax.vmap(jax.grad(reversed_score)))(VALUES, strengths)
    expected = [
        jax.grad(reversed_score)(*row) for row in zip(VALUES, strengths, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    shared = jax.vmap(jax.grad(reversed_score), (0, None))(VALUES, 0.5)
    np.testing.assert_allclose(shared[1], expected[1], rtol=1e-6)


def test_trees_are_reversed_leaf_by_leaf():
    tree = {"map": VALUES, "frames": (VALUES[0], VALUES[1])}
    weights = jax.tree.map(lambda x: 2 + x, tree)

    def loss(tree):
        products = jax.tree.map(lambda x, w: (x * w).sum(), tree, weights)
        return sum(jax.tree.leaves(products))

    assert jax.tree.all(jax.tree.map(np.array_equal, reverse_gradient(tree, 1), tree))
    found = jax.grad(lambda tree: loss(reverse_gradient(tree, 0.5)))(tree)
    close = lambda a, b: np.testing.assert_allclose(a, -0.5 * b, rtol=1e-6)
    jax.tree.map(close, found, weights)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("strength", [1, 0.3, np.float32(0.3)])
def test_dtypes_stay(dtype, strength):
    x = jnp.asarray(VALUES, dtype)
    assert reverse_gradient(x, strength).dtype == dtype
    loss = lambda x: (3 * reverse_gradient(x, strength)).sum()
    gradient = jax.jit(jax.grad(loss))(x)
    assert gradient.dtype == dtype
    expected = jnp.asarray(-3 * np.float32(strength), dtype)
    np.testing.assert_array_equal(gradient, jnp.full_like(x, expected))


@settings(max_examples=50)
@given(st.floats(0, 1, width=32))
def test_the_strength_is_the_published_schedule(progress):
    found = dann_strength(progress)
    assert found.dtype == jnp.float32 and 0 <= found < 1
    p = np.float64(progress)
    expected = 2 / (1 + np.exp(-10 * p)) - 1
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-12)


def test_the_strength_grows_from_nothing():
    found = np.asarray(dann_strength(np.linspace(0, 1, 20)))
    assert found[0] == 0 and (np.diff(found) > 0).all()
    with jax.enable_x64(True):
        assert dann_strength(np.float64(0.5)).dtype == jnp.float64


def test_a_strength_that_is_no_scalar_is_refused():
    with pytest.raises(AssertionError):
        reverse_gradient(VALUES, np.ones(B))


def test_docstring_examples():
    result = doctest.testmod(reversal, extraglobs={"jax": jax})
    assert result.attempted and not result.failed
