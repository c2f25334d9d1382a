"""Tests for mer_jax/models/video.py."""

import functools
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.blocks import Compute, convolution
from mer_jax.models.convolution import for_cpu, im2col
from mer_jax.models.resnet import FAN_OUT
from mer_jax.models.video import clip_convolution, convolution_for, of_frames

lax = jax.lax.conv_general_dilated
native = functools.partial(lax, dimension_numbers=("NDHWC", "DHWIO", "NDHWC"))
ONES = (1, 1, 1)
HALF = ((1, 1),) * 3


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def by_hand(clips, kernel, stride):
    """The sum over all taps of shifted clips, in NumPy."""
    edges = kernel.shape[:3]
    padded = np.pad(clips, ((0, 0), *((n // 2, n // 2) for n in edges), (0, 0)))
    frames, height, width = clips.shape[1:4]
    whole = sum(
        padded[:, t : t + frames, i : i + height, j : j + width] @ kernel[t, i, j]
        for t, i, j in itertools.product(*map(range, edges))
    )
    return whole[:, :, ::stride, ::stride]


def with_gradients(convolve, clips, kernel, slope, stride, padding):
    run = lambda *at: convolve(*at, (1, stride, stride), padding)

    @jax.jit
    def both(clips, kernel, slope):
        out, back = jax.vjp(run, clips, kernel)
        return out, *back(slope)

    return both(clips, kernel, slope)


def named(value):
    """A test's name; the text of a function differs from worker to worker."""
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("convolve", [lax, for_cpu, im2col], ids=named)
@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 2)])
def test_a_layer_is_the_convolution_by_hand(convolve, size, stride):
    clips, kernel = drawn(2, 4, 7, 6, 3), drawn(size, size, size, 3, 5, seed=1)
    expected = by_hand(clips, kernel, stride)
    slope = drawn(*expected.shape, seed=2)
    layer = clip_convolution(5, size, Compute(conv=convolve), stride=stride, name="c")
    found = jax.jit(layer.apply)({"params": {"kernel": kernel.astype("f4")}}, clips)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    padding = ((size // 2, size // 2),) * 3
    folded = functools.partial(of_frames, convolve)
    with jax.enable_x64(True):
        args = (clips, kernel, slope, stride, padding)
        ours, theirs = (with_gradients(f, *args) for f in (folded, native))
    np.testing.assert_allclose(ours[0], expected, atol=1e-11)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-11)


def test_unequal_padding_is_kept():
    clips, kernel = drawn(2, 4, 5, 5, 2), drawn(2, 3, 3, 2, 3, seed=1)
    padding = ((1, 0), (0, 2), (1, 1))
    with jax.enable_x64(True):
        found = of_frames(im2col, clips, kernel, ONES, padding)
        expected = native(clips, kernel, ONES, padding)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_only_xlas_own_convolution_is_three_dimensional():
    clips = jnp.ones((1, 2, 4, 4, 2))
    for convolve, rank in ((lax, 5), (for_cpu, 4)):
        layer = clip_convolution(3, 3, Compute(conv=convolve), name="c")
        init = lambda key, layer=layer: layer.init_with_output(key, clips)[0]
        found = str(jax.make_jaxpr(init)(jax.random.key(0)))
        # Numbers of the dimensions of kernel and image, by jax, are permutations.
        assert "conv_general_dilated" in found
        assert ("rhs_spec=(4, 3, 0, 1, 2)" in found) == (rank == 5)


def test_a_taps_frame_is_the_neighbour_and_beyond_the_ends_are_zeros():
    clips = drawn(1, 4, 3, 3, 2).astype(np.float32)
    layer = clip_convolution(2, 3, Compute(conv=for_cpu), name="c")
    for tap, expected in ((0, clips[:, :3]), (2, clips[:, 1:])):
        kernel = np.zeros((3, 3, 3, 2, 2), np.float32)
        kernel[tap, 1, 1] = np.eye(2)
        found = layer.apply({"params": {"kernel": kernel}}, clips)
        inner, end = (found[:, 1:], 0) if tap == 0 else (found[:, :3], 3)
        np.testing.assert_array_equal(inner, expected)
        np.testing.assert_array_equal(found[:, end], 0)


@pytest.mark.parametrize("stride", [1, 2])
def test_a_window_of_one_frame_is_a_convolution_of_images(stride):
    clips, kernel = drawn(2, 3, 5, 5, 2), drawn(1, 3, 3, 2, 4, seed=1)
    padding = ((1, 1), (1, 1))
    images = clips.reshape(6, 5, 5, 2)
    with jax.enable_x64(True):
        expected = im2col(images, kernel[0], (stride, stride), padding)
        for whole in (native, functools.partial(of_frames, im2col)):
            found = whole(clips, kernel, (1, stride, stride), ((0, 0), *padding))
            np.testing.assert_allclose(
                found.reshape(expected.shape), expected, atol=1e-12
            )


@pytest.mark.parametrize("convolve", [lax, for_cpu], ids=named)
def test_lanes_are_convolutions_of_their_own(convolve):
    layer = clip_convolution(4, 3, Compute(conv=convolve), stride=2, name="c")

    def step(kernel, clips):
        loss = lambda k: (layer.apply({"params": {"kernel": k}}, clips) ** 2).sum()
        return jax.value_and_grad(loss)(kernel)

    kernels, clips = drawn(2, 3, 3, 3, 2, 4), drawn(2, 2, 3, 5, 5, 2, seed=1)
    with jax.enable_x64(True):
        lanes = jax.jit(jax.vmap(step))(kernels, clips)
        alone = [jax.jit(step)(*at) for at in zip(kernels, clips, strict=True)]
    for i in range(2):
        for lane, own in zip(lanes, alone[i], strict=True):
            np.testing.assert_allclose(lane[i], own, rtol=1e-12)


def test_a_clip_of_nan_stays_on_its_row():
    clips = drawn(3, 3, 4, 4, 2).astype(np.float32)
    soiled = clips.copy()
    soiled[1] = np.nan
    kernel = drawn(3, 3, 3, 2, 2, seed=1).astype(np.float32)
    run = jax.jit(lambda clips: of_frames(for_cpu, clips, kernel, ONES, HALF))
    clean, other = run(clips), run(soiled)
    np.testing.assert_array_equal(clean[::2], other[::2])


def test_weights_are_drawn_by_their_fan_out_and_stay_single():
    clips = jnp.ones((1, 1, 3, 3, 32))
    layer = clip_convolution(64, 3, Compute(jnp.bfloat16), init=FAN_OUT, name="c")
    found, variables = jax.jit(layer.init_with_output)(jax.random.key(0), clips)
    assert found.dtype == jnp.bfloat16
    (kernel,) = jax.tree.leaves(variables)
    assert (kernel.shape, kernel.dtype) == ((3, 3, 3, 32, 64), np.dtype("f4"))
    np.testing.assert_allclose(kernel.std(), np.sqrt(2 / (27 * 64)), rtol=0.02)


def test_the_rank_tells_clips_from_images():
    assert convolution_for(jnp.ones((1, 2, 3, 4, 5))) is clip_convolution
    assert convolution_for(jnp.ones((1, 2, 3, 4))) is convolution


@pytest.mark.parametrize(
    "more",
    [
        {"window_strides": (2, 1, 1)},
        {"lhs_dilation": (1, 2, 1)},
        {"rhs_dilation": (2, 1, 1)},
        {"feature_group_count": 2},
    ],
    ids=named,
)
def test_other_convolutions_are_refused(more):
    args = {"window_strides": ONES, "padding": HALF, **more}
    clips, kernel = jnp.ones((1, 3, 3, 3, 2)), jnp.ones((3, 3, 3, 2, 2))
    with pytest.raises(ValueError, match="leaves out frames"):
        of_frames(for_cpu, clips, kernel, **args)


def test_a_layer_is_one_of_flax():
    layer = clip_convolution(2, 3, Compute(), name="some")
    assert isinstance(layer, nn.Conv) and layer.name == "some"
