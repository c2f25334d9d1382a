"""Tests for mer_jax/ensemble/pending.py."""

import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.ensemble.pending import Pending
from mer_jax.errors import UserError
from tests import flights

RUNS = flights.row("duel").runs[:2]


def pending(steps=6, stored=3):
    table = np.full((2, steps, 2), np.nan, np.float32)
    logits = np.full((2, stored, 4, 3), np.nan, np.float32)
    return Pending(RUNS, "tune", ("net/hits", "net/loss"), table, logits)


def metrics(loss):
    return {"net/loss": jnp.array(loss), "net/hits": jnp.array([0.5, 0.25])}


def test_metrics_are_stored_by_step_in_the_order_of_their_names():
    waiting = pending()
    for step in (0, 1):
        waiting.add_metrics(step, metrics([step + 1.0, step + 10.0]))
    assert np.isnan(waiting.table).all()  # nothing is fetched before it is asked for
    waiting.collect()
    np.testing.assert_array_equal(
        waiting.table[:, :2],
        [[[0.5, 1.0], [0.5, 2.0]], [[0.25, 10.0], [0.25, 11.0]]],
    )
    assert np.isnan(waiting.table[:, 2:]).all()


def test_the_newest_steps_and_logits_may_stay_on_the_device():
    waiting = pending()
    for step in range(4):
        waiting.add_metrics(step, metrics([1.0, 2.0]))
    for where in (0, 1):
        waiting.add_logits(where, jnp.full((2, 4, 3), where + 1.0))
    waiting.collect(keep=3)
    assert np.isfinite(waiting.table[0, :, 0]).tolist() == [True] + [False] * 5
    assert (waiting.logits[:, 0] == 1).all() and np.isnan(waiting.logits[:, 1:]).all()
    waiting.collect()
    assert np.isfinite(waiting.table[0, :, 0]).sum() == 4
    assert (waiting.logits[:, 1] == 2).all() and np.isnan(waiting.logits[:, 2]).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_names_run_stage_and_step(value):
    waiting = pending()
    waiting.add_metrics(2, metrics([1.0, 2.0]))
    waiting.add_metrics(3, metrics([1.0, value]))
    with pytest.raises(UserError) as error:
        waiting.collect()
    text = str(error.value)
    assert f"{RUNS[1]}: not finite in stage 'tune': step 3" in text
    assert f"net/loss = {value}" in text and "net/hits = 0.25" in text
    assert str(RUNS[0]) not in text
    assert "last good checkpoint" in text and "learning rate" in text


def test_logits_that_are_not_finite_name_the_run_and_are_not_stored():
    waiting = pending()
    logits = np.zeros((2, 4, 3), np.float32)
    logits[1, 2, 0] = np.nan
    waiting.add_logits(0, jnp.array(logits))
    with pytest.raises(UserError, match=f"{RUNS[1]}: .*'tune': test logits are NaN"):
        waiting.collect()
    assert np.isnan(waiting.logits).all()


def test_parameters_that_are_not_finite_name_the_run():
    params = {"net": {"kernel": np.ones((2, 3, 3)), "bias": np.ones(2)}}
    waiting = pending()
    waiting.check(params)
    params["net"]["kernel"][1, 2, 2] = np.nan
    with pytest.raises(UserError, match=f"{RUNS[1]}: .*'tune': parameters"):
        waiting.check(params)
