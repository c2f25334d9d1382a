"""Stage `align`: who moves, by what, and on which clips."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.train.stage import flatten, split
from mer_jax.train.step import init_run, train_step
from tests import flights, toys

from .clips import SWITCHES, begun, clips, stage_named

ALONE = {"ls": 0.0, "lsam": 0.0, "lt": 0.0, "lcon": 0.0}
same = functools.partial(jax.tree.map, np.testing.assert_array_equal)


@functools.cache
def stepped(**changes):
    """The states before and after two steps."""
    batch, before = begun()["align"]
    stage = stage_named("align", **changes)
    trained = [split(before.params, update.trains)[0] for update in stage.updates]
    opt_states = tuple(
        update.tx.init(leaves)
        for update, leaves in zip(stage.updates, trained, strict=True)
    )
    after = before.replace(opt_states=opt_states)
    step = jax.jit(functools.partial(train_step, stage))
    for _ in range(2):
        after, _ = step(after, batch)
    return before, after


def moved(before, after):
    """Names of the leaves that are not the same bits."""
    old, new = flatten(before), flatten(after)
    assert old.keys() == new.keys()
    return {name for name in old if np.any(old[name] != new[name])}


def test_manet_stands_still():
    before, after = stepped()
    same(after.params["manet"], before.params["manet"])
    same(after.model_state["manet"], before.model_state["manet"])
    others = {name for name in flatten(before.params) if not name.startswith("manet/")}
    assert moved(before.params, after.params) == others
    assert {n.split("/")[0] for n in moved(before.model_state, after.model_state)} == {
        "minet"
    }


def test_of_a_trainable_manet_its_frames_go_on():
    before, after = stepped(manet="trainable")
    for trees in (
        (before.params, after.params),
        (before.model_state, after.model_state),
    ):
        nets = {"/".join(name.split("/")[:2]) for name in moved(*trees)}
        assert "manet/temporal" in nets and "manet/spatial" not in nets
        same(trees[0]["manet"]["spatial"], trees[1]["manet"]["spatial"])


def test_a_trainable_manet_that_no_interval_moves_is_frozen():
    """Else its weights would decay."""
    changes = {"manet": "trainable", "lsam": 0.0}
    assert "manet" not in stage_named("align", **changes).updates[0].trains
    frozen = SWITCHES.traced(lsam=0.0)
    assert SWITCHES.traced(**changes) == frozen


def slope(**changes):
    """The gradient of the stage's loss by every leaf, trained or not."""
    (batch, state), stage = begun()["align"], stage_named("align", **changes)

    @jax.jit
    def run(leaves):
        key = jax.random.key(5)
        prepared = stage.prepare(state.params, state.model_state, batch, key)
        prepared = {**prepared, "progress": jnp.float32(0.5)}
        (update,) = stage.updates
        return update.gradients(leaves, {}, state.model_state, prepared, key)[0]

    return run(flatten(state.params))


def test_no_loss_but_that_of_intervals_reaches_a_trainable_manet():
    gradient = slope(manet="trainable", lsam=1e-30)
    greatest = lambda net: max(
        float(jnp.abs(leaf).max())
        for name, leaf in gradient.items()
        if name.startswith(net)
    )
    assert greatest("manet/spatial") == 0
    assert 0 < greatest("manet/temporal") < 1e-25
    assert greatest("interval") < 1e-25
    assert greatest("minet/spatial") > 1e-3 and greatest("minet/temporal") > 1e-3
    assert greatest("discriminator_map") > 1e-3 < greatest("discriminator_time")


def test_without_any_term_align_is_plain_training():
    config = SWITCHES.changed(intervals=1, aug="none", **ALONE)
    micro, align = config.build(3, 6).stages
    batch = clips(config)
    told = {"num_steps": jnp.int32(9), "class_counts": jnp.ones(3, jnp.int32)}
    begin = functools.partial(init_run, batch=batch, **told)

    @jax.jit
    def steps():
        one = begin(micro, jax.random.key(0), finished={})
        finished = {"micro": (one.params, one.model_state)}
        two = begin(align, jax.random.key(0), finished=finished)
        return [train_step(*x, batch) for x in ((micro, one), (align, two))]

    (one, losses), (two, others) = steps()
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6)
    close(losses["minet/loss"], others["minet/loss"])
    # The first moment is a tenth of the gradient.
    moments = [state.opt_states[0][1].mu for state in (one, two)]
    assert moments[0].keys() == moments[1].keys()
    jax.tree.map(close, *moments)
    jax.tree.map(close, one.model_state, two.model_state)


def test_what_manet_found_before_changes_no_number():
    batch, state = begun()["align"]
    stage, again = stage_named("align"), stage_named("align", remember=False)
    assert stage.remember.keys() == {"macro"} and not again.remember
    found = stage.remember["macro"](state.params, state.model_state, batch["macro"])
    told = {**batch, "macro": {**batch["macro"], "remembered": found}}
    step = jax.jit(functools.partial(train_step, stage))
    after, metrics = step(state, told)
    expected, others = jax.jit(functools.partial(train_step, again))(state, batch)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
    jax.tree.map(close, metrics, others)
    moments = [s.opt_states[0][1].mu for s in (after, expected)]
    jax.tree.map(close, *moments)
    # The step would go another way if what is remembered were another.
    other = {**told["macro"], "remembered": {k: -v for k, v in found.items()}}
    _, moved = step(state, {**told, "macro": other})
    assert abs(moved["minet/L_con"] - metrics["minet/L_con"]) > 1e-4


@pytest.mark.parametrize(
    "changes", [{"aug": "flip"}, {"manet": "trainable"}, ALONE], ids=str
)
def test_nothing_is_remembered_that_changes(changes):
    assert not stage_named("align", **changes).remember


def test_minet_may_begin_as_manet_ended():
    config = SWITCHES.changed(minet_init="manet", **ALONE)
    macro, micro, align = config.build(3, 6).stages
    assert (macro.name, align.beside) == ("macro", {})
    batch = clips(config)
    told = {"num_steps": jnp.int32(9), "class_counts": jnp.ones(3, jnp.int32)}
    begin = functools.partial(init_run, batch=batch, **told)
    first = begin(macro, jax.random.key(1), finished={})
    ended = first.params, jax.tree.map(lambda x: x + 1, first.model_state)
    state = begin(micro, jax.random.key(0), finished={"macro": ended})
    same(state.params["minet"], ended[0]["manet"])
    same(state.params["head"], ended[0]["head"])
    same(state.model_state["minet"], ended[1]["manet"])


# Draws.


def test_the_two_domains_are_drawn_apart():
    batch, state = begun()["align"]
    stage = stage_named("align", aug="flip")
    batch = {**batch, "macro": batch["macro"] | {"rise": batch["rise"]}}
    prepare = jax.jit(
        lambda key: stage.prepare(state.params, state.model_state, batch, key)
    )
    drawn, again, other = (prepare(jax.random.key(i)) for i in (0, 0, 1))
    same(drawn, again)
    for tree in (drawn, drawn["macro"]):
        assert len({*np.asarray(tree["place"]).tolist()}) == len(tree["mask"])
    apart = lambda a, b: np.abs(a["place"] - b["place"]).min() > 0
    assert apart(drawn, drawn["macro"]) and apart(drawn, other)
    assert apart(drawn["macro"], other["macro"])
    # The same clips, mirrored by another draw.
    assert np.any(drawn["seen"].clip != drawn["macro"]["seen"].clip)


@pytest.mark.parametrize("draw", ["random", "class_matched"])
def test_macro_clips_come_by_their_class_where_asked(draw, tmp_path):
    config = SWITCHES.changed(macro_sampler=draw)
    system = config.build(len(toys.CLASSES), len(toys.SUBJECTS))
    sample, others = (
        toys.corpus(system.features, batch=config.batch, subjects=subjects)
        for subjects in (toys.SUBJECTS, toys.OTHERS)
    )
    row = flights.row_of(config, system, sample, others)
    fold = flights.folds_of(row)[0]
    runner = flights.runner(row, flights.program_of(row), [fold], tmp_path)
    own, far = np.split(runner.indices["align"][0], [config.batch], axis=-1)
    assert (far[own >= 0] >= len(sample.keys)).all()
    labels = row.clips.labels
    pairs = labels[own][own >= 0] == labels[far][own >= 0]
    assert pairs.all() == (draw == "class_matched")
