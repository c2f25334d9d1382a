"""What the stages of MFVAN minimise, and what stands still meanwhile."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.mfvan.rebuild import run
from mer_jax.train.stage import flatten
from mer_jax.train.step import train_step

from .clips import QUICK, SWITCHES, TINY, begun, stage_named

PLAIN = {"dropout": 0.0, "aug": "none"}


@functools.cache
def stepped(name, **changes):
    """The state before, that after a step, its metrics, and the batch."""
    batch, state = begun(**changes)[name]
    step = functools.partial(train_step, stage_named(name, **changes))
    step = jax.jit(step, compiler_options=QUICK)
    after, metrics = jax.device_get(step(state, batch))
    metrics = {k.removeprefix("all/"): float(v) for k, v in metrics.items()}
    return state, after, metrics, batch


def unit(batch, name):
    return np.asarray(batch[name], np.float32) / 255


def apart(found, target, mask):
    """Mean squared difference over the valid images, in float64."""
    difference = np.asarray(found, np.float64) - np.asarray(target, np.float64)
    return np.square(difference[np.asarray(mask)]).mean()


def rebuilt(net, name, state, images, mask):
    """What a net makes of images in training mode."""
    at = state.params[name], state.model_state[name]
    look = jax.jit(functools.partial(run, net, train=True), compiler_options=QUICK)
    return look(*at, jnp.asarray(images), mask)[0]


def nets():
    return SWITCHES.changed(**PLAIN).classification(3)


def test_the_teacher_rebuilds_frames():
    state, _, metrics, batch = stepped("teacher", **PLAIN)
    frames = unit(batch, "frame")
    found = rebuilt(nets().teacher, "teacher", state, frames, batch["mask"])
    expected = apart(found, frames, batch["mask"])
    assert metrics["L_pre"] == metrics["loss"] == pytest.approx(expected, rel=1e-5)


def test_identity_removal_is_the_onset_by_both_and_the_students_by_the_teachers():
    state, _, metrics, batch = stepped("identity_removal", **PLAIN)
    apex, onset, mask = unit(batch, "apex"), unit(batch, "onset"), batch["mask"]
    soft = rebuilt(nets().teacher, "teacher", state, apex, mask)
    _, own = rebuilt(nets().student, "student", state, apex, mask)
    expected = {
        "L_teacher": apart(soft, onset, mask),
        "L_student": apart(own, onset, mask),
        "L_soft": apart(own, soft, mask),
    }
    assert metrics == pytest.approx(
        {**expected, "loss": sum(expected.values())}, rel=1e-4
    )


@pytest.mark.slow
def test_the_soft_target_does_not_come_to_meet_the_student():
    """The teacher's gradient is that of its own error alone."""
    with_it = stepped("identity_removal", **PLAIN)
    without = stepped("identity_removal", **PLAIN, w_soft=0.0)
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7)
    jax.tree.map(close, with_it[1].params["teacher"], without[1].params["teacher"])
    student = flatten(with_it[1].params["student"])
    other = flatten(without[1].params["student"])
    assert any(np.abs(student[k] - other[k]).max() > 1e-4 for k in student)


@pytest.mark.slow
def test_the_last_loss_is_the_sum_of_its_parts():
    changes = {"alpha": 0.7, "beta": 0.3, "w_ri": 2.0, "w_soft": 0.4}
    _, _, metrics, _ = stepped("classify", **PLAIN, **changes)
    removal = metrics["L_student"] + 0.4 * metrics["L_soft"]
    assert metrics["L_RI"] == pytest.approx(removal, rel=1e-5)
    total = metrics["L_g"] + 0.7 * metrics["L_sc"] + 0.3 * metrics["L_mask"]
    assert metrics["loss"] == pytest.approx(total + 2 * metrics["L_RI"], rel=1e-5)


def focal(logits, labels, weights, gamma):
    """The mean focal loss, in float64."""
    z = np.asarray(logits, np.float64)
    p = np.exp(z - z.max(1, keepdims=True))
    p = (p / p.sum(1, keepdims=True))[np.arange(len(z)), labels]
    return (-weights[labels] * (1 - p) ** gamma * np.log(p)).mean()


def test_answers_are_judged_by_the_focal_loss_with_the_weights_of_the_fold():
    state, _, metrics, batch = stepped("classify", **PLAIN)
    net, mask = nets(), np.asarray(batch["mask"])
    apex = jnp.asarray(unit(batch, "apex"))
    params, averages = state.params, state.model_state
    key = jax.random.key(0)
    look = functools.partial(net.found, train=True)
    found, _ = jax.jit(look, compiler_options=QUICK)(
        params, averages, apex, batch["mask"], key=key
    )
    inverse = 1 / np.asarray(state.class_counts, np.float64)
    weights, labels = inverse / inverse.mean(), np.asarray(batch["label"])[mask]
    assert len(set(weights)) == 3
    told = found.told
    loss = lambda logits: focal(np.asarray(logits)[mask], labels, weights, 2.0)
    assert metrics["L_g"] == pytest.approx(loss(told.whole) + loss(told.logits), 1e-4)
    assert metrics["L_sc"] == pytest.approx(np.mean([*map(loss, told.scales)]), 1e-4)
    assert metrics["L_mask"] == pytest.approx(np.mean([*map(loss, told.masked)]), 1e-4)
    kept = np.mean([np.asarray(scale.kept)[mask].mean() for scale in found.scales])
    assert metrics["kept"] == pytest.approx(kept, 1e-5)


def test_the_teacher_stands_still_in_classify():
    before, after, _, _ = stepped("classify", **PLAIN)
    same = functools.partial(jax.tree.map, np.testing.assert_array_equal)
    same(before.params["teacher"], after.params["teacher"])
    same(before.model_state["teacher"], after.model_state["teacher"])
    moved = lambda net: any(
        np.abs(leaf - flatten(after.params[net])[name]).max() > 0
        for name, leaf in flatten(before.params[net]).items()
    )
    assert all(moved(net) for net in ("student", "transformers", "heads"))


@pytest.mark.parametrize("changes", [{"w_soft": 0.0}, {"w_ri": 0.0}], ids=str)
def test_a_teacher_that_is_no_target_is_not_asked(changes):
    *_, (_, _, state) = SWITCHES.abstract(**changes)
    assert "teacher" not in state.params


@pytest.mark.slow
def test_the_residual_is_what_the_student_takes_off():
    changes = {**PLAIN, "ri_feature": "residual"}
    batch, state = begun(**changes)["classify"]
    net = SWITCHES.changed(**changes).classification(3)
    apex = jnp.asarray(unit(batch, "apex"))
    look = jax.jit(functools.partial(net.found, train=False), compiler_options=QUICK)
    found, _ = look(state.params, state.model_state, apex, batch["mask"])
    at = state.params["student"], state.model_state["student"]
    (_, onset), _ = run(net.student, *at, apex, batch["mask"], train=False)
    np.testing.assert_array_equal(found.rebuilt, onset)
    at = state.params["residual"], state.model_state["residual"]
    seen = jnp.abs(apex - onset)
    maps, _ = run(net.residual, *at, seen, batch["mask"], train=False)
    width = 8 * TINY.width
    np.testing.assert_allclose(
        found.features[:, :width], maps.deep.mean((1, 2)), rtol=1e-5, atol=1e-6
    )
