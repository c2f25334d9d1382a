"""Tests for mer_jax/ensemble/showing.py: from choosing clips to the ledger."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.ensemble import sweep
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.showing import pictures, sample_clips
from mer_jax.train.gradcam import Map, overlays
from tests import flights, toys

# By hand from `toys.SUBJECTS`: classes 0, 1, 2 in turn start at another corpus, and
# nobody is in it twice with one class. Of samm/s06 none is chosen.
CHOSEN = {
    "casme2/sub01": ("EP00", "EP01"),
    "casme2/sub06": ("EP01",),
    "samm/006": ("EP01", "EP02"),
    "smic/s06": ("EP00", "EP02", "EP03"),
}
SHOWN = tuple(f"shown/{s}/{n}" for s in ("pretrain", "tune") for n in toys.SHOWS)
FOLDS = ("casme2/sub01", "samm/s06", "samm/006")  # two clips, none, two
SEEDS = (3, 0)  # the first is not the least

PLAIN = flights.row("relay")
ROW = dataclasses.replace(
    PLAIN, experiment=dataclasses.replace(PLAIN.experiment, seeds=SEEDS)
)


def keys_of(fold):
    return [f"{fold}/{clip}" for clip in CHOSEN.get(fold, ())]


def drawn_by_hand(stage, nets, keys):
    """Ledger name -> float[n, ...] of one run's nets, in the order of `shows`."""
    index = np.array([ROW.corpus.keys.index(key) for key in keys])
    if not stage.shows:
        return {}
    found = stage.inspect(*nets, flights.batch_of(ROW.corpus, index))
    return {f"shown/{stage.name}/{name}": found[name] for name in stage.shows}


def assert_drawn(stored, values):
    """In the range of a byte; a last digit may move it by one."""
    expected = 255 * np.clip(np.asarray(values, np.float64), 0, 1)
    assert stored.dtype == np.uint8 and stored.shape == expected.shape
    assert np.abs(stored - expected).max() <= 0.51
    assert stored.std() > 1  # something is to be seen


# The choice.


def test_the_choice_is_that_made_by_hand():
    chosen = [ROW.corpus.keys[i] for i in sample_clips(ROW.corpus)]
    assert chosen == [key for fold in CHOSEN for key in keys_of(fold)]


def test_of_one_corpus_people_take_turns():
    shares = {f"casme2/sub{n}": 8 for n in range(4)}
    corpus = toys.corpus(PLAIN.system.features, batch=24, subjects=shares)
    chosen = sample_clips(corpus)
    for label, clips in ((0, 3), (1, 3), (2, 2)):
        own = [corpus.subjects[i] for i in chosen if corpus.labels[i] == label]
        assert own == list(shares)[:clips]
        first = np.flatnonzero(corpus.labels == label)[0]
        assert first in chosen


PEOPLE = st.builds("{}/{}".format, st.sampled_from("abc"), st.integers(1, 3))


@given(st.dictionaries(PEOPLE, st.integers(1, 6), min_size=1), st.integers(0, 9))
def test_classes_and_corpora_are_shown_as_evenly_as_they_can_be(people, seed):
    corpus = toys.corpus({}, batch=16, subjects=people, seed=seed)
    chosen = sample_clips(corpus)
    assert list(chosen) == sorted(set(chosen))
    assert len(chosen) == min(8, len(corpus.keys))
    cells = list(zip(corpus.labels.tolist(), corpus.corpora, strict=True))
    shown = {cell: sum(cells[i] == cell for i in chosen) for cell in set(cells)}
    for one, other in itertools.permutations(shown, 2):
        if shown[one] < cells.count(one):  # it could show one more
            assert shown[one] >= shown[other] - 1
    if len(shown) <= 8:
        assert {cells.index(cell) for cell in shown} <= set(chosen)


# From training to the ledger.


@pytest.fixture(scope="module")
def cached_programs():
    with pytest.MonkeyPatch.context() as patch:

        def program(system, *rest):
            same = system is ROW.system
            return flights.program("relay") if same else Program(system, *rest)

        patch.setattr(sweep, "Program", program)
        yield


def train(workdir, folds=FOLDS, stop=lambda: False, row=ROW, **listener):
    ledger = sweep.claim(workdir, [row])
    sweep.train(
        row,
        ledger,
        layout=flights.ALONE,
        folds=folds,
        keep_params="none",
        listener=Listener(hooks=Hooks(stop=stop), **listener),
    )
    return {(r.fold.name, r.seed): ledger.read(r.id) for r in sweep.chosen(row, folds)}


@pytest.fixture(scope="module")
def entries(cached_programs, tmp_path_factory):
    return train(tmp_path_factory.mktemp("w"))


def test_runs_of_the_first_seed_store_the_clips_they_hold_out(entries):
    for (fold, seed), entry in entries.items():
        shown = [name for name in entry if name.startswith("shown/")]
        if seed == SEEDS[0] and fold in CHOSEN:
            assert shown == ["shown/keys", *SHOWN]  # columns are in this order
            assert entry["shown/keys"].tolist() == keys_of(fold)
            assert set(keys_of(fold)) <= set(entry["keys"].tolist())
        else:
            assert shown == []


def test_what_is_stored_is_what_the_nets_of_the_end_of_each_stage_show(
    entries, tmp_path
):
    program, fold = flights.program("relay"), FOLDS[0]
    (wave,) = [Wave((r,), 1) for r in ROW.runs if (r.fold.name, r.seed) == (fold, 3)]
    runner = sweep.WaveRunner(program, ROW.corpus, wave, tmp_path)
    flight, entry = runner.run(Hooks()), entries[fold, 3]
    for stage in ROW.system.stages:
        nets = jax.tree.map(lambda x: x[0], flight.finished[stage.name])
        for name, values in drawn_by_hand(stage, nets, keys_of(fold)).items():
            assert_drawn(entry[name], values)
    for name in toys.SHOWS:  # training went on between the two
        assert (entry[f"shown/pretrain/{name}"] != entry[f"shown/tune/{name}"]).any()


@pytest.mark.parametrize("steps", [2, 6, 11])
def test_interrupted_in_any_stage_a_run_draws_the_same(
    cached_programs, entries, steps, tmp_path
):
    counter = itertools.count(1)
    with pytest.raises(Interrupted):
        train(tmp_path, FOLDS[:1], stop=lambda: next(counter) >= steps)
    again = train(tmp_path, FOLDS[:1])[FOLDS[0], 3]
    for name in ("shown/keys", *SHOWN):
        np.testing.assert_array_equal(again[name], entries[FOLDS[0], 3][name])


@pytest.mark.parametrize("layout", [Layout(1, 4), Layout(2, 2), Layout(2, 2, "pmap")])
def test_lanes_draw_their_own_clips_with_their_own_nets(layout, tmp_path):
    program = flights.program_of(ROW, layout)
    run = {(r.fold.name, r.seed): r for r in ROW.runs}
    folds = ("samm/006", "samm/s06", "smic/s06")
    wave = Wave((*(run[fold, 3] for fold in folds), run[folds[0], 3]), 3)
    alone = flights.runner(ROW, flights.program("relay"), folds[:1], tmp_path)
    nets = {}
    for stage in ROW.system.stages:
        state = flights.enter(alone, stage.name, nets)
        nets[stage.name] = (state.params, state.model_state)
    scales = np.array([1, -1, 2, 1])  # one net for each lane

    def spread(x):
        return np.concatenate([scale * np.asarray(x) for scale in scales])

    stacked = put(program.mesh, jax.tree.map(spread, nets))
    first, nothing, third, padding = pictures(ROW, program, wave, stacked)
    assert nothing == {}
    for name in ("shown/keys", *SHOWN):
        np.testing.assert_array_equal(first[name], padding[name])
    for lane, found in ((0, first), (2, third)):
        assert found["shown/keys"].tolist() == keys_of(folds[lane])
        for stage in ROW.system.stages:
            own = jax.tree.map(lambda x, i=lane: x[i], stacked[stage.name])
            by_hand = drawn_by_hand(stage, own, keys_of(folds[lane]))
            for name, values in by_hand.items():
                assert_drawn(found[name], values)


MAPS = {  # not in the order of their names
    "whole": Map(module="norm", frames=lambda batch: batch["frames"][:, None]),
    "alone": Map(module="conv"),
}


def with_maps(maps, shows=True):
    """The relay with maps, and with or without what its stages show."""
    stages = ROW.system.stages
    if not shows:
        stages = tuple(dataclasses.replace(stage, shows=()) for stage in stages)
    system = dataclasses.replace(ROW.system, maps=maps, stages=stages)
    return dataclasses.replace(ROW, system=system)


@pytest.mark.parametrize("shows", [True, False])
def test_maps_of_the_last_nets_come_after_what_stages_show(shows, tmp_path):
    row = with_maps(MAPS, shows)
    program = flights.program_of(row)
    runner, nets = flights.runner(row, program, FOLDS[:1], tmp_path), {}
    for stage in row.system.stages:
        state = flights.enter(runner, stage.name, nets)
        nets[stage.name] = (state.params, state.model_state)
    wave = Wave(tuple(r for r in row.runs if r.fold.name == FOLDS[0])[:1], 1)
    (drawn,) = pictures(row, program, wave, nets)
    names = [f"shown/tune/Grad-CAM {name}" for name in MAPS]
    assert list(drawn) == ["shown/keys", *(SHOWN if shows else ()), *names]
    index = np.array([row.corpus.keys.index(key) for key in drawn["shown/keys"]])
    last = jax.tree.map(lambda x: x[0], nets["tune"])
    by_hand = overlays(row.system, *last, flights.batch_of(row.corpus, index))
    assert by_hand["whole"].shape == (2, 6, 6, 2)
    for name, stored in zip(MAPS, names, strict=True):
        assert_drawn(drawn[stored], by_hand[name])


def test_a_map_that_is_none_is_an_error_before_training(tmp_path):
    told = []
    with pytest.raises(ValueError, match=r"no modules \['nrom'\].*\n  conv\n  norm"):
        row = with_maps({"typo": Map(module="nrom")})
        train(tmp_path, None, row=row, wave=told.append)
    assert told == []


def test_what_is_not_drawn_is_not_even_traced(cached_programs, monkeypatch, tmp_path):
    def never(stage):
        raise AssertionError(stage)

    monkeypatch.setattr(flights.program("relay"), "inspect", never)
    train(tmp_path / "nobody", FOLDS[1:2])
    with pytest.raises(AssertionError, match="pretrain"):
        train(tmp_path / "somebody", FOLDS[:1])


# What is no picture.

WRONG = {
    r"shows 'b'; it inspects \['a'\]": (jnp.zeros((2, 4, 4)), ("a", "b")),
    r"'a', uint8\[2, 4, 4\]: a picture is float": (jnp.zeros((2, 4, 4), "u1"), ("a",)),
    r"'a', float32\[2, 4, 4, 2\]": (jnp.zeros((2, 4, 4, 2)), ("a",)),
    r"'a', float32\[2, 4\]": (jnp.zeros((2, 4)), ("a",)),
    r"has `shows` and no `inspect`": (None, ("a",)),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_picture_is_an_error_before_training(message, tmp_path):
    array, shows = WRONG[message]
    row = flights.row("duel")
    inspect = None if array is None else lambda params, model_state, batch: {"a": array}
    stage = dataclasses.replace(row.system.stages[0], inspect=inspect, shows=shows)
    system = dataclasses.replace(row.system, stages=(stage,))
    told = []
    with pytest.raises(ValueError, match=f"stage 'duel' .*{message}"):
        row = dataclasses.replace(row, system=system)
        train(tmp_path, None, row=row, wave=told.append)
    assert told == []


def test_numbers_outside_of_a_picture_are_cut_off_and_no_number_is_black(tmp_path):
    values = jnp.array([-1.0, 0.4, 0.5, 2.0, jnp.inf, jnp.nan])
    row = flights.row("duel")
    inspect = lambda params, model_state, batch: {
        "a": jnp.broadcast_to(values, (len(batch["mask"]), 2, len(values)))
    }
    stage = dataclasses.replace(row.system.stages[0], inspect=inspect, shows=("a",))
    row = dataclasses.replace(
        row, system=dataclasses.replace(row.system, stages=(stage,))
    )
    program = flights.program_of(row)
    wave = flights.wave(row, [flights.folds_of(row)[0]])
    nets = {"duel": (jnp.zeros(1), jnp.zeros(1))}
    ((keys, drawn),) = [x.values() for x in pictures(row, program, wave, nets)]
    assert len(keys) == len(drawn)
    assert drawn[0].tolist() == 2 * [[0, 102, 128, 255, 255, 0]]
