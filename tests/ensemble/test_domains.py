"""Tests for mer_jax/ensemble/probing.py: are the domains of two inputs told apart?"""

import dataclasses
import itertools
import json

import numpy as np
import pytest

from mer_jax.cli.show import report_command
from mer_jax.ensemble import sweep
from mer_jax.ensemble.features import Features, clips_of, features
from mer_jax.ensemble.listener import Interrupted
from mer_jax.ensemble.probing import alternate, probes
from mer_jax.ensemble.program import Layout
from mer_jax.metrics.domains import DomainProbe, domain_probe
from mer_jax.report.domains import DOMAINS_TOLD
from tests import flights

from .two_domains import FOLDS, INPUT, program, row, train, trained

TIMES = ("before", "after")


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "Program", lambda *_: program())
        return train(tmp_path_factory.mktemp("w"))


def entry_of(ledger, fold, seed=3):
    (run,) = [r for r in row().runs if (r.fold.name, r.seed) == (fold, seed)]
    return ledger.read(run.id)


def told(entry):
    return {n: entry[n].item() for n in entry if n.startswith("domain/")}


def names(*times):
    return [f"domain/{INPUT}/{when}/{f}" for when in times for f in DomainProbe._fields]


def test_every_other_person_by_name_trains():
    people = ["b/1", "a/2", "b/1", "a/10", "c/1", "a/2"]
    assert alternate(people).tolist() == [True, False, True, True, False, False]


def test_every_run_files_how_many_of_either_domain_were_told(ledger):
    for fold, seed in itertools.product(FOLDS, (3, 7)):
        entry = told(entry_of(ledger, fold, seed))
        assert list(entry) == names(*TIMES)
        held_out = {"samm/006": 6, "smic/s06": 5}[fold]
        # Of samm/006, zoo/1, zoo/2, zoo/3; the first is out where it is held out.
        people = {"samm/006": 5, "smic/s06": 6 + 3}[fold]
        for when in TIMES:
            assert entry[f"domain/{INPUT}/{when}/own_clips"] == held_out
            assert entry[f"domain/{INPUT}/{when}/other_clips"] == people
            assert 0 <= entry[f"domain/{INPUT}/{when}/own_hits"] <= held_out
            assert 0 <= entry[f"domain/{INPUT}/{when}/other_hits"] <= people


@pytest.mark.parametrize("layout", [flights.ALONE, Layout(1, 4)])
def test_held_out_people_are_told_from_every_other_person_of_the_input(layout):
    with_program = program(layout)
    folds = [FOLDS[i % 2] for i in range(with_program.width)]
    wave = flights.wave(row(), folds, real=max(1, with_program.width - 1))
    nets = trained(with_program, [(-1) ** i * (i + 1) for i in range(len(folds))])
    of = features(row(), with_program, wave, nets)
    found = probes(row(), wave, of)
    people = np.array(row().clips.subjects)
    for lane, run in enumerate(wave.runs[: wave.real]):
        clips = clips_of(row(), run.fold, INPUT)
        train = np.isin(people[clips], sorted(set(people[clips]))[::2])
        for when in TIMES:
            own = of[""].of(lane, np.arange(24))[when]
            other = of[INPUT].of(lane, clips)[when]
            expected = domain_probe(
                (own[run.fold.train], other[train]), (own[run.fold.test], other[~train])
            )
            assert [found[lane][n].item() for n in names(when)] == list(expected)
    assert found[wave.real :] == [{}] * (len(folds) - wave.real)  # padding


def given(own, other, run):
    """Features of a run alone, the same at either end."""
    clips = clips_of(row(), run.fold, INPUT)
    return {
        "": Features(np.arange(24), dict.fromkeys(TIMES, own[None])),
        INPUT: Features(clips, dict.fromkeys(TIMES, other[None])),
    }


def found_of(own, other):
    wave = flights.wave(row(), ["smic/s06"])
    return probes(row(), wave, given(own, other, wave.runs[0]))[0]


def test_domains_far_apart_are_told_and_features_that_are_not_finite_are_not():
    draw = np.random.default_rng(0)
    own, other = draw.normal(size=(24, 3)), 9 + draw.normal(size=(18, 3))
    found = told(found_of(own, other))
    assert list(found.values()) == 2 * [5, 5, 9, 9]
    other[7, 1] = np.inf
    entry = found_of(own, other)
    assert not told(entry) and "probe/seen/after/accuracy" in entry
    own[0, 0] = np.nan
    assert found_of(own, other) == {}


def test_an_input_of_one_person_is_not_probed():
    of = row()
    wave = flights.wave(of, ["smic/s06"])
    draw = np.random.default_rng(0)
    features = given(draw.normal(size=(24, 3)), draw.normal(size=(18, 3)), wave.runs[0])
    pools = {INPUT: np.arange(24, 28)}  # of samm/006
    (run,) = wave.runs
    fold = dataclasses.replace(run.fold, pools=pools)
    wave = dataclasses.replace(wave, runs=(dataclasses.replace(run, fold=fold),))
    (entry,) = probes(of, wave, features)
    assert not told(entry) and "probe/seen/after/accuracy" in entry


@pytest.mark.parametrize("steps", [2, 4])
def test_interrupted_a_run_files_the_same(ledger, steps, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "Program", lambda *_: program())
    counter = itertools.count(1)
    with pytest.raises(Interrupted):
        train(tmp_path, folds=FOLDS[:1], stop=lambda: next(counter) >= steps)
    again = train(tmp_path, folds=FOLDS[:1])
    assert told(entry_of(again, FOLDS[0])) == told(entry_of(ledger, FOLDS[0]))


def test_the_report_prints_them_and_draws_the_features(ledger, capsys, tmp_path):
    report_command(str(ledger.workdir), str(tmp_path), json=False)
    for text in (capsys.readouterr().out, (tmp_path / "report.md").read_text()):
        assert DOMAINS_TOLD in text and "0.5 is chance" in " ".join(text.split())
    assert "![features](embedding-toy.png)" in text
    assert "fold samm/006, seed 3" in text and "of the sample and of others" in text
    assert (tmp_path / "embedding-toy.png").stat().st_size > 10_000
    assert not list(tmp_path.glob("curves-*"))  # no stage reports an accuracy
    report_command(str(ledger.workdir), str(tmp_path), json=True)
    (result,) = json.loads(capsys.readouterr().out)["results"]
    after = result["domains"][INPUT]["after"]
    entries = [told(entry_of(ledger, *run)) for run in itertools.product(FOLDS, (3, 7))]
    for field in DomainProbe._fields:
        filed = sum(entry[f"domain/{INPUT}/after/{field}"] for entry in entries)
        assert after[field] == filed
    assert after["runs"] == 4
