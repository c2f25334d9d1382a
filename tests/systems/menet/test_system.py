"""MENet's config and stages: every switch changes something, nobody learns unasked."""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mer_jax.ensemble import flops
from mer_jax.systems.menet import MENet
from mer_jax.systems.menet.clips import drawn, smaller
from mer_jax.systems.menet.decoupling import Decoupling, Forward
from mer_jax.systems.menet.information import Estimator
from mer_jax.systems.menet.nets import Found
from mer_jax.systems.menet.network import evaluated
from mer_jax.train.stage import flatten
from mer_jax.train.step import init_run, train_step
from tests.systems.switches import Switches, assert_same_numbers

TINY = dataclasses.replace(MENet().tiny(), batch=6)
PEOPLE = 4

# Other values of the fields that are no Literal; those of the others are all taken.
OTHERS = {
    "frames": (2,),
    "size": (64,),
    "identity_size": (32,),
    "width": (3,),
    "blocks": (2,),
    "dao": (False,),
    "dao_groups": (1,),
    "critic_projected": (4,),
    "critic_hidden": (4,),
    "critic_norm": (True,),
    "critic_learning_rate": (1e-3,),
    "div": (0.0, 1.0),
    "mi": (0.0, 1.0),
    "div_detach_first": (False,),
    "num_critic": (1,),
    "mi_clamp": (False,),
    "critic_rate": (0.5,),
    "critic_carry": (False,),
    "learning_rate": (1e-3,),
    "batch": (5,),
    "identity_epochs": (3,),
    "epochs": (3,),
}
# Set along with a switch that shows only then.
TOGETHER = {
    "dao_groups": {"frames": 4},
    "mi_clip": {"mi": 100.0},  # short gradients are never clipped
    "critic_rate": {"num_critic": 3},
}


def clips(config, count=None):
    count = count or config.batch
    shape = (count, config.frames, config.size, config.size, 3)
    frames = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    return {
        "clip": jnp.array(frames),
        "label": jnp.arange(count, dtype=jnp.int32) % 3,
        "subject": jnp.arange(count, dtype=jnp.int32) % PEOPLE,
        "mask": jnp.arange(count) < count - 1,
    }


SWITCHES = Switches(
    TINY,
    lambda stage, config: clips(config),
    others=OTHERS,
    together=TOGETHER,
    apart={"conv", "remat"},  # speed: tests below
    people=PEOPLE,
)
VALUES = SWITCHES.values()


@pytest.mark.parametrize("field", ["critic_inputs", "dao"])
def test_a_switch_makes_another_program(field):
    """Quick stand-in for the next test, which takes minutes."""
    traced = SWITCHES.traced
    others = [traced(**{name: value}) for name, value in VALUES if name == field]
    assert others
    assert all(other != traced() for other in others)


@pytest.mark.slow
@pytest.mark.parametrize(("field", "value"), VALUES, ids=str)
def test_every_value_of_every_switch_takes_a_step_and_changes_something(field, value):
    assert SWITCHES.differs(field, value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"conv": "native"}, {"conv": "im2col"}, {"remat": True}], ids=str
)
def test_switches_of_speed_change_no_number(changes):
    # Adam's first step is the sign of gradients, so great steps multiply rounding.
    small = {"learning_rate": 1e-4, "critic_learning_rate": 1e-4}
    told, other = SWITCHES.told(**small), SWITCHES.told(**small, **changes)
    assert_same_numbers(told, other, 2e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"aug": "turn"},
        {"identity_input": "other"},
        {"input_norm": "batch"},
        {"pairs": "all"},
        {"marginals": "none"},
        {"mi_clip": "norm"},
        {"critic_act": "relu"},
        {"pool": "mean"},
        {"identity_size": 7},
    ],
    ids=str,
)
def test_a_value_that_a_switch_does_not_have_is_an_error(changes):
    with pytest.raises(ValueError, match=str(next(iter(changes.values())))):
        SWITCHES.traced(**changes)


def test_bfloat16_keeps_parameters_statistics_and_losses_in_float32():
    SWITCHES.assert_single()


def test_four_stages_or_one():
    lengths = lambda **changes: [
        (stage.name, stage.num_epochs, [u.name for u in stage.updates])
        for stage in MENet(**changes).build(5, 26).stages
    ]
    assert lengths() == [
        ("identity", 100, ["idnet"]),
        ("expression", 300, ["critic", "menet"]),
        ("identity_again", 100, ["critic", "idnet"]),
        ("expression_again", 300, ["critic", "menet"]),
    ]
    assert lengths(mi=0.0) == [("expression", 300, ["menet"])]


# What the stages do.


@functools.cache
def begun():
    """Batch and state before the first step of stage 2 and 3, all stages only begun.

    Weights of losses leave no trace in them.
    """
    finished, states = {}, {}
    for stage in TINY.build(3, PEOPLE).stages[:3]:
        batch, state = jax.jit(
            lambda stage=stage, done=finished: SWITCHES.started(stage, TINY, done)
        )()
        finished[stage.name] = state.params, state.model_state
        states[stage.name] = batch, state
    return states


def stage_named(name, **changes):
    stages = dataclasses.replace(TINY, **changes).build(3, PEOPLE).stages
    return next(stage for stage in stages if stage.name == name)


def test_each_step_is_one_pass_of_both_nets():
    """Arithmetic of stage 2: at most 5 % above 3 times MENet and once IDNet."""
    config = MENet(size=64, identity_size=32, width=16, batch=8)
    alone = dataclasses.replace(config, mi=0.0, div=0.0)
    stage = config.build(6, 30).stages[1]
    batch, state = jax.eval_shape(lambda: (clips(config), state_of(stage, config)))
    step = flops.count(functools.partial(train_step, stage), state, batch)
    (one,) = alone.build(6, 30).stages
    menet = jax.eval_shape(lambda: state_of(one, alone))
    learned = flops.count(functools.partial(train_step, one), menet, batch)
    still = evaluate_of(config)
    forward = flops.count(*still)
    assert step <= 1.05 * (learned + forward)
    assert step > learned


def evaluate_of(config):
    """IDNet in evaluation mode, and what it is run on."""
    net = config.network(30, motion=False)
    edge = config.identity_size
    shape = (config.batch, config.frames, edge, edge, 3)
    seen, mask = jnp.zeros(shape), jnp.ones(config.batch, bool)
    nets = jax.eval_shape(lambda: net.init(jax.random.key(0), seen, mask, train=False))

    def evaluate(variables):
        nets = variables["params"], variables["batch_stats"]
        return evaluated(net, nets, seen, mask)

    return evaluate, nets


def state_of(stage, config):
    """A state whose finished stages are all drawn anew."""
    finished = {
        transfer.stage: stage.init(jax.random.key(1), clips(config))
        for transfer in stage.init_from
    }
    start = jax.random.key(0), jnp.int32(9), jnp.ones(3, jnp.int32)
    return init_run(stage, *start, clips(config), finished)


def gradient(name, parts=None, **changes):
    """The last update's gradient of a begun stage, by leaf, and its metrics."""
    stage, (batch, state) = stage_named(name, **changes), begun()[name]
    update = stage.updates[-1]
    leaves = flatten(state.params)
    trained = {k: v for k, v in leaves.items() if re.fullmatch(update.trains, k)}
    frozen = {k: v for k, v in leaves.items() if k not in trained} | (parts or {})

    @jax.jit
    def slope(trained, frozen):
        key = jax.random.key(5)
        prepared = stage.prepare(state.params, state.model_state, batch, key)
        grads, aux = update.gradients(trained, frozen, state.model_state, prepared, key)
        return grads, aux.metrics

    return slope(trained, frozen)


def critic_times(factor, part=""):
    """The critic's leaves whose name has `part`, multiplied."""
    leaves = flatten(begun()["expression"][1].params).items()
    return {k: factor * v for k, v in leaves if "critic/" in k and part in k}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["expression", "identity_again"])
def test_the_net_is_told_nothing_where_there_is_no_information(name):
    # A critic that scores all pairs alike finds exactly nothing.
    mute = critic_times(0.0, "fc2")
    grads, metrics = gradient(name, mute, mi=10.0)
    without, _ = gradient(name, mute, mi=1e-30)
    assert abs(metrics["L_MI"]) < 1e-6
    assert all(k.startswith(("menet/", "idnet/")) for k in grads)
    for leaf, value in grads.items():
        np.testing.assert_allclose(value, without[leaf], atol=1e-6, err_msg=leaf)


def features(count=8, frames=2, width=16):
    """Two nets' features that have everything to do with one another."""
    own = jax.random.normal(jax.random.key(1), (count, frames, width))
    return own, {"other": own[..., ::-1], "mask": jnp.arange(count) < count - 1}


@pytest.mark.parametrize("clamp", [True, False])
@pytest.mark.parametrize("learns", ["menet", "idnet"])
def test_a_negative_estimate_pushes_only_without_the_clamp(learns, clamp):
    config = dataclasses.replace(TINY, mi_clamp=clamp)
    estimator, (own, batch) = Estimator(config, learns), features()
    critic, _ = estimator.init(jax.random.key(0))
    learned = jax.jit(
        jax.value_and_grad(
            lambda own, critic: estimator.learned(own, critic, batch, jax.random.key(2))
        )
    )
    signs = {}
    for factor in (-30.0, 30.0):
        last = jax.tree.map(lambda x, by=factor: by * x, critic["fc2"])
        value, push = learned(own, {**critic, "fc2": last})
        signs[factor] = float(value), float(jnp.abs(push).max())
    # Some critic finds nothing, one of the two signs at least.
    low = min(signs.values())
    assert low[0] == 0 and low[1] == 0 if clamp else low[0] < 0 and low[1] > 1e-3


def by_loops(config, critic, own, batch):
    """L_MI with every other clip as the marginal pair, a pair at a time, float64."""
    leaves = jax.tree.map(np.float64, critic)
    dense = lambda x, name: x @ leaves[name]["kernel"] + leaves[name]["bias"]
    leaky = lambda x: np.maximum(x, 0.01 * x)

    def score(person, motion):
        sides = dense(person, "project_identity"), dense(motion, "project_motion")
        return leaky(dense(leaky(dense(np.concatenate(sides), "fc1")), "fc2"))[0]

    valid, other = np.flatnonzero(batch["mask"]), np.float64(batch["other"])
    own, joint, marginal = np.float64(own), [], []
    for t in range(own.shape[1]):
        for i in valid:
            joint.append(score(other[i, t], own[i, t]))
            marginal += [score(other[j, t], own[i, t]) for j in valid if j != i]
    return np.mean(joint) - np.log(np.mean(np.exp(marginal)))


def test_marginal_pairs_may_be_those_with_every_other_clip():
    config = dataclasses.replace(TINY, marginals="all", mi_clamp=False)
    estimator, (own, batch) = Estimator(config, "menet"), features()
    critic, state = estimator.init(jax.random.key(0))
    critic = jax.tree.map(lambda x: 3 * x, critic)
    nowhere = jax.random.key(4)  # nothing is drawn
    found = estimator.learned(own, critic, batch, nowhere)
    expected = by_loops(config, critic, own, batch)
    assert found == pytest.approx(expected, rel=1e-5) and abs(expected) > 1e-3
    climbed, aux = estimator.ascend(
        {"critic": critic}, {"critic": state}, {**batch, "own": own}, nowhere
    )
    assert -climbed == aux.metrics["I"] == pytest.approx(expected, rel=1e-5)
    soiled = own.at[-1].set(1e6)  # a row of padding
    assert estimator.learned(soiled, critic, batch, nowhere) == found


def test_pairs_of_clips_push_the_first_of_equal_frames():
    # The gradient of `jnp.max` may be NaN where it is computed again; see `greatest`.
    config = dataclasses.replace(TINY, pairs="clip", mi_clamp=False)
    estimator, (own, batch) = Estimator(config, "idnet"), features()
    critic, _ = estimator.init(jax.random.key(0))
    alike = jnp.repeat(own[:, :1], 2, axis=1)
    push = jax.grad(estimator.learned)(alike, critic, batch, jax.random.key(2))
    assert jnp.abs(push[:-1, 0]).max() > 0
    assert (push[:, 1] == 0).all()


def test_a_clip_without_another_has_no_information():
    config = dataclasses.replace(TINY, marginals="all")
    estimator, (own, batch) = Estimator(config, "idnet"), features()
    critic, _ = estimator.init(jax.random.key(0))
    alone = {**batch, "mask": jnp.arange(len(own)) == 2}
    value, push = jax.value_and_grad(estimator.learned)(own, critic, alone, None)
    assert np.isfinite(value) and jnp.isfinite(push).all()


def test_the_critic_learns_what_the_net_that_learns_is_to_forget():
    estimator, (own, batch) = Estimator(TINY, "menet"), features()
    critic, state = estimator.init(jax.random.key(0))
    tx = optax.adam(1e-2)

    def step(carry, number):
        critic, state, opt = carry
        loss = lambda critic: estimator.ascend(
            {"critic": critic},
            {"critic": state},
            {**batch, "own": own},
            jax.random.fold_in(jax.random.key(3), number),
        )
        (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(critic)
        delta, opt = tx.update(grads, opt)
        critic = optax.apply_updates(critic, delta)
        return (critic, aux.model_state["critic"], opt), aux.metrics["I"]

    start = critic, state, tx.init(critic)
    (critic, _, _), found = jax.lax.scan(step, start, jnp.arange(400))
    assert found[-20:].mean() > 1.0 > 0.2 > found[:5].mean()
    value = estimator.learned(own, critic, batch, jax.random.key(9))
    assert value > 0.5


@pytest.mark.parametrize("kind", ["features", "parameters", "none"])
def test_clipping_keeps_the_gradient_of_the_information_no_longer(kind):
    stage = Decoupling(dataclasses.replace(TINY, mi_clip=kind), {}, "menet")
    scale = jnp.array([1.0, 10.0])  # of the net's two parameters
    pull = lambda found: ({"w": scale * found.map.sum() + found.attention.sum()},)
    found = Found(jnp.zeros((1, 1, 1, 1, 4)), jnp.zeros((1, 1, 1)))
    forward = Forward(found, pull, None)
    task, push = jnp.ones(found.map.shape), jnp.full(found.map.shape, -50.0)
    both, kept = stage.clipped(forward, task, found.attention, push)
    added = both["w"] - 4 * scale
    length = jnp.linalg.norm(4 * scale)
    assert kept == pytest.approx(1.0 if kind == "none" else 0.02)
    expected = 50 * length if kind == "none" else length
    assert jnp.linalg.norm(added) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.slow
def test_the_gradient_is_that_of_the_whole_loss():
    """Put together from pieces, it equals automatic differentiation of the sum."""
    changes = {"mi": 0.3, "mi_clip": "none", "mi_clamp": False}
    grads, metrics = gradient("expression", **changes)
    stage, (batch, state) = stage_named("expression", **changes), begun()["expression"]
    key = jax.random.key(5)

    @jax.jit
    def total(branch):
        params = {**state.params, "menet": {**state.params["menet"], "branch": branch}}
        prepared = stage.prepare(params, state.model_state, batch, key)
        leaves = flatten(params)
        trained = {k: v for k, v in leaves.items() if k.startswith("menet/")}
        frozen = {k: v for k, v in leaves.items() if k not in trained}
        aux = stage.updates[-1].gradients(
            trained, frozen, state.model_state, prepared, key
        )[1]
        return aux.metrics["loss"]

    value, expected = jax.value_and_grad(total)(state.params["menet"]["branch"])
    assert value == pytest.approx(float(metrics["loss"]), rel=1e-6)
    for name, leaf in flatten({"menet": {"branch": expected}}).items():
        np.testing.assert_allclose(grads[name], leaf, atol=2e-5, err_msg=name)


def test_the_critic_is_handed_on_or_not():
    for carry in (True, False):
        config = dataclasses.replace(TINY, critic_carry=carry)
        stages = config.build(3, PEOPLE).stages
        assert ["critic" in s.init_from[0].nets for s in stages[2:]] == [carry] * 2


def test_all_frames_of_a_clip_are_mirrored_alike_for_both_nets():
    still = jnp.repeat(clips(TINY)["clip"][:, :1], TINY.frames, axis=1)

    seen = drawn(still, jax.random.key(0), TINY.identity_size, "flip", "same")
    np.testing.assert_array_equal(seen.menet[:, 0], seen.menet[:, -1])
    np.testing.assert_array_equal(smaller(seen.menet, 16), seen.idnet)
    mirrored = (jnp.abs(seen.menet * 255 - still) > 0.5).any((1, 2, 3, 4))
    assert mirrored.any() and not mirrored.all()
    apart = drawn(still, jax.random.key(0), TINY.identity_size, "flip", "independent")
    np.testing.assert_array_equal(apart.menet, seen.menet)
    assert (apart.idnet != seen.idnet).any()


def test_a_smaller_frame_is_the_mean_of_squares():

    frames = jnp.arange(2 * 1 * 4 * 4 * 3.0).reshape(2, 1, 4, 4, 3)
    expected = np.asarray(frames).reshape(2, 1, 2, 2, 2, 2, 3).mean((3, 5))
    np.testing.assert_allclose(smaller(frames, 2), expected)
