"""Tests for mer_jax/losses/contrastive.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.losses import contrastive
from mer_jax.losses.contrastive import (
    anchor_texture_contrastive,
    onset_apex_contrastive,
    safe_distance,
    shape_texture_contrastive,
)

B, V, P = 4, 6, 5
WHERE = np.array([True, False, True, True])
SHAPE_TEXTURE = [shape_texture_contrastive, anchor_texture_contrastive]
either = pytest.mark.parametrize("loss", SHAPE_TEXTURE)


def drawn(seed=0, scale=0.3):
    rng = np.random.default_rng(seed)
    shape, texture = (scale * rng.normal(size=(B, V, P)) for _ in range(2))
    return shape, texture, scale * rng.normal(size=P)


def naive_st(shape, texture, anchor, margin, prose):
    """The printed sum, one view at a time, in float64."""
    total = 0.0
    for clip_s, clip_t in zip(shape, texture, strict=True):
        for s, t in zip(clip_s, clip_t, strict=True):
            negative = np.linalg.norm((anchor if prose else s) - t)
            total += max(0.0, np.linalg.norm(anchor - s) - negative + margin)
    return total / (shape.shape[0] * shape.shape[1])


def naive_ss(shape, margin):
    n, views, _ = shape.shape
    m, total = views // 2, 0.0
    for clip in shape:
        for v in range(views):
            for w in range(views):
                d = np.linalg.norm(clip[v] - clip[w])
                total += d if (v < m) == (w < m) else max(0.0, margin - d)
    return total / (4 * m**2 * n)


@either
@pytest.mark.parametrize("margin", [0.2, 0.5])
def test_shape_against_texture_is_the_printed_mean(loss, margin):
    shape, texture, anchor = drawn()
    prose = loss is anchor_texture_contrastive
    expected = naive_st(shape, texture, anchor, margin, prose)
    other = naive_st(shape, texture, anchor, margin, not prose)
    assert abs(expected - other) > 1e-3
    found = loss(shape, texture, anchor, margin=margin)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(("margin", "scale"), [(0.2, 0.3), (0.5, 0.1)])
def test_onset_against_apex_is_the_printed_mean(margin, scale):
    shape, *_ = drawn(scale=scale)
    found = onset_apex_contrastive(shape, margin=margin)
    np.testing.assert_allclose(found, naive_ss(shape, margin), rtol=1e-6)


def test_by_hand():
    # Two views on a line: onset 0, apex 0.1, and a texture 3 and 4 away from both.
    shape = np.array([[[0.0, 0.0], [0.1, 0.0]]])
    texture = shape + np.array([3.0, 4.0])
    loss = shape_texture_contrastive(shape, texture, np.zeros(2), margin=5.0)
    np.testing.assert_allclose(loss, (0 + 0.1) / 2, rtol=1e-6)
    # Four pairs: two with themselves, 0; two across, 0.3 - 0.1 each.
    found = onset_apex_contrastive(shape, margin=0.3)
    np.testing.assert_allclose(found, 2 * 0.2 / 4, rtol=1e-6)


def test_onset_against_apex_is_zero_once_apart_and_gathered():
    onset, apex = np.zeros((B, 3, P)), np.full((B, 3, P), 0.4 / P**0.5)
    gathered = np.concatenate([onset, apex], axis=1)
    assert onset_apex_contrastive(gathered, margin=0.4 - 1e-6) == 0
    assert onset_apex_contrastive(gathered, margin=0.5) > 0


@either
def test_equal_shapes_leave_the_margin_less_the_distance_to_the_texture(loss):
    shape = np.broadcast_to(drawn()[2], (B, V, P))
    texture = shape + np.eye(P)[0] * 0.1
    found = loss(shape, texture, shape[0, 0], margin=0.3)
    np.testing.assert_allclose(found, 0.2, rtol=1e-5)
    assert loss(shape, shape + 1.0, shape[0, 0], margin=0.3) == 0


def losses(where=None):
    """Every loss as a function of (shape, texture, anchor)."""
    onset_apex = lambda s, t, a: onset_apex_contrastive(s, where=where)
    both = [lambda *x, f=f: f(*x, where=where) for f in SHAPE_TEXTURE]
    return [jax.jit(f) for f in (onset_apex, *both)]


@pytest.mark.parametrize("number", range(3))
def test_padding_rows_change_neither_value_nor_gradient(number):
    shape, texture, anchor = drawn()
    loss = losses(WHERE)[number]
    alone = losses()[number](shape[WHERE], texture[WHERE], anchor)
    np.testing.assert_allclose(loss(shape, texture, anchor), alone, rtol=1e-6)
    soiled = shape.copy(), texture.copy()
    for array in soiled:
        array[~WHERE] = 77.0
    grad = jax.jit(jax.grad(loss, (0, 1, 2)))
    clean, other = (grad(*x, anchor) for x in ((shape, texture), soiled))
    for a, b in zip(clean, other, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.asarray(clean[0])[~WHERE].any()
    assert np.asarray(clean[0])[WHERE].any()


@pytest.mark.parametrize("number", range(3))
def test_gradients_match_finite_differences(number):
    with jax.enable_x64(True):
        loss = losses(WHERE)[number]
        check_grads(loss, drawn(), order=1, modes=["rev"], eps=1e-5)


ALL_GRADIENTS = jax.jit(
    lambda *x: [jax.value_and_grad(f, (0, 1, 2))(*x) for f in losses()]
)


@settings(max_examples=30)
@given(
    st.lists(st.integers(0, 2), min_size=V, max_size=V),
    st.sampled_from([0.0, 1e-30, 1e-8, 1.0]),
)
def test_identical_views_give_finite_gradients(kinds, scale):
    shape, texture, anchor = (np.float32(x) for x in drawn())
    points = np.float32(scale) * shape[0, :3]
    shape = np.broadcast_to(points[np.array(kinds)], (B, V, P))
    args = (shape, shape if scale else texture, shape[0, 0] if scale else anchor)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(ALL_GRADIENTS(*args)))


def test_the_distance_of_equal_vectors_has_gradient_zero():
    a = jnp.array([[1.0, 2.0], [3.0, 4.0]])
    b = jnp.array([[1.0, 2.0], [0.0, 0.0]])
    np.testing.assert_allclose(safe_distance(a, b), [0, 5])
    gradient = jax.grad(lambda x: safe_distance(x, b).sum())(a)
    np.testing.assert_allclose(gradient, [[0, 0], [0.6, 0.8]], rtol=1e-6)
    naive = jax.grad(lambda x: jnp.sqrt(jnp.square(x - b).sum(-1)).sum())(a)
    assert np.isnan(naive[0]).all()


def test_half_precision_is_summed_in_single():
    shape, texture, anchor = (x.astype(jnp.bfloat16) for x in drawn())
    for loss in losses():
        assert loss(shape, texture, anchor).dtype == jnp.float32
    single = [x.astype(np.float32) for x in (shape, texture, anchor)]
    found = shape_texture_contrastive(shape, texture, anchor)
    np.testing.assert_allclose(found, shape_texture_contrastive(*single), rtol=1e-6)


def test_one_lane_of_many_is_the_loss_alone():
    lanes = [drawn(seed) for seed in range(3)]
    stacked = [np.stack(x) for x in zip(*lanes, strict=True)]
    for loss in losses(WHERE):
        together = jax.jit(jax.vmap(loss))(*stacked)
        alone = [loss(*lane) for lane in lanes]
        np.testing.assert_allclose(together, alone, rtol=1e-6)


@either
@pytest.mark.parametrize(
    ("shape", "texture", "anchor"),
    [
        ((B, V, P), (B, V, P), (P + 1,)),
        ((B, V, P), (B, V, P), (1, P)),
        ((B, V, P), (B, V - 1, P), (P,)),
        ((B, P), (B, P), (P,)),
    ],
)
def test_shapes_that_disagree_are_refused(loss, shape, texture, anchor):
    with pytest.raises(AssertionError):
        loss(jnp.zeros(shape), jnp.zeros(texture), jnp.zeros(anchor))


def test_an_odd_number_of_views_is_refused():
    with pytest.raises(ValueError, match="got 5"):
        onset_apex_contrastive(jnp.zeros((B, 5, P)))


def test_docstring_examples():
    result = doctest.testmod(contrastive, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
