"""Tests for mer_jax/models/convolution.py."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.convolution import for_cpu, im2col
from mer_jax.models.patches import windows

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 7, 6, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(1, 2, 0), (3, 1, 1), (3, 2, 1), (7, 2, 3), (2, 3, 0)],
)
def test_it_is_the_convolution_with_its_gradients(size, stride, padding):
    def results(convolve):
        net = nn.Conv(
            4,
            (size, size),
            strides=stride,
            padding=[(padding, padding)] * 2,
            conv_general_dilated=convolve,
        )
        kernel = (
            np.random.default_rng(1).normal(size=(size, size, 3, 4)).astype(np.float32)
        )
        params = {"kernel": kernel, "bias": np.ones(4, np.float32)}

        def loss(params, x):
            out = net.apply({"params": params}, x)
            return (out**2).sum(), out

        run = jax.jit(jax.grad(loss, (0, 1), has_aux=True))
        return *run(params, IMAGES), net

    our_grads, ours, net = results(im2col)
    their_grads, theirs, _ = results(jax.lax.conv_general_dilated)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    pairs = zip(*map(jax.tree.leaves, (our_grads, their_grads)), strict=True)
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    program = jax.make_jaxpr(net.init)(jax.random.key(0), IMAGES)
    assert "conv_general_dilated" not in str(program)


@pytest.mark.parametrize(("size", "padding"), [(3, 1), (2, 0)])
def test_at_stride_one_windows_are_patches(size, padding):
    kernel = np.eye(size * size * 3, dtype=np.float32).reshape(size, size, 3, -1)
    found = im2col(IMAGES, kernel, (1, 1), [(padding, padding)] * 2)
    expected = windows(IMAGES, (size, size), (1, 1), [(padding, padding)] * 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_rows_and_columns_may_differ():
    kernel = RNG.normal(size=(3, 2, 3, 4)).astype(np.float32)
    args = (IMAGES, kernel, (2, 1), [(1, 0), (0, 2)])
    expected = jax.lax.conv_general_dilated(
        *args, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(im2col(*args), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "more",
    [{"lhs_dilation": (2, 2)}, {"rhs_dilation": (1, 2)}, {"feature_group_count": 3}],
)
def test_dilated_and_grouped_convolutions_are_refused(more):
    with pytest.raises(ValueError, match="neither dilates nor groups"):
        im2col(IMAGES, np.ones((1, 1, 3, 3), "f4"), (1, 1), [(0, 0)] * 2, **more)


NATIVE, PRODUCT, WINOGRAD = "conv_general_dilated", "concatenate", "custom_vjp"


def ways(program):
    return {way for way in (NATIVE, PRODUCT, WINOGRAD) if f" {way}" in program}


@pytest.mark.parametrize(
    ("edge", "channels", "size", "stride", "dtype", "way"),
    [
        (1, 64, 3, 1, np.float32, PRODUCT),
        (2, 3, 3, 1, np.float32, PRODUCT),
        (2, 64, 3, 1, np.float32, WINOGRAD),
        (2, 64, 3, 1, jnp.bfloat16, PRODUCT),
        (2, 64, 2, 1, np.float32, PRODUCT),
        (3, 64, 3, 1, np.float32, NATIVE),
        (4, 64, 3, 2, np.float32, PRODUCT),
        (5, 64, 3, 2, np.float32, NATIVE),
        (6, 3, 7, 2, np.float32, PRODUCT),
        (7, 3, 7, 2, np.float32, NATIVE),
        (7, 63, 3, 1, np.float32, NATIVE),
        (7, 64, 3, 1, np.float32, WINOGRAD),
        (8, 64, 3, 2, np.float32, NATIVE),
        (8, 64, 3, 1, jnp.bfloat16, NATIVE),
    ],
)
def test_on_a_cpu_shapes_choose_the_way(edge, channels, size, stride, dtype, way):
    images = RNG.normal(size=(2, edge, edge, channels)).astype(dtype)
    kernel = (RNG.normal(size=(size, size, channels, 64)) / 9).astype(dtype)
    args = (images, kernel, (stride, stride), [(size // 2, size // 2)] * 2)
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    run = lambda f: f(*args, **layout)
    assert way in ways(str(jax.make_jaxpr(lambda: run(for_cpu))()))
    found = jax.jit(lambda: run(for_cpu))()
    expected = run(jax.lax.conv_general_dilated)
    assert found.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 0.05
    np.testing.assert_allclose(
        found.astype("f4"), expected.astype("f4"), rtol=tolerance, atol=tolerance
    )
