"""Tests for mer_jax/ensemble/plan.py; the command itself: tests/cli/test_main.py."""

import dataclasses

from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.plan import plan
from tests import flights, toys


def planned(others, folder):
    """The plan of the duel with so many clips beside each batch."""
    made = toys.Duel(others=others)
    plain = flights.row("duel")
    row = dataclasses.replace(plain, system=made.build(3, 5))
    return row, plan(row, Ledger(folder), layout=flights.ALONE, device_flops=1e9)


def test_clips_of_a_second_input_count_in_a_step_and_not_in_its_number(tmp_path):
    (row, few), (_, many) = planned(5, tmp_path), planned(25, tmp_path)
    (before,), (after,) = few.stages, many.stages
    assert before.steps == after.steps == sum(row.total_steps(run) for run in row.runs)
    # The critic, twice a step, and its gradient: codes of onset and apex, and scores.
    made = toys.Duel()
    clip = 2 * (12 * made.width + made.width)
    more = made.repeat * 20 * 2 * clip
    assert more < after.step_flops - before.step_flops <= 3 * more
    assert after.step_bytes > before.step_bytes
    assert few.clips == many.clips == len(row.corpus.keys)
    pools = sum(leaf.nbytes for leaf in row.pools[0][1].features.values())
    assert few.resident_bytes > pools


def test_inner_runs_count_in_runs_waves_steps_and_work(tmp_path):
    row, told = flights.row("duel"), {"layout": flights.ALONE, "device_flops": 1e9}
    fold = row.folds[0].name
    one, both = (
        plan(row, Ledger(tmp_path), folds=[fold], inner=inner, **told)
        for inner in (False, True)
    )
    own = next(run for run in row.runs if run.fold.name == fold)
    inside = next(run for run in row.inner_runs if run.fold.inside == fold)
    assert (one.runs, one.inner, both.runs, both.inner) == (1, 0, 2, 1)
    steps = [row.total_steps(own), row.total_steps(inside)]
    assert steps[0] > steps[1]
    assert [p.stages[0].steps for p in (one, both)] == [steps[0], sum(steps)]
    assert both.waves == 2 and both.kept_bytes == one.kept_bytes
    assert both.flops == sum(steps) * both.stages[0].step_flops
    assert both.floor_seconds > one.floor_seconds
