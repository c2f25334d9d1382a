"""Tests for mer_jax/systems/minet/judges.py: who learns what of L_s, L_t and L_sam."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.minet.judges import Judges
from mer_jax.systems.minet.nets import Found
from mer_jax.systems.minet.network import DISCRIMINATORS

from .clips import SWITCHES

MICRO, MACRO, T, D = 4, 5, 4, 6
SYMBOLS = dict(zip(DISCRIMINATORS, ("L_s", "L_t", "L_sam"), strict=True))
domains = pytest.mark.parametrize("symbol", ["L_s", "L_t"])


def judges(**changes):
    config = SWITCHES.changed(**changes)
    return Judges(config, config.networks(3))


def found(seed, count):
    """What a net might find in clips."""
    drawn = np.random.default_rng(seed)
    normal = lambda *shape: jnp.asarray(drawn.normal(size=(count, *shape)), "f4")
    return Found(normal(2, 2, D), normal(D), normal(T, D))


def clips(micro=MICRO, macro=MACRO, progress=0.5):
    """A batch; the last clip of either domain is padding."""
    place = lambda count: jnp.arange(count) / count
    mask = lambda count: jnp.arange(count) < count - 1
    far = {"mask": mask(macro), "place": place(macro)}
    own = {"mask": mask(micro), "place": place(micro)}
    return {**own, "macro": far, "progress": jnp.float32(progress)}


@functools.cache
def begun(**changes):
    """Judges, and their nets drawn for clips of both domains."""
    asked = judges(**changes)
    init = jax.jit(lambda key: asked.init(key, found(0, 3), jnp.ones(3, bool)))
    return asked, *init(jax.random.key(0))


def told(params, micro, macro, *, progress=0.5, **changes):
    """Losses of clips."""
    asked, _, state = begun(**changes)
    batch = clips(len(micro.apex), len(macro.apex), progress)
    return asked.losses((params, state), micro, macro, batch)


def test_only_who_has_a_weight_is_asked():
    assert judges().names == DISCRIMINATORS
    for field, name in zip(("ls", "lt", "lsam"), DISCRIMINATORS, strict=True):
        asked = judges(**{field: 0.0})
        micro, macro, mask = found(0, MICRO), found(1, MACRO), jnp.ones(MICRO, bool)
        nets = jax.eval_shape(asked.init, jax.random.key(0), micro, mask)
        params, state = nets
        assert set(asked.names) == set(params) == {*DISCRIMINATORS} - {name}
        assert state == {}  # group norms have no running averages
        metrics, _ = jax.eval_shape(asked.losses, nets, micro, macro, clips())
        losses = {key for key in metrics if not key.endswith("_accuracy")}
        assert losses == {SYMBOLS[name] for name in params}


# Gradients, in float64, against differences of the loss.


@functools.cache
def gradients_of(symbol, **changes):
    """`(start, progress) -> (value, gradients)` of a loss, by features and nets."""

    def loss(start, progress):
        micro, macro, params = start
        return told(params, micro, macro, progress=progress, **changes)[0][symbol]

    return jax.jit(jax.value_and_grad(loss))


def along(start, line, step):
    return jax.tree.map(lambda x, way: x + step * way, start, line)


def slopes(symbol, progress=0.5, **changes):
    """By MiNet's features, by MaNet's and by the nets, along a line each.

    Returns the slopes that the gradient gives, and those of the loss itself.
    """
    start = found(0, MICRO), found(1, MACRO), begun(**changes)[1]
    by_gradient, by_difference = [], []
    with jax.enable_x64(True):
        start = jax.tree.map(np.float64, start)
        draw = np.random.default_rng(3)
        line = jax.tree.map(lambda leaf: draw.normal(size=leaf.shape), start)
        run = gradients_of(symbol, **changes)
        gradients = run(start, progress)[1]
        for part in range(3):
            ends = [list(start), list(start)]
            for end, step in zip(ends, (-1e-6, 1e-6), strict=True):
                end[part] = along(start[part], line[part], step)
            low, high = (float(run(tuple(end), progress)[0]) for end in ends)
            by_difference.append((high - low) / 2e-6)
            product = jax.tree.map(np.vdot, gradients[part], line[part])
            by_gradient.append(float(sum(jax.tree.leaves(product))))
    return by_gradient, by_difference


@domains
@pytest.mark.parametrize(
    ("grl", "progress", "strength"),
    [
        ("const1", 0.0, 1.0),
        ("dann", 0.0, 0.0),
        ("dann", 0.11, np.tanh(0.55)),
        ("dann", 0.9, np.tanh(4.5)),
    ],
)
def test_minet_climbs_and_the_discriminator_descends(symbol, grl, progress, strength):
    gradients, differences = slopes(symbol, progress, grl=grl)
    assert min(map(abs, differences)) > 1e-3  # of either domain, and of the nets
    assert gradients[0] == pytest.approx(-strength * differences[0], rel=1e-6)
    assert gradients[1] == 0  # MaNet is not asked
    assert gradients[2] == pytest.approx(differences[2], rel=1e-6)  # by its whole


def test_both_nets_help_to_tell_intervals():
    gradients, differences = slopes("L_sam")
    assert min(map(abs, differences)) > 1e-3
    assert gradients == pytest.approx(differences, rel=1e-6)


# Values.


@pytest.mark.parametrize("disc_norm", ["group", "batch", "none"])
@pytest.mark.parametrize("view", ["window", "whole"])
def test_what_padding_holds_reaches_no_loss_and_no_running_average(disc_norm, view):
    changes = {"disc_norm": disc_norm, "interval_view": view}
    asked, params, state = begun(**changes)
    assert set(state) == ({*DISCRIMINATORS} if disc_norm == "batch" else set())
    micro, macro = found(0, MICRO), found(1, MACRO)
    soil = functools.partial(jax.tree.map, lambda leaf: leaf.at[-1].set(99))
    run = jax.jit(functools.partial(told, **changes))
    clean, soiled = run(params, micro, macro), run(params, soil(micro), soil(macro))
    jax.tree.map(np.testing.assert_array_equal, clean, soiled)
    # As without it, to rounding.
    batch = clips()
    batch["place"], batch["mask"] = batch["place"][:-1], batch["mask"][:-1]
    batch["macro"] = {name: leaf[:-1] for name, leaf in batch["macro"].items()}
    fewer = functools.partial(jax.tree.map, lambda leaf: leaf[:-1])
    losses = jax.jit(
        lambda micro, macro: asked.losses((params, state), micro, macro, batch)
    )
    bare = losses(fewer(micro), fewer(macro))
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, clean, bare)


def test_domains_and_intervals_that_are_told_apart_cost_nothing():
    """By nets made so: micro clips are 0 to macro ones, and frames count up."""
    asked, params, _ = begun(disc_norm="none", intervals=1)
    bright = lambda value, count: jax.tree.map(
        lambda leaf: jnp.full_like(leaf, value), found(0, count)
    )
    params = jax.tree.map(jnp.zeros_like, params)
    for name in DISCRIMINATORS[:2]:
        for layer in ("conv1", "conv2", "conv3", "fc"):
            kernel = params[name][layer]["kernel"]
            centre = tuple(edge // 2 for edge in kernel.shape[:-2])
            params[name][layer]["kernel"] = kernel.at[centre].set(1.0)
        params[name]["fc"]["bias"] -= 50.0
    run = jax.jit(functools.partial(told, disc_norm="none", intervals=1))
    metrics, _ = run(params, bright(0.0, MICRO), bright(1.0, MACRO))
    for symbol in ("L_s", "L_t"):
        assert metrics[symbol] < 1e-6 and metrics[f"{symbol}_accuracy"] == 1
    # Of one interval there is nothing to tell.
    assert metrics["L_sam"] == 0 and metrics["L_sam_accuracy"] == 1
    swapped, _ = run(params, bright(1.0, MICRO), bright(0.0, MACRO))
    for symbol in ("L_s", "L_t"):
        assert swapped[symbol] > 10 and swapped[f"{symbol}_accuracy"] == 0


def test_nets_that_say_nothing_are_right_by_chance():
    _, params, _ = begun()
    mute = jax.tree.map(jnp.zeros_like, params)
    metrics, _ = jax.jit(told)(mute, found(0, MICRO), found(1, MACRO))
    for symbol in SYMBOLS.values():
        assert metrics[symbol] == pytest.approx(np.log(2))  # of 2 intervals, too
    assert metrics["L_sam_accuracy"] == 0.5
    assert metrics["L_s_accuracy"] == metrics["L_t_accuracy"] == pytest.approx(3 / 7)
