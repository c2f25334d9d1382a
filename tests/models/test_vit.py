"""Tests for mer_jax/models/vit.py; parity is with what PyTorch gave, see vit_layout."""

import doctest
import functools

import flax.linen as nn
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict
from hypothesis import given, settings
from jax.test_util import check_grads

from mer_jax.models import vit
from mer_jax.models.blocks import Compute
from mer_jax.models.vit import (
    Block,
    Patches,
    Transformer,
    VisionTransformer,
    class_attention,
    keep,
    tiled,
)
from tests.models import vit_layout as layout

IMAGES = layout.images().astype(np.float32)
SMALL = VisionTransformer(**layout.SIZES, dropout=0.0)


@functools.cache
def golden():
    with np.load(layout.GOLDEN) as data:
        return dict(data)


def start():
    """Our parameters at PyTorch's start, in float64."""
    shapes = {
        k.removeprefix("shapes/"): tuple(v)
        for k, v in golden().items()
        if k.startswith("shapes/")
    }
    return unflatten_dict(layout.to_jax(layout.start(shapes)), sep="/")


def single(tree):
    return jax.tree.map(lambda x: x.astype(np.float32), tree)


@functools.partial(jax.jit, static_argnames=("net", "train"))
def run(params, images, net=SMALL, train=False, key=None):
    rngs = None if key is None else {"dropout": key}
    return net.apply({"params": params}, images, train, rngs=rngs)


def assert_close(found, expected, tolerance):
    """Compares trees, relative to the greatest value of each leaf."""
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        error = np.abs(np.float64(a) - np.float64(b)).max()
        assert error <= tolerance * np.abs(np.float64(b)).max()


# Against PyTorch.


def test_outputs_are_pytorchs():
    # JAX's attention has its soft-max in float32 whatever it is given.
    with jax.enable_x64(True):
        found = jax.device_get(run(start(), layout.images()))
    for name, value in found._asdict().items():
        assert value.dtype == np.float64
        expected = golden()[name]
        error = np.abs(value - expected).max() / np.abs(expected).max()
        assert error < 1e-6, f"{name}: {error:.1e}"
    assert_close(run(single(start()), IMAGES), found, 1e-5)


def test_gradients_are_pytorchs():
    slopes = layout.slopes()

    def loss(params, images):
        found = run(params, images, train=True)._asdict()
        return sum((value * slopes[name]).sum() for name, value in found.items())

    with jax.enable_x64(True):
        gradient = jax.jit(jax.grad(loss, (0, 1)))
        params, images = jax.device_get(gradient(start(), layout.images()))
    found = {"images": images, **flatten_dict(params, sep="/")}
    named = {k.removeprefix("gradient/"): v for k, v in golden().items()}
    assert len(found) == sum(k.startswith("gradient/") for k in golden())
    for name, value in found.items():
        error = np.abs(value - named[name]).max() / np.abs(named[name]).max()
        assert error < 1e-6, f"{name}: {error:.1e}"


# Patches.


def test_patches_go_row_by_row_and_are_flattened_windows():
    params = single(start())["patches"]
    found = Patches(4, 12).apply({"params": params}, IMAGES)
    kernel, bias = params["conv"]["kernel"], params["conv"]["bias"]
    for i, (top, left) in enumerate((y, x) for y in range(4) for x in range(5)):
        window = IMAGES[:, 4 * top : 4 * top + 4, 4 * left : 4 * left + 4]
        expected = np.einsum("bpqc,pqcd->bd", window, kernel) + bias
        expected += params["positions"][0, i + 1]
        np.testing.assert_allclose(found[:, i + 1], expected, rtol=1e-4, atol=1e-5)
    first = params["class_token"] + params["positions"][0, 0]
    np.testing.assert_array_equal(found[:, 0], np.tile(first, (len(IMAGES), 1)))


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (8, 64), (4, 128), (1, 5)])
def test_side_by_side_it_is_xlas_convolution(size, channels):
    rng = np.random.default_rng(0)
    images = rng.normal(size=(2, 3 * size, 2 * size, channels))
    kernel = rng.normal(size=(size, size, channels, 7))
    numbers = ("NHWC", "HWIO", "NHWC")
    with jax.enable_x64(True):
        args = (images, kernel, (size, size), [(0, 0)] * 2)
        expected = jax.lax.conv_general_dilated(*args, dimension_numbers=numbers)
        np.testing.assert_allclose(tiled(*args), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("strides", "padding"), [((2, 2), [(0, 0)] * 2), ((4, 4), [(1, 0), (0, 0)])]
)
def test_other_windows_are_refused(strides, padding):
    with pytest.raises(ValueError, match="side by side"):
        tiled(jnp.ones((1, 8, 8, 3)), jnp.ones((4, 4, 3, 2)), strides, padding)


def test_edges_that_are_no_multiples_of_a_patch_are_refused():
    init = lambda x: Patches(4, 12).init(jax.random.key(0), x)
    with pytest.raises(ValueError, match="multiples of patch=4 pixels, got 16x18"):
        init(jnp.ones((1, 16, 18, 3)))


def test_positions_are_small_and_the_class_token_begins_at_zero():
    init = Patches(2, 64).init(jax.random.key(0), jnp.ones((1, 32, 32, 3)))
    params = init["params"]
    assert params["positions"].shape == (1, 257, 64)
    np.testing.assert_allclose(params["positions"].std(), 0.02, rtol=0.05)
    assert not params["class_token"].any()
    assert params["conv"]["kernel"].shape == (2, 2, 3, 64)


# The transformer.


def naive_attention(query, key):
    """Weights of the class token, one image and head at a time, in float64."""
    out = []
    for q, k in zip(np.float64(query), np.float64(key), strict=True):
        heads = []
        for head in range(q.shape[1]):
            e = np.exp(k[:, head] @ q[0, head] / np.sqrt(q.shape[2]))
            heads.append(e / e.sum())
        mean = np.mean(heads, 0)[1:]
        out.append(mean / mean.sum())
    return np.stack(out)


def pair(seed=0, scale=2.0):
    rng = np.random.default_rng(seed)
    shape = (2, 2, 8, 3, 4)  # query and key; B, 1 + N, heads, d
    return tuple(scale * rng.normal(size=shape).astype(np.float32))


@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0])
def test_attention_is_the_mean_over_heads_renormalised(scale):
    found = class_attention(*pair(scale=scale))
    expected = naive_attention(*pair(scale=scale))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-6)


def test_attention_has_a_gradient_where_the_class_token_sees_itself_alone():
    query, key = pair()
    key[:, 0] = 1e3 * query[:, 0]
    weights = jax.nn.softmax(jnp.einsum("bhd,bnhd->bhn", query[:, 0], key) / 2)
    assert not weights[..., 1:].any()
    loss = lambda q, k: jnp.square(class_attention(q, k)).sum()
    value, gradients = jax.value_and_grad(loss, (0, 1))(query, key)
    assert np.isfinite(value)
    assert all(np.isfinite(g).all() and np.any(g) for g in gradients)


def test_permuted_patches_with_their_positions_are_permuted_outputs():
    params, order = single(start()), np.random.default_rng(0).permutation(20)
    tiles = IMAGES.reshape(3, 4, 4, 5, 4, 3).transpose(0, 1, 3, 2, 4, 5)
    moved = tiles.reshape(3, 20, 4, 4, 3)[:, order].reshape(tiles.shape)
    moved = moved.transpose(0, 1, 3, 2, 4, 5).reshape(IMAGES.shape)
    before = run(params, IMAGES)
    only_images = run(params, moved)
    rows = np.concatenate([[0], order + 1])
    params["patches"]["positions"] = params["patches"]["positions"][:, rows]
    after = run(params, moved)
    for found, expected in zip(
        after,
        (before.class_token, before.patches[:, order], before.attention[:, order]),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(only_images.class_token - before.class_token).max() > 0.1


def test_no_row_sees_another():
    soiled = IMAGES.copy()
    soiled[1] = np.nan
    clean, other = (run(single(start()), x) for x in (IMAGES, soiled))
    for a, b in zip(clean, other, strict=True):
        np.testing.assert_array_equal(a[::2], b[::2])
        assert np.isnan(b[1]).all()


def test_one_lane_of_many_is_the_net_alone():
    lanes = [jax.tree.map(lambda x, i=i: x * (1 + 0.1 * i), start()) for i in range(2)]
    images = np.stack([layout.images(), layout.images()[::-1]])
    with jax.enable_x64(True):
        stacked = jax.tree.map(lambda *x: np.stack(x), *lanes)
        together = jax.vmap(run)(stacked, images)
        for i in range(2):
            lane = jax.tree.map(lambda x, i=i: x[i], together)
            assert_close(lane, run(lanes[i], images[i]), 1e-6)


def test_blocks_can_be_shared_and_embeddings_not():
    shared = Transformer(depth=1, heads=3, mlp=24, dropout=0.0)
    tokens = [run_patches(p, x) for p, x in ((4, IMAGES), (2, IMAGES[:, ::2, ::2]))]
    params = single(start())["transformer"]
    params = {"block1": params["block1"]}
    for x in tokens:
        found = jax.jit(shared.apply, static_argnums=2)({"params": params}, x, False)
        assert found.patches.shape == (3, 20, 12)


def run_patches(patch, images):
    net = Patches(patch, 12)
    return net.init_with_output(jax.random.key(0), images)[0]


def test_rematerialised_blocks_have_the_same_gradients():
    def loss(params, remat):
        sizes = {**layout.SIZES, "dropout": 0.3}
        net = VisionTransformer(**sizes, compute=Compute(remat=remat))
        found = run(params, layout.images(), net, True, jax.random.key(1))
        return sum(jnp.square(x).sum() for x in found)

    step = jax.value_and_grad(loss)
    with jax.enable_x64(True):
        program = jax.jit(step, static_argnums=1)
        plain, remat = (program(start(), again) for again in (False, True))
        for again in (False, True):
            text = str(jax.make_jaxpr(step, static_argnums=1)(start(), again))
            assert ("prevent_cse" in text) == again
    assert_close(remat, plain, 1e-6)


# Dropout.


def test_no_dropout_is_evaluation():
    params = single(start())
    evaluated = run(params, IMAGES)
    jax.tree.map(
        np.testing.assert_array_equal, run(params, IMAGES, train=True), evaluated
    )
    dropping = VisionTransformer(**layout.SIZES, dropout=0.5)
    found = run(params, IMAGES, dropping)
    jax.tree.map(np.testing.assert_array_equal, found, evaluated)
    trained = [
        run(params, IMAGES, dropping, True, jax.random.key(i)) for i in (0, 0, 1)
    ]
    jax.tree.map(np.testing.assert_array_equal, trained[0], trained[1])
    assert np.abs(trained[0].class_token - trained[2].class_token).max() > 0.1
    assert np.abs(trained[0].class_token - evaluated.class_token).max() > 0.1


def test_all_dropped_leaves_the_tokens_and_the_attention():
    tokens = np.random.default_rng(0).normal(size=(2, 6, 12)).astype(np.float32)
    params = {"params": single(start())["transformer"]["block1"]}
    rngs = {"dropout": jax.random.key(0)}
    block = lambda rate: Block(3, 24, rate).apply(params, tokens, True, rngs=rngs)
    (dropped, attention), (whole, expected) = block(1.0), block(0.0)
    np.testing.assert_array_equal(dropped, tokens)
    np.testing.assert_array_equal(attention, expected)
    assert np.abs(whole - tokens).max() > 0.1


def test_a_block_drops_in_three_places_each_in_its_own_way():
    tokens, dropped = np.ones((2, 6, 12), np.float32), []
    params = {"params": single(start())["transformer"]["block1"]}

    def spy(call, args, kwargs, context):
        out = call(*args, **kwargs)
        if isinstance(context.module, nn.Dropout):
            dropped.append(np.asarray(out) == 0)
        return out

    with nn.intercept_methods(spy):
        Block(3, 24, 0.5).apply(
            params, tokens, True, rngs={"dropout": jax.random.key(0)}
        )
    assert [x.shape[-1] for x in dropped] == [12, 24, 12]
    assert all(0.3 < x.mean() < 0.7 for x in dropped)
    assert 0.3 < (dropped[0] != dropped[2]).mean() < 0.7


# Precision and programs.


def test_half_precision_keeps_sums_and_outputs_single():
    params = single(start())
    half = VisionTransformer(**layout.SIZES, dropout=0.0, compute=Compute(jnp.bfloat16))
    found, expected = run(params, IMAGES, half), run(params, IMAGES)
    assert all(x.dtype == jnp.float32 for x in found)
    assert_close(found, expected, 0.03)
    assert np.abs(found.patches - expected.patches).max() > 1e-4
    np.testing.assert_allclose(found.attention.sum(-1), 1, rtol=1e-6)
    init = lambda key: half.init(key, IMAGES, False)
    variables = jax.eval_shape(init, jax.random.key(0))
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(variables))


def test_half_precision_gradients_are_near():
    half = VisionTransformer(**layout.SIZES, dropout=0.0, compute=Compute(jnp.bfloat16))

    def loss(params, net):
        return sum(jnp.square(x).sum() for x in run(params, IMAGES, net))

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    found, expected = (
        jax.tree.leaves(gradient(single(start()), net)) for net in (half, SMALL)
    )
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == jnp.float32
        assert np.linalg.norm(a - b) <= 0.1 * np.linalg.norm(b)


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_it_lowers_for(platform):
    net = VisionTransformer(16, compute=Compute(jnp.bfloat16, remat=True))
    images = jax.ShapeDtypeStruct((2, 224, 224, 3), jnp.float32)
    key = jax.eval_shape(lambda: jax.random.key(0))
    variables = jax.eval_shape(lambda k, x: net.init(k, x, False), key, images)

    def loss(variables, images, key):
        found = net.apply(variables, images, True, rngs={"dropout": key})
        return (found.patches * keep(found.attention)[..., None]).sum()

    step = jax.jit(jax.value_and_grad(loss)).trace(variables, images, key)
    assert "bf16" in step.lower(lowering_platforms=(platform,)).as_text()


def test_a_net_of_the_default_size():
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    net = VisionTransformer(16)
    images = jax.ShapeDtypeStruct((2, 224, 224, 3), jnp.float32)
    init = lambda key, x: net.init_with_output(key, x, False)
    found, variables = jax.eval_shape(init, jax.random.key(0), images)
    shapes = [x.shape for x in found]
    assert shapes == [(2, 192), (2, 196, 192), (2, 196)]
    # Per block: 4 D (D + 1) of attention, 2 D M + D + M of the MLP, 4 D of norms.
    block = 4 * 192 * 193 + 2 * 192 * 768 + 192 + 768 + 4 * 192
    assert count(variables["params"]["transformer"]) == 4 * block
    assert count(variables["params"]["patches"]) == (768 + 1 + 1 + 197) * 192


def test_sizes_that_do_not_fit_are_refused():
    tokens = jnp.ones((1, 5, 12))
    for options, message in (
        ({"heads": 5}, "multiple of heads=5, got 12"),
        ({"depth": 0}, "at least 1 block, got 0"),
    ):
        net = Transformer(**{"depth": 1, "heads": 3, "mlp": 8, **options})
        with pytest.raises(ValueError, match=message):
            net.init(jax.random.key(0), tokens, False)


# What is kept.

N = 6
GRADS = ["st", "none", "soft"]
KEEP = jax.jit(keep, static_argnames="grad")


def softmax(z):
    e = np.exp(np.float64(z) - np.max(z, -1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


def drawn(seed=0, scale=1.0):
    return softmax(scale * np.random.default_rng(seed).normal(size=(4, N)))


def naive_keep(attention, kappa):
    """The printed step, one patch at a time."""
    kept = []
    for row in attention:
        passed = [float(len(row) * a > kappa) for a in row]
        if not any(passed):
            passed[int(np.argmax(row))] = 1.0
        kept.append(passed)
    return np.array(kept)


@pytest.mark.parametrize("kappa", [0.0, 0.7, 1.0, 1.9, 4.0])
@pytest.mark.parametrize("grad", ["st", "none"])
def test_kept_are_the_printed_ones(kappa, grad):
    attention = drawn()
    found = KEEP(attention, kappa=kappa, grad=grad)
    np.testing.assert_array_equal(found, naive_keep(attention, kappa))


def test_soft_is_the_printed_sigmoid():
    attention = drawn()
    expected = 1 / (1 + np.exp(-3 * (N * np.float64(attention) - 0.8)))
    found = KEEP(attention, kappa=0.8, beta=3.0, grad="soft")
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_equal_weights_keep_the_first_and_one_alone_is_kept():
    uniform = np.full((1, 4), 0.25, np.float32)  # 4 a is 1 exactly, not above it
    np.testing.assert_array_equal(KEEP(uniform), [[1, 0, 0, 0]])
    np.testing.assert_array_equal(KEEP(uniform, kappa=0.99), [[1, 1, 1, 1]])
    alone = np.float32([[0, 0, 1, 0]])
    np.testing.assert_array_equal(KEEP(alone), alone)


logits = st.lists(
    st.one_of(st.floats(-1, 1), st.floats(-300, 300)), min_size=N, max_size=N
)


@settings(max_examples=200)
@given(logits, st.floats(0, 10))
def test_one_patch_at_least_is_kept_under_any_logits(row, kappa):
    attention = softmax(np.float32([row]))
    for grad in ("st", "none"):
        kept = np.asarray(KEEP(attention, kappa=kappa, grad=grad))
        assert set(np.unique(kept)) <= {0.0, 1.0}
        assert kept.any()
        # Nothing weighs more than what is kept and is not kept itself.
        assert attention[kept > 0].min() >= attention[kept == 0].max(initial=0)
    soft = np.asarray(KEEP(attention, kappa=kappa, grad="soft"))
    least = 1 / (1 + np.exp(-5 * (1 - kappa)))
    assert soft.max() >= least * (1 - 1e-4)


@given(logits, st.floats(0.1, 10))
def test_scaled_logits_keep_their_order(row, scale):
    z = np.round(np.float32([row]), 2)
    order = np.argsort(z[0], kind="stable")
    attention = N * softmax(np.float32(scale) * z)
    assert (np.diff(attention[0][order]) >= 0).all()
    soft = np.asarray(KEEP(attention / N, grad="soft"))
    assert (np.diff(soft[0][order]) >= 0).all()


@pytest.mark.parametrize("grad", GRADS)
def test_a_gradient_reaches_attention_in_st_and_soft_only(grad):
    slope = np.random.default_rng(1).normal(size=(4, N)).astype(np.float32)
    loss = lambda a, grad: (slope * keep(a, kappa=1.2, beta=3.0, grad=grad)).sum()
    found = jax.grad(loss)(drawn(), grad)
    s = 1 / (1 + np.exp(-3 * (N * np.float64(drawn()) - 1.2)))
    expected = np.zeros_like(s) if grad == "none" else slope * 3 * N * s * (1 - s)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_soft_gradients_match_finite_differences():
    with jax.enable_x64(True):
        soft = jax.jit(lambda a: keep(a, grad="soft"))
        check_grads(soft, (np.float64(drawn()),), order=2, modes=["rev"])


@pytest.mark.parametrize("grad", ["st", "soft"])
def test_the_net_learns_where_to_look_through_what_is_kept(grad):
    def loss(params, grad):
        return keep(run(params, IMAGES).attention, grad=grad).sum()

    gradient = jax.jit(jax.grad(loss), static_argnums=1)
    blocks = lambda how: gradient(single(start()), how)["transformer"]
    assert all(np.any(x) for x in jax.tree.leaves(blocks(grad)["block1"]))
    assert not any(np.any(x) for x in jax.tree.leaves(blocks("none")))


@pytest.mark.parametrize("grad", GRADS)
def test_half_precision_attention_is_compared_in_single(grad):
    half = jnp.asarray(drawn(), jnp.bfloat16)
    found = keep(half, grad=grad)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, keep(half.astype(jnp.float32), grad=grad))


def test_another_gradient_is_refused():
    with pytest.raises(ValueError, match="st, none or soft, got 'hard'"):
        keep(drawn(), grad="hard")


def test_docstring_examples():
    result = doctest.testmod(vit, extraglobs={"jnp": jnp})
    assert result.attempted and not result.failed
