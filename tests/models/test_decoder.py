"""Tests for mer_jax/models/decoder.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models import decoder
from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import im2col
from mer_jax.models.decoder import (
    Decoder,
    convolved_double,
    convolved_transposed,
    doubled,
    ladder,
)

MASK = np.ones(2, bool)


def shapes_of(net, features=1024):
    """Shapes of the outputs of all modules, and number of parameters."""

    def run(key, features):
        return net.init_with_output(
            key, features, MASK, False, capture_intermediates=True
        )

    features = jax.ShapeDtypeStruct((2, features), jnp.float32)
    _, variables = jax.eval_shape(run, jax.random.key(0), features)
    maps = variables["intermediates"]
    sizes = (
        {
            name: (maps[name] if name == "__call__" else maps[name]["__call__"])[
                0
            ].shape[1:]
            for name in maps
        }
        if maps
        else {}
    )
    return sizes, sum(p.size for p in jax.tree.leaves(variables["params"]))


def test_every_row_of_the_papers_table_at_224_pixels():
    sizes, count = shapes_of(Decoder(224))
    rows = [sizes[f"row{i}"] for i in (1, 2, 3)]
    assert rows == [(2, 2, 512), (4, 4, 512), (8, 8, 512)]
    rows = [sizes[f"row{i}"] for i in (5, 6, 7, 8)]
    assert rows == [(14, 14, 512), (28, 28, 256), (56, 56, 128), (112, 112, 64)]
    assert {sizes[f"block{i}"] for i in range(1, 6)} == {(112, 112, 32)}
    assert sizes["out"] == sizes["__call__"] == (224, 224, 3)
    assert count == kernels() + norms() + 3


def kernels():
    pairs = [(1024, 512), (512, 512), (512, 512), (512, 512), (512, 256), (256, 128)]
    pairs += [(128, 64), (64, 32), *[(32, 32)] * 9, (32, 3)]
    return sum(9 * a * b for a, b in pairs)


def norms():
    return 2 * (4 * 512 + 256 + 128 + 64 + 10 * 32)


def test_the_row_before_the_table_doubles_is_pooled_to_7x7():
    assert ladder(224) == (7, 5)


@pytest.mark.parametrize(
    "size", [8, 16, 24, 32, 48, 64, 96, 112, 128, 160, 192, 224, 256]
)
def test_any_size_gives_its_own_image_with_the_same_layers(size):
    edge, doublings = ladder(size)
    assert edge * 2**doublings == size
    sizes, count = shapes_of(Decoder(size, 4), 64)
    assert sizes["__call__"] == (size, size, 3)
    assert count == shapes_of(Decoder(224, 4), 64)[1]


@pytest.mark.parametrize("size", [0, 72, 50, 288, 226])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match=f"got {size}"):
        ladder(size)


@pytest.mark.parametrize("kind", ["nearest", "bilinear"])
def test_a_ramp_is_doubled(kind):
    ramp = jnp.array([0.0, 4.0, 8.0])[None, :, None, None] * jnp.ones((1, 3, 2, 1))
    found = doubled(ramp, kind)[0, :, 0, 0]
    nearest, bilinear = [0, 0, 4, 4, 8, 8], [0, 1, 3, 5, 7, 8]
    np.testing.assert_allclose(found, nearest if kind == "nearest" else bilinear)
    other = doubled(jnp.moveaxis(ramp, 1, 2), kind)[0, 0, :, 0]
    np.testing.assert_array_equal(other, found)


@pytest.mark.parametrize("convolve", [jax.lax.conv_general_dilated, im2col])
def test_the_convolution_of_a_double_makes_no_double(convolve):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 3, 5, 2))
    rest = ((1, 1), [(1, 1), (1, 1)])
    layout = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")}
    fast = lambda x, kernel: convolved_double(convolve, x, kernel, *rest, **layout)
    plain = lambda x, kernel: jax.lax.conv_general_dilated(
        doubled(x, "nearest"), kernel, *rest, **layout
    )
    with jax.enable_x64(True):
        ours, theirs = (jax.vjp(f, x, kernel) for f in (fast, plain))
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-12)
        slope = rng.normal(size=ours[0].shape)
        for a, b in zip(ours[1](slope), theirs[1](slope), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-11)


@pytest.mark.parametrize("shape", [(1, 1), (3, 5)])
def test_a_transposed_convolution_is_its_definition(shape):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, *shape, 3))
    kernel = generator.normal(size=(4, 4, 3, 5))
    # Each pixel puts a window on a map of twice the size, from one pixel beyond it.
    height, width = shape
    whole = np.zeros((2, 2 * height + 2, 2 * width + 2, 5))
    for y, x_ in np.ndindex(shape):
        window = np.einsum("bc,ijco->bijo", x[:, y, x_], kernel)
        whole[:, 2 * y : 2 * y + 4, 2 * x_ : 2 * x_ + 4] += window
    layout = ("NHWC", "HWIO", "NHWC")
    for convolve in (jax.lax.conv_general_dilated, im2col):
        found = convolved_transposed(
            convolve,
            jnp.float32(x),
            jnp.float32(kernel),
            dimension_numbers=layout,
        )
        np.testing.assert_allclose(found, whole[:, 1:-1, 1:-1], rtol=1e-4, atol=1e-5)


def test_transposed_convolutions_of_other_windows_are_refused():
    with pytest.raises(ValueError, match="4x4"):
        convolved_transposed(im2col, jnp.zeros((1, 2, 2, 3)), jnp.zeros((3, 3, 3, 1)))


def test_it_rounds_the_sums_of_half_precision_once():
    kernel = np.full((3, 3, 1, 1), 1.0, jnp.bfloat16)
    kernel[1:, 1:] = 1 / 256 + 1 / 65536  # their sum is exact in float32 alone
    seen = []

    def spy(lhs, rhs, strides, padding):
        seen.append(rhs)
        return lhs

    rest = ((1, 1), [(1, 1), (1, 1)])
    convolved_double(spy, np.ones((1, 2, 2, 1), jnp.bfloat16), kernel, *rest)
    exact = np.float32(4) * kernel[1, 1].astype(np.float32)
    assert seen[0].dtype == jnp.bfloat16
    np.testing.assert_array_equal(seen[0][1, 1], exact.astype(jnp.bfloat16))


@pytest.mark.parametrize(
    "wrong",
    [{"window_strides": (2, 2)}, {"padding": [(0, 0)] * 2}, {"rhs": np.ones((1,) * 4)}],
)
def test_other_convolutions_of_doubles_are_refused(wrong):
    plain = {"rhs": np.ones((3, 3, 1, 1)), "window_strides": (1, 1)}
    rest = {**plain, "padding": [(1, 1)] * 2, **wrong}
    with pytest.raises(ValueError, match="padding 1"):
        convolved_double(im2col, np.ones((1, 2, 2, 1)), **rest)


@pytest.mark.parametrize(
    ("kind", "doubled_maps"),
    [("nearest", [1]), ("bilinear", [1, 2, 4, 7, 14, 28])],
)
def test_only_a_pixel_is_doubled_by_nearest(kind, doubled_maps, monkeypatch):
    """There a double costs no more than the four convolutions that save it."""
    seen = []
    spy = lambda x, kind: seen.append(x.shape[1]) or doubled(x, kind)
    monkeypatch.setattr(decoder, "doubled", spy)
    sizes, _ = shapes_of(Decoder(56, 4, upsample=kind), 64)
    assert seen == doubled_maps
    assert sizes["__call__"] == (56, 56, 3)


FEATURES = np.random.default_rng(0).normal(size=(2, 64)).astype(np.float32)


def begun(**more):
    """A tiny decoder and the initial values of all its leaves."""
    net = Decoder(8, 4, **more)
    return net, lambda key: net.init(key, FEATURES, MASK, False)


@pytest.mark.parametrize(
    ("output", "start"), [("relu", 0.5), ("sigmoid", 0), ("linear", 0.5)]
)
def test_grey_is_where_outputs_start(output, start):
    _, init = begun(output=output)
    bias = jax.jit(lambda key: init(key)["params"]["out"]["bias"])(jax.random.key(0))
    np.testing.assert_array_equal(bias, np.full(3, start, np.float32))


def test_outputs_are_functions_of_the_linear_one():
    rng = np.random.default_rng(1)
    lowest = lambda leaf: -1 if len(leaf.shape) > 1 else 0.5
    drawn = lambda leaf: rng.uniform(lowest(leaf), 1, leaf.shape).astype("f4")
    variables = jax.tree.map(drawn, jax.eval_shape(begun()[1], jax.random.key(0)))
    nets = [begun(output=kind)[0] for kind in ("linear", "relu", "sigmoid")]

    @jax.jit
    def run(variables):
        return [net.apply(variables, FEATURES, MASK, False) for net in nets]

    linear, relu, sigmoid = map(np.asarray, run(variables))
    assert (linear > 0.01).any() and (linear < -0.01).any()
    np.testing.assert_allclose(relu, np.maximum(linear, 0), atol=1e-6)
    np.testing.assert_allclose(sigmoid, (1 + np.tanh(linear / 2)) / 2, atol=1e-6)


@pytest.mark.slow
def test_most_pixels_start_with_a_gradient():
    net, init = begun()
    variables = jax.jit(init)(jax.random.key(0))
    images, _ = net.apply(variables, FEATURES, MASK, True, mutable=["batch_stats"])
    assert (np.asarray(images) > 0).mean() > 0.7


def test_half_precision_gives_single_precision_images():
    net, init = begun(compute=Compute(jnp.bfloat16))

    def run(key):
        return net.apply(init(key), FEATURES, MASK, False, capture_intermediates=True)

    images, rest = jax.eval_shape(run, jax.random.key(0))
    assert images.dtype == jnp.float32
    assert rest["intermediates"]["row5"]["conv"]["__call__"][0].dtype == jnp.bfloat16


@pytest.mark.parametrize("wrong", [{"output": "tanh"}, {"upsample": "cubic"}])
def test_unknown_switches_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        shapes_of(Decoder(16, 4, **wrong), 64)
