"""MFVAN's config: every switch changes something, and the stages are the README's."""

import dataclasses
import functools
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.ensemble.rows import check_pools
from mer_jax.errors import UserError
from mer_jax.losses.classification import cross_entropy
from mer_jax.systems import mfvan
from mer_jax.systems.mfvan import MFVAN
from mer_jax.train.stage import flatten
from mer_jax.train.step import train_step
from tests.systems.switches import assert_same_numbers

from .clips import SWITCHES, TINY, begun, stage_named

VALUES, traced = SWITCHES.values(), SWITCHES.traced
README = pathlib.Path(mfvan.__file__).with_name("README.md").read_text()


@pytest.mark.parametrize("field", ["class_weights"])
def test_a_switch_makes_another_program(field):
    """Quick stand-in for the next test, which takes minutes."""
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
    small = {"learning_rate": 1e-4, "dropout": 0.0}
    told, other = SWITCHES.told(**small), SWITCHES.told(**small, **changes)
    assert_same_numbers(told, other, 1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"aug": "crop"},
        {"ri_feature": "both"},
        {"decoder": "linear"},
        {"teacher_scope": "twice"},
        {"mask_grad": "hard"},
        {"mask_loss": "sum"},
        {"class_weights": "square"},
        {"wd_mode": "none"},
        {"precision": "float16"},
        {"conv": "fft"},
        {"scales": (0, 3)},
        {"scales": (1, 1)},
        {"size": 40},
        {"patch": 6, "size": 48},
        {"ri_feature": "residual", "ri": False},
    ],
    ids=str,
)
def test_a_value_that_a_switch_does_not_have_is_an_error(changes):
    with pytest.raises(ValueError, match=next(iter(changes))) as told:
        MFVAN(**changes).build(3, 6)
    assert str(next(iter(changes.values()))) in str(told.value)


def test_bfloat16_keeps_parameters_statistics_and_losses_in_float32():
    SWITCHES.assert_single()


def test_the_readme_names_every_field_with_its_default():
    """What a table calls `field` has its default beside it, if that is a word."""
    named = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", README))))
    for field in dataclasses.fields(MFVAN):
        assert field.name in named, field.name
    rows = [line for line in README.splitlines() if line.startswith("| E")]
    assert [row.split("|")[1].strip() for row in rows] == [
        f"E{number}" for number in range(1, 15)
    ]
    words = [field for field in dataclasses.fields(MFVAN) if type(field.default) is str]
    assert len(words) > 7
    for field in words:
        told = [row for row in rows if f"`{field.name}`" in row]
        assert all(f"`{field.default}`" in row for row in told), field.name


def test_at_224_pixels_every_scale_has_14_by_14_patches():
    *_, (_, batch, state) = SWITCHES.abstract(
        **{f.name: f.default for f in dataclasses.fields(MFVAN)}
    )
    leaves = flatten(state.params)
    positions = [v.shape for k, v in leaves.items() if k.endswith("positions")]
    assert positions == 3 * [(1, 1 + 14 * 14, 192)]
    assert batch["apex"].shape == (32, 224, 224, 3)


# The stages.


def test_three_stages_or_one():
    told = lambda **changes: [
        (s.name, s.num_epochs, s.source.of, s.pools, [t.stage for t in s.init_from])
        for s in MFVAN(**changes).build(3, 6).stages
    ]
    removal = ("identity_removal", 50, "clips", ("",), ["teacher"])
    last = ("classify", 50, "clips", ("",), ["identity_removal"])
    assert told() == [("teacher", 20, "frames", ("",), []), removal, last]
    assert told(teacher_scope="once")[0] == ("teacher", 20, "frames", ("faces",), [])
    assert told(ri=False) == [("classify", 50, "clips", ("",), [])]
    check_pools(MFVAN().build(3, 6), ())  # needs none
    with pytest.raises(UserError, match="trains on pool 'faces'"):
        check_pools(MFVAN(teacher_scope="once").build(3, 6), ())


def test_frames_are_asked_for_only_by_a_teacher():
    assert MFVAN().build(3, 6).frames.shape == (224, 224, 3)
    assert MFVAN(ri=False).build(3, 6).frames is None


# Identity removal, scales -> the nets of `classify`, and what counts there.
GRID = {
    (True, (0, 1, 2)): {"student", "teacher", "transformers", "heads"},
    (True, ()): {"student", "teacher", "heads"},
    (False, (0,)): {"student", "transformers", "heads"},
    (False, ()): {"student", "heads"},
}
grid = pytest.mark.parametrize(("ri", "scales"), GRID, ids=str)


@grid
def test_a_row_of_the_ablation_has_the_nets_and_losses_it_needs(ri, scales):
    *_, (stage, batch, state) = SWITCHES.abstract(ri=ri, scales=scales)
    assert set(state.params) == GRID[ri, scales]
    assert ("decoder" in state.params["student"]) == ri
    step = functools.partial(train_step, stage)
    _, metrics = jax.eval_shape(step, state, batch)
    losses = {k.removeprefix("all/") for k in metrics} - {"accuracy", "kept"}
    expected = {"loss", "L_g"}
    expected |= {"L_RI", "L_student", "L_soft"} if ri else set()
    expected |= {"L_sc", "L_mask"} if scales else set()
    assert losses == expected


def test_without_scales_and_identity_removal_it_is_a_plain_net():
    """Four convolutions, a mean and a dense layer; the loss is the focal one alone."""
    *_, (_, _, state) = SWITCHES.abstract(ri=False, scales=())
    layers = {name.rsplit("/", 1)[0] for name in flatten(state.params)}
    encoder = {
        f"student/encoder/{kind}{i}" for kind in ("conv", "bn") for i in range(1, 5)
    }
    assert layers == {"heads/whole"} | encoder
    plain = {"ri": False, "scales": (), "aug": "none"}
    (stage,) = SWITCHES.stages(**plain, gamma=0.0, class_weights="none")
    batch, state = begun(**plain)["classify"]
    _, metrics = jax.jit(functools.partial(train_step, stage))(state, batch)
    assert metrics["all/loss"] == metrics["all/L_g"]
    # gamma = 0 without class weights is cross-entropy.
    encoder = SWITCHES.changed(**plain).classification(3).residual
    nets = state.params["student"]["encoder"], state.model_state["student"]["encoder"]
    variables = dict(zip(("params", "batch_stats"), nets, strict=True))
    apex, mask = batch["apex"] / np.float32(255), batch["mask"]
    maps, _ = encoder.apply(variables, apex, mask, True, mutable=["batch_stats"])
    head = {k: np.asarray(v) for k, v in state.params["heads"]["whole"].items()}
    logits = np.asarray(maps.deep).mean((1, 2)) @ head["kernel"] + head["bias"]
    expected = cross_entropy(jnp.asarray(logits), batch["label"], where=mask)
    np.testing.assert_allclose(metrics["all/loss"], expected, rtol=1e-5)


def test_nets_arrive_from_the_stages_that_trained_them():
    states = {name: state for name, (_, state) in begun().items()}
    same = functools.partial(jax.tree.map, np.testing.assert_array_equal)
    first, second, last = (
        states[name] for name in ("teacher", "identity_removal", "classify")
    )
    same(second.params["teacher"], first.params["teacher"])
    for net in ("teacher", "student"):
        same(last.params[net], second.params[net])
        same(last.model_state[net], second.model_state[net])


def test_who_is_tested_is_asked_by_the_apex_alone():
    batch, state = begun()["classify"]
    system = TINY.build(3, 6)
    predict = jax.jit(system.predict)
    logits = predict(state.params, state.model_state, batch)
    del batch["onset"]
    again = predict(state.params, state.model_state, {**batch})
    np.testing.assert_array_equal(logits, again)
    assert np.ptp(logits, axis=0).max() > 1e-4


def test_the_last_stage_shows_what_the_heads_see():
    batch, state = begun()["classify"]
    stage = stage_named("classify")
    found = jax.jit(stage.inspect)(state.params, state.model_state, batch)
    width = 8 * TINY.width + 3 * TINY.features
    assert found["features"].shape == (TINY.batch, width)
    for name in stage.shows:
        picture = np.asarray(found[name])
        assert picture.shape == (TINY.batch, TINY.size, TINY.size, 3)
        assert picture.min() >= 0 and picture.max() <= 1
    assert stage.shows == ("apex", "kept_0", "kept_1", "kept_2")
    for scale in (0, 1, 2):
        # Of a patch either all is dark, or none.
        share = np.asarray(found[f"kept_{scale}"]).sum(-1) / np.maximum(
            np.asarray(found["apex"]).sum(-1), 1e-6
        )
        assert np.isclose(share, 0.15, atol=1e-3).any()
        assert np.isclose(share, 1, atol=1e-3).any()


def test_the_second_stage_shows_both_onsets():
    batch, state = begun()["identity_removal"]
    stage = stage_named("identity_removal")
    found = jax.jit(stage.inspect)(state.params, state.model_state, batch)
    assert {*stage.shows} == {*found} == {"by_teacher", "by_student"}
    assert np.abs(found["by_teacher"] - found["by_student"]).max() > 1e-3


def test_labels_are_asked_for_by_the_last_stage_alone():
    asked = [stage.source.labelled for stage in TINY.build(3, 6).stages]
    assert asked == [False, False, True]
    batch, state = begun()["identity_removal"]
    step = jax.jit(functools.partial(train_step, stage_named("identity_removal")))
    _, metrics = step(state, batch)
    other = {**batch, "label": jnp.full_like(batch["label"], -1)}
    _, again = step(state, other)
    assert metrics == again


def test_its_scores_are_called_those_of_a_reconstruction():
    assert MFVAN().build(3, 1).caveat.startswith("A reconstruction")
