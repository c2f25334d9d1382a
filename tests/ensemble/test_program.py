"""Tests for mer_jax/ensemble/program.py."""

import functools

import jax
import numpy as np
import pytest

from mer_jax.ensemble.lift import per_run, put
from mer_jax.ensemble.program import Layout
from tests import flights, toys

FOUR = Layout(devices=2, lanes=2)


@pytest.fixture(scope="module")
def program():
    return flights.program_of(flights.row("relay"), FOUR)


def test_clips_are_whole_on_every_device_with_their_labels(program):
    corpus = flights.row("relay").corpus
    assert set(program.clips) == {"frames", "label", "subject"}
    for shard in program.clips["frames"].addressable_shards:
        np.testing.assert_array_equal(shard.data, corpus.features["frames"])
    np.testing.assert_array_equal(program.clips["label"], corpus.labels)
    assert {len(a.sharding.device_set) for a in program.clips.values()} == {2}


def test_a_program_is_as_wide_as_devices_times_lanes(program):
    assert program.width == 4
    assert flights.program_of(flights.row("duel"), Layout()).width == 4  # all devices


def test_frozen_nets_are_remembered_of_each_clip_that_a_fold_may_draw(tmp_path):
    row, program = flights.row("duel"), flights.program("duel", FOUR)
    runner = flights.runner(row, program, flights.folds_of(row)[:4], tmp_path / "w")
    state = flights.enter(runner, "duel")
    kept = program.remembered("duel", state)
    assert kept.keys() == {"others"}
    clips = np.unique(np.concatenate([f.clips("others") for f in program.folds]))
    assert len(clips) > 5  # more than one batch
    batch = flights.batch_of(row.clips, clips)
    look = row.system.stages[-1].remember["others"]
    for lane in range(4):
        of_lane = functools.partial(jax.tree.map, lambda x, lane=lane: x[lane])
        nets, own = of_lane((state.params, state.model_state)), of_lane(kept["others"])
        found = own["found"]["light"][own["row"][clips]]
        np.testing.assert_allclose(found, look(*nets, batch)["light"], rtol=1e-5)
    alike = lambda real, told: (real.shape, real.dtype) == (told.shape, told.dtype)
    abstract = program.abstract_remembered("duel")
    assert jax.tree.all(jax.tree.map(alike, kept, abstract))


def test_test_rows_are_padded_to_the_largest_fold(program):
    assert program.max_test == 8
    rows = program.test_rows(np.array([3, 5]))
    assert rows.tolist() == [3, 5] + [-1] * 6 and rows.dtype == np.int32


def test_the_abstract_state_is_the_state_without_its_values(tmp_path):
    row, program = flights.row("duel"), flights.program("duel", FOUR)
    runner = flights.runner(row, program, flights.folds_of(row)[:4], tmp_path / "w")
    state = flights.enter(runner, "duel")
    abstract = program.abstract_state("duel")
    assert jax.tree.structure(state) == jax.tree.structure(abstract)
    for real, told in zip(
        jax.tree.leaves(state), jax.tree.leaves(abstract), strict=True
    ):
        assert (real.shape, real.dtype) == (told.shape, told.dtype)
        assert told.sharding == per_run(program.mesh)
        assert real.sharding.is_equivalent_to(told.sharding, real.ndim)


def test_later_stages_know_the_nets_of_all_stages_before(program):
    assert program.abstract_finished("pretrain") == {}
    finished = program.abstract_finished("tune")
    assert {stage: set(nets[0]) for stage, nets in finished.items()} == {
        "pretrain": {"encoder", "decoder"},
        "probe": {"encoder", "head"},
    }


def test_metric_names_are_sorted_and_those_of_the_stage(program):
    assert program.metric_names("pretrain") == ("pretrain/loss",)
    assert program.metric_names("tune") == ("tune/accuracy", "tune/loss")


def test_functions_are_made_once(program):
    assert program.step("tune", False) is program.step("tune", False)
    assert program.step("tune", True) is not program.step("tune", False)
    assert program.init("tune") is program.init("tune")
    assert program.predict is program.predict


def test_finding_out_shapes_and_names_and_training_share_one_trace(tmp_path):
    made = toys.Duel()
    system, corpus = flights.counted(made.build(3, 6)), flights.row("duel").corpus
    row = flights.row_of(made, system, corpus)
    program = flights.program_of(row)
    runner = flights.runner(row, program, flights.folds_of(row)[:1], tmp_path)
    before = flights.TRACES["duel", "duel"]
    program.metric_names("duel")
    assert flights.TRACES["duel", "duel"] == before + 1
    index = put(program.mesh, runner.indices["duel"][0][0, :1])
    state = flights.enter(runner, "duel")
    program.step("duel", False).lower(
        state, index, program.clips, program.abstract_remembered("duel")
    )
    assert flights.TRACES["duel", "duel"] == before + 1
