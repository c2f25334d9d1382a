"""Tests for mer_jax/systems/minet/nets.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import for_cpu, im2col
from mer_jax.models.plain import PlainNet
from mer_jax.models.resnet import ResNet18
from mer_jax.systems.minet.nets import Classifier, TwoStream, fused

B, T, SIZE, WIDTH = 5, 3, 32, 2
NET = TwoStream(width=WIDTH, blocks=1)
PLAIN = TwoStream(width=WIDTH, encoder="plain")
ENCODERS = {NET: ResNet18(WIDTH, blocks=1), PLAIN: PlainNet(WIDTH)}
either = pytest.mark.parametrize("net", [NET, PLAIN], ids=["resnet", "plain"])
CLIP = np.random.default_rng(0).normal(size=(B, T, SIZE, SIZE, 3)).astype(np.float32)
APEX = CLIP[:, -1]
MASK = np.array([True, True, False, True, True])


def measured(net, size, frames):
    """What a net gives, and its parameters, as shapes."""
    clip = jax.ShapeDtypeStruct((2, frames, size, size, 3), jnp.float32)
    apex = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    run = lambda key, apex, clip: net.init_with_output(
        key, apex, clip, jnp.ones(2, bool), False
    )
    found, variables = jax.eval_shape(run, jax.random.key(0), apex, clip)
    return found, variables["params"]


def begun(net):
    """Variables with all leaves drawn, so that none is at its default."""
    rng = np.random.default_rng(1)

    def leaf(path, of):
        if path[-1].key == "kernel":
            scale = np.sqrt(2 / np.prod(of.shape[:-1]))
            return rng.normal(0, scale, of.shape).astype("f4")
        return rng.uniform(0.5, 1.5, of.shape).astype("f4")

    init = lambda key: net.init(key, APEX, CLIP, MASK, False)
    return jax.tree.map_with_path(leaf, jax.eval_shape(init, jax.random.key(0)))


@functools.partial(jax.jit, static_argnums=(0, 4))
def run(net, variables, apex, clip, train):
    return net.apply(variables, apex, clip, MASK, train, mutable=["batch_stats"])


def size_of(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_at_224_pixels_the_shapes_are_those_of_two_resnets():
    found, params = measured(TwoStream(), 224, 16)
    assert found.map.shape == (2, 7, 7, 512)
    assert found.apex.shape == (2, 512)
    assert found.frames.shape == (2, 16, 512)
    assert set(params) == {"spatial", "temporal"}
    for stream in params.values():
        assert size_of(stream) == 11_176_512
    images, mask = jnp.ones((1, 32, 32, 3)), jnp.ones(1, bool)
    resnet = lambda key: ResNet18().init(key, images, mask, False)["params"]
    theirs = jax.eval_shape(resnet, jax.random.key(0))
    shapes = functools.partial(jax.tree.map, np.shape)
    assert shapes(params["spatial"]) == shapes(params["temporal"]) == shapes(theirs)


@either
@pytest.mark.parametrize(("size", "edge", "frames"), [(16, 1, 1), (48, 2, 3)])
def test_other_sizes_are_rounded_up(net, size, edge, frames):
    found, _ = measured(net, size, frames)
    assert found.map.shape == (2, edge, edge, 8 * WIDTH)
    assert found.apex.shape == (2, 8 * WIDTH)
    assert found.frames.shape == (2, frames, 8 * WIDTH)


def test_less_deep_nets_have_fewer_blocks():
    shallow, deep = (
        measured(TwoStream(width=WIDTH, blocks=n), 32, 1)[1] for n in (1, 2)
    )
    for stream in shallow:
        more = set(deep[stream]) - set(shallow[stream])
        assert more == {f"layer{i}_1" for i in (1, 2, 3, 4)}


@either
def test_a_stream_sees_its_own_input_and_every_frame_by_itself(net):
    variables = begun(net)
    rng = np.random.default_rng(2)
    other = rng.normal(size=APEX.shape).astype(np.float32)
    clip = CLIP.copy()
    clip[:, 1] = other
    found, _ = run(net, variables, APEX, CLIP, False)
    turned, _ = run(net, variables, other, CLIP, False)
    assert np.abs(turned.map - found.map).max() > 1e-2
    assert np.abs(turned.apex - found.apex).max() > 1e-2
    np.testing.assert_array_equal(turned.frames, found.frames)
    turned, _ = run(net, variables, APEX, clip, False)
    np.testing.assert_array_equal(turned.map, found.map)
    moved = np.abs(turned.frames - found.frames).max((0, 2)) > 1e-2
    assert moved.tolist() == [False, True, False]


@either
def test_features_are_means_of_maps_by_weights_of_their_own(net):
    variables = begun(net)
    found, _ = run(net, variables, APEX, CLIP, False)
    np.testing.assert_allclose(found.apex, found.map.mean((1, 2)), rtol=1e-5)
    # The clip ends with the apex, which each stream sees by its own weights.
    assert np.abs(found.frames[:, -1] - found.apex).max() > 1e-2
    same = {
        collection: {name: tree["spatial"] for name in tree}
        for collection, tree in variables.items()
    }
    found, _ = run(net, same, APEX, CLIP, False)
    np.testing.assert_allclose(found.frames[:, -1], found.apex, rtol=1e-4, atol=1e-5)


@either
def test_the_temporal_stream_is_an_encoder_of_all_frames_at_once(net):
    """Batch norm's statistics are those of all frames of valid clips."""
    variables = begun(net)
    found, updated = run(net, variables, APEX, CLIP, True)
    own = {collection: tree["temporal"] for collection, tree in variables.items()}
    images = CLIP[MASK].reshape(-1, SIZE, SIZE, 3)
    every = np.ones(len(images), bool)
    alone = functools.partial(ENCODERS[net].apply, mutable=["batch_stats"])
    train = lambda v: alone(v, images, every, True)
    maps, updates = jax.jit(train)(own)
    expected = maps.mean((1, 2)).reshape(MASK.sum(), T, -1)
    np.testing.assert_allclose(found.frames[MASK], expected, rtol=1e-3, atol=1e-4)
    trees = updated["batch_stats"]["temporal"], updates["batch_stats"]
    for a, b in zip(*map(jax.tree.leaves, trees), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def slopes(net, variables, apex, clip, mask):
    """A step's loss, running averages and gradients."""

    def loss(params):
        tree = {**variables, "params": params}
        found, updated = net.apply(
            tree, apex, clip, mask, True, mutable=["batch_stats"]
        )
        z = fused(found.apex, found.frames.mean(1))
        kept = jnp.where(mask[:, None], z, 0)
        total = (kept**2).sum() + jnp.where(mask, found.map.mean((1, 2, 3)), 0).sum()
        return total, updated

    return jax.value_and_grad(loss, has_aux=True)(variables["params"])


@either
def test_what_padding_clips_hold_reaches_nothing(net):
    variables = begun(net)
    step = jax.jit(lambda apex, clip: slopes(net, variables, apex, clip, MASK))
    soiled = CLIP.copy()
    soiled[~MASK] = 99
    clean, other = step(APEX, CLIP), step(soiled[:, -1], soiled)
    for a, b in zip(*map(jax.tree.leaves, (clean, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    for leaf in jax.tree.leaves(clean[1]):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


@pytest.mark.slow
def test_lanes_are_nets_of_their_own():
    net = TwoStream(width=WIDTH, blocks=1, compute=Compute(conv=im2col))
    step = lambda variables, apex, clip: slopes(net, variables, apex, clip, MASK)
    with jax.enable_x64(True):
        one = jax.tree.map(np.float64, begun(net))
        lanes = [one, jax.tree.map(lambda leaf: leaf * 1.1, one)]
        stacked = jax.tree.map(lambda *each: np.stack(each), *lanes)
        clips = np.stack([CLIP, 1 - CLIP]).astype(np.float64)
        found = jax.jit(jax.vmap(step))(stacked, clips[:, :, 0], clips)
        alone = jax.jit(step)
        for i in range(2):
            own = alone(lanes[i], clips[i, :, 0], clips[i])
            for a, b in zip(*map(jax.tree.leaves, (found, own)), strict=True):
                np.testing.assert_allclose(a[i], b, rtol=1e-7, atol=1e-9)


@either
@pytest.mark.parametrize(
    ("compute", "rounding"),
    [
        (Compute(conv=for_cpu), 1e-4),
        (Compute(jnp.bfloat16, for_cpu), 0.1),
        pytest.param(Compute(remat=True), 1e-4, marks=pytest.mark.slow),
    ],
    ids=["cpu", "half", "remat"],
)
def test_the_way_of_computing_changes_rounding_alone(net, compute, rounding):
    """Parameters, statistics and all after the maps stay single, too."""
    variables = begun(net)
    expected, updates = run(net, variables, APEX, CLIP, True)
    other = net.clone(compute=compute)
    found, updated = run(other, variables, APEX, CLIP, True)
    assert found.map.dtype == (compute.dtype or jnp.float32)
    kept = (measured(other, SIZE, T)[1], updated, found.apex, found.frames)
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {np.dtype("f4")}
    pairs = [(a[MASK], b[MASK]) for a, b in zip(found, expected, strict=True)]
    pairs += zip(*map(jax.tree.leaves, (updated, updates)), strict=True)
    for a, b in pairs:
        assert np.linalg.norm(a - b) < rounding * np.linalg.norm(b)


def test_the_apex_stands_before_the_video():
    apex, video = np.ones((2, 3)), np.zeros((2, 5))
    assert fused(apex, video)[0].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]


def test_a_classifier_is_one_layer():
    z = np.random.default_rng(0).normal(size=(2, 6)).astype(np.float32)
    logits, variables = Classifier(3).init_with_output(jax.random.key(0), z)
    kernel = variables["params"]["fc"]["kernel"]
    assert kernel.shape == (6, 3) and set(variables["params"]) == {"fc"}
    np.testing.assert_allclose(logits, z @ kernel, rtol=1e-4, atol=1e-6)


def test_another_encoder_is_refused():
    with pytest.raises(ValueError, match="encoder must be resnet18 or plain"):
        measured(TwoStream(encoder="vgg"), 16, 1)
