"""Tests for mer_jax/models/blocks.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from mer_jax.ensemble.lift import lift, run_mesh
from mer_jax.models.blocks import (
    BatchNorm,
    Compute,
    ConvBlock,
    ConvUnit,
    DenseBlock,
    convolution,
    gelu,
)

MASK = np.array([True, False, True, True, True])


def drawn(shape=(5, 4, 4, 3), seed=0):
    return np.random.default_rng(seed).normal(2.0, 3.0, shape).astype(np.float32)


def begin(module, x, mask=MASK):
    """Variables with all leaves drawn, so that none is at its default."""
    init = lambda key: module.init(key, x, mask, False)
    variables = jax.eval_shape(init, jax.random.key(0))
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda v: rng.uniform(0.5, 1.5, v.shape).astype("f4"), variables
    )


def train(module, variables, x, mask=MASK):
    run = lambda v, x, m: module.apply(v, x, m, True, mutable=["batch_stats"])
    return jax.jit(run)(variables, x, mask)


@pytest.mark.parametrize("shape", [(5, 4, 4, 3), (5, 3)])
def test_batch_norm_in_float64_by_hand(shape):
    x, norm = drawn(shape), BatchNorm()
    variables = begin(norm, x)
    (scale, bias), (mean, var) = (
        [np.float64(variables[c][n]) for n in names]
        for c, names in (
            ("params", ("scale", "bias")),
            ("batch_stats", ("mean", "var")),
        )
    )
    axes = tuple(range(x.ndim - 1))
    seen = x[MASK].astype(np.float64)
    count = seen.size // 3
    own_mean, own_var = seen.mean(axes), seen.var(axes)
    found, updated = train(norm, variables, x)
    expected = (seen - own_mean) / np.sqrt(own_var + 1e-5) * scale + bias
    np.testing.assert_allclose(found[MASK], expected, rtol=1e-4, atol=1e-5)
    running = updated["batch_stats"]
    np.testing.assert_allclose(running["mean"], 0.9 * mean + 0.1 * own_mean, rtol=1e-5)
    unbiased = own_var * count / (count - 1)
    np.testing.assert_allclose(running["var"], 0.9 * var + 0.1 * unbiased, rtol=1e-5)
    found = norm.apply(variables, x, MASK, False)
    expected = (x - mean) / np.sqrt(var + 1e-5) * scale + bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_great_mean_costs_the_variance_no_digits():
    x = (1e3 + drawn((64, 8))).astype(np.float32)
    near = np.float32(1e3) + drawn((8, 4, 4, 8))
    for values, origin in ((x, 0.0), (near, 1e3)):
        mask = np.ones(len(values), bool)
        variables = BatchNorm().init(jax.random.key(0), values, mask, False)
        variables["batch_stats"]["mean"] += origin
        _, updated = train(BatchNorm(), variables, values, mask)
        axes = tuple(range(values.ndim - 1))
        own = (updated["batch_stats"]["var"] - 0.9) / 0.1
        expected = values.astype(np.float64).var(axes, ddof=1)
        np.testing.assert_allclose(own, expected, rtol=1e-3)


def test_what_padding_rows_hold_reaches_no_other_row_and_no_gradient():
    x, block = drawn(), ConvBlock(4)
    variables = begin(block, x)
    soiled = np.where(MASK[:, None, None, None], x, np.float32(99.0))

    def loss(variables, x):
        out, updated = block.apply(variables, x, MASK, True, mutable=["batch_stats"])
        seen = jnp.where(MASK[:, None, None, None], out, 0)
        return jnp.square(seen).sum(), updated

    run = jax.jit(jax.value_and_grad(loss, has_aux=True))
    clean, other = run(variables, x), run(variables, soiled)
    assert not [
        a
        for a, b in zip(*map(jax.tree.leaves, (clean, other)), strict=True)
        if np.asarray(a).tobytes() != np.asarray(b).tobytes()
    ]


@pytest.mark.parametrize("mask", [[True, False], [False, False]])
def test_one_valid_vector_or_none_gives_finite_numbers(mask):
    x, mask = drawn((2, 3)), np.array(mask)
    block = DenseBlock(4)
    variables = begin(block, x, mask)

    def loss(variables):
        out, updated = block.apply(variables, x, mask, True, mutable=["batch_stats"])
        return out.sum(), updated

    (value, updated), grads = jax.jit(jax.value_and_grad(loss, has_aux=True))(variables)
    assert all(
        np.isfinite(leaf).all() for leaf in jax.tree.leaves((value, updated, grads))
    )


def test_a_conv_block_on_a_1x1_map_is_the_dense_block_of_its_centre_taps():
    x = drawn((5, 6))
    conv, dense = ConvBlock(4), DenseBlock(4)
    variables = begin(conv, x[:, None, None])
    unit = lambda name: {
        "dense": {"kernel": variables["params"][name]["conv"]["kernel"][1, 1]},
        "bn": variables["params"][name]["bn"],
    }
    names = ("unit1", "unit2")
    own = {**variables, "params": {name: unit(name) for name in names}}
    found, updated = train(dense, own, x)
    expected, updates = train(conv, variables, x[:, None, None])
    np.testing.assert_allclose(found[MASK], expected[MASK, 0, 0], rtol=1e-4, atol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (updated, updates)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 7])
def test_convolutions_pad_alike_on_all_sides(size):
    """A window that only sees its centre keeps the grid of pixels where it was."""
    x = drawn((1, 8, 8, 2))
    net = convolution(2, size, Compute(), stride=2, name="conv")
    kernel = np.zeros((size, size, 2, 2), np.float32)
    kernel[size // 2, size // 2] = np.eye(2)
    found = net.apply({"params": {"kernel": kernel}}, x)
    np.testing.assert_array_equal(found, x[:, ::2, ::2])


def test_half_precision_computes_in_it_and_keeps_the_rest_single():
    x = drawn()
    unit = ConvUnit(4, Compute(jnp.bfloat16))
    variables = begin(unit, x)
    found, updated = train(unit, variables, x)
    assert found.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(updated)} == {np.dtype("f4")}
    single, updates = train(ConvUnit(4), variables, x)
    np.testing.assert_allclose(found.astype("f4"), single, rtol=0.05, atol=0.1)
    for a, b in zip(*map(jax.tree.leaves, (updated, updates)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.02)


def test_rematerialised_blocks_are_the_same_function():
    x = drawn()
    variables = begin(ConvBlock(4), x)
    results = []
    for compute in (Compute(), Compute(remat=True)):
        block = compute.block(ConvBlock)(4, compute)
        gradient = jax.grad(lambda v, block=block: train(block, v, x)[0].sum())
        traced = jax.make_jaxpr(gradient)(variables)
        results.append((jax.jit(gradient)(variables), "remat" in str(traced)))
    (plain, no), (again, yes) = results
    assert yes and not no
    for a, b in zip(*map(jax.tree.leaves, (plain, again)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_gelu_and_its_slope_are_those_of_the_normal_distribution():
    x = np.linspace(-12, 12, 97)
    normal = scipy.stats.norm
    with jax.enable_x64(True):
        value, slope = (jax.vmap(f)(x) for f in (gelu, jax.grad(gelu)))
        check_grads(gelu, (x,), order=2, modes=["rev"])
    np.testing.assert_allclose(value, x * normal.cdf(x), rtol=1e-13)
    np.testing.assert_allclose(slope, normal.cdf(x) + x * normal.pdf(x), rtol=1e-11)
    half = gelu(jnp.full(3, -0.5, jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    np.testing.assert_allclose(half.astype("f4"), -0.5 * normal.cdf(-0.5), rtol=1e-2)


def test_gelu_has_a_slope_where_every_device_has_its_own_run():
    """That of `jax.nn.gelu` is refused there by jax 0.12.0."""
    x = drawn((4, 3))
    slope = lambda x: jax.grad(lambda x: gelu(x).sum())(x)
    found = lift(slope, run_mesh(4))(x)
    np.testing.assert_allclose(found, jax.jit(slope)(x), rtol=1e-6)
