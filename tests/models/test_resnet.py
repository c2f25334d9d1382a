"""Tests for mer_jax/models/resnet.py."""

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


@pytest.mark.parametrize("size", [6, 7])
def test_max_pool_is_flaxs_with_its_gradient(size):
    x = np.random.default_rng(0).normal(size=(2, size, size + 1, 3)) - 5
    theirs = lambda x: nn.max_pool(x, (3, 3), (2, 2), [(1, 1)] * 2)
    x = jnp.array(x, jnp.float32)
    np.testing.assert_array_equal(max_pool(x), theirs(x))
    gradients = [
        jax.grad(lambda x, f=f: (f(x) ** 2).sum())(x) for f in (max_pool, theirs)
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
