"""Tests for mer_jax/losses/mutual_information.py."""

import doctest

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.losses import mutual_information
from mer_jax.losses.mutual_information import (
    clip_to,
    corrected,
    derangement,
    donsker_varadhan,
)

N = 6
WHERE = np.array([False, True, True, False, True, True])
START = -jnp.inf


def drawn(seed=0, scale=2.0):
    return tuple(scale * np.random.default_rng(seed).normal(size=(2, N)))


def naive(joint, marginal):
    """The printed equation in float64."""
    return np.mean(joint) - np.log(np.mean(np.exp(marginal)))


def losses(where=None):
    """The bound, and the corrected one before and after its first batch."""
    plain = lambda *x: donsker_varadhan(*x, where=where)
    first, later = (
        lambda *x, a=a: corrected(*x, jnp.float32(a), where=where)[0]
        for a in (START, 0.5)
    )
    return [jax.jit(f) for f in (plain, first, later)]


MASKED, WHOLE = losses(WHERE), losses()
MASKED_GRADIENTS = [jax.jit(jax.grad(f, (0, 1))) for f in MASKED]


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_the_printed_difference(seed):
    joint, marginal = drawn(seed)
    found = WHOLE[0](joint, marginal)
    np.testing.assert_allclose(found, naive(joint, marginal), rtol=1e-5, atol=1e-6)
    found = MASKED[0](joint, marginal)
    expected = naive(joint[WHERE], marginal[WHERE])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_there_may_be_more_marginal_pairs_than_joint_ones():
    joint, marginal = drawn()[0], np.concatenate(drawn(1))
    valid = np.arange(2 * N) % 3 > 0
    expected = naive(joint[WHERE], marginal[valid])
    masks = {"where": WHERE, "where_marginal": valid}
    found = donsker_varadhan(joint, marginal, **masks)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    value, average = corrected(joint, marginal, START, **masks)
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    mean = np.log(np.mean(np.exp(marginal[valid])))
    np.testing.assert_allclose(average, mean, rtol=1e-5)
    with pytest.raises(AssertionError):
        donsker_varadhan(joint, marginal, where=WHERE)


def test_the_perfect_critic_finds_the_information_of_a_coin():
    # X = Y, a coin: T = log p(x, y) / p(x) p(y) = log 2 or -inf; I = log 2 nats.
    joint = jnp.full(4, jnp.log(2.0))
    marginal = jnp.array([jnp.log(2.0), -jnp.inf, jnp.log(2.0), -jnp.inf])
    np.testing.assert_allclose(donsker_varadhan(joint, marginal), np.log(2), rtol=1e-6)


BOUND = jax.jit(jax.value_and_grad(donsker_varadhan, (0, 1)))


@pytest.mark.parametrize("shift", [-1e4, -1.0, 1e-3, 1e4])
def test_a_constant_added_to_all_scores_changes_nothing(shift):
    with jax.enable_x64(True):
        joint, marginal = drawn()
        before = BOUND(joint, marginal)
        after = BOUND(joint + shift, marginal + shift)
        for a, b in zip(*map(jax.tree.leaves, (before, after)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("dirt", [77.0, np.inf, np.nan])
def test_padding_rows_change_neither_value_nor_gradient(number, dirt):
    pairs = drawn()
    soiled = tuple(np.where(WHERE, x, dirt) for x in pairs)
    alone = WHOLE[number](*(x[WHERE] for x in pairs))
    np.testing.assert_allclose(MASKED[number](*soiled), alone, rtol=1e-6)
    clean, other = (MASKED_GRADIENTS[number](*x) for x in (pairs, soiled))
    for a, b in zip(clean, other, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(np.asarray(a) != 0, WHERE)


@pytest.mark.parametrize("number", [0, 1])
def test_gradients_match_finite_differences(number):
    with jax.enable_x64(True):
        check_grads(MASKED[number], drawn(), order=1, modes=["rev"], eps=1e-5)


def test_the_correction_leaves_the_value_as_it_is():
    for seed in range(3):
        plain, first, later = (f(*drawn(seed)) for f in WHOLE)
        assert plain == first == later


CORRECTED = jax.jit(corrected)


@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_the_running_average_starts_at_the_first_batch(rate):
    log_average, average = jnp.float32(START), None
    for seed in range(4):
        joint, marginal = drawn(seed)
        now = np.exp(marginal).mean()
        average = now if average is None else (1 - rate) * average + rate * now
        _, log_average = CORRECTED(joint, marginal, log_average, rate=rate)
        np.testing.assert_allclose(log_average, np.log(average), atol=1e-6)


RATED_GRADIENT = jax.jit(
    jax.grad(lambda *x: corrected(*x[:3], rate=x[3], where=WHERE)[0], (0, 1))
)


@pytest.mark.parametrize("log_average", [-3.0, 0.5, 4.0])
@pytest.mark.parametrize("rate", [0.01, 0.3, 1.0])
def test_the_gradient_divides_by_the_running_average(log_average, rate):
    with jax.enable_x64(True):
        joint, marginal = drawn()
        found = RATED_GRADIENT(joint, marginal, log_average, rate)
    weights = np.where(WHERE, np.exp(marginal), 0) / WHERE.sum()
    average = (1 - rate) * np.exp(log_average) + rate * weights.sum()
    np.testing.assert_allclose(found[0], WHERE / WHERE.sum(), rtol=1e-6)
    np.testing.assert_allclose(found[1], -weights / average, rtol=1e-6)


def test_no_gradient_goes_through_the_average():
    scores = drawn()
    of_value, of_average = (
        jax.jit(jax.grad(lambda *x, i=i: corrected(*x)[i], wrt))
        for i, wrt in ((0, 2), (1, (0, 1, 2)))
    )
    for log_average in map(jnp.float32, (START, 0.5)):
        assert not of_value(*scores, log_average)
        assert not any(np.any(x) for x in of_average(*scores, log_average))


GRADIENT = jax.jit(jax.value_and_grad(corrected, (0, 1), has_aux=True))
SCORE = st.sampled_from([-1e30, -1e8, -1e4, -1.0, 0.0, 1.0, 100.0, 1e4, 1e8, 1e30])


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SCORE, SCORE), min_size=N, max_size=N),
    st.sampled_from([START, -1e30, -1e4, 0.0, 1e4, 1e30]),
)
def test_no_scores_and_no_average_give_nan(scores, log_average):
    joint, marginal = np.float32(scores).T
    (value, new), grads = GRADIENT(joint, marginal, jnp.float32(log_average))
    assert np.isfinite(value) and np.isfinite(new)
    assert np.isfinite(grads).all()
    # The average counts the batch in with 0.01, so nothing grows a hundredfold.
    assert np.abs(grads).sum() <= 1 + 100 * (1 + 1e-4)


def test_small_batches_bias_the_plain_gradient_but_not_the_corrected_one():
    """T = theta x, marginal x ~ N(0, 1): log E e^T = theta^2 / 2, of slope theta.

    At theta = 1, over 20 000 batches of four, the plain gradient averages 0.61, the
    corrected one 0.99, with standard errors of 0.005 and 0.012.
    """
    theta, batches, size = 1.0, 20_000, 4
    x = jax.random.normal(jax.random.key(1), (batches, size))
    bound = lambda t, x: -donsker_varadhan(jnp.zeros(len(x)), t * x)
    unbiased = lambda t, x, a: corrected(jnp.zeros(size), t * x, a)

    def step(log_average, x):
        slope, new = jax.grad(unbiased, has_aux=True)(theta, x, log_average)
        return new, (-slope, jax.grad(bound)(theta, x))

    _, slopes = jax.jit(lambda x: jax.lax.scan(step, jnp.float32(START), x))(x)
    ours, plain = (float(s[1000:].mean()) for s in slopes)  # the average settled
    large = float(jax.jit(jax.grad(bound))(theta, x.reshape(-1)))
    assert abs(large - theta) < 0.05
    assert abs(ours - large) < 0.05
    assert plain < large - 0.2


def test_lanes_before_and_after_their_first_batch_share_a_program():
    lanes = [np.stack(x) for x in zip(*map(drawn, range(3)), strict=True)]
    averages = jnp.array([START, 0.5, START])
    together = jax.jit(jax.vmap(corrected))(*lanes, averages)
    for lane in range(3):
        alone = CORRECTED(*(x[lane] for x in lanes), averages[lane])
        for a, b in zip(together, alone, strict=True):
            np.testing.assert_allclose(a[lane], b, rtol=1e-5, atol=1e-6)


def test_half_precision_is_summed_in_single():
    half = [x.astype(jnp.bfloat16) for x in drawn()]
    single = [x.astype(np.float32) for x in half]
    value, log_average = corrected(*half, jnp.float32(0.5))
    assert value.dtype == log_average.dtype == jnp.float32
    np.testing.assert_allclose(value, donsker_varadhan(*single), rtol=1e-6)


@pytest.mark.parametrize(
    ("joint", "marginal", "where"),
    [((N,), (N - 1,), (N,)), ((N,), (N,), (N - 1,)), ((N, 1), (N, 1), (N, 1))],
)
def test_shapes_that_disagree_are_refused(joint, marginal, where):
    arrays, valid = (jnp.zeros(joint), jnp.zeros(marginal)), jnp.ones(where, bool)
    with pytest.raises(AssertionError):
        donsker_varadhan(*arrays, where=valid)
    with pytest.raises(AssertionError):
        corrected(*arrays, jnp.float32(0), where=valid)


DERANGED = jax.jit(lambda seed, where: derangement(jax.random.key(seed), where))


@settings(max_examples=80)
@given(
    st.sampled_from([1, 8]).flatmap(
        lambda b: st.lists(st.booleans(), min_size=b, max_size=b)
    ),
    st.integers(0, 2**31 - 1),
)
def test_every_valid_row_gets_another_one_and_padding_stays(where, seed):
    where = np.array(where)
    found = np.asarray(DERANGED(seed, where))
    rows = np.arange(len(where))
    assert found.dtype == np.int32
    np.testing.assert_array_equal(np.sort(found), rows)
    np.testing.assert_array_equal(found[~where], rows[~where])
    assert where[found[where]].all()
    if where.sum() > 1:
        assert (found[where] != rows[where]).all()
    else:
        np.testing.assert_array_equal(found, rows)


def test_all_pairs_of_different_rows_are_equally_likely():
    draws, where = 6000, np.array([0, 1, 1, 0, 1, 0, 1, 0], bool)
    rows = np.flatnonzero(where)
    found = np.asarray(jax.vmap(DERANGED, (0, None))(jnp.arange(draws), where))
    np.testing.assert_array_equal(found[17], DERANGED(17, where))
    counts = np.array([np.bincount(x, minlength=8) for x in found.T[rows]])[:, rows]
    assert not np.diag(counts).any()
    expected = draws / (len(rows) - 1)
    other = counts[~np.eye(len(rows), dtype=bool)]
    assert np.abs(other - expected).max() < 4 * np.sqrt(expected * 2 / 3)


TREE = {"a": np.float32([3.0, 0.0]), "b": np.float32([[0.0], [4.0]])}  # of norm 5


@pytest.mark.parametrize(
    ("limit", "factor"), [(0.0, 0.0), (1.0, 0.2), (5.0, 1.0), (9.0, 1.0)]
)
def test_a_gradient_is_cut_to_the_length_of_the_other(limit, factor):
    clipped, found = jax.jit(clip_to)(TREE, [np.float32([0.0, -limit])])
    np.testing.assert_allclose(found, factor, rtol=1e-6)
    assert found.dtype == jnp.float32
    for name, leaf in TREE.items():
        np.testing.assert_allclose(clipped[name], factor * leaf, rtol=1e-6)


@pytest.mark.parametrize("limit", [0.0, 1.0])
def test_a_gradient_of_zero_stays_zero(limit):
    zeros = jax.tree.map(np.zeros_like, TREE)
    clipped, factor = clip_to(zeros, np.float32([limit]))
    assert factor == 1
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(clipped))


def test_clipping_keeps_dtypes_and_measures_in_single():
    # The sum of 4096 ones stops at 256 in bfloat16.
    gradient = {"half": jnp.ones(4096, jnp.bfloat16), "single": jnp.zeros(1)}
    clipped, factor = clip_to(gradient, jnp.full(1, 16.0))
    assert factor == 0.25
    assert clipped["half"].dtype == jnp.bfloat16
    assert clipped["single"].dtype == jnp.float32


def test_docstring_examples():
    examples = {"jnp": jnp, "key": jax.random.key(0)}
    result = doctest.testmod(mutual_information, extraglobs=examples)
    assert result.attempted and not result.failed
