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
