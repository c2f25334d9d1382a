"""MoExt's config: every switch changes something, and the stages are the paper's."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from mer_jax.errors import UserError
from mer_jax.systems.moext import MoExt
from mer_jax.systems.moext.objective import strength
from mer_jax.train.stage import flatten
from tests.systems.switches import Switches, assert_same_numbers

TINY = MoExt().tiny()

# Other values of the fields that are no Literal; those of the others are all taken.
OTHERS = {
    "size": (32,),
    "pretrain": (False,),
    "width": (3,),
    "branch_cb": (0, 2),
    "branch_fc": (2,),
    "recon_blocks": (2,),
    "projection_features": (4,),
    "projection_unit": (False,),
    "dropout": (0.5,),
    "copies": (3,),
    "noise": (0.2,),
    "contrast": ((2.0, 3.0),),
    "a1": (0.0,),
    "a2": (0.0,),
    "eps": (0.5,),
    "lst_anchor_sg": (True,),
    "learning_rate": (1e-2,),
    "momentum": (0.5,),
    "weight_decay": (0.1,),
    "batch": (6,),
    "pretrain_epochs": (3,),
    "epochs": (3,),
}
# Set along with a switch that shows only then.
TOGETHER = {
    "wd_mode": {"weight_decay": 0.1},
    "aug10_stages": {"copies": 3},
    "branch_pool": {"size": 64},
}


def clips(size, count=8):
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (2, count, size, size, 3)).astype(np.uint8)
    # An apex is nearly its onset.
    apex = np.where(generator.random(frames[0].shape) < 0.9, frames[0], frames[1])
    return {
        "onset": jnp.array(frames[0]),
        "apex": jnp.array(apex),
        "label": jnp.arange(count, dtype=jnp.int32) % 3,
        "mask": jnp.arange(count) < count - 1,
    }


SWITCHES = Switches(
    TINY,
    lambda stage, config: clips(config.size, config.batch),
    others=OTHERS,
    together=TOGETHER,
    apart={"conv", "remat", "init_weights"},  # tests below
    jit=False,
)
VALUES, traced = SWITCHES.values(), SWITCHES.traced


@pytest.mark.parametrize("field", ["lst_neg", "motion_block", "head", "a1"])
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
    small = {"learning_rate": 1e-4}
    told, other = SWITCHES.told(**small), SWITCHES.told(**small, **changes)
    assert_same_numbers(told, other, 1e-3)


@pytest.mark.parametrize("conv", ["native", "im2col"])
def test_each_way_to_convolve_is_another_program(conv):
    assert traced(conv=conv) != traced(conv="cpu")
    assert traced(conv="auto") == traced(conv="cpu")  # tests run on a CPU


def test_remat_is_another_program_for_pretraining_alone():
    plain, remat = traced(), traced(remat=True)
    assert plain[0] != remat[0] and "remat" in remat[0][-1]
    assert plain[1] == remat[1]


def test_the_same_config_is_the_same_program():
    assert traced() == traced.__wrapped__()


@pytest.mark.parametrize(
    "changes",
    [{"conv": "fft"}, {"precision": "float16"}, {"backbone": "vgg"}, {"head": "none"}],
    ids=str,
)
def test_a_value_that_a_switch_does_not_have_is_an_error(changes):
    with pytest.raises(ValueError, match=str(next(iter(changes.values())))):
        traced(**changes)


def test_bfloat16_keeps_parameters_statistics_and_losses_in_float32():
    SWITCHES.assert_single()


def test_an_epoch_is_ten_passes_where_clips_are_enlarged():
    passes = lambda **changes: [
        stage.num_epochs for stage in MoExt(**changes).build(3, 6).stages
    ]
    assert passes() == [300, 300]
    assert passes(aug10="off") == [30, 30]
    assert passes(aug10_stages="pretrain") == [300, 30]
    assert passes(pretrain=False) == [300]


def test_the_strength_of_a_gradient_is_1_at_its_greatest():
    slope = np.random.default_rng(0).normal(size=(2, 4, 4, 3))
    expected = np.abs(slope).sum(-1)
    expected /= expected.max((1, 2), keepdims=True)
    np.testing.assert_allclose(strength(slope), expected, rtol=1e-6)
    assert not np.asarray(strength(np.zeros((1, 4, 4, 3)))).any()


def test_onset_and_apex_are_turned_alike():
    """No motion may come of the enlargement: equal frames stay equal."""
    still = clips(16)["onset"]
    batch = {**clips(16), "apex": still}
    for stage in TINY.build(3, 6).stages[1:]:
        frames = stage.prepare({}, {}, batch, jax.random.key(3))["frames"]
        np.testing.assert_array_equal(frames[:, 0], frames[:, 1])
        assert not np.allclose(frames[:, 0] * 255, still)


# Weights from elsewhere.


def saved(path, stage):
    """An export of a stage as it starts, every number moved by 1."""
    batch, state = jax.jit(lambda: SWITCHES.started(stage, TINY, {}))()
    nets = {"params": state.params, "model_state": state.model_state}
    leaves = {name: np.asarray(leaf) + 1 for name, leaf in flatten(nets).items()}
    save_file(leaves, path)
    return batch, leaves


@pytest.mark.parametrize("pretrain", [True, False])
def test_the_first_stage_starts_from_the_weights_of_a_file(pretrain, tmp_path):
    path = tmp_path / "weights.safetensors"
    batch, leaves = saved(path, TINY.build(3, 6).stages[0])
    config = dataclasses.replace(TINY, pretrain=pretrain, init_weights=str(path))
    first = config.build(3, 6).stages[0]
    params, model_state = jax.jit(first.init)(jax.random.key(7), batch)
    found = flatten({"params": params, "model_state": model_state})
    shared = [n for n in found if not n.startswith("params/head/")]
    assert len(shared) == len(found) - (0 if pretrain else 2)
    for name in shared:
        np.testing.assert_array_equal(found[name], leaves[name], err_msg=name)


def test_a_file_of_weights_that_is_not_there_is_an_error_before_any_work(tmp_path):
    config = dataclasses.replace(TINY, init_weights=str(tmp_path / "none.safetensors"))
    with pytest.raises(UserError, match="cannot read weights"):
        config.build(3, 6)
