"""Tests for mer_jax/models/winograd.py."""

import functools

import flax.linen as nn
import jax
import numpy as np
import pytest

from mer_jax.models import winograd as winograd_module
from mer_jax.models.winograd import WIDE, winograd

SAME = ((1, 1), (1, 1))
native = functools.partial(
    jax.lax.conv_general_dilated, dimension_numbers=("NHWC", "HWIO", "NHWC")
)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def by_hand(images, kernel, padding):
    """The sum over nine shifted images, in NumPy."""
    padded = np.pad(images, ((0, 0), *padding, (0, 0)))
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    return sum(
        padded[:, i : i + height, j : j + width] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )


def with_gradients(convolve, images, kernel, slope, padding):
    run = lambda images, kernel: convolve(images, kernel, (1, 1), padding)

    @jax.jit
    def both(images, kernel, slope):
        out, back = jax.vjp(run, images, kernel)
        return out, *back(slope)

    return both(images, kernel, slope)


@pytest.fixture(params=[1, WIDE], ids=["own", "native"])
def kernels_gradient(request, monkeypatch):
    """Both ways to the gradient of a kernel, of few channels."""
    monkeypatch.setattr(winograd_module, "WIDE", request.param)


@pytest.mark.usefixtures("kernels_gradient")
@pytest.mark.parametrize(
    ("height", "width", "padding"),
    [(7, 6, SAME), (1, 2, SAME), (5, 4, ((0, 2), (1, 0)))],
)
def test_it_is_the_convolution_with_its_gradients(height, width, padding):
    images, kernel = drawn(2, height, width, 3), drawn(3, 3, 3, 2, seed=1)
    with jax.enable_x64(True):
        expected = by_hand(images, kernel, padding)
        slope = drawn(*expected.shape, seed=2)
        ours, theirs = (
            with_gradients(f, images, kernel, slope, padding)
            for f in (winograd, native)
        )
        np.testing.assert_allclose(ours[0], expected, atol=1e-12)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11)


def test_single_precision_loses_a_digit_at_most():
    images, kernel = drawn(2, 6, 6, WIDE), drawn(3, 3, WIDE, WIDE)
    slope = drawn(2, 6, 6, WIDE, seed=2)
    single = [x.astype(np.float32) for x in (images, kernel, slope)]
    ours = with_gradients(winograd, *single, SAME)
    with jax.enable_x64(True):
        exact = with_gradients(native, images, kernel, slope, SAME)
    for a, b in zip(map(np.asarray, ours), map(np.asarray, exact), strict=True):
        assert (a.dtype, b.dtype) == (np.float32, np.float64)
        assert np.abs(a - b).max() < 3e-6 * np.abs(b).max()


@pytest.mark.usefixtures("kernels_gradient")
def test_gradients_are_slopes_of_the_output():
    images, kernel, towards = drawn(2, 5, 4, 2), drawn(3, 3, 2, 2), drawn(3, 3, 2, 2)
    step = 1e-5
    with jax.enable_x64(True):
        value = jax.jit(lambda k: (winograd(images, k, (1, 1), SAME) ** 3).sum())
        ends = [float(value(kernel + h * towards)) for h in (-step, step)]
        found = float((jax.jit(jax.grad(value))(kernel) * towards).sum())
    np.testing.assert_allclose(found, (ends[1] - ends[0]) / (2 * step), rtol=1e-7)


@pytest.mark.usefixtures("kernels_gradient")
def test_lanes_are_convolutions_of_their_own():
    images, slopes = drawn(2, 2, 4, 4, 3), drawn(2, 2, 4, 4, 3, seed=2)
    stacked = [x.astype("f4") for x in (images, drawn(2, 3, 3, 3, 3), slopes)]
    run = lambda *args: with_gradients(winograd, *args, SAME)
    lanes = jax.vmap(run)(*stacked)
    for i in range(2):
        for lane, alone in zip(lanes, run(*(x[i] for x in stacked)), strict=True):
            np.testing.assert_allclose(lane[i], alone, atol=3e-5)


def test_one_images_padding_is_not_anothers():
    """An image of NaN, as a masked row may hold, stays on its row."""
    images = drawn(3, 4, 4, 2).astype(np.float32)
    kernel = drawn(3, 3, 2, 2).astype(np.float32)
    soiled = images.copy()
    soiled[1] = np.nan
    run = jax.jit(lambda images: winograd(images, kernel, (1, 1), SAME))
    clean, other = run(images), run(soiled)
    np.testing.assert_array_equal(clean[::2], other[::2])


def test_a_flax_layer_takes_it():
    images = drawn(2, 6, 6, 3).astype(np.float32)
    layer = functools.partial(nn.Conv, 4, (3, 3), padding=SAME)
    variables = layer().init(jax.random.key(0), images)
    run = jax.jit(lambda net: net.apply(variables, images), static_argnums=0)
    found = run(layer(conv_general_dilated=winograd))
    np.testing.assert_allclose(found, run(layer()), atol=1e-5)


@pytest.mark.parametrize(
    "more",
    [
        {"window_strides": (2, 2)},
        {"lhs_dilation": (2, 2)},
        {"rhs_dilation": (1, 2)},
        {"feature_group_count": 2},
        {"rhs": np.ones((1, 1, 2, 2), np.float32)},
    ],
)
def test_other_convolutions_are_refused(more):
    plain = {"rhs": np.ones((3, 3, 2, 2), np.float32), "window_strides": (1, 1)}
    with pytest.raises(ValueError, match="plain 3x3"):
        winograd(np.ones((1, 4, 4, 2), np.float32), padding=SAME, **{**plain, **more})
