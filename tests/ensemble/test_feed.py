"""Tests for mer_jax/ensemble/feed.py, and for how runs train on frames."""

import dataclasses
import itertools
import shutil

import jax
import numpy as np
import pytest

from mer_jax.cli.show import print_plans
from mer_jax.data.schedule import schedule
from mer_jax.ensemble import feed as module
from mer_jax.ensemble import rows, sweep
from mer_jax.ensemble.choose import Choice
from mer_jax.ensemble.experiment import Experiment
from mer_jax.ensemble.filing import seen
from mer_jax.ensemble.ledger import Ledger, read_nets
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.plan import plan
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.provenance import provenance
from mer_jax.ensemble.runner import WaveRunner
from tests import flights, toys

ROW = flights.row("reel")
FOLDS = flights.folds_of(ROW, steps=3)[:4]
TWO = Layout(devices=2, lanes=2)
WAYS = ("resident", "streamed")


def by(way, layout=TWO):
    return dataclasses.replace(layout, frames=way)


def test_both_ways_make_the_same_batches_bitwise(tmp_path):
    programs = [flights.program("reel", by(way)) for way in WAYS]
    runner = flights.runner(ROW, programs[0], FOLDS, tmp_path)
    index = np.stack(runner.indices["film"]).reshape(4, -1, 24)
    assert (index < 0).any()
    resident, stream = (list(p.rows("film", index)) for p in programs)
    assert len(resident) == len(stream) == index.shape[1]
    for one, other in zip(resident, stream, strict=True):
        assert one["frame"].shape == (4, 24, 4, 4, 3)
        assert not flights.differing(flights.host(one), flights.host(other))
        same = lambda a, b: a.sharding.is_equivalent_to(b.sharding, a.ndim)
        assert jax.tree.all(jax.tree.map(same, one, other))


@pytest.mark.parametrize("layout", [flights.ALONE, TWO], ids=str)
def test_runs_end_the_same_bitwise_both_ways(layout):
    folds = FOLDS[: flights.program("reel", layout).width]
    landed = [
        flights.land(ROW, flights.program("reel", by(way, layout)), folds)
        for way in WAYS
    ]
    assert not flights.differing(*landed)


def test_a_stream_goes_on_where_it_was_interrupted(tmp_path):
    program = flights.program("reel", by("streamed", flights.ALONE))
    through = flights.land(ROW, program, FOLDS[:1])
    for stop in (1, 3, 4):  # within an epoch, within the next, at the stage's end
        folder = tmp_path / str(stop)
        hooks = Hooks(stop=Countdown(stop))
        with pytest.raises(Interrupted):
            flights.runner(ROW, program, FOLDS[:1], folder).run(hooks)
        # By the other way: it is no part of what is saved.
        other = flights.program("reel", by("resident", flights.ALONE))
        for last in (program, other):
            copy = shutil.copytree(folder, tmp_path / f"{stop} {last.feed.way}")
            resumed = flights.land(ROW, last, FOLDS[:1], copy)
            assert not flights.differing(through, resumed)


class Countdown:
    def __init__(self, steps):
        self.steps = itertools.count(1), steps

    def __call__(self):
        return next(self.steps[0]) >= self.steps[1]


def test_frames_are_resident_up_to_a_limit_unless_told_otherwise(monkeypatch):
    size = ROW.corpus.frames.num_bytes
    monkeypatch.setattr(module, "RESIDENT_LIMIT", size)
    assert flights.program_of(ROW).feed.way == "resident"
    monkeypatch.setattr(module, "RESIDENT_LIMIT", size - 1)
    program = flights.program_of(ROW)
    assert (program.feed.way, program.feed.resident_bytes) == ("streamed", 0)
    told = flights.program_of(ROW, by("resident")).feed
    assert (told.way, told.resident_bytes) == ("resident", size)


def test_the_way_is_in_the_provenance_and_in_no_run_id():
    for way in WAYS:
        assert provenance(flights.program("reel", by(way)))["frames"] == way
    assert "frames" not in provenance(flights.program("duel"))


def test_a_system_of_frames_needs_clips_that_have_some():
    bare = dataclasses.replace(ROW.corpus, frames=None)
    program = Program(ROW.system, bare, ROW.folds, flights.ALONE)
    with pytest.raises(ValueError, match="trains on frames, and the clips have none"):
        program.abstract_state("film")


# What a run draws.


def test_frames_are_drawn_by_the_names_of_the_run(tmp_path):
    twice = dataclasses.replace(ROW.experiment, seeds=(0, 3))
    orders = set()
    for run in dataclasses.replace(ROW, experiment=twice).runs[:4]:
        program = flights.program("reel")
        runner = WaveRunner(program, ROW.clips, Wave((run,), 1), tmp_path)
        (index,) = runner.indices["film"]
        owner = ROW.corpus.frames.owner
        expected = schedule(
            np.flatnonzero(np.isin(owner, run.fold.train)),
            keys=(),
            labels=owner,
            batch=24,
            order="shuffled",
            num_epochs=2,
            words=("toy", run.fold.name, "film", run.seed),
        )
        np.testing.assert_array_equal(index, expected)
        orders.add(tuple(index[0, 0]))
        told = seen(runner, "film", 0).tobytes().decode().split("\n")
        assert told == [ROW.corpus.keys[i] for i in run.fold.train]
    assert len(orders) == 4


def with_source(**changes):
    """The reel, its frames drawn in another way."""
    first, last = ROW.system.stages
    source = dataclasses.replace(first.source, **changes)
    stages = dataclasses.replace(first, source=source), last
    system = dataclasses.replace(ROW.system, stages=stages)
    return dataclasses.replace(ROW, system=system)


def test_frames_are_in_order_where_clips_are_asked_for_in_order(tmp_path):
    row = with_source(order="label")
    runner = flights.runner(row, flights.program_of(row), FOLDS[:1], tmp_path)
    drawn = runner.indices["film"][0][0].ravel()
    owner = ROW.corpus.frames.owner[drawn[drawn >= 0]]
    labels = ROW.corpus.labels[owner]
    assert (np.diff(labels) >= 0).all()
    changes = np.flatnonzero(np.diff(owner)) + 1
    clips = [set(part) for part in np.split(owner, changes)]
    assert len(clips) == len(set(owner))  # each clip's together
    assert (np.diff(drawn[drawn >= 0])[np.diff(owner) == 0] == 1).all()


def test_runs_of_unequal_length_wait_for_each_other_bitwise():
    """In lanes of their own, where a run waits it does not move."""
    row = with_source(batch=8)
    lanes = Program(row.system, row.clips, row.folds, Layout(devices=4))
    steps = {
        fold: row.epoch_steps(row.system.stages[0], run_of(row, fold)) for fold in FOLDS
    }
    assert len(set(steps.values())) > 1
    together = flights.land(row, lanes, FOLDS)
    alone = Program(row.system, row.clips, row.folds, flights.ALONE)
    for number, fold in enumerate(FOLDS):
        one = flights.lane(flights.land(row, alone, [fold]), 0)
        found = flights.lane(together, number)
        own = one.pop("metrics/film").reshape(2, steps[fold], -1)
        table = found.pop("metrics/film").reshape(2, max(steps.values()), -1)
        np.testing.assert_array_equal(table[:, : steps[fold]], own)
        assert not table[:, steps[fold] :].any()
        assert not flights.differing(one, found)


def run_of(row, fold):
    return next(run for run in row.runs if run.fold.name == fold)


def test_runs_are_told_the_classes_of_their_own_folds(tmp_path):
    program = flights.program("reel", TWO)
    runner = flights.runner(ROW, program, FOLDS, tmp_path)
    for stage in ("film", "clips"):
        state = flights.host(flights.enter(runner, stage, program_nets(program, stage)))
        for lane, fold in enumerate(FOLDS):
            labels = ROW.corpus.labels[run_of(ROW, fold).fold.train]
            expected = [(labels == k).sum() for k in range(3)]
            assert state["class_counts"][lane].tolist() == expected
    assert len({tuple(counts) for counts in state["class_counts"]}) > 1


def program_nets(program, stage):
    """Nets of zeros for the stages before one."""
    make = lambda x: jax.device_put(np.zeros(x.shape, x.dtype), x.sharding)
    return jax.tree.map(make, program.abstract_finished(stage))


# Pools, and stages that are shared.


@pytest.mark.parametrize("scope", ["disjoint", "once_all", "others", "per_fold"])
def test_frames_of_a_pool_train_in_its_scope(scope, tmp_path):
    row = flights.pretrained(scope, (0,), "reel")
    assert bool(row.shared_stages) == (scope in ("disjoint", "once_all"))
    run = row.shared_run(0) if row.shared_stages else row.runs[0]
    system = dataclasses.replace(row.system, stages=row.system.stages[:1])
    program = Program(system, row.clips, [run.fold], flights.ALONE)
    runner = WaveRunner(program, row.clips, Wave((run,), 1), tmp_path)
    told = set(seen(runner, "film", 0).tobytes().decode().split("\n"))
    zoo = {key for key in row.clips.keys if key.startswith("zoo/")}
    own = {
        "once_all": row.corpus.keys,
        "per_fold": [row.corpus.keys[i] for i in run.fold.train],
    }
    assert told == zoo | set(own.get(scope, ()))
    index = runner.indices["film"][0]
    assert index.shape[1] == row.epoch_steps(row.system.stages[0], run)
    (first,) = program.rows("film", index[None, 0, :1])
    frame = row.clips.frames[index[0, 0, 0]]
    np.testing.assert_array_equal(first["frame"][0, 0], frame)
    # The pool has no labels.
    counts = runner._class_counts(run, row.system.stages[0])
    labels = row.clips.labels[run.fold.clips("extra")]
    assert counts.tolist() == [(labels == k).sum() for k in range(3)]
    assert bool(counts.sum()) == (scope in own)


def test_a_shared_stage_of_frames_trains_once_and_is_handed_on(tmp_path):
    row = flights.pretrained("once_all", (0,), "reel")
    ledger = sweep.claim(tmp_path, [row])
    sweep.train(
        row,
        ledger,
        layout=by("streamed", flights.ALONE),
        folds=FOLDS[:1],
        keep_params="none",
        listener=Listener(),
    )
    archive = read_nets(ledger.shared_path(row.shared_run(0).id))
    assert np.isfinite(archive["curves/film/film/loss"]).all()
    assert len(archive["seen/film"].tobytes().decode().split("\n")) == len(
        row.clips.keys
    )
    (run,) = sweep.chosen(row, FOLDS[:1])
    assert ledger.read(run.id)["provenance"]["frames"] == "streamed"


def test_frames_are_loaded_of_those_that_some_stage_trains_on():
    whose = lambda row: rows.whose_frames(row.system, row.experiment.pools)
    assert whose(ROW) == {""}
    assert whose(flights.row("duel")) == set()
    scopes = {"disjoint": {"extra"}, "others": {"extra"}}
    both = dict.fromkeys(("per_fold", "once_all"), {"extra", ""})
    for scope, expected in {**scopes, **both}.items():
        assert whose(flights.pretrained(scope, (0,), "reel")) == expected


def test_pools_of_frames_count_in_the_content():
    row = flights.pretrained("disjoint", (0,), "reel")
    ((pool, extra),) = row.pools
    frames = dataclasses.replace(extra.frames, content="other")
    other = dataclasses.replace(extra, frames=frames)
    assert dataclasses.replace(row, pools=((pool, other),)).content != row.content


# From a corpus on disk, and the plan.


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A row on a drawn corpus of 24 clips of two frames, 16 px."""
    from mer_jax.data.corpora import SMOKE, SMOKE_PROTOCOL

    experiment = Experiment(
        name="drawn", system=toys.Reel(size=16), data=SMOKE, protocol=SMOKE_PROTOCOL
    )
    (row,) = rows.open_rows([experiment], cache=tmp_path_factory.mktemp("cache"))
    return row


def test_a_corpus_on_disk_trains_both_ways_to_the_same_bits(drawn):
    assert isinstance(drawn.corpus.frames.parts[0], np.memmap)
    fold = drawn.folds[0].name
    landed = [
        flights.land(drawn, flights.program_of(drawn, by(way, flights.ALONE)), [fold])
        for way in WAYS
    ]
    assert not flights.differing(*landed)


def test_a_plan_counts_steps_over_frames_and_their_bytes(drawn, tmp_path, capsys):
    plans = [
        plan(drawn, Ledger(tmp_path), layout=by(way, flights.ALONE), device_flops=1e9)
        for way in WAYS
    ]
    frames = drawn.corpus.frames
    for found in plans:
        film, clips = found.stages
        runs = drawn.runs
        lengths = [len(run.fold.train) for run in runs]
        assert film.steps == 2 * sum(-(-2 * n // 24) for n in lengths)
        assert clips.steps == 2 * sum(-(-n // 8) for n in lengths)
        assert found.frames == len(frames) == 48
        assert film.step_flops > 0
    resident, stream = plans
    assert (resident.frames_way, stream.frames_way) == WAYS
    assert resident.resident_bytes - stream.resident_bytes == frames.num_bytes
    assert resident.stages[0].step_bytes == stream.stages[0].step_bytes
    choice = Choice(devices=1, lanes=1, fields={}, why="asked for", runs=1)
    print_plans([(found, choice) for found in plans])
    told = capsys.readouterr().out
    for way in WAYS:
        assert f"24 clips, 48 frames {way}, " in told
