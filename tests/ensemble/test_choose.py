"""Tests for mer_jax/ensemble/choose.py and trial.py; by command: tests/cli."""

import dataclasses
import json
from typing import Any

import jax
import numpy as np
import pytest

from mer_jax.ensemble import choose
from mer_jax.ensemble import trial as trials_module
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.program import Layout
from mer_jax.ensemble.trial import Trial, needed, trial
from mer_jax.errors import UserError
from mer_jax.train.speed import speed
from tests import flights, toys


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paced(toys.Relay):
    """A relay with two things about it that are open."""

    pace: Any = speed({"cpu": ("even", "uneven"), "": ("other",)})
    breath: Any = speed({"": (1, 2)})

    def build(self, num_classes, num_subjects):
        """Returns the relay, and remembers at which pace."""
        system = super().build(num_classes, num_subjects)
        return dataclasses.replace(system, name=f"{self.pace} {self.breath}")


def paced(**fields):
    """The row, of many more steps than a trial needs."""
    row = flights.row("relay")
    system = Paced(**dataclasses.asdict(row.experiment.system), **fields)
    experiment = dataclasses.replace(row.experiment, system=system)
    return dataclasses.replace(row, experiment=experiment)


@pytest.fixture
def trials(monkeypatch):
    """Makes trials cost nothing: 1 s a step, 1 MB; a test says otherwise."""
    taken, seconds, size = [], {}, {"bytes": 10**6}

    def instead(row, run, layout, stage, fields):
        taken.append((row.system.name, layout.devices, layout.lanes))
        where = (*fields.values(), layout.lanes)
        told = {"devices": layout.devices, "lanes": layout.lanes, "fields": fields}
        told |= {"bytes": size.get(where, size["bytes"]), "compile_seconds": 2.0}
        fits = told["bytes"] <= trials_module.room(layout.devices)
        return Trial(**told, seconds=seconds.get(where, 1.0) if fits else None)

    monkeypatch.setattr(choose, "trial", instead)
    monkeypatch.setattr(trials_module, "memory", lambda: 1e9)
    monkeypatch.setattr(choose, "WORTH", 1)
    return taken, seconds, size


FIELDS = [
    {"pace": pace, "breath": breath} for pace in ("even", "uneven") for breath in (1, 2)
]


def test_open_fields_take_turns_and_the_first_of_equals_is_chosen(trials):
    taken, row = trials[0], paced()
    choice = choose.choose(row, row.runs, Layout())
    devices = min(len(jax.devices()), len(row.runs))
    assert taken == [(f"{p} {b}", devices, 1) for p, b in map(dict.values, FIELDS)]
    assert choice.fields == FIELDS[0] and choice.lanes == 1
    assert choice.devices == devices
    assert [t.fields for t in choice.trials] == FIELDS and "of 4" in choice.why


def test_what_is_clearly_faster_is_chosen(trials):
    row = paced()
    trials[1][("uneven", 1, 1)] = 0.98  # noise
    assert choose.choose(row, row.runs, Layout()).fields == FIELDS[0]
    trials[1][("uneven", 2, 1)] = 0.9
    assert choose.choose(row, row.runs, Layout()).fields == FIELDS[3]


def test_what_the_config_says_is_not_open(trials):
    taken, row = trials[0], paced(pace="uneven", breath=2)
    choice = choose.choose(row, row.runs, Layout())
    assert choice.fields == {} and len(taken) == 1
    assert choose.applied(row, Layout(), choice)[0] is row


def test_few_steps_and_plans_make_no_trial(trials, monkeypatch):
    taken, row = trials[0], paced()
    assert choose.choose(row, row.runs, Layout(), measure=False).why == "by rule"
    monkeypatch.setattr(choose, "WORTH", 10**9)
    choice = choose.choose(row, row.runs, Layout())
    assert not taken and "no trial pays" in choice.why and choice.fields == FIELDS[0]
    few = choose.choose(row, row.runs[:2], Layout())
    assert few.devices == 2


def test_a_cpu_takes_as_many_devices_as_its_memory_holds(trials):
    row = paced()
    trials[2]["bytes"] = int(0.3e9)  # of 0.8e9
    assert choose.choose(row, row.runs, Layout()).devices == 2
    asked = choose.choose(row, row.runs, Layout(devices=3), free={"lanes"})
    assert asked.devices == 3  # it was asked for
    assert "memory suffices for none of 4" in asked.why and asked.fields == FIELDS[0]


def test_devices_are_those_that_the_chosen_one_has_room_on(trials):
    row, seconds, size = paced(), *trials[1:]
    seconds[("even", 2, 1)] = 0.5
    size[("even", 2, 1)] = int(0.3e9)
    size[("uneven", 2, 1)] = int(0.7e9)  # the last to be tried
    choice = choose.choose(row, row.runs, Layout())
    assert (choice.fields, choice.devices) == (FIELDS[1], 2)
    assert [t.devices for t in choice.trials] == [len(jax.devices()), 2, 4, 1]


def test_without_any_word_on_memory_there_is_enough(trials, monkeypatch):
    monkeypatch.setattr(trials_module, "memory", lambda: np.inf)
    row = paced()
    assert choose.choose(row, row.runs, Layout()).devices == len(jax.devices())


def test_elsewhere_lanes_double_until_they_do_not_pay(trials, monkeypatch):
    monkeypatch.setattr(choose, "on_cpu", lambda: False)
    taken, seconds, _ = trials
    row = paced(breath=1)
    for pace in ("even", "uneven"):
        seconds[(pace, 2)] = 0.6
        seconds[(pace, 4)] = 0.59 if pace == "even" else 0.7
    choice = choose.choose(row, row.runs, Layout(devices=1), free={"lanes"})
    assert [lanes for *_, lanes in taken] == [1, 1, 2, 2, 4, 4]
    assert (choice.lanes, choice.fields) == (4, {"pace": "even"})
    fixed = choose.choose(row, row.runs, Layout(devices=1, lanes=2), free=set())
    assert fixed.lanes == 2


def test_lanes_that_would_not_fit_are_not_tried(trials, monkeypatch):
    monkeypatch.setattr(choose, "on_cpu", lambda: False)
    taken, seconds, size = trials
    size["bytes"] = int(0.5e9)
    row = paced(pace="even", breath=1)
    choice = choose.choose(row, row.runs, Layout(devices=1), free={"lanes"})
    assert [lanes for *_, lanes in taken] == [1] and choice.lanes == 1


def test_a_choice_is_kept_for_its_row_and_what_was_asked_for(tmp_path, trials):
    ledger, row = Ledger(tmp_path), paced()
    assert choose.kept(ledger, row, row.runs, Layout()) is None
    choice = choose.choose(row, row.runs, Layout())
    choose.keep(ledger, row, choice)
    assert choose.kept(ledger, row, row.runs, Layout()) == choice
    assert choose.kept(ledger, row, row.runs, Layout(lanes=2), free={"devices"}) is None
    assert choose.kept(ledger, row, row.runs, Layout(devices=1), free={"lanes"}) is None
    same = Layout(devices=choice.devices)
    assert choose.kept(ledger, row, row.runs, same, free={"lanes"}).trials
    experiment = dataclasses.replace(row.experiment, name="other")
    other = dataclasses.replace(row, experiment=experiment)
    assert choose.kept(ledger, other, row.runs, Layout()) is None


def test_a_choice_for_some_runs_gives_more_of_them_more_devices(tmp_path, trials):
    ledger, row = Ledger(tmp_path), paced()
    trials[1][("uneven", 2, 1)] = 0.5
    choose.keep(ledger, row, choose.choose(row, row.runs[:1], Layout()))
    trials[1].clear()
    one, all_ = (
        choose.kept(ledger, row, r, Layout()) for r in (row.runs[:1], row.runs)
    )
    assert one.devices == 1 < all_.devices == min(len(jax.devices()), len(row.runs))
    assert one.fields == all_.fields == FIELDS[3]  # chosen once


def test_what_was_asked_for_does_not_bind_who_asks_for_nothing(tmp_path, trials):
    ledger, row = Ledger(tmp_path), paced()
    asked = Layout(devices=1)
    choice = choose.choose(row, row.runs, asked, free={"lanes"})
    choose.keep(ledger, row, choice)
    assert choose.kept(ledger, row, row.runs, asked, free={"lanes"}) == choice
    assert choose.kept(ledger, row, row.runs, Layout()) is None


def test_a_choice_for_many_runs_takes_no_more_devices_than_there_are_few(
    tmp_path, trials
):
    ledger, row = Ledger(tmp_path), paced()
    choose.keep(ledger, row, choose.choose(row, row.runs, Layout()))
    assert choose.kept(ledger, row, row.runs[:1], Layout()).devices == 1
    most = min(len(jax.devices()), len(row.runs))
    assert choose.kept(ledger, row, row.runs, Layout()).devices == most > 1


def test_less_memory_does_not_change_the_width_of_waves_in_flight(
    tmp_path, trials, monkeypatch
):
    ledger, row = Ledger(tmp_path), paced()
    choice = choose.choose(row, row.runs, Layout())
    choose.keep(ledger, row, choice)
    monkeypatch.setattr(trials_module, "memory", lambda: 3e6)
    assert choice.devices > 1 and choose.kept(ledger, row, row.runs, Layout()) == choice


def test_another_number_of_devices_is_another_choice(tmp_path, trials, monkeypatch):
    ledger, row = Ledger(tmp_path), paced()
    choose.keep(ledger, row, choose.choose(row, row.runs, Layout()))
    monkeypatch.setattr(jax, "devices", lambda: jax.local_devices() * 2)
    assert choose.kept(ledger, row, row.runs, Layout()) is None


def test_a_rule_for_few_steps_does_not_bind_more_of_them(tmp_path, trials, monkeypatch):
    ledger, row = Ledger(tmp_path), paced()
    monkeypatch.setattr(choose, "WORTH", 10**9)
    choose.keep(ledger, row, choose.choose(row, row.runs[:1], Layout()))
    assert choose.kept(ledger, row, row.runs[:1], Layout()).devices == 1
    assert choose.kept(ledger, row, row.runs, Layout()) is None


def test_a_broken_file_of_choices_is_told_of(tmp_path):
    (tmp_path / choose.FILE).write_text("{")
    row = paced()
    with pytest.raises(UserError, match="Delete it"):
        choose.kept(Ledger(tmp_path), row, row.runs, Layout())


@pytest.mark.parametrize("missing", ["devices", "runs", "trials"])
def test_a_choice_of_another_version_is_told_of(tmp_path, trials, missing):
    ledger, row = Ledger(tmp_path), paced()
    choose.keep(ledger, row, choose.choose(row, row.runs, Layout()))
    rows = json.loads((tmp_path / choose.FILE).read_text())
    for each in rows[row.experiment.name].values():
        del each[missing]
    (tmp_path / choose.FILE).write_text(json.dumps(rows))
    with pytest.raises(UserError, match=f"{choose.FILE}.*{missing}.*Delete the file"):
        choose.kept(ledger, row, row.runs, Layout())


def test_what_is_chosen_changes_the_system_and_not_the_names_of_runs(trials):
    row = paced()
    trials[1][("uneven", 2, 1)] = 0.5
    choice = choose.choose(row, row.runs, Layout())
    done, where = choose.applied(row, Layout(), choice)
    assert done.system.name == "uneven 2"
    assert [run.id for run in done.runs] == [run.id for run in row.runs]
    assert (where.devices, where.lanes) == (choice.devices, choice.lanes)


@pytest.mark.parametrize("name", ["relay", "duel", "reel"])
def test_a_trial_takes_steps_of_any_stage_and_knows_its_memory(name):
    row = flights.row(name)
    stage = choose.heaviest(
        row,
        row.runs[0],
        Layout(),
        choose.Choice(devices=1, lanes=1, fields={}, why="", runs=1),
    )
    found = trial(row, row.runs[0], Layout(devices=2), stage, {"a": 1})
    assert found.lanes == 1 and found.fields == {"a": 1}
    assert 0 < found.seconds < 1 and found.compile_seconds > 0
    pixels = sum(x.nbytes for x in row.corpus.features.values())
    assert found.bytes > pixels  # the resident clips are an argument


def test_a_trial_that_does_not_fit_takes_no_step(monkeypatch):
    row = flights.row("duel")
    monkeypatch.setattr(trials_module, "memory", lambda: 1000.0)
    found = trial(row, row.runs[0], Layout(devices=2), "duel", {})
    assert found.seconds is None and found.time == np.inf and found.bytes > 400


@pytest.mark.parametrize("text", ["RESOURCE_EXHAUSTED: Out of memory", "INTERNAL: bug"])
def test_a_device_that_refuses_memory_rules_a_trial_out(monkeypatch, text):
    def refused(*_):
        raise jax.errors.JaxRuntimeError(text)

    row = flights.row("duel")
    monkeypatch.setattr(trials_module, "_measured", refused)
    call = lambda: trial(row, row.runs[0], Layout(devices=2), "duel", {})
    if text.startswith("RESOURCE"):
        assert (call().seconds, call().devices) == (None, 2)
    else:
        with pytest.raises(jax.errors.JaxRuntimeError, match="bug"):
            call()


def test_bytes_of_a_program():
    compiled = jax.jit(lambda x: x + 1).lower(np.zeros(1000, np.float32)).compile()
    assert 8000 <= needed(compiled.memory_analysis()) < 20_000
