"""Tests for mer_jax/ensemble/runner.py; what holds of every system is tested there."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax import rng
from mer_jax.data.pools import resident_arrays
from mer_jax.data.schedule import beside, schedule
from mer_jax.ensemble.checkpoint import Checkpoints, Place
from mer_jax.ensemble.lift import replicate
from mer_jax.ensemble.listener import Hooks, Interrupted
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.runner import WaveRunner, eval_epochs
from mer_jax.errors import UserError
from mer_jax.train.stage import Beside
from tests import flights

EVERY_STEP = -1.0  # seconds between checkpoints


@pytest.fixture
def duel(tmp_path):
    """A runner of one fold of 6 steps; a new one each time, on one directory."""
    row, program = flights.row("duel"), flights.program("duel")
    fold = flights.folds_of(row, steps=3)[0]
    return lambda: flights.runner(row, program, [fold], tmp_path / "wave")


def stop_after(steps):
    counter = itertools.count(1)
    return lambda: next(counter) >= steps


# What is told and asked.


def test_every_step_is_told_and_a_fresh_start_too(duel):
    told = []
    hooks = Hooks(stepped=lambda: told.append("step"), resumed=told.append)
    duel().run(hooks)
    assert told == [0] + ["step"] * 6


def test_a_resumed_wave_tells_the_steps_it_had_taken(duel):
    with pytest.raises(Interrupted):
        duel().run(Hooks(stop=stop_after(4)))
    told = []
    duel().run(Hooks(stepped=lambda: told.append("step"), resumed=told.append))
    assert told == [4, "step", "step"]


def test_time_is_counted_over_interruptions(duel):
    with pytest.raises(Interrupted):
        duel().run(Hooks(stop=stop_after(3)))
    with Checkpoints(duel().directory) as checkpoints:
        first = float(duel()._restore(checkpoints).seconds[0])
    assert 0 < first < duel().run(Hooks()).seconds[0]


def places_saved(monkeypatch):
    places, save = [], Checkpoints.save

    def spy(self, place, *args):
        places.append(place)
        save(self, place, *args)

    monkeypatch.setattr(Checkpoints, "save", spy)
    return places


def test_checkpoints_come_as_often_as_asked_and_not_after_the_last_step(
    duel, monkeypatch
):
    places = places_saved(monkeypatch)
    duel().run(Hooks())  # 30 seconds are not over
    assert places == []
    duel().run(Hooks(checkpoint_every=EVERY_STEP))
    assert places == [Place("duel", step, step) for step in (1, 2, 3, 4, 5)]


def test_a_wish_to_stop_at_the_end_of_a_stage_saves_first(tmp_path, monkeypatch):
    row, program = flights.row("relay"), flights.program("relay")
    fold = flights.folds_of(row, steps=3)[0]
    runner = lambda: flights.runner(row, program, [fold], tmp_path / "wave")
    places = places_saved(monkeypatch)
    with pytest.raises(Interrupted):
        runner().run(Hooks(stop=stop_after(6)))
    assert places == [Place("pretrain", 6, 6)]
    told = []
    with pytest.raises(Interrupted):
        runner().run(Hooks(stop=stop_after(1), resumed=told.append))
    assert told == [6]
    assert places[1] == Place("probe", 1, 7)


def test_a_wish_to_stop_at_the_very_last_step_lets_the_wave_land(duel):
    assert duel().run(Hooks(stop=stop_after(6))).place == Place("duel", 6, 6)


# Results.


def test_stored_logits_are_the_predictions_of_the_test_clips(duel):
    runner = duel()
    flight = runner.run(Hooks())
    assert runner.epochs == [1, 2] and flight.logits.shape[:2] == (1, 2)
    (test,) = runner.test
    nets = jax.tree.map(lambda x: x[0], (flight.state.params, flight.state.model_state))
    expected = runner.program.system.predict(
        *nets, flights.batch_of(runner.corpus, test)
    )
    np.testing.assert_allclose(flight.logits[0, -1], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(flight.logits[0, 0], flight.logits[0, 1])


def test_logits_are_stored_only_after_the_epochs_asked_for():
    row = flights.row("duel")
    experiment = dataclasses.replace(row.experiment, eval_every=5)
    rare = dataclasses.replace(row, experiment=experiment)
    program, fold = flights.program("duel"), flights.folds_of(row)[0]
    seldom, often = (flights.land(r, program, [fold]) for r in (rare, row))
    assert seldom["logits"].shape[1] == 1
    np.testing.assert_array_equal(seldom["logits"][:, 0], often["logits"][:, -1])


def test_batches_and_keys_come_from_the_names_of_the_run(tmp_path):
    row = flights.row("relay")
    experiment = dataclasses.replace(row.experiment, seeds=(0, 3))
    both = dataclasses.replace(row, experiment=experiment)
    for run in both.runs[:4]:  # two folds, two seeds
        wave = Wave((run,), 1)
        runner = WaveRunner(flights.program("relay"), row.corpus, wave, tmp_path)
        state = flights.host(flights.enter(runner, "pretrain"))
        key = rng.run_key(seed=run.seed, protocol="toy", fold=run.fold.name)
        expected = jax.random.key_data(rng.fold_in(key, "pretrain"))
        np.testing.assert_array_equal(state["key"][0], expected)
        for stage in runner.stages:
            expected = schedule(
                run.fold.train,
                keys=row.corpus.keys,
                labels=row.corpus.labels,
                batch=stage.source.batch,
                order=stage.source.order,
                num_epochs=stage.num_epochs,
                words=("toy", run.fold.name, stage.name, run.seed),
            )
            np.testing.assert_array_equal(runner.indices[stage.name][0], expected)


def test_clips_beside_a_batch_come_from_the_names_of_the_run_and_of_the_input(tmp_path):
    row, program = flights.row("duel"), flights.program("duel")
    (stage,) = row.system.stages
    runs = dataclasses.replace(row.experiment, seeds=(0, 3))
    drawn = []
    for run in dataclasses.replace(row, experiment=runs).runs[:4]:
        runner = WaveRunner(program, row.clips, Wave((run,), 1), tmp_path)
        own, other = np.split(runner.indices["duel"][0], [stage.source.batch], axis=-1)
        expected = beside(
            own,
            run.fold.pools["others"],
            labels=row.clips.labels,
            batch=stage.beside["others"].batch,
            draw="random",
            words=("toy", run.fold.name, "duel", run.seed, "others"),
        )
        np.testing.assert_array_equal(other, expected)
        drawn.append(other[0, 0].tolist())
    assert len({*map(tuple, drawn)}) == 4


def test_inputs_lie_side_by_side_and_each_has_a_draw_of_its_own(tmp_path):
    row = flights.row("duel")
    (stage,) = row.system.stages
    twins = {name: Beside(batch=5, pool="others") for name in ("others", "again")}
    inputs = twins | {"own": Beside(batch=8, pool="", draw="class_matched")}
    wide = dataclasses.replace(stage, beside=inputs)
    system = dataclasses.replace(row.system, stages=(wide,))
    program = flights.program_of(dataclasses.replace(row, system=system))
    run = next(r for r in row.runs if len(r.fold.train) % 8)  # its last batch is padded
    (index,) = flights.runner(row, program, [run.fold.name], tmp_path).indices["duel"]
    assert index.shape[2] == wide.rows == 26
    source, one, other, own = np.split(index, [8, 13, 18], axis=-1)
    assert (one != other).any() and (one >= 0).all() and (other >= 0).all()
    np.testing.assert_array_equal(own < 0, source < 0)
    labels, real = row.clips.labels, source >= 0
    assert not real.all()
    np.testing.assert_array_equal(labels[own[real]], labels[source[real]])
    assert set(own[real]) <= set(run.fold.train)


@given(st.integers(1, 50), st.integers(1, 60))
def test_the_last_epoch_is_always_stored_and_others_at_equal_distances(epochs, every):
    stored = eval_epochs(epochs, every)
    assert stored[-1] == epochs and stored == sorted(set(stored))
    assert set(stored) - {epochs} == {e for e in range(1, epochs) if e % every == 0}


def test_eval_every_must_be_positive():
    with pytest.raises(UserError, match="eval_every must be 1 or more, got 0"):
        eval_epochs(10, 0)


def test_steps_of_another_formulation_are_told_of_and_taken_again(duel, monkeypatch):
    with pytest.raises(Interrupted):
        duel().run(Hooks(stop=stop_after(3)))
    other, told = duel(), []
    layout = dataclasses.replace(other.program.layout, formulation=(("conv", "x"),))
    hooks = Hooks(dropped=told.append, resumed=lambda n: told.append(-n))
    with monkeypatch.context() as patch:
        patch.setattr(other.program, "layout", layout)
        flight = other.run(hooks)
    assert told == [3, 0]
    row, program = flights.row("duel"), flights.program("duel")
    through = flights.land(row, program, [other.wave.runs[0].fold.name])
    assert not flights.differing(through, flights.snapshot(flight))


# Numbers that are not finite.


def with_clip(program, corpus, clip, value):
    """The resident clips with one of them made bad."""
    apex = corpus.features["apex"].copy()
    apex[clip] = value
    return replicate(program.mesh, {**resident_arrays(corpus), "apex": apex})


def assert_last_good_checkpoint_leads_to_the_end(runner, steps):
    """Once what was wrong is mended the run goes on from before the damage."""
    with Checkpoints(runner().directory) as checkpoints:
        assert checkpoints.latest()[0] == Place("duel", steps, steps)
    told = []
    flight = runner().run(Hooks(resumed=told.append))
    assert told == [steps]
    row, program = flights.row("duel"), flights.program("duel")
    through = flights.land(row, program, [runner().wave.runs[0].fold.name])
    assert not flights.differing(through, flights.snapshot(flight))


def test_a_loss_that_is_not_finite_names_the_run_and_keeps_the_last_good_checkpoint(
    duel, monkeypatch
):
    runner = duel()
    clip = runner.indices["duel"][0][0, 1, 0]  # first seen in step 1
    with monkeypatch.context() as patch:
        clips = with_clip(runner.program, runner.corpus, clip, np.nan)
        patch.setattr(runner.program, "clips", clips)
        with pytest.raises(UserError) as error:
            runner.run(Hooks(checkpoint_every=EVERY_STEP))
    text = str(error.value)
    assert f"{runner.wave.runs[0]}: not finite in stage 'duel': step 1" in text
    assert "encoder/loss = nan" in text
    assert_last_good_checkpoint_leads_to_the_end(duel, steps=1)


def test_parameters_that_are_not_finite_are_not_saved_though_the_loss_was(
    duel, monkeypatch
):
    """As after a gradient that is infinite where the loss is not."""
    runner, number = duel(), itertools.count(1)
    real = runner.program.step("duel", False)
    runner.program.metric_names("duel")  # by a step, which is not to be counted

    def step(state, rows, *others):
        state, metrics = real(state, rows, *others)
        if next(number) == 2:
            with jax.transfer_guard("allow"):
                spoilt = jax.tree.map(lambda x: x * jnp.nan, state.params)
            state = state.replace(params=spoilt)
        return state, metrics

    with monkeypatch.context() as patch:
        patch.setattr(runner.program, "step", lambda stage, unequal: step)
        with pytest.raises(UserError) as error:
            runner.run(Hooks(checkpoint_every=EVERY_STEP))
    text = f"{runner.wave.runs[0]}: not finite in stage 'duel': parameters"
    assert text in str(error.value)
    assert_last_good_checkpoint_leads_to_the_end(duel, steps=1)


def test_a_test_clip_that_is_not_finite_is_not_a_result(duel, monkeypatch):
    runner = duel()
    fold = runner.wave.runs[0].fold
    clips = with_clip(runner.program, runner.corpus, fold.test[0], np.nan)
    monkeypatch.setattr(runner.program, "clips", clips)
    with pytest.raises(UserError, match=f"fold {fold.name}.*test logits are NaN"):
        runner.run(Hooks())
