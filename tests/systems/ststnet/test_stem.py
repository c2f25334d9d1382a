"""Tests for mer_jax/systems/ststnet/stem.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.ststnet import stem

FILTERS, CHANNELS = 4, 3
SIGN = np.array([1.0, -1.0, 1.0, -1.0])


def drawn(size: int, clips: int = 6):
    """Returns images, kernel and bias; the images are flat in places, as flow is."""
    rng = np.random.default_rng(size)
    images = rng.integers(256, size=(clips, size, size, CHANNELS), dtype=np.uint8)
    images[:, : size // 2] = 7
    kernel = rng.normal(size=(3, 3, CHANNELS, FILTERS)) / 500
    return images, kernel, rng.normal(size=FILTERS) / 10


def plain(images, kernel, bias, sign):
    """What `in_chunks` returns, by XLA's convolution and window reduction."""
    dimensions = ("NHWC", "HWIO", "NHWC")
    border = [(2, 2), (2, 2)]
    active = jax.nn.relu(
        jax.lax.conv_general_dilated(
            images.astype(kernel.dtype), kernel, (1, 1), border, None, None, dimensions
        )
        + bias[None, None, None]
    )
    means = active.mean((1, 2))
    scatters = jnp.square(active - means[:, None, None]).sum((1, 2))
    signed = active * sign[None, None, None]
    window, pads = (1, 3, 3, 1), ((0, 0), (1, 1), (1, 1), (0, 0))
    lowest = jnp.array(-jnp.inf, signed.dtype)
    pooled = jax.lax.reduce_window(signed, lowest, jax.lax.max, window, window, pads)
    return pooled * sign[None, None, None], means, scatters


@pytest.mark.parametrize(
    ("size", "chunk"), [(4, None), (5, 2), (6, 3), (7, 4), (28, 6)]
)
def test_the_stem_is_what_plain_operations_give(size, chunk):
    images, *weights = drawn(size)
    with jax.enable_x64(True):
        weights = [jnp.array(w, jnp.float64) for w in (*weights, SIGN)]
        *found, count = stem.in_chunks(jnp.array(images), *weights, chunk)
        expected = plain(jnp.array(images), *weights)
    assert count == (size + 2) ** 2
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("size", "chunk"), [(4, None), (5, 3), (6, 3)])
def test_the_gradient_is_that_of_plain_operations(size, chunk):
    """Where nothing ties: there XLA's gives all to the first, ours to all."""
    rng = np.random.default_rng(0)
    _, kernel, bias = drawn(size)
    images = rng.normal(size=(6, size, size, CHANNELS)) * 100
    with jax.enable_x64(True):
        weights = [jnp.array(w, jnp.float64) for w in (kernel, bias)]
        out = jax.eval_shape(plain, images, *weights, jnp.array(SIGN))
        weigh = [jnp.array(rng.normal(size=o.shape)) for o in out]

        def scalar(function, *weights):
            found = function(jnp.array(images), *weights, jnp.array(SIGN))
            return sum((w * f).sum() for w, f in zip(weigh, found, strict=True))

        ours = lambda *args: stem.in_chunks(*args, chunk)[:3]
        found = jax.grad(lambda *w: scalar(ours, *w), (0, 1))(*weights)
        expected = jax.grad(lambda *w: scalar(plain, *w), (0, 1))(*weights)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_where_windows_tie_the_gradient_is_shared_and_none_is_lost():
    """The gradient of the bias counts the windows whose pooled value is not zero."""
    images, kernel, bias = drawn(28)
    images[:] = 7
    bias = np.abs(bias) + 1
    weights = [jnp.array(w, jnp.float32) for w in (kernel / 10, bias, SIGN)]

    def pooled(bias):
        return stem.in_chunks(jnp.array(images), weights[0], bias, weights[2], 2)[0]

    assert (np.asarray(pooled(weights[1])) > 0).all()
    found = jax.grad(lambda bias: pooled(bias).sum())(weights[1])
    np.testing.assert_allclose(found, np.full(FILTERS, len(images) * 100), rtol=1e-5)


@pytest.mark.parametrize("size", [6, 7, 8, 18, 30])
def test_the_pool_leaves_incomplete_windows_out_and_pads_with_less_than_anything(size):
    x = np.random.default_rng(0).normal(size=(2, size, size, 4)) - 5
    found = stem._over_windows(jnp.maximum, jnp.array(x, jnp.float32), -jnp.inf)
    rows = (size + 2 - 3) // 3 + 1
    expected = np.full((2, rows, rows, 4), -np.inf)
    for i in range(rows):
        for j in range(rows):
            window = x[:, max(3 * i - 1, 0) : 3 * i + 2, max(3 * j - 1, 0) : 3 * j + 2]
            expected[:, i, j] = window.max(axis=(1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [6, 7, 8, 30])
def test_what_windows_have_goes_to_their_positions(size):
    numbers = np.arange(size)
    window = (numbers + 1) // 3
    rows = (size + 2 - 3) // 3 + 1
    x = np.random.default_rng(0).normal(size=(2, rows, rows, 4))
    found = np.asarray(stem._spread(jnp.array(x, jnp.float32), (size, size), 0))
    inside = window < rows
    expected = np.zeros((2, size, size, 4))
    own = np.ix_(range(2), numbers[inside], numbers[inside], range(4))
    expected[own] = x[:, window[inside]][:, :, window[inside]]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
