"""Tests for mer_jax/ensemble/cost.py; what is printed of it: tests/report."""

import dataclasses

import jax
import numpy as np
import pytest

from mer_jax.data.clips import gather
from mer_jax.ensemble.cost import Cost, cost, cost_of_runs, parameters, step_flops
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.plan import plan
from mer_jax.ensemble.program import Layout
from tests import flights, toys

SIZES = {"predicting": 1, "trained": 2, "held": 3}


def test_a_critic_trains_and_does_not_predict():
    made = toys.Duel()
    encoder, critic, head = 12 * 5 + 5, 5 + 1, 5 * 3 + 3
    assert parameters(flights.program("duel")) == {
        "predicting": encoder + head,
        "trained": encoder + critic + head,
        "held": encoder + critic + head,
    }
    assert made.width == 5  # what the sizes above are of


def test_a_frozen_net_predicts_and_does_not_train():
    row = flights.row("duel")
    (stage,) = row.system.stages
    frozen = dataclasses.replace(stage.updates[1], trains="head/.*")
    stage = dataclasses.replace(stage, updates=(frozen,))
    system = dataclasses.replace(row.system, stages=(stage,))
    program = flights.program_of(dataclasses.replace(row, system=system))
    found = parameters(program)
    assert (found["predicting"], found["trained"]) == (12 * 5 + 5 + 18, 18)


@pytest.mark.parametrize(
    "name",
    [
        *flights.TOYS,
        *(pytest.param(name, marks=pytest.mark.slow) for name in flights.PUBLISHED),
    ],
)
def test_nets_count_where_the_gradient_of_logits_is_not_zero(name):
    program = flights.program(name)
    state = program.abstract_state(program.system.stages[-1].name)
    draw = np.random.default_rng(0)
    normal = lambda x: draw.normal(size=x.shape[1:]).astype(x.dtype)
    positive = lambda x: np.abs(normal(x)) + x.dtype.type(0.5)
    params = jax.tree.map(normal, state.params)
    model_state = jax.tree.map(positive, state.model_state)
    batch = gather(program.clips, np.arange(8, dtype=np.int32))

    def squares(params):
        return (program.system.predict(params, model_state, batch) ** 2).sum()

    found = jax.jit(jax.grad(squares))(params)
    moves = lambda net: any(np.abs(x).max() > 0 for x in jax.tree.leaves(net))
    size = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    counted = parameters(program)
    assert counted["predicting"] == size([n for n in found.values() if moves(n)])
    assert counted["held"] == size(params)
    assert 0 < counted["trained"] <= counted["held"]


@pytest.mark.parametrize("name", flights.TOYS)
def test_operations_are_those_of_the_plan_whatever_the_lanes(name, tmp_path):
    row = flights.row(name)
    planned = plan(row, Ledger(tmp_path), layout=flights.ALONE, device_flops=1e9)
    alone, wide = (
        cost(flights.program(name, layout))
        for layout in (flights.ALONE, Layout(devices=1, lanes=2))
    )
    assert alone == wide
    assert alone["step flops"] == {s.name: s.step_flops for s in planned.stages}
    assert min(alone["step flops"].values()) > 0


def test_counting_and_training_share_one_trace():
    made = toys.Duel()
    system, corpus = flights.counted(made.build(3, 6)), flights.row("duel").corpus
    program = flights.program_of(flights.row_of(made, system, corpus))
    before = flights.TRACES["duel", "duel"]
    step_flops(program, "duel")
    program.metric_names("duel")
    assert flights.TRACES["duel", "duel"] == before + 1


def entry(seconds=2.0, **steps):
    told = {"seconds": seconds, "parameters": SIZES, "step flops": {"a": 10, "b": 1}}
    return {"provenance": told} | {f"steps/{n}": np.array(v) for n, v in steps.items()}


def test_means_are_over_runs_and_over_what_they_share():
    own = [entry(2.0, b=3), entry(4.0, b=5)]
    shared = [{"steps/a": np.array(7), "seconds": np.array([9.0])}]
    assert cost_of_runs(own, shared) == Cost(1, 2, 3, 4.0, 70.0, 3.0, 9.0)
    assert cost_of_runs(own, []) == Cost(1, 2, 3, 4.0, 0.0, 3.0, 0.0)


def test_runs_of_before_operations_were_counted_have_none():
    old = {"provenance": {"seconds": 2.0}}
    assert cost_of_runs([old], []) == Cost(None, None, None, None, 0.0, 2.0, 0.0)
    assert cost_of_runs([entry(b=3), entry()], []).flops is None
    before = {"curves/a/net/loss": np.zeros(3)}
    assert cost_of_runs([entry(b=3)], [before]).flops_once is None
