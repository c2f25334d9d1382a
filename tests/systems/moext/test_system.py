"""MoExt's config: every switch changes something, and the stages are the paper's."""

import dataclasses
import functools
import typing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.moext import MoExt
from mer_jax.train.stage import flatten
from mer_jax.train.step import init_run, train_step

TINY = MoExt().tiny()
STEPS = 2  # the second shows what an optimiser did in the first

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
SPEED_ONLY = {"conv", "remat"}
# Set along with a switch that shows only then.
TOGETHER = {
    "wd_mode": {"weight_decay": 0.1},
    "aug10_stages": {"copies": 3},
    "branch_pool": {"size": 64},
}


def values():
    """[(field, value)] of every switch but those of speed, the default left out."""
    kinds = typing.get_type_hints(MoExt)
    cases = []
    for field in dataclasses.fields(MoExt):
        if field.name in SPEED_ONLY or field.name == "init_weights":  # tests below
            continue
        others = OTHERS.get(field.name) or typing.get_args(kinds[field.name])
        default = getattr(TINY, field.name)
        assert others, f"{field.name}: which other values are there?"
        cases += [(field.name, value) for value in others if value != default]
    return cases


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


def told(config):
    """What can be told of a config: of its stages, its leaves, its losses."""
    batch, finished, seen = clips(config.size, config.batch), {}, {}
    system = config.build(3)
    for stage in system.stages:
        key = jax.random.key(0)
        state = init_run(stage, key, jnp.int32(9), batch, finished)
        shapes = {name: leaf.shape for name, leaf in flatten(state.params).items()}
        losses = []
        for _ in range(STEPS):
            state, metrics = train_step(stage, state, batch)
            losses.append(float(metrics["all/loss"]))
        assert np.isfinite(losses).all()
        seen[stage.name] = stage.num_epochs, stage.source, shapes, losses
        finished[stage.name] = state.params, state.model_state
    logits = system.predict(state.params, state.model_state, batch)
    assert logits.shape == (len(batch["mask"]), 3)
    return seen


@functools.cache
def told_of(**changes):
    return told(dataclasses.replace(TINY, **changes))


@pytest.mark.parametrize(("field", "value"), values(), ids=str)
def test_every_value_of_every_switch_takes_a_step_and_changes_something(field, value):
    with_it = TOGETHER.get(field, {})
    assert told_of(**with_it, **{field: value}) != told_of(**with_it)


def test_the_same_config_tells_the_same():
    assert told(TINY) == told_of()
