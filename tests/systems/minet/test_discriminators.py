"""Tests for mer_jax/systems/minet/discriminators.py."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mer_jax.losses.classification import accuracy, cross_entropy
from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import for_cpu, im2col
from mer_jax.systems.minet.discriminators import (
    MapDiscriminator,
    SequenceDiscriminator,
    group_count,
    halved,
    normed,
)
from mer_jax.systems.minet.intervals import central_positions, sequences

N, T, D, FEATURES = 5, 16, 6, 8
NORMS = ["group", "batch", "none"]
every_norm = pytest.mark.parametrize("norm", NORMS)
MASK = np.array([True, False, True, True, True])


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def of_map(norm, edge=4):
    return MapDiscriminator(FEATURES, norm), drawn(N, edge, edge, D)


def of_sequences(norm, view="window", outputs=3):
    frames = drawn(N, T, D)
    seen = sequences(frames, central_positions(N), intervals=3, view=view)
    return SequenceDiscriminator(outputs, FEATURES, norm), list(seen)


MAKERS = {
    "map": of_map,
    "window": functools.partial(of_sequences, view="window"),
    "whole": functools.partial(of_sequences, view="whole"),
}
every_kind = pytest.mark.parametrize("kind", MAKERS)


def begun(net, x, mask=MASK):
    """Variables with all leaves drawn, so that none is at its default."""
    rng = np.random.default_rng(1)

    def leaf(path, of):
        if path[-1].key == "kernel":
            scale = np.sqrt(2 / np.prod(of.shape[:-1]))
            return rng.normal(0, scale, of.shape).astype("f4")
        return rng.uniform(0.5, 1.5, of.shape).astype("f4")

    init = lambda key: net.init(key, x, mask, False)
    return jax.tree.map_with_path(leaf, jax.eval_shape(init, jax.random.key(0)))


@functools.partial(jax.jit, static_argnums=0)
def train(net, variables, x, mask=MASK):
    return net.apply(variables, x, mask, True, mutable=["batch_stats"])


def measured(net, x, clips=2):
    """Shapes of the output of every module, the logits, and the parameters."""

    def run(key, x):
        mask = jnp.ones(clips, bool)
        return net.init_with_output(key, x, mask, False, capture_intermediates=True)

    logits, variables = jax.eval_shape(run, jax.random.key(0), x)
    params = variables["params"]
    seen = variables["intermediates"]
    shapes = {k: v["__call__"] for k, v in seen.items() if k != "__call__"}
    return shapes, logits, sum(leaf.size for leaf in jax.tree.leaves(params))


def test_the_published_size_of_a_map():
    map = jax.ShapeDtypeStruct((2, 7, 7, 512), jnp.float32)
    shapes, logits, count = measured(MapDiscriminator(), map)
    assert logits.shape == (2,)
    edges = [shapes[f"conv{i}"][0].shape for i in (1, 2, 3)]
    assert edges == [(2, 7, 7, 256), (2, 3, 3, 256), (2, 1, 1, 256)]
    assert count == 9 * 256 * (512 + 256 + 256) + 3 * 2 * 256 + 257  # 2.4 million


def test_the_published_size_of_sequences():
    windows = [jax.ShapeDtypeStruct((2, 4, 512), jnp.float32)] * 3
    shapes, logits, count = measured(SequenceDiscriminator(3), windows)
    assert logits.shape == (2, 3, 3)
    ((window,),) = {tuple(shapes[f"conv{i}"]) for i in (1, 2, 3)}
    assert window.shape == (6, 4, 1, 256)  # one batch
    expected = 3 * 256 * (512 + 256 + 256) + 3 * 2 * 256 + 3 * 257  # 0.8 million
    assert count == expected
    whole = [jax.ShapeDtypeStruct((2, n, 512), jnp.float32) for n in (16, 8, 4)]
    shapes, logits, count = measured(SequenceDiscriminator(3), whole)
    assert logits.shape == (2, 3, 3) and count == expected
    assert [x.shape[1] for x in shapes["conv3"]] == [16, 8, 4]


@every_norm
def test_biases_are_where_no_norm_takes_them_away(norm):
    for kind in ("map", "window"):
        net, x = MAKERS[kind](norm)
        params = begun(net, x)["params"]
        assert ("bias" in params["conv2"]) == (norm == "none")
        assert ("norm2" in params) == (norm != "none")


@every_norm
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 3), (3, 2)])
def test_small_maps_are_seen(norm, shape):
    net, x = MapDiscriminator(FEATURES, norm), drawn(N, *shape, D)
    logits, _ = train(net, begun(net, x), x)
    assert logits.shape == (N,)
    assert np.ptp(np.asarray(logits)[MASK]) > 1e-2


def test_maxima_of_squares():
    x = drawn(2, 5, 6, 3)
    found = halved(x)
    assert found.shape == (2, 2, 3, 3)
    np.testing.assert_array_equal(found, nn.max_pool(x, (2, 2), (2, 2)))
    for narrow in (drawn(2, 1, 6, 3), drawn(2, 6, 1, 3)):
        np.testing.assert_array_equal(halved(narrow), narrow)
    slopes = [
        jax.grad(lambda x, f=f: (f(x) ** 2).sum())(x)
        for f in (halved, lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    ]
    np.testing.assert_allclose(*slopes, rtol=1e-6)


def test_groups_are_32_and_of_8_features_at_least():
    counts = {n: group_count(n) for n in (256, 512, 128, 64, 48, 16, 8, 7, 4, 1)}
    assert counts == {
        **{256: 32, 512: 32, 128: 16, 64: 8, 48: 4},
        **{16: 2, 8: 1, 7: 1, 4: 1, 1: 1},
    }


def naive_sequence(params, x, groups):
    """One sequence [L, D], layer by layer, in float64."""
    x = np.asarray(x, np.float64)
    for i in (1, 2, 3):
        kernel = params[f"conv{i}"]["kernel"][:, 0].astype(np.float64)
        padded = np.pad(x, ((1, 1), (0, 0)))
        taps = [padded[j : j + len(x)] @ kernel[j] for j in range(3)]
        x = np.sum(taps, axis=0)
        grouped = x.reshape(len(x), groups, -1)
        mean = grouped.mean((0, 2), keepdims=True)
        spread = np.sqrt(grouped.var((0, 2), keepdims=True) + 1e-5)
        x = ((grouped - mean) / spread).reshape(x.shape)
        norm = params[f"norm{i}"]
        x = np.maximum(x * norm["scale"] + norm["bias"], 0)
    return x.mean(0) @ params["fc"]["kernel"] + params["fc"]["bias"]


@pytest.mark.parametrize("view", ["window", "whole"])
def test_sequences_by_hand(view):
    features = 16
    _, seen = of_sequences("group", view)
    net = SequenceDiscriminator(3, features, "group")
    variables = begun(net, seen)
    logits, _ = train(net, variables, seen)
    for s, sequence in enumerate(seen):
        for clip in range(N):
            expected = naive_sequence(variables["params"], sequence[clip], 2)
            np.testing.assert_allclose(logits[clip, s], expected, rtol=1e-3, atol=1e-4)


def test_batch_norm_is_over_all_sequences_whatever_their_length():
    """As of rows of one batch, where they are of one length."""
    xs = [drawn(N, 4, 1, D, seed=i) for i in range(3)]

    class Normed(nn.Module):
        @nn.compact
        def __call__(self, xs, mask):
            return normed("batch", xs, mask, True, name="norm")

    net = Normed()
    variables = net.init(jax.random.key(0), xs, MASK)
    run = lambda xs, mask: net.apply(variables, xs, mask, mutable=["batch_stats"])
    apart, updated = run(xs, MASK)
    stacked = np.stack(xs, axis=1).reshape(-1, 4, 1, D)
    (together,), updates = run([stacked], np.repeat(MASK, 3))
    found = np.stack(apart, axis=1).reshape(stacked.shape)
    np.testing.assert_allclose(found, together, rtol=1e-4, atol=1e-5)
    for a, b in zip(*map(jax.tree.leaves, (updated, updates)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    # A longer one weighs more.
    long = [drawn(N, 12, 1, D), 3 + drawn(N, 2, 1, D)]
    _, updated = run(long, MASK)
    every = np.concatenate(long, axis=1)[MASK]
    mean = updated["batch_stats"]["norm"]["mean"]
    np.testing.assert_allclose(mean, 0.1 * every.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)


@every_kind
@every_norm
def test_only_batch_norm_lets_clips_see_each_other(kind, norm):
    net, x = MAKERS[kind](norm)
    variables = begun(net, x)
    turn = lambda leaf: np.concatenate([leaf[:-1], 5 + 2 * leaf[-1:]])
    (logits, _), (turned, _) = (
        train(net, variables, y) for y in (x, jax.tree.map(turn, x))
    )
    assert np.abs(turned[-1] - logits[-1]).max() > 1e-2
    moved = np.abs(turned[0] - logits[0]).max() > 1e-3
    assert moved == (norm == "batch")


@every_kind
@every_norm
def test_what_padding_clips_hold_reaches_nothing(kind, norm):
    net, x = MAKERS[kind](norm)
    variables = begun(net, x)

    @jax.jit
    def step(x):
        def loss(params, x):
            tree = {**variables, "params": params}
            logits, updated = net.apply(tree, x, MASK, True, mutable=["batch_stats"])
            rows = jnp.square(logits).reshape(N, -1).sum(1)
            return jnp.where(MASK, rows, 0).sum(), updated

        return jax.value_and_grad(loss, (0, 1), has_aux=True)(variables["params"], x)

    def soil(leaf):
        leaf = np.array(leaf)
        leaf[~MASK] = 99
        return leaf

    clean, other = step(x), step(jax.tree.map(soil, x))
    for a, b in zip(*map(jax.tree.leaves, (clean, other)), strict=True):
        np.testing.assert_array_equal(a, b)
    of_params, of_x = clean[1]
    for leaf in jax.tree.leaves(of_params):
        assert np.isfinite(leaf).all() and np.abs(leaf).max() > 0
    for leaf in jax.tree.leaves(of_x):
        assert np.abs(leaf[MASK]).max() > 0 and not np.any(leaf[~MASK])


@every_norm
def test_still_clips_tell_the_interval_by_their_length_alone(norm):
    """Where windows are of one length the classifier of intervals sees the same."""
    still = np.broadcast_to(drawn(N, 1, D), (N, T, D))
    apart = {}
    for view in ("window", "whole"):
        seen = sequences(still, central_positions(N), intervals=3, view=view)
        net = SequenceDiscriminator(3, FEATURES, norm)
        logits, _ = train(net, begun(net, list(seen)), list(seen))
        apart[view] = np.ptp(np.asarray(logits)[MASK], axis=1).max()
    assert apart["window"] == 0
    assert apart["whole"] > 1e-2


@every_kind
@pytest.mark.parametrize(
    ("compute", "rounding"),
    [
        (Compute(conv=for_cpu), 1e-4),
        (Compute(conv=im2col), 1e-4),
        (Compute(jnp.bfloat16, for_cpu), 0.1),
    ],
    ids=["cpu", "im2col", "half"],
)
def test_the_way_of_computing_changes_rounding_alone(kind, compute, rounding):
    net, x = MAKERS[kind]("group")
    variables = begun(net, x)
    expected, _ = train(net, variables, x)
    found, _ = train(net.clone(compute=compute), variables, x)
    assert found.dtype == jnp.float32
    spread = np.asarray(expected) - np.mean(expected)
    assert np.linalg.norm(found - expected) < rounding * np.linalg.norm(spread)


@pytest.mark.slow
@every_kind
def test_lanes_are_nets_of_their_own(kind):
    net, x = MAKERS[kind]("batch")
    with jax.enable_x64(True):
        one = jax.tree.map(np.float64, begun(net, x))
        x = jax.tree.map(np.float64, x)
        lanes = [one, jax.tree.map(lambda leaf: leaf * 1.1, one)]
        stacked = jax.tree.map(lambda *each: np.stack(each), *lanes)
        run = lambda variables: train(net, variables, x)
        found = jax.vmap(run)(stacked)
        for i in range(2):
            own = run(lanes[i])
            for a, b in zip(*map(jax.tree.leaves, (found, own)), strict=True):
                np.testing.assert_allclose(a[i], b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["map", "window"])
def test_another_norm_is_refused(kind):
    net, x = MAKERS[kind]("layer")
    with pytest.raises(ValueError, match="group, batch or none, got 'layer'"):
        begun(net, x)


@pytest.mark.parametrize(("view", "told"), [("window", False), ("whole", True)])
def test_trained_on_still_clips_only_lengths_tell_the_interval(view, told):
    """Where windows are of one length nobody can do better than chance."""
    net, tx = SequenceDiscriminator(3, 16), optax.adam(1e-2)

    def shown(key, clips):
        still = jax.random.normal(key, (clips, 1, D))
        frames = jnp.broadcast_to(still, (clips, T, D))
        return sequences(frames, central_positions(clips), intervals=3, view=view)

    def logits(params, seen):
        mask = jnp.ones(len(seen[0]), bool)
        rows = net.apply({"params": params}, seen, mask, True).reshape(-1, 3)
        return rows, jnp.arange(len(rows)) % 3

    def step(carry, key):
        params, state = carry
        loss = lambda params: cross_entropy(*logits(params, shown(key, 32)))
        updates, state = tx.update(jax.grad(loss)(params), state)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def trained(key):
        first, last, rest = jax.random.split(key, 3)
        start = net.init(first, shown(first, 2), jnp.ones(2, bool), True)["params"]
        keys = jax.random.split(rest, 300)
        (params, _), _ = jax.lax.scan(step, (start, tx.init(start)), keys)
        return accuracy(*logits(params, shown(last, 200)))

    right = trained(jax.random.key(0))
    assert right > 0.8 if told else right == pytest.approx(1 / 3)
