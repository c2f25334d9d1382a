"""Tests for mer_jax/train/stage.py."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mer_jax.train import stage
from mer_jax.train.stage import Aux, Beside, Source, gradients_of, merge, split
from tests import toys

PARAMS = {
    "net": {"dense": {"kernel": np.ones((2, 3)), "bias": np.zeros(3)}},
    "network": {"bias": np.zeros(1)},
}


def test_a_pattern_must_match_the_whole_name_of_a_leaf():
    trained, frozen = split(PARAMS, "net/.*")
    assert sorted(trained) == ["net/dense/bias", "net/dense/kernel"]
    assert sorted(frozen) == ["network/bias"]
    assert sorted(split(PARAMS, ".*/bias")[0]) == ["net/dense/bias", "network/bias"]
    with pytest.raises(ValueError):
        split(PARAMS, "net")  # a prefix of every name, but no name


def test_a_pattern_that_trains_nothing_raises_with_every_leaf():
    with pytest.raises(ValueError, match="trains='nett/.*' matches none of") as error:
        split(PARAMS, "nett/.*")
    for name in ("net/dense/bias", "net/dense/kernel", "network/bias"):
        assert f"\n  {name}" in str(error.value)


def test_merge_undoes_split():
    for pattern in (".*", "net/.*", ".*/bias", "network/bias"):
        assert jax.tree.all(
            jax.tree.map(np.array_equal, merge(*split(PARAMS, pattern)), PARAMS)
        )


def test_only_trained_leaves_have_gradients_and_the_loss_joins_the_metrics():
    def loss(params, model_state, batch, key):
        value = (params["a"]["w"] * params["b"]["w"]) * batch["x"]
        return value, Aux({"symbol": value + 1}, {"seen": batch["x"]})

    params = {"a": {"w": jnp.float32(3)}, "b": {"w": jnp.float32(5)}}
    grads, aux = gradients_of(loss)(
        *split(params, "b/.*"), {}, {"x": jnp.float32(2)}, jax.random.key(0)
    )
    assert grads == {"b/w": 6.0}
    assert aux.metrics == {"loss": 30.0, "symbol": 31.0}
    assert aux.model_state == {"seen": 2.0}


def test_stages_and_updates_of_one_name_are_refused():
    system = toys.Duel().build(3, 6)
    (only,) = system.stages
    with pytest.raises(ValueError, match=r"stages of 'duel'.*\['duel', 'duel'\]"):
        dataclasses.replace(system, stages=(only, only))
    critic, encoder = only.updates
    twins = (critic, dataclasses.replace(encoder, name=critic.name))
    with pytest.raises(ValueError, match=r"updates of 'duel'.*\['critic', 'critic'\]"):
        dataclasses.replace(system, stages=(dataclasses.replace(only, updates=twins),))


def test_a_stage_of_frames_needs_frames_and_has_no_other_input():
    system = toys.Reel().build(3, 6)
    with pytest.raises(ValueError, match="stage 'film' trains on frames: its system"):
        dataclasses.replace(system, frames=None)
    first, last = system.stages
    both = dataclasses.replace(first, beside={"b": Beside(batch=2, pool="")})
    with pytest.raises(ValueError, match="no inputs beside them"):
        dataclasses.replace(system, stages=(both, last))


def test_an_update_trains_everything_once_unless_told_otherwise():
    update = stage.Update(name="u", gradients=gradients_of(None), tx=optax.sgd(1.0))
    assert split(PARAMS, update.trains)[1] == {}
    assert update.repeat == 1


def test_a_stage_tells_its_pools_and_the_rows_of_its_inputs():
    """In the order in which the rows of a step lie."""
    (plain,) = toys.Duel().build(3, 6).stages
    assert plain.pools == ("", "others")
    assert plain.inputs == {"": 8, "others": 5} and plain.rows == 13
    alone = dataclasses.replace(plain, beside={})
    assert alone.pools == ("",) and alone.inputs == {"": 8} and alone.rows == 8
    source = Source(batch=4, pool="far")
    beside = {"b": Beside(batch=2, pool="far"), "a": Beside(batch=3, pool="")}
    several = dataclasses.replace(plain, source=source, beside=beside)
    assert several.pools == ("far", "far", "")
    assert [*several.inputs.items()] == [("", 4), ("b", 2), ("a", 3)]
    assert several.rows == 9
