"""How a row's runs are computed: devices, lanes and formulation, chosen by trial.

Nothing here is of a paper: what is chosen changes speed, and rounding. It is chosen
once for a row and a kind of device, kept in the workdir, recorded with every run, and
told by `mer plan --explain`.

A field of a system's config whose metadata has "speed", backend -> values, with "" for
all other backends, is open where it is "auto". The first value is the rule, which holds
where no trial pays, and where no other is clearly faster.
"""

import dataclasses
import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from mer_jax.ensemble.cost import step_flops
from mer_jax.ensemble.experiment import Run
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.trial import Trial, memory, on_cpu, trial
from mer_jax.errors import UserError
from mer_jax.files import write_atomic

FILE = "chosen.json"
FREE = frozenset({"devices", "lanes"})
WORTH = 1000  # steps of all runs, below which no trial pays
UNTRIED = 4  # devices of a CPU at most, where no trial told of their memory
BETTER = 0.97  # of the rule's time, which another has to beat: else it is noise
MEMORY = 0.8  # of what is there, which programs may take


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """How a row is computed on a kind of device.

    Attributes:
      devices: how many.
      lanes: runs per device.
      fields: open fields of the system's config and their values.
      why: in words.
      runs: how many it was chosen for, of which a device has one at least.
      stage: on which the trials were made, or ''.
      trials: in the order they were made.
    """

    devices: int
    lanes: int
    fields: Mapping[str, Any]
    why: str
    runs: int
    stage: str = ""
    trials: tuple[Trial, ...] = ()


def choose(
    row: Row,
    runs: Sequence[Run],
    layout: Layout,
    *,
    free: Collection[str] = FREE,
    measure: bool = True,
) -> Choice:
    """Returns how runs of a row are best computed here.

    Args:
      row: the row.
      runs: those to train.
      layout: what was asked for.
      free: of its fields "devices" and "lanes" those that are open.
      measure: whether trials are allowed.
    """
    devices = layout.devices or len(jax.devices())
    if "devices" in free:
        devices = max(1, min(devices, len(runs)))
    rule = Choice(
        devices=devices,
        lanes=1 if "lanes" in free else layout.lanes,
        fields=next(formulations(row)),
        why="by rule",
        runs=len(runs),
    )
    steps = sum(row.total_steps(run) for run in runs)
    if measure and steps >= WORTH:
        return _by_trial(row, runs, layout, rule, free)
    if "devices" in free and on_cpu():
        rule = dataclasses.replace(rule, devices=min(devices, UNTRIED))
    if not measure:
        return rule
    why = f"by rule: {steps} steps are left, below {WORTH} no trial pays"
    return dataclasses.replace(rule, why=why)


def _by_trial(row: Row, runs, layout: Layout, rule: Choice, free) -> Choice:
    """Returns the fastest of what was tried, the rule unless another beats it."""
    stage = heaviest(row, runs[0], layout, rule)
    trials: list[Trial] = []
    now = rule
    for lanes in _lanes(rule, len(runs), free):
        before = min((t.seconds for t in trials), default=np.inf)
        for fields in formulations(row):
            now = dataclasses.replace(now, lanes=lanes, fields=fields)
            if trials and not _fits(trials[-1], now):
                continue
            tried, where = applied(row, layout, now)
            trials.append(trial(tried, runs[0], where, stage, fields))
            if "devices" in free:
                now = dataclasses.replace(now, devices=_fitting(trials[-1], now))
        if min(t.seconds for t in trials) > BETTER * before:
            break
    first, best = trials[0], min(trials, key=lambda t: t.seconds)
    if best.seconds > BETTER * first.seconds:
        best = first
    return Choice(
        devices=now.devices,
        lanes=best.lanes,
        fields=best.fields,
        why=f"fastest of {len(trials)} measured" if len(trials) > 1 else "by rule",
        runs=len(runs),
        stage=stage,
        trials=tuple(trials),
    )


def formulations(row: Row) -> Iterator[dict[str, Any]]:
    """Yields values of the open fields of the row's system, the rule first."""
    config: Any = row.experiment.system
    found = {}
    for field in dataclasses.fields(config):
        values = field.metadata.get("speed")
        if values and getattr(config, field.name) == "auto":
            found[field.name] = values.get(jax.default_backend(), values[""])
    for each in itertools.product(*found.values()):
        yield dict(zip(found, each, strict=True))


def applied(row: Row, layout: Layout, choice: Choice) -> tuple[Row, Layout]:
    """Returns the row with its system so computed, and how it lies on devices."""
    where = dataclasses.replace(layout, devices=choice.devices, lanes=choice.lanes)
    return formulated(row, choice.fields), where


def formulated(row: Row, fields: Mapping[str, Any]) -> Row:
    """Returns the row with open fields of its system filled in, runs named alike."""
    if not fields:
        return row
    config: Any = row.experiment.system
    config = dataclasses.replace(config, **fields)
    system = config.build(len(row.corpus.classes), row.corpus.num_subjects)
    return dataclasses.replace(row, system=system)


def heaviest(row: Row, run: Run, layout: Layout, rule: Choice) -> str:
    """Returns the name of the run's own stage that multiplies the most numbers."""
    stages = row.own_stages
    if len(stages) == 1:
        return stages[0].name
    row, where = applied(row, layout, dataclasses.replace(rule, devices=1, lanes=1))
    program = Program(row.system, row.clips, row.folds, where)
    work = lambda stage: (
        stage.num_epochs * row.epoch_steps(stage, run) * step_flops(program, stage.name)
    )
    return max(stages, key=work).name


def _lanes(rule: Choice, runs: int, free: Collection[str]) -> list[int]:
    """Returns the lanes worth trying: on a CPU more than one never paid."""
    if "lanes" not in free or on_cpu():
        return [rule.lanes]
    most = -(-runs // rule.devices)
    return [2**i for i in range(most.bit_length())]


def _fits(last: Trial, now: Choice) -> bool:
    """Returns whether a trial is likely to fit, by the memory of the last."""
    devices = now.devices if on_cpu() else 1
    return last.bytes * now.lanes / last.lanes * devices <= MEMORY * memory()


def _fitting(last: Trial, now: Choice) -> int:
    """Returns how many devices of a CPU, which share its memory, programs fit on."""
    if not on_cpu():
        return now.devices
    return int(np.clip(MEMORY * memory() // last.bytes, 1, now.devices))


def _here() -> str:
    return f"{jax.default_backend()} {jax.devices()[0].device_kind}"


def kept(
    ledger: Ledger,
    row: Row,
    runs: Sequence[Run],
    layout: Layout,
    *,
    free: Collection[str] = FREE,
) -> Choice | None:
    """Returns what was chosen before for this row and kind of device, if it serves.

    Chosen for a part of the runs, by trial, it holds but for the number of devices;
    by rule, it does not serve.

    Raises:
      UserError: if the workdir's file of choices cannot be read.
    """
    found = _read(ledger).get(row.experiment.name, {}).get(_here())
    if found is None:
        return None
    try:
        trials = tuple(Trial(**each) for each in found.pop("trials"))
        choice = Choice(**found, trials=trials)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{ledger.workdir / FILE}: the choice of {row.experiment.name} on "
            f"{_here()!r} is not one this version writes ({error}). Delete the file: "
            "what it holds is measured again"
        ) from error
    asked = {"devices": layout.devices or len(jax.devices()), "lanes": layout.lanes}
    same = all(getattr(choice, k) == v for k, v in asked.items() if k not in free)
    if not same or choice.devices > len(jax.devices()):
        return None
    if len(runs) <= choice.runs:
        return choice
    if not choice.trials:
        return None
    choice = dataclasses.replace(choice, runs=len(runs))
    if "devices" not in free:
        return choice
    most = dataclasses.replace(choice, devices=min(len(jax.devices()), len(runs)))
    return dataclasses.replace(choice, devices=_fitting(choice.trials[-1], most))


def keep(ledger: Ledger, row: Row, choice: Choice) -> None:
    """Writes down what was chosen."""
    rows = _read(ledger)
    rows.setdefault(row.experiment.name, {})[_here()] = dataclasses.asdict(choice)
    write_atomic(ledger.workdir / FILE, json.dumps(rows, indent=1).encode())


def _read(ledger: Ledger) -> dict[str, Any]:
    path = ledger.workdir / FILE
    try:
        return json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise UserError(
            f"{path} is not readable JSON ({error}). Delete it: what it holds is "
            "measured again"
        ) from error
