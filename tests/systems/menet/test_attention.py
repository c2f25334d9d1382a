"""Tests for mer_jax/systems/menet/attention.py."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.menet.attention import Attention

B, T, H, W, C = 4, 5, 2, 3, 6
MASK = np.array([True, True, False, True])


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


X = drawn(B, T, H, W, C)


@functools.partial(jax.jit, static_argnums=0)
def started(module):
    """Variables as they are drawn."""
    return module.init(jax.random.key(0), jnp.float32(X), MASK, False)


def begun(module):
    """Variables with all leaves drawn, so that none is at its default."""
    shapes, rng = jax.eval_shape(started, module), np.random.default_rng(1)
    return jax.tree.map(lambda leaf: rng.uniform(0.5, 1.5, leaf.shape), shapes)


def run(module, variables, x=X, train=True):
    with jax.enable_x64(True):
        return applied(module, variables, x, train)


@functools.partial(jax.jit, static_argnums=(0, 3))
def applied(module, variables, x, train):
    return module.apply(variables, x, MASK, train, mutable=["batch_stats"])


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def normed(x, leaves):
    """Batch norm of the values [N, D], in float64, and the running ones after it."""
    params, stats = leaves
    running = {
        "mean": 0.9 * stats["mean"] + 0.1 * x.mean(0),
        "var": 0.9 * stats["var"] + 0.1 * x.var(0, ddof=1),
    }
    x = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
    return x * params["scale"] + params["bias"], running


def by_hand(variables, x, length):
    """Z, M and running averages of valid clips, one branch after the other."""
    params, stats = variables["params"], variables["batch_stats"]
    batch, frames, *_, channels = x.shape
    flat = x.reshape(batch, frames, -1, channels)
    z, maps, running = np.empty_like(flat), np.empty(flat.shape[:3]), {}
    for g, first in enumerate(range(0, frames, length)):
        at = slice(first, first + length)
        own = flat[:, at]
        leaves = lambda name, g=g: [
            {k: v[g] for k, v in tree[name].items()} for tree in (params, stats)
        ]
        logits = own.mean(-1)
        if g:
            pointwise, mixing = params["pointwise"][g - 1], params["mixing"][g - 1]
            mixed = (own @ pointwise)[..., 0] @ mixing
            rows, ran = normed(
                mixed.reshape(-1, mixed.shape[-1]), leaves("norm", g - 1)
            )
            logits = rows.reshape(mixed.shape)
            running.setdefault("norm", []).append(ran)
        maps[:, at] = softmax(logits)
        y = (maps[:, at, :, None] * own).sum(2)
        rows, ran = normed(y.reshape(-1, channels), leaves("norm_out"))
        running.setdefault("norm_out", []).append(ran)
        z[:, at] = own + rows.reshape(y.shape)[:, :, None]
    stacked = {
        name: {k: np.stack([one[k] for one in each]) for k in each[0]}
        for name, each in running.items()
    }
    return z.reshape(x.shape), maps, stacked


@pytest.mark.parametrize(
    ("fields", "length"),
    [({}, 1), ({"dao_groups": 2}, 3), ({"dao_groups": 9}, 1), ({"kind": "self"}, T)],
    ids=str,
)
def test_it_is_the_sum_by_hand_over_valid_clips(fields, length):
    module = Attention(**fields)
    variables = begun(module)
    (z, maps), updated = run(module, variables)
    expected_z, expected_maps, running = by_hand(variables, X[MASK], length)
    np.testing.assert_allclose(maps[MASK], expected_maps, rtol=1e-9)
    np.testing.assert_allclose(z[MASK], expected_z, rtol=1e-9)
    found = updated["batch_stats"]
    assert jax.tree.structure(found) == jax.tree.structure(running)
    for a, b in zip(*map(jax.tree.leaves, (found, running)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("kind", ["diverse", "self"])
@pytest.mark.parametrize(
    ("dtype", "train"), [(jnp.float32, True), (jnp.bfloat16, False)]
)
def test_it_begins_as_the_identity(kind, dtype, train):
    module = Attention(kind)
    x = jnp.array(X, dtype)
    (z, maps), _ = applied(module, started(module), x, train)
    assert (z.dtype, maps.dtype) == (dtype, np.dtype("f4"))
    np.testing.assert_array_equal(z, x)
    np.testing.assert_allclose(maps.sum(-1), 1, rtol=1e-5)
    assert maps.shape == (B, T, H * W) and maps.std() > 1e-3


def test_each_frame_but_the_first_has_weights_of_its_own():
    module, positions = Attention(), H * W
    variables = begun(module)
    (_, maps), _ = run(module, variables)
    shapes = jax.tree.map(np.shape, variables["params"])
    assert shapes["mixing"] == (T - 1, positions, positions)
    assert shapes["pointwise"] == (T - 1, C, 1)
    for name in ("mixing", "pointwise"):
        leaf = variables["params"][name].copy()
        leaf[1] = drawn(*leaf[1].shape, seed=3)
        changed = {**variables, "params": {**variables["params"], name: leaf}}
        (_, other), _ = run(module, changed)
        moved = np.abs(other - maps).max((0, 2)) > 1e-6
        np.testing.assert_array_equal(moved, [False, False, True, False, False])


@pytest.mark.parametrize(
    ("groups", "branches"), [(None, 5), (5, 5), (4, 3), (3, 3), (2, 2), (1, 1)]
)
def test_there_are_no_more_branches_than_groups(groups, branches):
    params = begun(Attention(dao_groups=groups))["params"]
    assert params["norm_out"]["scale"].shape == (branches, C)
    assert len(params.get("mixing", ())) == branches - 1


def test_its_parameters_are_few():
    x = jax.ShapeDtypeStruct((2, 6, 16, 16, 256), jnp.float32)
    init = lambda k, x: Attention().init(k, x, jnp.ones(2, bool), False)
    shapes = jax.eval_shape(init, jax.random.key(0), x)["params"]
    # 5 branches of 256 channels and 256 x 256 positions, their norms, 6 norms of Z.
    expected = 5 * (256 + 256**2 + 2 * 256) + 6 * 2 * 256
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == expected


@pytest.mark.parametrize("apply", ["residual_pool", "gate"])
@pytest.mark.parametrize("groups", [None, 2])
def test_what_padding_rows_hold_reaches_nothing(apply, groups):
    module = Attention(dao_apply=apply, dao_groups=groups)
    variables = jax.tree.map(np.float32, begun(module))
    x = X.astype("f4")
    soiled = np.where(MASK[:, None, None, None, None], x, np.float32(99))

    def loss(variables, x):
        (z, maps), updated = module.apply(
            variables, x, MASK, True, mutable=["batch_stats"]
        )
        valid = MASK[:, None, None, None, None]
        seen = jnp.where(valid, z, 0), jnp.where(valid[..., 0, 0], maps, 0)
        return sum((part**2).sum() for part in seen), updated

    slope = jax.jit(jax.value_and_grad(loss, has_aux=True))
    clean, other = slope(variables, x), slope(variables, soiled)
    for a, b in zip(*map(jax.tree.leaves, (clean, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    gradients = clean[1]["params"]
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0


def test_self_attention_sees_one_frame_at_a_time():
    module = Attention("self")
    variables = begun(module)
    assert list(variables["params"]) == ["norm_out"]
    other = X.copy()
    other[:, 1:] = drawn(B, T - 1, H, W, C, seed=5)
    a, b = (run(module, variables, x, False)[0] for x in (X, other))
    for one, two in zip(a, b, strict=True):
        np.testing.assert_array_equal(one[:, 0], two[:, 0])
        assert np.abs(one[:, 1:] - two[:, 1:]).max() > 1e-2


def test_a_gate_weighs_positions_and_has_no_norm_of_its_own():
    module = Attention(dao_apply="gate")
    variables = begun(module)
    assert "norm_out" not in variables["params"]
    (z, maps), _ = run(module, variables)
    weights = 1 + H * W * np.asarray(maps).reshape(B, T, H, W, 1)
    np.testing.assert_allclose(z, X * weights, rtol=1e-12)


def test_without_attention_features_stay_and_there_are_no_maps():
    module = Attention("none")
    variables = begun(module)
    (z, maps), _ = run(module, variables)
    assert maps is None and not jax.tree.leaves(variables)
    np.testing.assert_array_equal(z, X)


def test_lanes_are_nets_of_their_own():
    module = Attention(dao_groups=2)

    def step(variables, x):
        def loss(params):
            tree = {**variables, "params": params}
            (z, maps), updated = module.apply(
                tree, x, MASK, True, mutable=["batch_stats"]
            )
            return (z**2).sum() + (maps**2).sum(), updated

        return jax.value_and_grad(loss, has_aux=True)(variables["params"])

    with jax.enable_x64(True):
        lanes = [begun(module), jax.tree.map(lambda v: v**2, begun(module))]
        stacked = jax.tree.map(lambda *each: np.stack(each), *lanes)
        clips = np.stack([X, X[::-1] + 1])
        found = jax.jit(jax.vmap(step))(stacked, clips)
        for i in range(2):
            alone = jax.jit(step)(lanes[i], clips[i])
            for a, b in zip(*map(jax.tree.leaves, (found, alone)), strict=True):
                np.testing.assert_allclose(a[i], b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "other"}, "attention: diverse, self or none, got 'other'"),
        ({"dao_apply": "other"}, "dao_apply must be"),
        ({"dao_groups": 0}, "dao_groups must be at least 1, got 0"),
    ],
)
def test_other_values_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        begun(Attention(**fields))
