"""Tests for mer_jax/losses/attention.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.losses import attention
from mer_jax.losses.attention import map_similarity, similarity

B, T, P = 4, 5, 7
WHERE = np.array([True, False, True, True])
KINDS = ["sqrt_dot", "dot", "cosine"]
every_kind = pytest.mark.parametrize("kind", KINDS)


MEAN = jax.jit(map_similarity, static_argnames=("kind", "detach_first"))
PAIR = jax.jit(similarity, static_argnames="kind")


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def drawn(seed=0, scale=2.0):
    return softmax(scale * np.random.default_rng(seed).normal(size=(B, T, P)))


def naive_similarity(a, b, kind):
    if kind == "sqrt_dot":
        return sum(np.sqrt(x * y) for x, y in zip(a, b, strict=True))
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product if kind == "dot" else product / np.sqrt(sum(a * a) * sum(b * b))


def naive_mean(maps, kind):
    """The printed sum, one pair of frames at a time, in float64."""
    total = 0.0
    for clip in maps:
        for k in range(1, len(clip)):
            pairs = [naive_similarity(clip[k], clip[l], kind) for l in range(k)]
            total += sum(pairs) / k / (len(clip) - 1)
    return total / len(maps)


@every_kind
def test_similarity_is_the_printed_sum(kind):
    a, b = drawn(0), drawn(1)
    expected = [
        [naive_similarity(*maps, kind) for maps in zip(*clips, strict=True)]
        for clips in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(PAIR(a, b, kind), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["sqrt_dot", "cosine"])
def test_equal_maps_are_alike_and_disjoint_ones_are_not(kind):
    maps = drawn()
    np.testing.assert_allclose(PAIR(maps, maps, kind), 1, rtol=1e-6)
    left, right = np.float32([0.5, 0.5, 0, 0]), np.float32([0, 0, 0.25, 0.75])
    assert PAIR(left, right, kind) == 0


def test_the_raw_dot_product_calls_equal_uniform_maps_different():
    for positions in (4, 256):
        uniform = jnp.full(positions, 1 / positions)
        np.testing.assert_allclose(similarity(uniform, uniform, "dot"), 1 / positions)
        np.testing.assert_allclose(similarity(uniform, uniform), 1, rtol=1e-6)


@every_kind
@pytest.mark.parametrize("frames", [2, 3, T])
def test_the_loss_is_the_printed_mean(kind, frames):
    maps = drawn()[:, :frames]
    found = MEAN(maps, kind=kind)
    np.testing.assert_allclose(found, naive_mean(maps, kind), rtol=1e-5)
    found = MEAN(maps, kind=kind, where=WHERE)
    np.testing.assert_allclose(found, naive_mean(maps[WHERE], kind), rtol=1e-5)


def test_by_hand():
    # Frames at positions 0, 0, 1: frame 1 is as frame 0; frame 2 as none of the two.
    maps = np.eye(2, dtype=np.float32)[None, [0, 0, 1]]
    np.testing.assert_allclose(MEAN(maps), (1 + 0 / 2) / 2)
    # Positions 0, 1, 0: frame 1 as none, frame 2 as one of two.
    maps = np.eye(2, dtype=np.float32)[None, [0, 1, 0]]
    np.testing.assert_allclose(MEAN(maps), (0 + 1 / 2) / 2)


def test_descending_pulls_the_maps_apart():
    logits = np.log(drawn(scale=0.1)[:1])
    loss = jax.jit(lambda x: map_similarity(jax.nn.softmax(x)))
    grad = jax.jit(jax.grad(loss))
    before, x = loss(logits), logits
    for _ in range(100):
        x = x - 10.0 * grad(x)
    assert before > 0.95
    assert loss(x) < 0.5


@every_kind
def test_one_frame_has_nothing_to_differ_from(kind):
    loss = lambda maps: MEAN(maps, kind=kind)
    value, grad = jax.jit(jax.value_and_grad(loss))(drawn()[:, :1])
    assert value == 0
    assert not np.any(grad)


@every_kind
@pytest.mark.parametrize("detach_first", [True, False])
def test_gradients_match_finite_differences(kind, detach_first):
    with jax.enable_x64(True):
        maps = drawn(scale=0.5)

        @jax.jit
        def loss(rest, first):
            every = jnp.concatenate([first, rest], 1)
            detach = dict(detach_first=detach_first, where=WHERE)
            return map_similarity(every, kind=kind, **detach)

        of_rest = lambda rest: loss(rest, maps[:, :1])
        check_grads(of_rest, (maps[:, 1:],), order=1, modes=["rev"], eps=1e-6)
        of_first = jax.jit(jax.grad(loss, 1))(maps[:, 1:], maps[:, :1])
        assert np.any(of_first) != detach_first


@every_kind
def test_padding_rows_change_neither_value_nor_gradient(kind):
    maps = drawn()
    loss = lambda maps: MEAN(maps, kind=kind, where=WHERE)
    alone = MEAN(maps[WHERE], kind=kind)
    np.testing.assert_allclose(loss(maps), alone, rtol=1e-6)
    soiled = np.where(WHERE[:, None, None], maps, 0.3)
    grad = jax.jit(jax.grad(loss))
    clean, other = (np.asarray(grad(x)) for x in (maps, soiled))
    np.testing.assert_array_equal(clean, other)
    assert not clean[~WHERE].any()
    assert clean[WHERE][:, 1:].any()


GRADIENTS = jax.jit(
    lambda maps: [
        jax.grad(lambda x, k=kind: map_similarity(x, kind=k, detach_first=False))(maps)
        for kind in KINDS
    ]
)
VALUE = st.sampled_from([0.0, 1e-45, 1e-40, 1e-38, 1e-30, 1e-20, 1e-7, 0.5, 1.0])


@settings(max_examples=60)
@given(st.lists(VALUE, min_size=9, max_size=9))
def test_maps_with_zeros_give_finite_gradients(values):
    maps = np.float32(values).reshape(1, 3, 3)
    assert all(np.isfinite(x).all() for x in GRADIENTS(maps))


def test_the_gradient_of_the_root_is_zero_at_zero():
    a, b = jnp.array([0.0, 1.0]), jnp.array([0.5, 0.5])
    np.testing.assert_allclose(jax.grad(similarity)(a, b), [0, 0.5**1.5], rtol=1e-6)
    naive = jax.grad(lambda x: jnp.sqrt(x * b).sum())(a)
    assert np.isinf(naive[0])


@every_kind
def test_half_precision_is_summed_in_single(kind):
    maps = jnp.asarray(drawn(), jnp.bfloat16)
    found = MEAN(maps, kind=kind)
    assert found.dtype == PAIR(maps, maps, kind).dtype == jnp.float32
    single = MEAN(maps.astype(jnp.float32), kind=kind)
    np.testing.assert_allclose(found, single, rtol=1e-6)


def test_one_lane_of_many_is_the_loss_alone():
    lanes = np.stack([drawn(seed) for seed in range(3)])
    loss = lambda maps: map_similarity(maps, where=WHERE)
    together = jax.jit(jax.vmap(loss))(lanes)
    alone = [MEAN(x, where=WHERE) for x in lanes]
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="got 'angle'"):
        similarity(jnp.ones(3), jnp.ones(3), "angle")
    with pytest.raises(ValueError, match="sqrt_dot, dot or cosine"):
        map_similarity(jnp.ones((B, T, P)), kind="angle")


def test_shapes_that_disagree_are_refused():
    with pytest.raises(AssertionError):
        similarity(jnp.ones((T, P)), jnp.ones(P))
    with pytest.raises(AssertionError):
        map_similarity(jnp.ones((T, P)))
    with pytest.raises(AssertionError):
        map_similarity(jnp.ones((B, T, P)), where=jnp.ones(B + 1, bool))


def test_docstring_examples():
    result = doctest.testmod(attention, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
