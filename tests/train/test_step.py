"""Tests for mer_jax/train/step.py."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mer_jax import rng
from mer_jax.train.stage import Aux, Source, Stage, Transfer, Update, gradients_of
from mer_jax.train.step import init_run, train_step, train_step_or_wait

KEY = rng.run_key(seed=0, protocol="p", fold="f")
COUNTS = jnp.array([2, 0, 1], jnp.int32)
BATCH = {
    "x": np.array([1.0, 2.0, 0.0], np.float32),
    "label": np.zeros(3, np.int32),
    "mask": np.array([True, True, False]),
}


def net(*shape, value=0.0):
    return {"dense": {"kernel": jnp.full(shape, value), "bias": jnp.zeros(1)}}


def init_nets(key, batch):
    draw = jax.random.normal(key, (2, 1))
    nets = {"encoder": {"dense": {"kernel": draw, "bias": jnp.ones(1)}}, "head": net(1)}
    return nets, {"encoder": {"mean": jnp.zeros(2)}}


def constant_gradients(value):
    """Gradients of `value` everywhere, whatever the loss."""

    def gradients(trained, frozen, model_state, batch, key):
        grads = {name: jnp.full_like(leaf, value) for name, leaf in trained.items()}
        return grads, Aux({"loss": jnp.float32(value)}, model_state)

    return gradients


def update(name="u", gradients=None, tx=None, **more):
    return Update(
        name=name,
        gradients=gradients or constant_gradients(1.0),
        tx=tx or optax.sgd(1.0),
        **more,
    )


def stage(*updates, **more):
    settings = dict(
        name="stage",
        source=Source(batch=3),
        num_epochs=1,
        init=init_nets,
        updates=updates or (update(),),
    )
    return Stage(**{**settings, **more})


def start(of, finished=None):
    return init_run(of, KEY, jnp.int32(4), COUNTS, BATCH, finished or {})


def finish(**changes):
    """Nets at the end of an earlier stage "before"."""
    nets = {"encoder": net(2, 1, value=7.0), "other": net(1, value=8.0)}
    return {"before": ({**nets, **changes}, {"encoder": {"mean": jnp.full(2, 9.0)}})}


# The start of a stage.


def test_a_stage_starts_at_step_zero_with_the_key_of_its_name():
    state = start(stage())
    assert state.step == 0 and state.num_steps == 4
    assert state.step.dtype == jnp.int32 and not state.step.weak_type
    expected = rng.fold_in(KEY, "stage")
    assert (jax.random.key_data(state.key) == jax.random.key_data(expected)).all()
    other = start(stage(name="other"))
    kernels = [s.params["encoder"]["dense"]["kernel"] for s in (state, other)]
    assert (kernels[0] != kernels[1]).all()


def test_a_transfer_brings_parameters_and_model_state():
    begun = start(
        stage(init_from=(Transfer(stage="before", nets={"encoder": "encoder"}),)),
        finish(),
    )
    assert (begun.params["encoder"]["dense"]["kernel"] == 7.0).all()
    assert (begun.model_state["encoder"]["mean"] == 9.0).all()
    assert (begun.params["head"]["dense"]["kernel"] == 0.0).all()


def test_a_transfer_may_rename_a_net_and_keep_some_of_its_own_leaves():
    transfer = Transfer(stage="before", nets={"head": "other"}, keep_init=".*/bias")
    begun = start(
        stage(init_from=(transfer,)),
        finish(other={"dense": {"kernel": jnp.full(1, 8.0), "bias": jnp.full(1, 5.0)}}),
    )
    assert (begun.params["head"]["dense"]["kernel"] == 8.0).all()
    assert (begun.params["head"]["dense"]["bias"] == 0.0).all()


def test_a_transfer_may_leave_a_branch_of_its_source_behind():
    source = {**net(2, 1, value=7.0), "branch": net(1)}
    transfer = Transfer(
        stage="before", nets={"encoder": "encoder"}, drop="encoder/branch/.*"
    )
    begun = start(stage(init_from=(transfer,)), finish(encoder=source))
    assert sorted(begun.params["encoder"]) == ["dense"]
    assert (begun.params["encoder"]["dense"]["kernel"] == 7.0).all()


def test_a_transfer_drops_nothing_that_its_target_has():
    transfer = Transfer(stage="before", nets={"encoder": "encoder"}, drop=".*")
    begun = start(stage(init_from=(transfer,)), finish())
    assert (begun.params["encoder"]["dense"]["kernel"] == 7.0).all()


def test_the_optimiser_is_made_from_the_transferred_values_of_its_own_leaves():
    remembers = optax.GradientTransformation(
        lambda params: params, lambda updates, state, params=None: (updates, state)
    )
    begun = start(
        stage(
            update("a", tx=remembers, trains="encoder/.*"),
            update("b", tx=remembers, trains="head/.*"),
            init_from=(Transfer(stage="before", nets={"encoder": "encoder"}),),
        ),
        finish(),
    )
    a, b = begun.opt_states
    assert sorted(a) == ["encoder/dense/bias", "encoder/dense/kernel"]
    assert sorted(b) == ["head/dense/bias", "head/dense/kernel"]
    assert (a["encoder/dense/kernel"] == 7.0).all()


@pytest.mark.parametrize(
    ("encoder", "lines"),
    [
        ({"dense": {"kernel": jnp.zeros((2, 1))}}, ["- encoder/dense/bias"]),
        ({**net(2, 1), "norm": jnp.zeros(1)}, ["+ encoder/norm"]),
        ({"conv": net(2, 1)["dense"]}, ["- encoder/dense/bias", "+ encoder/conv/bias"]),
        (net(3, 1), ["! encoder/dense/kernel: (2, 1) here, (3, 1) there"]),
    ],
    ids=["missing", "unknown", "renamed", "misshapen"],
)
def test_a_transfer_that_does_not_fit_raises_with_the_leaves(encoder, lines):
    transfer = Transfer(stage="before", nets={"encoder": "encoder"})
    with pytest.raises(ValueError, match="net 'encoder' cannot start") as error:
        start(stage(init_from=(transfer,)), finish(encoder=encoder))
    for line in lines:
        assert line in str(error.value).splitlines()
    assert "head" not in str(error.value)


@pytest.mark.parametrize("nets", [{"encodr": "encoder"}, {"encoder": "encodr"}])
def test_a_transfer_of_an_unknown_net_raises_with_the_nets(nets):
    transfer = Transfer(stage="before", nets=nets)
    with pytest.raises(ValueError, match=r"here \['encoder', 'head'\].*'other'"):
        start(stage(init_from=(transfer,)), finish())


def test_a_transfer_from_an_unknown_stage_raises_with_the_stages():
    transfer = Transfer(stage="befor", nets={"encoder": "encoder"})
    with pytest.raises(ValueError, match=r"'befor'.*\['before'\]"):
        start(stage(init_from=(transfer,)), finish())


# A step.


def test_later_updates_see_what_earlier_ones_did():
    def follow(params, model_state, batch, key):
        value = params["head"]["dense"]["kernel"].sum()
        target = params["encoder"]["dense"]["kernel"].sum()
        return jnp.square(value - target), Aux({"target": target}, model_state)

    begun = start(
        stage(
            update("first", trains="encoder/.*"),
            update("second", gradients_of(follow), trains="head/.*"),
        )
    )
    before = begun.params["encoder"]["dense"]["kernel"].sum()
    _, metrics = train_step(
        stage(
            update("first", trains="encoder/.*"),
            update("second", gradients_of(follow), trains="head/.*"),
        ),
        begun,
        BATCH,
    )
    np.testing.assert_allclose(metrics["second/target"], before - 2, rtol=1e-6)


def test_repeats_step_again_and_report_the_last():
    thrice = stage(update(tx=optax.sgd(optax.linear_schedule(1.0, 0.0, 4)), repeat=3))
    begun = start(thrice)
    stepped, metrics = train_step(thrice, begun, BATCH)
    moved = (
        stepped.params["head"]["dense"]["bias"] - begun.params["head"]["dense"]["bias"]
    )
    np.testing.assert_allclose(moved, -(1 + 0.75 + 0.5))  # the schedule counts them
    assert set(metrics) == {"u/loss"}
    assert stepped.step == 1


def test_every_use_of_randomness_has_a_key_of_its_own():
    seen = {}

    def spy(name):
        def gradients(trained, frozen, model_state, batch, key):
            seen.setdefault(name, []).append(tuple(jax.random.key_data(key).tolist()))
            return constant_gradients(1.0)(trained, frozen, model_state, batch, key)

        return gradients

    def prepare(params, model_state, batch, key):
        seen.setdefault("prepare", []).append(tuple(jax.random.key_data(key).tolist()))
        return batch

    todo = stage(
        update("a", spy("a"), repeat=2), update("b", spy("b")), prepare=prepare
    )
    state = start(todo)
    for _ in range(3):
        state, _ = train_step(todo, state, BATCH)
    keys = [key for name in ("prepare", "a", "b") for key in seen[name]]
    assert len(set(keys)) == len(keys) == 3 * (1 + 2 + 1)
    # Of the step's number and the update's alone: step 2 can be taken again by itself.
    first = start(todo)
    seen.clear()
    train_step(todo, first.replace(step=jnp.int32(2)), BATCH)
    assert [seen["prepare"][0], *seen["a"], *seen["b"]] == [
        keys[2],
        *keys[3 + 4 : 3 + 6],
        keys[-1],
    ]


def test_progress_goes_from_zero_to_just_below_one():
    def loss(params, model_state, batch, key):
        zero = 0 * params["head"]["dense"]["bias"].sum()
        return zero, Aux({"progress": batch["progress"]}, model_state)

    todo = stage(update(gradients=gradients_of(loss)))
    state, told = start(todo), []
    for _ in range(4):
        state, metrics = train_step(todo, state, BATCH)
        told.append(float(metrics["u/progress"]))
    assert told == [0, 0.25, 0.5, 0.75]


def test_losses_are_told_the_classes_of_the_run_and_no_step_changes_them():
    def loss(params, model_state, batch, key):
        zero = 0 * params["head"]["dense"]["bias"].sum()
        weighted = (batch["class_counts"] * jnp.array([100, 10, 1])).sum()
        return zero, Aux({"counts": weighted}, model_state)

    todo = stage(update(gradients=gradients_of(loss)))
    state = start(todo)
    for _ in range(2):
        state, metrics = train_step(todo, state, BATCH)
        assert metrics["u/counts"] == 201
    assert state.class_counts.dtype == jnp.int32
    np.testing.assert_array_equal(state.class_counts, COUNTS)


def test_prepare_sees_the_nets_and_feeds_every_update():
    def prepare(params, model_state, batch, key):
        return {**batch, "code": params["encoder"]["dense"]["bias"] + 41}

    def loss(params, model_state, batch, key):
        zero = 0 * params["head"]["dense"]["bias"].sum()
        return zero, Aux({"code": batch["code"][0]}, model_state)

    todo = stage(
        update("a", gradients_of(loss)),
        update("b", gradients_of(loss)),
        prepare=prepare,
    )
    _, metrics = train_step(todo, start(todo), BATCH)
    assert metrics["a/code"] == metrics["b/code"] == 42


def test_the_model_state_of_one_update_reaches_the_next():
    def count(params, model_state, batch, key):
        mean = model_state["encoder"]["mean"] + 1
        zero = 0 * params["head"]["dense"]["bias"].sum()
        return zero, Aux({"mean": mean[0]}, {"encoder": {"mean": mean}})

    todo = stage(
        update("a", gradients_of(count), repeat=2), update("b", gradients_of(count))
    )
    state, metrics = train_step(todo, start(todo), BATCH)
    assert (metrics["a/mean"], metrics["b/mean"]) == (2, 3)
    assert (state.model_state["encoder"]["mean"] == 3).all()


def test_weight_decay_cannot_reach_an_untrained_leaf():
    decays = optax.adamw(0.1, weight_decay=0.5)
    todo = stage(update(gradients=constant_gradients(0.0), tx=decays, trains="head/.*"))
    begun = start(todo)
    stepped, _ = train_step(todo, begun, BATCH)
    for a, b in zip(
        jax.tree.leaves(begun.params["encoder"]),
        jax.tree.leaves(stepped.params["encoder"]),
        strict=True,
    ):
        assert (a == b).all()


def test_a_step_keeps_the_structure_and_types_of_the_state():
    def init(key, batch):
        params, model_state = init_nets(key, batch)
        return {**params, "pool": {}}, {**model_state, "pool": {}}

    todo = stage(update("a"), update("b", tx=optax.adam(0.1)), init=init)
    begun = start(todo)
    stepped, _ = train_step(todo, begun, BATCH)
    assert jax.tree.structure(begun) == jax.tree.structure(stepped)
    kind = lambda x: (x.shape, x.dtype, getattr(x, "weak_type", False))
    kinds = [[kind(x) for x in jax.tree.leaves(s)] for s in (begun, stepped)]
    assert kinds[0] == kinds[1]


# Waiting.


def test_a_batch_of_padding_alone_changes_nothing_and_reports_zeros():
    todo = stage(update(gradients=constant_gradients(jnp.nan), tx=optax.adam(0.1)))
    begun = start(todo)
    nothing = {**BATCH, "mask": np.zeros(3, bool)}
    waited, metrics = train_step_or_wait(todo, begun, nothing)
    for a, b in zip(jax.tree.leaves(begun), jax.tree.leaves(waited), strict=True):
        assert (a == b).all() and a.dtype == b.dtype
    assert metrics == {"u/loss": 0.0}


def test_a_batch_with_one_clip_is_a_step_like_any_other():
    todo = stage(update(tx=optax.adam(0.1)))
    begun = start(todo)
    one = {**BATCH, "mask": np.array([False, False, True])}
    for a, b in zip(
        jax.tree.leaves(train_step_or_wait(todo, begun, one)),
        jax.tree.leaves(train_step(todo, begun, one)),
        strict=True,
    ):
        assert (a == b).all()
