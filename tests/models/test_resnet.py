"""Tests for mer_jax/models/resnet.py."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import im2col
from mer_jax.models.resnet import BasicBlock, ResNet18, max_pool


def shapes_of(net, size):
    """Shapes of the outputs of all modules, and number of parameters."""

    def run(key, images):
        mask = jnp.ones(len(images), bool)
        return net.init_with_output(
            key, images, mask, False, capture_intermediates=True
        )

    images = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    _, variables = jax.eval_shape(run, jax.random.key(0), images)
    params = jax.tree.leaves(variables["params"])
    return variables["intermediates"], sum(p.size for p in params)


def test_maps_at_224_pixels_are_the_published_ones():
    maps, count = shapes_of(ResNet18(), 224)
    sizes = {
        name: maps[name]["__call__"][0].shape[1:] for name in maps if name != "__call__"
    }
    assert sizes["conv1"] == (112, 112, 64)
    for stage, (edge, channels) in enumerate(
        [(56, 64), (28, 128), (14, 256), (7, 512)], start=1
    ):
        for i in (0, 1):
            assert sizes[f"layer{stage}_{i}"] == (edge, edge, channels)
    assert maps["__call__"][0].shape == (2, 7, 7, 512)
    # 11,689,512 of torchvision's resnet18 less 513,000 of its classifier.
    assert count == 11_176_512


@pytest.mark.parametrize(
    ("size", "edge"), [(16, 1), (48, 2), (64, 2), (96, 3), (112, 4), (160, 5)]
)
def test_other_sizes_are_rounded_up(size, edge):
    maps, _ = shapes_of(ResNet18(4), size)
    assert maps["__call__"][0].shape == (2, edge, edge, 32)


def test_without_its_pool_maps_are_twice_as_wide():
    net = ResNet18(4, pool=False)
    images, mask = jnp.zeros((2, 32, 32, 3)), jnp.ones(2, bool)
    found, variables = net.init_with_output(jax.random.key(0), images, mask, False)
    assert found.shape == (2, 2, 2, 32)
    pooled = ResNet18(4).init(jax.random.key(0), images, mask, False)
    jax.tree.map(np.testing.assert_array_equal, variables, pooled)


def test_one_block_a_stage_is_the_first_of_two():
    names = lambda maps: {name for name in maps if name != "__call__"}
    (deep, many), (shallow, few) = (
        shapes_of(ResNet18(4, blocks=n), 48) for n in (2, 1)
    )
    assert names(deep) - names(shallow) == {f"layer{i}_1" for i in (1, 2, 3, 4)}
    assert many - few == sum(18 * width**2 + 4 * width for width in (4, 8, 16, 32))
    for name in names(shallow):
        assert shallow[name]["__call__"][0].shape == deep[name]["__call__"][0].shape


@pytest.mark.parametrize("size", [6, 7])
def test_max_pool_is_flaxs_with_its_gradient(size):
    x = np.random.default_rng(0).normal(size=(2, size, size + 1, 3)) - 5
    theirs = lambda x: nn.max_pool(x, (3, 3), (2, 2), [(1, 1)] * 2)
    x = jnp.array(x, jnp.float32)
    np.testing.assert_array_equal(max_pool(x), theirs(x))
    gradients = [
        jax.jit(jax.grad(lambda x, f=f: (f(x) ** 2).sum()))(x)
        for f in (max_pool, theirs)
    ]
    np.testing.assert_allclose(*gradients, rtol=1e-6)


def test_the_way_of_computing_changes_rounding_alone():
    block = lambda **how: BasicBlock(6, 2, Compute(**how))
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 4)).astype(np.float32)
    mask = np.array([True, True, False])
    variables = jax.jit(lambda k: block().init(k, x, mask, True))(jax.random.key(0))
    run = lambda net: net.apply(variables, x, mask, True, mutable=["batch_stats"])[0]
    run = jax.jit(run, static_argnums=0)
    expected = run(block())
    assert expected.shape == (3, 4, 4, 6) and np.abs(expected).max() > 0.1
    np.testing.assert_allclose(run(block(conv=im2col)), expected, rtol=1e-4, atol=1e-5)
    half = run(block(dtype=jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    apart = np.linalg.norm(half - expected) / np.linalg.norm(expected)
    assert apart < 0.03


def test_max_pool_of_clips_sees_neighbouring_frames():
    x = np.random.default_rng(0).normal(size=(2, 4, 6, 7, 3)) - 5
    theirs = functools.partial(
        nn.max_pool,
        window_shape=(3, 3, 3),
        strides=(1, 2, 2),
        padding=[(1, 1)] * 3,
    )
    x = jnp.array(x, jnp.float32)
    np.testing.assert_array_equal(max_pool(x), theirs(x))
    gradients = [
        jax.jit(jax.grad(lambda x, f=f: (f(x) ** 2).sum()))(x)
        for f in (max_pool, theirs)
    ]
    np.testing.assert_allclose(*gradients, rtol=1e-6)


def test_a_block_of_clips_that_reads_one_frame_is_the_block_of_images():
    clips = np.random.default_rng(0).normal(size=(2, 3, 6, 6, 4)).astype(np.float32)
    images, mask = clips.reshape(6, 6, 6, 4), np.ones(6, bool)
    block = BasicBlock(8, 2, Compute())
    variables = jax.jit(lambda k: block.init(k, images, mask, False))(jax.random.key(0))

    def longer(leaf):
        """A kernel whose middle frame is the kernel of images; others are 0."""
        if leaf.ndim < 4:
            return leaf
        before = len(leaf) // 2
        return jnp.pad(leaf[None], ((before, before), *[(0, 0)] * 4))

    run = lambda v, x, m: block.apply(v, x, m, True, mutable=["batch_stats"])
    expected, updates = jax.jit(run)(variables, images, mask)
    found, updated = jax.jit(run)(jax.tree.map(longer, variables), clips, mask[:2])
    assert found.shape == (2, 3, 3, 3, 8)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (updated, updates)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
