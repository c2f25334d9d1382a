"""Tests for mer_jax/ensemble/filing.py."""

import types

import numpy as np
import pytest

from mer_jax.data.schedule import digest
from mer_jax.ensemble.checkpoint import Place
from mer_jax.ensemble.filing import file_wave
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.program import Layout
from mer_jax.ensemble.runner import Flight, WaveRunner
from tests import flights

ROW = flights.row("duel")
FOLDS = [*flights.folds_of(ROW, 3)[:2], *flights.folds_of(ROW, 2)]  # the last is short
METRICS = 4


@pytest.fixture(scope="module")
def landed():
    """A wave of three runs and one of padding, with made results. Nothing trains."""
    program = flights.program_of(ROW, Layout(devices=1, lanes=4))
    wave = flights.wave(ROW, [*FOLDS, FOLDS[0]], real=3)
    runner = WaveRunner(program, ROW.clips, wave, flights.Path("unused"))
    generator = np.random.default_rng(0)
    draw = lambda *shape: generator.normal(size=shape).astype(np.float32)
    params = {"net": {"dense": {"kernel": draw(4, 2, 3)}}}
    flight = Flight(
        place=Place("duel", 6, 6),
        state=types.SimpleNamespace(
            params=params, model_state={"net": {"mean": draw(4)}}
        ),
        finished={},
        metrics={"duel": draw(4, 6, len(program.metric_names("duel")))},
        logits=draw(4, 2, program.max_test, 3),
        seconds=np.array([6.0]),
    )
    return runner, flight


@pytest.fixture
def filed(landed, tmp_path):
    """Its ledger, with the parameters of the second run kept."""
    runner, flight = landed
    ledger = Ledger(tmp_path)
    keep = {runner.wave.runs[1].id}
    more = [{"shown/keys": np.array([str(lane)])} if lane else {} for lane in range(4)]
    common = {"host": "here"}
    file_wave(runner, flight, ledger, common=common, keep=keep, more=more)
    return ledger


def test_real_runs_are_filed_and_padding_is_not(landed, filed):
    runs = landed[0].wave.runs
    paths = list(filed.workdir.glob("runs/*/*.npz"))
    assert {path.stem for path in paths} == {run.id for run in runs[:3]}
    logits = filed.read(runs[0].id)["logits"]  # of lane 0, not of the padding
    assert (logits == landed[1].logits[0, :, : logits.shape[1]]).all()


def test_an_entry_holds_the_test_clips_of_its_fold(landed, filed):
    runner, flight = landed
    for lane, run in enumerate(runner.wave.runs[:3]):
        entry = filed.read(run.id)
        assert entry["keys"].tolist() == [ROW.corpus.keys[i] for i in run.fold.test]
        np.testing.assert_array_equal(entry["labels"], ROW.corpus.labels[run.fold.test])
        expected = flight.logits[lane, :, : len(run.fold.test)]
        np.testing.assert_array_equal(entry["logits"], expected)
        assert entry["epochs"].tolist() == [1, 2]
        counts = np.bincount(ROW.corpus.labels[run.fold.train], minlength=3)
        np.testing.assert_array_equal(entry["train_counts"], counts)


def test_an_entry_tells_whom_a_stage_saw_of_the_sample_and_of_its_pool(landed, filed):
    others = ROW.pools[0][1].keys
    for run in landed[0].wave.runs[:3]:
        told = filed.read(run.id)["seen/duel"].tobytes().decode().split("\n")
        assert 2 * 5 * ROW.steps(run) > len(others)  # 5 a step: more than one pass
        own = [ROW.corpus.keys[i] for i in run.fold.train]
        assert sorted(told) == sorted([*own, *others])


def test_pictures_are_filed_with_the_run_that_drew_them(landed, filed):
    entries = [filed.read(run.id) for run in landed[0].wave.runs[:3]]
    assert "shown/keys" not in entries[0]
    assert [entry["shown/keys"].tolist() for entry in entries[1:]] == [["1"], ["2"]]


def test_curves_are_means_over_the_epochs_own_steps(landed, filed):
    runner, flight = landed
    names = runner.program.metric_names("duel")
    assert len(names) == METRICS
    for lane, steps in ((0, 3), (2, 2)):
        entry = filed.read(runner.wave.runs[lane].id)
        curves = {k for k in entry if k.startswith("curves/")}
        assert curves == {f"curves/duel/{name}" for name in names}
        table = flight.metrics["duel"][lane].reshape(2, 3, METRICS)
        for i, name in enumerate(names):
            np.testing.assert_allclose(
                entry[f"curves/duel/{name}"],
                [table[epoch, :steps, i].mean() for epoch in (0, 1)],
                rtol=1e-6,
            )


def test_only_the_wanted_parameters_are_kept_and_they_are_the_runs_own(landed, filed):
    runner, flight = landed
    kept = list(filed.workdir.glob("params/*/*.npz"))
    assert kept == [filed.params_path(runner.wave.runs[1].id)]
    with np.load(kept[0]) as arrays:
        leaves = dict(arrays)
    kernel = flight.state.params["net"]["dense"]["kernel"]
    assert set(leaves) == {"params/net/dense/kernel", "model_state/net/mean"}
    np.testing.assert_array_equal(leaves["params/net/dense/kernel"], kernel[1])


def test_provenance_tells_the_run_its_schedules_and_its_share_of_the_time(
    landed, filed
):
    runner, _ = landed
    told = filed.read(runner.wave.runs[2].id)["provenance"]
    assert (told["host"], told["row"], told["fold"], told["seed"]) == (
        *("here", "toy", FOLDS[2]),
        0,
    )
    assert told["schedules"] == {"duel": digest(runner.indices["duel"][2])}
    assert told["seconds"] == 2.0  # three real runs in six seconds
    assert told["finished"].startswith("20")
    assert told["wave"] == [run.id for run in runner.wave.runs]  # with the padding
