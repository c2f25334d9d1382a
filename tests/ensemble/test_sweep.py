"""Tests for mer_jax/ensemble/sweep.py."""

import dataclasses
import itertools

import numpy as np
import pytest

from mer_jax.ensemble import rows, sweep
from mer_jax.ensemble.checkpoint import Checkpoints, Place
from mer_jax.ensemble.experiment import Experiment
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.sweep import chosen, kept, locked, waves
from mer_jax.errors import UserError
from tests import flights

ROW = flights.row("duel")
FOLDS = flights.folds_of(ROW)
TIMES = {"seconds", "finished"}


@pytest.fixture
def cached_programs(monkeypatch):
    """Sweeps of `ROW` use programs compiled already."""

    def program(system, corpus, folds, layout):
        assert system is ROW.system
        return flights.program("duel", layout)

    monkeypatch.setattr(sweep, "Program", program)


def train(workdir, row=ROW, folds=None, listener=None, keep="none", layout=None):
    ledger = sweep.claim(workdir, [row])
    sweep.train(
        row,
        ledger,
        layout=layout or flights.ALONE,
        folds=folds,
        keep_params=keep,
        listener=listener or Listener(),
    )
    return ledger


def entries(ledger):
    """Everything in a ledger but times, by run id."""
    told = {}
    for path in ledger.workdir.glob("runs/*/*.npz"):
        entry = ledger.read(path.stem)
        provenance = entry.pop("provenance")
        rest = {k: v for k, v in provenance.items() if k not in TIMES}
        told[path.stem] = {**entry, "provenance": np.array(str(rest))}
    return told


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for run in one:
        assert not flights_differing(one[run], other[run])


def flights_differing(a, b):
    """As `flights.differing`, for text as well."""
    assert a.keys() == b.keys()
    return [
        k for k in a if a[k].dtype != b[k].dtype or a[k].tobytes() != b[k].tobytes()
    ]


def stop_after(steps, **more):
    counter = itertools.count(1)
    return Listener(hooks=Hooks(stop=lambda: next(counter) >= steps), **more)


# Training.


def test_a_fold_alone_is_the_fold_in_the_queue_bitwise(cached_programs, tmp_path):
    queue = train(tmp_path / "queue", keep="all")
    alone = train(tmp_path / "alone", folds=[FOLDS[3]], keep="all")
    (run,) = [run for run in ROW.runs if run.fold.name == FOLDS[3]]
    assert set(entries(alone)) == {run.id}
    assert set(entries(queue)) == {run.id for run in ROW.runs}
    assert_same_bits({run.id: entries(queue)[run.id]}, entries(alone))
    assert (
        queue.params_path(run.id).read_bytes() == alone.params_path(run.id).read_bytes()
    )


def test_a_sweep_tells_waves_and_runs_and_leaves_no_checkpoint(
    cached_programs, tmp_path
):
    told = []
    listener = Listener(
        wave=lambda wave: told.append([run.id for run in wave.runs]),
        landed=lambda run: told.append(run.id),
    )
    ledger = train(tmp_path, listener=listener)
    planned = waves(ROW, ROW.runs, Ledger(tmp_path / "new"), 1)
    assert told == [x for w in planned for x in ([w.runs[0].id], w.runs[0].id)]
    assert not list(tmp_path.glob("waves/*"))
    assert not list(tmp_path.glob("params/*"))
    told.clear()
    train(tmp_path, listener=listener)
    assert told == [] and len(entries(ledger)) == len(ROW.runs)


@pytest.mark.parametrize("steps", [1, 5, 6, 11])
def test_an_interrupted_sweep_continues_to_the_same_ledger_bitwise(
    cached_programs, steps, tmp_path
):
    whole = train(tmp_path / "whole")
    for _ in range(2):
        with pytest.raises(Interrupted):
            train(tmp_path / "w", listener=stop_after(steps))
    resumed = train(tmp_path / "w")
    assert_same_bits(entries(whole), entries(resumed))
    assert not list((tmp_path / "w" / "waves").glob("*"))


def test_a_new_process_would_continue_with_programs_of_its_own(
    cached_programs, tmp_path, monkeypatch
):
    fold = flights.folds_of(ROW, steps=3)[:1]
    whole = train(tmp_path / "whole", folds=fold)
    with pytest.raises(Interrupted):
        train(tmp_path / "w", folds=fold, listener=stop_after(4))
    monkeypatch.setattr(sweep, "Program", Program)
    assert_same_bits(entries(whole), entries(train(tmp_path / "w", folds=fold)))


def test_a_wish_to_stop_at_a_runs_last_step_files_it_and_stops(
    cached_programs, tmp_path
):
    landed = []
    with pytest.raises(Interrupted):
        train(tmp_path, listener=stop_after(6, landed=landed.append))
    (run,) = landed
    assert Ledger(tmp_path).done(run.id)
    assert not list(tmp_path.glob("waves/*"))


def test_checkpoints_of_another_width_are_not_resumed_and_go_in_the_end(
    cached_programs, tmp_path
):
    with pytest.raises(Interrupted):
        train(tmp_path, folds=FOLDS[:1], listener=stop_after(2))
    ledger = Ledger(tmp_path)
    assert len(list(tmp_path.glob("waves/*"))) == 1
    assert waves(ROW, ROW.runs, ledger, 2)[0].real == 2
    # Its run is trained elsewhere meanwhile: here, by hand.
    (run,) = [run for run in ROW.runs if run.fold.name == FOLDS[0]]
    ledger.write(run.id, {}, {})
    train(tmp_path, folds=FOLDS[:2])
    assert not list(tmp_path.glob("waves/*"))


# What is left to do.


def fly(ledger, runs, real):
    """Leaves a wave in flight behind."""
    wave = sweep.Wave(tuple(runs), real)
    with Checkpoints(ledger.wave_directory(wave.id)) as checkpoints:
        place = Place("duel", 1, 1)
        ids = [run.id for run in runs]
        checkpoints.save(place, {"x": np.zeros(1)}, ids, real, {})
    return wave


def test_waves_in_flight_come_first_with_the_runs_they_have(tmp_path):
    ledger, (a, b, c, d, e) = Ledger(tmp_path), ROW.runs
    flying = fly(ledger, [d, b], 2)
    left = waves(ROW, ROW.runs, ledger, 2)
    assert left[0] == flying and left[0].id == flying.id
    rest = [run.id for wave in left[1:] for run in wave.runs[: wave.real]]
    assert sorted(rest) == sorted(run.id for run in (a, c, e))


def test_padding_of_a_wave_in_flight_stays_padding(tmp_path):
    ledger, (a, b, *_) = Ledger(tmp_path), ROW.runs
    flying = fly(ledger, [b, b], 1)
    left = waves(ROW, [a, b], ledger, 2)
    assert left == [flying, sweep.Wave((a, a), 1)]


def test_a_wave_in_flight_with_a_run_that_is_unwanted_starts_again(tmp_path):
    ledger, (a, b, c, *_) = Ledger(tmp_path), ROW.runs
    fly(ledger, [a, b], 2)
    (wave,) = waves(ROW, [b, c], ledger, 2)
    assert {run.id for run in wave.runs} == {b.id, c.id} and wave.real == 2


def test_a_wave_of_which_some_were_filed_is_taken_up_for_the_rest(tmp_path):
    ledger, (a, b, c, *_) = Ledger(tmp_path), ROW.runs
    flying = fly(ledger, [a, b], 2)
    ledger.write(a.id, {}, {})
    assert waves(ROW, [a, b, c], ledger, 2) == [flying, sweep.Wave((c, c), 1)]
    ledger.write(b.id, {}, {})
    assert waves(ROW, [a, b, c], ledger, 2) == [sweep.Wave((c, c), 1)]


def test_two_waves_in_flight_of_one_run_train_it_once(tmp_path):
    ledger, (a, b, c, *_) = Ledger(tmp_path), ROW.runs
    fly(ledger, [a, b], 2)
    fly(ledger, [b, c], 2)
    left = waves(ROW, [a, b, c], ledger, 2)
    real = [run.id for wave in left for run in wave.runs[: wave.real]]
    assert sorted(real) == sorted(run.id for run in (a, b, c))


def test_folds_may_be_chosen_by_name():
    assert chosen(ROW, None) == list(ROW.runs)
    some = [FOLDS[2], FOLDS[0]]
    assert [run.fold.name for run in chosen(ROW, some)] == sorted(some)
    with pytest.raises(UserError, match="no fold casme2/sub99 in toy; there are 5: "):
        chosen(ROW, [FOLDS[0], "casme2/sub99"])


def test_which_parameters_are_kept(monkeypatch):
    program = flights.program("duel")
    ids = [run.id for run in ROW.runs]
    assert kept(ROW, program, "all") == set(ids)
    assert kept(ROW, program, "none") == set()
    assert kept(ROW, program, "2") == set(ids[:2])
    assert kept(ROW, program, "0") == set()
    with pytest.raises(UserError, match="auto, all, none or a number.*got 'some'"):
        kept(ROW, program, "some")
    # 5 runs of 12*5+5 + 5*1+1 + 5*3+3 + 1 numbers, whatever the lanes.
    for layout in (flights.ALONE, Layout(devices=2, lanes=2)):
        program = flights.program_of(ROW, layout)
        monkeypatch.setattr(sweep, "KEEP_LIMIT", 5 * 90 * 4 + 1)
        assert kept(ROW, program, "auto") == set(ids)
        monkeypatch.setattr(sweep, "KEEP_LIMIT", 5 * 90 * 4)
        assert kept(ROW, program, "auto") == set()


# Workdirs and rows.


def test_a_second_holder_of_a_workdir_is_turned_away(tmp_path):
    with locked(tmp_path / "w"):
        with pytest.raises(UserError, match="in use by another process"):
            with locked(tmp_path / "w"):
                pass
        with locked(tmp_path / "v"):
            pass
    with locked(tmp_path / "w"):
        pass


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), locked(tmp_path):
        raise RuntimeError
    with locked(tmp_path):
        pass


def experiments(*names):
    config = ROW.experiment
    return [dataclasses.replace(config, name=name) for name in names]


def test_rows_that_share_data_share_clips(monkeypatch, tmp_path):
    loads = []
    ((pool, others),) = ROW.pools

    def load(data, protocol, features, *, frames, cache, progress):
        assert frames is None  # of a system that trains on clips
        loads.append(data)
        return others if data == pool.data else ROW.corpus

    monkeypatch.setattr(rows, "load", load)
    other = dataclasses.replace(
        experiments("c")[0],
        data=dataclasses.replace(Experiment.data, flow="tvl1"),
    )
    opened = rows.open_rows([*experiments("a", "b"), other], cache=tmp_path)
    assert len(loads) == 3 and opened[0].corpus is opened[1].corpus
    assert loads.count(pool.data) == 1 and opened[2].pools == ((pool, others),)
    assert [row.experiment.name for row in opened] == ["a", "b", "c"]
    assert [fold.name for fold in opened[0].folds] == FOLDS
    assert len(opened[0].system.stages) == 1


def test_rows_need_different_names(tmp_path):
    with pytest.raises(UserError, match=r"different names, got \['a', 'a'\]"):
        rows.open_rows(experiments("a", "a"), cache=tmp_path)


def test_steps_are_those_of_the_schedules(tmp_path):
    row, program = flights.row("relay"), flights.program("relay")
    for run in row.runs:
        runner = flights.runner(row, program, [run.fold.name], tmp_path)
        shapes = [index.shape[:2] for (index,) in runner.indices.values()]
        assert row.steps(run) == shapes[-1][1]
        assert row.total_steps(run) == sum(epochs * steps for epochs, steps in shapes)


def test_a_manifest_lists_clips_folds_and_runs():
    told = ROW.manifest()
    assert [key for key, _, _ in told["clips"]] == list(ROW.corpus.keys)
    assert told["folds"] == FOLDS
    assert told["runs"] == {f"{run.fold.name} {run.seed}": run.id for run in ROW.runs}
    assert told["content"] == ROW.content != ROW.corpus.content_hash()  # the pool's too
    plain = flights.row("relay")
    assert plain.manifest()["content"] == plain.corpus.content_hash()
