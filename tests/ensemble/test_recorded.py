"""Tests for mer_jax/ensemble/recorded.py: which finished runs are meant."""

import dataclasses
import json

import pytest

from mer_jax.ensemble import sweep
from mer_jax.ensemble.ledger import MANIFEST, Ledger
from mer_jax.ensemble.recorded import choose, finished_runs, recorded_runs
from mer_jax.errors import UserError
from tests import flights


def named(name):
    one = flights.row("relay")
    return dataclasses.replace(
        one, experiment=dataclasses.replace(one.experiment, name=name, seeds=(0, 7))
    )


ONE, TWO = named("one"), named("two")
LATER = [*ONE.runs[3:], *ONE.inner_runs[:2], *TWO.runs[:2]]  # of these alone


@pytest.fixture
def ledger(tmp_path):
    """Two rows, the first with inner runs; nothing is trained."""
    ledger = sweep.claim(tmp_path, [ONE], inner=True)
    told = ledger.manifest()
    told["rows"].append(TWO.manifest())
    (tmp_path / MANIFEST).write_text(json.dumps(told))
    for run in LATER:
        ledger.write(run.id, {}, {})
    return ledger


def ids(runs):
    return [run.id for run in runs]


def test_finished_runs_come_in_the_order_of_the_manifest(ledger):
    assert ids(finished_runs(ledger)) == ids(LATER)
    (one, _) = ledger.manifest()["rows"]
    assert ids(recorded_runs(one)) == ids([*ONE.runs, *ONE.inner_runs])
    for told, run in zip(finished_runs(ledger), LATER, strict=True):
        assert (told.fold, told.seed) == (run.fold.name, run.seed)
        assert str(told) == str(run)


def test_the_first_that_fits_is_meant_unless_all_are_or_ids_are_given(ledger):
    assert ids(choose(ledger)) == ids(LATER[:1])
    assert ids(choose(ledger, every=True)) == ids(LATER)
    two = [LATER[-1].id, LATER[0].id]
    assert ids(choose(ledger, runs=two)) == two[::-1]
    assert ids(choose(ledger, row="two")) == ids(TWO.runs[:1])
    assert ids(choose(ledger, row="two", seed=7)) == ids(TWO.runs[1:2])
    fold = ONE.inner_runs[0].fold.name
    assert ids(choose(ledger, fold=fold, every=True)) == ids(ONE.inner_runs[:2])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"row": "three"}, "no finished run fits. Choose --row"),
        ({"fold": "nobody"}, "no finished run fits"),
        ({"seed": 3}, "no finished run fits"),
        ({"runs": ["ab", LATER[0].id]}, "no finished run ab. Choose"),
        ({"runs": [ONE.runs[0].id]}, f"no finished run {ONE.runs[0].id}. Choose"),
        ({"runs": [TWO.runs[0].id], "row": "one"}, "no finished run"),
    ],
)
def test_a_choice_that_is_none_lists_what_there_is(ledger, options, words):
    with pytest.raises(UserError) as error:
        choose(ledger, **options)
    assert words in str(error.value)
    assert f"{LATER[0]} ({LATER[0].id})" in str(error.value)


def test_without_a_finished_run_there_is_no_choice(tmp_path):
    sweep.claim(tmp_path, [ONE])
    with pytest.raises(UserError, match="no run has finished yet; `mer status`"):
        choose(Ledger(tmp_path))


@pytest.mark.parametrize("field", ["settings", "content"])
def test_a_manifest_that_was_changed_is_found_out(ledger, field):
    told = ledger.manifest()
    one = told["rows"][0]
    one[field] = {**one["settings"], "eval_every": 3} if field == "settings" else "c"
    (ledger.workdir / MANIFEST).write_text(json.dumps(told))
    with pytest.raises(UserError, match="settings of 'one' are not those under which"):
        choose(ledger)
    assert ids(choose(ledger, row="two")) == ids(TWO.runs[:1])
