"""Tests for mer_jax/systems/menet/nets.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import for_cpu, im2col
from mer_jax.models.resnet import ResNet18
from mer_jax.systems.menet.nets import Branch, Head, pair_features, pooled

MENET = Branch(width=2)
IDNET = Branch(time=False, attention="self", width=2)
CLIPS = np.random.default_rng(0).uniform(size=(3, 3, 20, 20, 3)).astype(np.float32)
MASK = np.array([True, True, False])


def measured(net, size, frames=6):
    """Shapes of the output of every module, the output, and the parameters."""

    def run(key, clips):
        return net.init_with_output(
            key, clips, jnp.ones(2, bool), False, capture_intermediates=True
        )

    clips = jax.ShapeDtypeStruct((2, frames, size, size, 3), jnp.float32)
    found, variables = jax.eval_shape(run, jax.random.key(0), clips)
    seen = variables["intermediates"]
    shapes = {k: v["__call__"][0] for k, v in seen.items() if k != "__call__"}
    return shapes, found, variables["params"]


def shapes_of(net):
    """Shapes and types of the variables."""
    init = lambda key: net.init(key, CLIPS, MASK, False)
    return jax.eval_shape(init, jax.random.key(0))


def begun(net):
    """Variables with all leaves drawn, so that none is at its default."""
    rng = np.random.default_rng(1)

    def leaf(path, of):
        kernel = path[-1].key in ("kernel", "mixing", "pointwise")
        values = (
            rng.normal(0, 0.5, of.shape) if kernel else rng.uniform(0.5, 1.5, of.shape)
        )
        return values.astype("f4")

    return jax.tree.map_with_path(leaf, shapes_of(net))


@functools.partial(jax.jit, static_argnums=(0, 3))
def run(net, variables, clips, train):
    return net.apply(variables, clips, MASK, train, mutable=["batch_stats"])


def size_of(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_menet_has_the_published_stages():
    shapes, found, params = measured(Branch(), 256)
    rows = {"conv0": (128, 64), "layer1": (64, 64), "layer2": (32, 128)}
    rows |= {"layer3": (16, 256), "layer4": (16, 512)}
    for name, (edge, channels) in rows.items():
        for module in [name] if name == "conv0" else [f"{name}_0", f"{name}_1"]:
            assert shapes[module].shape == (2, 6, edge, edge, channels)
    attended, maps = shapes["attention"]
    assert (attended.shape, maps.shape) == ((2, 6, 16, 16, 256), (2, 6, 256))
    assert found.map.shape == (2, 6, 16, 16, 512)
    assert found.attention.shape == (2, 6, 256)
    assert params["conv0"]["kernel"].shape == (7, 7, 7, 3, 64)
    assert params["layer4_0"]["downsample_0"]["kernel"].shape == (1, 1, 1, 256, 512)
    attention = size_of(params["attention"])
    assert attention == 334_592
    # 33.20 million: a ResNet-18 whose windows are cubes.
    assert size_of(params) - attention == 33_203_904


def test_idnet_has_the_published_stages():
    shapes, found, params = measured(Branch(time=False, attention="self"), 128)
    rows = {"conv0": (64, 64), "layer1": (32, 64), "layer2": (16, 128)}
    rows |= {"layer3": (8, 256), "layer4": (8, 512)}
    for name, (edge, channels) in rows.items():
        for module in [name] if name == "conv0" else [f"{name}_0", f"{name}_1"]:
            assert shapes[module].shape == (12, edge, edge, channels)
    assert found.map.shape == (2, 6, 8, 8, 512)
    assert found.attention.shape == (2, 6, 64)
    # 11.18 million: those of a ResNet-18, and one batch norm in the attention.
    assert size_of(params) == 11_176_512 + 2 * 256
    images, mask = jnp.ones((1, 32, 32, 3)), jnp.ones(1, bool)
    resnet = lambda key: ResNet18().init(key, images, mask, False)["params"]
    theirs = jax.eval_shape(resnet, jax.random.key(0))
    mine = {name: leaf for name, leaf in params.items() if name.startswith("layer")}
    for name, leaves in mine.items():
        assert jax.tree.map(np.shape, leaves) == jax.tree.map(np.shape, theirs[name])


def test_without_attention_menet_is_a_plain_resnet():
    _, found, params = measured(Branch(attention="none"), 64)
    assert found.attention is None and "attention" not in params
    assert size_of(params) == 33_203_904


@pytest.mark.parametrize("net", [MENET, IDNET], ids=["menet", "idnet"])
@pytest.mark.parametrize(("size", "edge", "frames"), [(16, 1, 1), (40, 3, 5)])
def test_frames_stay_and_edges_are_rounded_up(net, size, edge, frames):
    _, found, _ = measured(net, size, frames)
    assert found.map.shape == (2, frames, edge, edge, 16)
    assert found.attention.shape == (2, frames, edge**2)


def test_only_menet_sees_other_frames():
    other = CLIPS.copy()
    other[:, 2] = np.random.default_rng(1).uniform(size=other[:, 2].shape)
    for net, apart in ((IDNET, False), (MENET, True)):
        variables = begun(net)
        a, b = (run(net, variables, x, False)[0].map for x in (CLIPS, other))
        assert np.abs(a[:, 2] - b[:, 2]).max() > 1e-3
        assert (np.abs(a[:, 0] - b[:, 0]).max() > 1e-3) == apart


def test_idnet_of_clips_is_menet_whose_windows_see_one_frame():
    """Batch norm's statistics are those of all valid frames, too."""
    net = Branch(width=2, attention="self")
    variables = begun(IDNET)

    def longer(leaf):
        if leaf.ndim != 4:
            return leaf
        before = len(leaf) // 2
        return np.pad(leaf[None], ((before, before), *[(0, 0)] * 4))

    # Longer in time is the max-pool alone, which a still clip does not tell.
    still = np.repeat(CLIPS[:, :1], 3, axis=1)
    found, updated = run(IDNET, variables, still, True)
    cubes = {**variables, "params": jax.tree.map(longer, variables["params"])}
    expected, updates = run(net, cubes, still, True)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a[MASK], b[MASK], rtol=1e-3, atol=1e-4)
    for a, b in zip(*map(jax.tree.leaves, (updated, updates)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def slopes(net, variables, clips, mask):
    """A step's loss, running averages and gradients."""

    def loss(params):
        tree = {**variables, "params": params}
        found, updated = net.apply(tree, clips, mask, True, mutable=["batch_stats"])
        rows = jnp.where(mask[:, None], pair_features(found.map).mean(1), 0)
        maps = jnp.where(mask[:, None, None], found.attention, 0)
        return (rows**2).sum() + (maps**2).sum(), updated

    return jax.value_and_grad(loss, has_aux=True)(variables["params"])


@pytest.mark.parametrize(
    "net",
    [MENET, pytest.param(IDNET, marks=pytest.mark.slow)],
    ids=["menet", "idnet"],
)
def test_what_padding_clips_hold_reaches_nothing(net):
    variables = begun(net)
    soiled = np.where(MASK[:, None, None, None, None], CLIPS, np.float32(99))
    step = jax.jit(lambda clips: slopes(net, variables, clips, MASK))
    clean, other = step(CLIPS), step(soiled)
    for a, b in zip(*map(jax.tree.leaves, (clean, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    for leaf in jax.tree.leaves(clean[1]):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


@pytest.mark.slow
def test_lanes_are_nets_of_their_own():
    net = Branch(width=2, compute=Compute(conv=im2col))
    step = lambda variables, clips: slopes(net, variables, clips, MASK)
    with jax.enable_x64(True):
        one = jax.tree.map(np.float64, begun(net))
        lanes = [one, jax.tree.map(lambda leaf: leaf * 1.1, one)]
        stacked = jax.tree.map(lambda *each: np.stack(each), *lanes)
        clips = np.stack([CLIPS, 1 - CLIPS]).astype(np.float64)
        found = jax.jit(jax.vmap(step))(stacked, clips)
        alone = jax.jit(step)
        for i in range(2):
            own = alone(lanes[i], clips[i])
            for a, b in zip(*map(jax.tree.leaves, (found, own)), strict=True):
                np.testing.assert_allclose(a[i], b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("compute", "rounding"),
    [
        (Compute(conv=for_cpu), 1e-4),
        (Compute(jnp.bfloat16, for_cpu), 0.1),
        pytest.param(Compute(remat=True), 1e-4, marks=pytest.mark.slow),
    ],
    ids=["cpu", "half", "remat"],
)
def test_the_way_of_computing_changes_rounding_alone(compute, rounding):
    """Parameters, statistics and all after the map stay single, too."""
    variables = begun(MENET)
    expected, updates = run(MENET, variables, CLIPS, True)
    net = Branch(width=2, compute=compute)
    found, updated = run(net, variables, CLIPS, True)
    assert found.map.dtype == (compute.dtype or jnp.float32)
    logits = Head(5).init_with_output(jax.random.key(0), found.map)
    features = pair_features(found.map)
    kept = (shapes_of(net), updated, found.attention, features, logits)
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {np.dtype("f4")}
    pairs = [(found.map[MASK], expected.map[MASK])]
    pairs += [(found.attention[MASK], expected.attention[MASK])]
    pairs += zip(*map(jax.tree.leaves, (updated, updates)), strict=True)
    for a, b in pairs:
        assert np.linalg.norm(a - b) < rounding * np.linalg.norm(b)


@pytest.mark.slow
def test_rematerialised_blocks_have_the_same_gradient():
    variables = begun(MENET)
    nets = (MENET, Branch(width=2, compute=Compute(remat=True)))
    steps = [lambda v, n=net: slopes(n, v, CLIPS, MASK) for net in nets]
    expected, found = (jax.jit(step)(variables) for step in steps)
    for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        assert np.abs(a - b).max() <= 1e-3 * np.abs(b).max() + 1e-5


def test_a_head_sees_the_maxima():
    map = np.random.default_rng(0).normal(size=(2, 3, 4, 5, 6)).astype(np.float32)
    np.testing.assert_array_equal(pair_features(map), map.max((2, 3)))
    features = {"global_max": map.max((1, 2, 3)), "max_mean": map.max((2, 3)).mean(1)}
    for pool, expected in features.items():
        np.testing.assert_allclose(pooled(map, pool), expected, rtol=1e-6)
        head = Head(4, pool)
        logits, variables = head.init_with_output(jax.random.key(0), map)
        kernel = variables["params"]["fc"]["kernel"]
        np.testing.assert_allclose(logits, expected @ kernel, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_a_maximum_goes_to_the_first():
    map = np.zeros((1, 2, 1, 3, 2), np.float32)
    map[0, 1, 0, 1:, 1] = 2
    slope = jax.jit(jax.grad(lambda map: pooled(map, "global_max").sum()))(map)
    expected = np.zeros_like(map)
    expected[0, 0, 0, 0, 0] = expected[0, 1, 0, 1, 1] = 1
    np.testing.assert_array_equal(slope, expected)


def test_another_pool_is_refused():
    with pytest.raises(ValueError, match="pool must be global_max or max_mean"):
        Head(2, "mean").init(jax.random.key(0), jnp.ones((1, 1, 2, 2, 3)))
