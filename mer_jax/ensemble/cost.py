"""What a row takes: parameters, operations of a step, steps of a run."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mer_jax.data.clips import gather
from mer_jax.ensemble import flops
from mer_jax.ensemble.program import Program
from mer_jax.ensemble.runner import WaveRunner
from mer_jax.train.stage import Stage, flatten, split


class Cost(NamedTuple):
    """What the runs of a row took; None is what some run did not record.

    Attributes:
      predicting, trained, held: parameters, see `parameters`.
      flops: of the steps of one run, mean over the runs.
      flops_once: of the stages that all folds share, mean over the seeds.
      seconds, seconds_once: of training, likewise.
    """

    predicting: int | None
    trained: int | None
    held: int | None
    flops: float | None
    flops_once: float | None
    seconds: float
    seconds_once: float


def cost(program: Program) -> dict[str, Any]:
    """Returns provenance: "parameters" of one run, and "step flops" by stage.

    Training traces the same functions; nothing is traced twice, or compiled.
    """
    return {
        "parameters": parameters(program),
        "step flops": {name: step_flops(program, name) for name in program.stages},
    }


def step_flops(program: Program, stage: str) -> int:
    """Returns the operations of one run's training step, see `flops.count`."""
    state, rows = program.abstract_state(stage), program.abstract_rows(stage)
    remembered = program.abstract_remembered(stage)
    total = flops.count(
        program.step(stage, False), state, rows, program.clips, remembered
    )
    return total // program.layout.lanes  # one device's, of a sharded program


def parameters(program: Program) -> dict[str, int]:
    """Returns how many numbers the nets of a run's last stage are.

    Returns:
      "predicting", those that logits are computed from; "trained", those that some
      update of the stage trains; "held", all.
    """
    last = program.system.stages[-1]
    state = program.abstract_state(last.name)
    alone = lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype)  # one of L runs
    params, model_state = jax.tree.map(alone, (state.params, state.model_state))
    leaves = flatten(params)
    return {
        "predicting": _predicting(program, last, params, model_state),
        "trained": sum(leaves[name].size for name in _trained(last, params)),
        "held": sum(leaf.size for leaf in leaves.values()),
    }


def _predicting(program: Program, last: Stage, params, model_state) -> int:
    """Counts the parameters that anything in `predict` reads."""
    index = jax.ShapeDtypeStruct((last.source.batch,), np.int32)
    batch = jax.eval_shape(gather, program.clips, index)
    traced = jax.make_jaxpr(program.system.predict)(params, model_state, batch).jaxpr
    read = {id(x) for equation in traced.eqns for x in equation.invars}
    inputs = traced.invars[: len(jax.tree.leaves(params))]
    return sum(x.aval.size for x in inputs if id(x) in read)


def _trained(last: Stage, params) -> set[str]:
    return {name for update in last.updates for name in split(params, update.trains)[0]}


def steps(runner: WaveRunner) -> list[dict[str, np.ndarray]]:
    """Returns [L], for the run's ledger entry: "steps/<stage>", how many it took."""
    lanes = range(len(runner.wave.runs))
    return [
        {
            f"steps/{name}": np.array(index[lane].shape[:2]).prod()
            for name, index in runner.indices.items()
        }
        for lane in lanes
    ]


def cost_of_runs(
    own: Sequence[Mapping[str, Any]], shared: Sequence[Mapping[str, Any]]
) -> Cost:
    """Returns what finished runs took.

    Args:
      own: ledger entries of the runs.
      shared: what `shared.shared_records` returns, of their seeds; empty where all
        folds share nothing.
    """
    records = [entry["provenance"] for entry in own]
    counts = records[0].get("parameters", {})
    rates = [record.get("step flops", {}) for record in records]
    once = [entry["seconds"].item() for entry in shared if "seconds" in entry]
    return Cost(
        predicting=counts.get("predicting"),
        trained=counts.get("trained"),
        held=counts.get("held"),
        flops=_mean(map(_flops, own, rates)),
        flops_once=_mean(_flops(entry, rates[0]) for entry in shared),
        seconds=float(np.mean([record["seconds"] for record in records])),
        seconds_once=float(np.mean(once or [0.0])),
    )


def _flops(entry: Mapping[str, Any], rates: Mapping[str, int]) -> int | None:
    """Returns the operations of all steps of an entry, None if they are not known."""
    prefix = "steps/"
    taken = {n.removeprefix(prefix): n for n in entry if n.startswith(prefix)}
    if not taken or not rates:
        return None
    return sum(int(entry[name]) * rates[stage] for stage, name in taken.items())


def _mean(values: Iterable[int | None]) -> float | None:
    """Returns the mean, 0 of nothing, None where one of the values is."""
    found = list(values)
    known = [value for value in found if value is not None]
    return float(np.mean(known or [0])) if len(known) == len(found) else None
