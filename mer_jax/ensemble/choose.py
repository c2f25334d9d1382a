"""How a row's runs are computed: devices, lanes and formulation, chosen by trial.

Nothing here is of a paper: what is chosen changes speed, and rounding. It is chosen
once for a row and devices like these, kept in the workdir, recorded with every run, and
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
from mer_jax.ensemble.machine import on_cpu
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.trial import Trial, room, trial
from mer_jax.errors import UserError
from mer_jax.files import write_atomic

FILE = "chosen.json"
FREE = frozenset({"devices", "lanes"})
WORTH = 1000  # steps of all runs, below which no trial pays
UNTRIED = 4  # devices of a CPU at most, where no trial told of their memory
BETTER = 0.97  # of the rule's time, which another has to beat: else it is noise


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """How a row is computed on a kind of device.

    Attributes:
      devices: how many.
      lanes: runs per device.
      fields: open fields of the system's config and their values.
      why: in words.
      runs: how many it is for, of which a device has one at least.
      free: what of "devices" and "lanes" was open, the rest asked for.
      stage: on which the trials were made, or ''.
      trials: in the order they were made.
    """

    devices: int
    lanes: int
    fields: Mapping[str, Any]
    why: str
    runs: int
    free: tuple[str, ...] = ()
    stage: str = ""
    trials: tuple[Trial, ...] = ()

    @property
    def tried(self) -> Trial | None:
        """The trial of what was chosen."""
        same = lambda t: (t.lanes, t.fields) == (self.lanes, self.fields)
        return next((t for t in self.trials if same(t)), None)


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
    rule = Choice(
        devices=layout.devices or len(jax.devices()),
        lanes=1 if "lanes" in free else layout.lanes,
        fields=next(formulations(row)),
        why="by rule",
        runs=len(runs),
        free=tuple(sorted(free)),
    )
    rule = dataclasses.replace(rule, devices=_devices(rule))
    steps = sum(row.total_steps(run) for run in runs)
    if measure and steps >= WORTH:
        return _by_trial(row, runs, layout, rule)
    if "devices" in free and on_cpu():
        rule = dataclasses.replace(rule, devices=min(rule.devices, UNTRIED))
    if not measure:
        return rule
    why = f"by rule: {steps} steps are left, below {WORTH} no trial pays"
    return dataclasses.replace(rule, why=why)


def _by_trial(row: Row, runs, layout: Layout, rule: Choice) -> Choice:
    """Returns the fastest of what was tried, the rule unless another beats it."""
    stage = heaviest(row, runs[0], layout, rule)
    trials: list[Trial] = []
    least = lambda: min((t.time for t in trials), default=np.inf)
    for lanes in _lanes(rule):
        before = least()
        for fields in formulations(row):
            now = dataclasses.replace(rule, lanes=lanes, fields=fields)
            if _may_fit(trials, now):
                trials.append(_trial(row, runs[0], layout, now, stage))
        if least() > BETTER * before or least() == np.inf:
            break
    best, tried = min(trials, key=lambda t: t.time), f"{len(trials)} measured"
    why = f"fastest of {tried}" if len(trials) > 1 else "by rule"
    if best.seconds is None:
        why = f"by rule: memory suffices for none of {tried}"
    if best.time > BETTER * trials[0].time or best.seconds is None:
        best = trials[0]
    return dataclasses.replace(
        rule,
        devices=best.devices,
        lanes=best.lanes,
        fields=best.fields,
        why=why,
        stage=stage,
        trials=tuple(trials),
    )


def _trial(row: Row, run: Run, layout: Layout, now: Choice, stage: str) -> Trial:
    """Returns a trial, on as many devices as its memory lets take part."""
    while True:
        tried, where = applied(row, layout, now)
        found = trial(tried, run, where, stage, now.fields)
        fewer = _devices(dataclasses.replace(now, trials=(found,)))
        if found.seconds is not None or fewer >= now.devices:
            return found
        now = dataclasses.replace(now, devices=fewer)


def _devices(choice: Choice) -> int:
    """Returns how many devices a choice is for: of a CPU as many as memory holds."""
    if "devices" not in choice.free:
        return choice.devices
    most = max(1, min(len(jax.devices()), choice.runs))
    if not on_cpu() or choice.tried is None:
        return most
    return int(max(1, min(most, room(1) // max(1, choice.tried.bytes))))


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
    where = dataclasses.replace(
        layout,
        devices=choice.devices,
        lanes=choice.lanes,
        formulation=tuple(choice.fields.items()),
    )
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


def _lanes(rule: Choice) -> list[int]:
    """Returns the lanes worth trying: on a CPU more than one never paid."""
    if "lanes" not in rule.free or on_cpu():
        return [rule.lanes]
    most = -(-rule.runs // rule.devices)
    return [2**i for i in range(most.bit_length())]


def _may_fit(trials: Sequence[Trial], now: Choice) -> bool:
    """Returns whether trials with fewer lanes let hope that memory suffices."""
    alike = [t for t in trials if t.fields == now.fields]
    return all(
        t.seconds is not None and t.bytes * now.lanes / t.lanes <= room(now.devices)
        for t in alike
    )


def _here() -> str:
    """Returns the machine that a choice is for."""
    kind = jax.devices()[0].device_kind
    return f"{len(jax.devices())} x {jax.default_backend()} {kind}"


def kept(
    ledger: Ledger,
    row: Row,
    runs: Sequence[Run],
    layout: Layout,
    *,
    free: Collection[str] = FREE,
) -> Choice | None:
    """Returns what was chosen before for this row and devices like these, if it serves.

    What was measured for some runs holds for more of them, on more devices, and for
    fewer. What was asked for then does not bind who asks for nothing now, nor does a
    rule for few steps bind more of them.

    Raises:
      UserError: if the workdir's file of choices cannot be read.
    """
    found = _read(ledger).get(row.experiment.name, {}).get(_here())
    if found is None:
        return None
    try:
        trials = tuple(Trial(**each) for each in found["trials"])
        found |= {"trials": trials, "free": tuple(found["free"])}
        choice = Choice(**found)
    except (AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f"{ledger.workdir / FILE}: the choice of {row.experiment.name} on "
            f"{_here()!r} is not one this version writes ({error}). Delete the file: "
            "what it holds is measured again"
        ) from error
    asked = {"devices": layout.devices or len(jax.devices()), "lanes": layout.lanes}
    if not set(free) <= set(choice.free) or any(
        getattr(choice, name) != asked[name] for name in FREE - set(free)
    ):
        return None
    if not choice.trials and len(runs) > choice.runs:
        return None
    if "devices" not in free:
        return choice
    if len(runs) <= choice.runs:  # as many as then: waves in flight have that width
        return dataclasses.replace(choice, devices=min(choice.devices, len(runs)))
    choice = dataclasses.replace(choice, runs=len(runs))
    return dataclasses.replace(choice, devices=_devices(choice))


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
