"""Tests for mer_jax/ensemble/probing.py: from features to the ledger, and back."""

import dataclasses
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.cli.show import report_command
from mer_jax.data.folds import Fold
from mer_jax.ensemble import sweep
from mer_jax.ensemble.collect import collect
from mer_jax.ensemble.features import features
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.probing import groups, halves, probes
from mer_jax.ensemble.program import Layout
from mer_jax.metrics.probes import Probe, probe
from mer_jax.report.domains import DOMAINS_TOLD
from mer_jax.report.probes import QUESTION
from tests import flights

SEEN, BOTH = "samm/s06", "two held out"  # one person is held out, or two


def with_features(row, inspect):
    *others, last = row.system.stages
    last = dataclasses.replace(last, inspect=inspect, shows=())
    system = dataclasses.replace(row.system, stages=(*others, last))
    return dataclasses.replace(row, system=system)


def two_held_out(row):
    """The row with a fold of its own, besides."""
    held = [who in ("casme2/sub01", "samm/006") for who in row.corpus.subjects]
    fold = Fold(BOTH, np.flatnonzero(np.logical_not(held)), np.flatnonzero(held))
    return dataclasses.replace(row, folds=(*row.folds, fold))


def of_people(row):
    """The row with clips that are as bright as the person, in both channels."""
    draw = np.random.default_rng(0)
    person = np.unique(row.corpus.subjects, return_inverse=True)[1]
    level = 128 + 60 * draw.uniform(-1, 1, (5, 2))[person][:, None, None]
    noise = draw.normal(0, 60, row.corpus.features["frames"].shape)
    frames = (level + noise).clip(0, 255).astype(np.uint8)
    corpus = dataclasses.replace(row.corpus, features={"frames": frames})
    return dataclasses.replace(row, corpus=corpus)


def codes(params, model_state, batch):
    """What the relay's encoder makes of a clip, coarsely; and what nobody asked for.

    And some pixels, which only a bias lets through that is 0 before the last stage.
    """
    kernel = params["motion"]["conv"]["kernel"]
    average = model_state["motion"]["norm"]["mean"]
    mean = batch["frames"].astype(kernel.dtype).mean((1, 2)) / 64 - 2
    code = jnp.tanh(mean @ kernel.sum((0, 1)) - average[None])
    pixels = batch["frames"][:, 0, :, 0] * params["head"]["dense"]["bias"][0]
    return {
        "features": jnp.concatenate([code, pixels], axis=1),
        "pictures": batch["frames"] / 255,
    }


ROW = two_held_out(with_features(of_people(flights.row("relay")), codes))
PROGRAM = flights.program_of(ROW)


def train(workdir, row=ROW, folds=(SEEN, BOTH), stop=lambda: False):
    ledger = sweep.claim(workdir, [row])
    sweep.train(
        row,
        ledger,
        layout=flights.ALONE,
        folds=folds,
        keep_params="none",
        listener=Listener(hooks=Hooks(stop=stop)),
    )
    return ledger


def probes_of(row, program, wave, nets):
    return probes(row, wave, features(row, program, wave, nets))


def probed(entry):
    return {n: entry[n].item() for n in entry if n.startswith("probe/")}


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "Program", lambda *_: PROGRAM)
        return train(tmp_path_factory.mktemp("w"))


def entry_of(ledger, fold):
    (run,) = [run for run in ROW.runs if run.fold.name == fold]
    return ledger.read(run.id)


# Who is probed, and where.


def test_people_with_two_clips_are_probed_and_those_held_out_apart():
    subjects = ["a/1", "a/1", "a/2", "b/1", "b/1", "b/1", "b/2", "b/2", "c/1", "c/1"]
    fold = Fold("", np.array([0, 1, 2, 6, 7]), np.array([3, 4, 5, 8, 9]))
    found = {name: clips.tolist() for name, clips in groups(subjects, fold).items()}
    assert found == {"seen": [0, 1, 6, 7], "unseen": [3, 4, 5, 8, 9]}
    one = Fold("", np.arange(8), np.array([8, 9]))
    assert list(groups(subjects, one)) == ["seen"]  # one person is nobody to tell
    leaky = Fold("", np.array([0, 3, 6, 8]), np.array([1, 2, 4, 5, 7, 9]))
    found = groups(subjects, leaky)
    assert {name: len(clips) for name, clips in found.items()} == {"seen": 9}


def test_clips_of_a_person_alternate():
    person = np.array([5, 5, 3, 5, 3, 3, 3, 1])
    expected = [True, False, True, True, False, True, False, True]
    assert halves(person).tolist() == expected


# From training to the ledger.


def test_every_run_files_both_probes_before_and_after(ledger):
    for fold, found in ((SEEN, ["seen"]), (BOTH, ["seen", "unseen"])):
        assert list(probed(entry_of(ledger, fold))) == [
            f"probe/{group}/{when}/{name}"
            for group in found
            for when in ("before", "after")
            for name in Probe._fields
        ]
    entry = probed(entry_of(ledger, BOTH))
    assert entry["probe/seen/after/people"] == 3
    assert entry["probe/unseen/after/people"] == 2
    assert entry["probe/seen/after/clips"] == 5 + 8 + 2
    assert entry["probe/unseen/before/clips"] == 3 + 6
    assert entry["probe/unseen/before/chance"] == 2 / 3


def test_what_is_filed_is_of_the_nets_at_either_end_of_the_last_stage(ledger, tmp_path):
    wave = flights.wave(ROW, [BOTH])
    runner = sweep.WaveRunner(PROGRAM, ROW.corpus, wave, tmp_path)
    flight, entry = runner.run(Hooks()), probed(entry_of(ledger, BOTH))
    earlier = {name: flight.finished[name] for name in ("pretrain", "probe")}
    start = flights.enter(runner, "tune", earlier)
    nets = {
        "before": (start.params, start.model_state),
        "after": flight.finished["tune"],
    }
    everything = flights.batch_of(ROW.corpus, np.arange(len(ROW.corpus.keys)))
    person = np.array(ROW.corpus.subjects)
    for when, stacked in nets.items():
        own = jax.tree.map(lambda x: x[0], stacked)
        features = np.asarray(codes(*own, everything)["features"])
        for group, clips in groups(ROW.corpus.subjects, wave.runs[0].fold).items():
            expected = probe(features[clips], person[clips], halves(person[clips]))
            found = [entry[f"probe/{group}/{when}/{name}"] for name in Probe._fields]
            assert found == pytest.approx(expected, abs=1e-3)
    before, after = (entry[f"probe/seen/{when}/information"] for when in nets)
    assert min(before, after) > 0.2  # or the comparison would say little
    assert abs(before - after) > 0.01  # training went on between the two


@pytest.mark.parametrize("steps", [2, 11])
def test_interrupted_a_run_files_the_same(ledger, steps, tmp_path, monkeypatch):
    monkeypatch.setattr(sweep, "Program", lambda *_: PROGRAM)
    counter = itertools.count(1)
    with pytest.raises(Interrupted):
        train(tmp_path, folds=(BOTH,), stop=lambda: next(counter) >= steps)
    again = train(tmp_path, folds=(BOTH,))
    assert probed(entry_of(again, BOTH)) == probed(entry_of(ledger, BOTH))


@pytest.mark.parametrize("layout", [Layout(1, 4), Layout(2, 2, "pmap")])
def test_lanes_are_probed_with_their_own_nets(layout, tmp_path):
    program = flights.program_of(ROW, layout)
    folds = (SEEN, BOTH, "samm/006")
    wave = flights.wave(ROW, [*folds, SEEN], real=3)
    alone = flights.runner(ROW, PROGRAM, [SEEN], tmp_path)
    nets = {}
    for stage in ROW.system.stages:
        state = flights.enter(alone, stage.name, nets)
        nets[stage.name] = (state.params, state.model_state)
    scales = np.array([1, -1, 2, 1])  # one net for each lane
    spread = lambda x: np.concatenate([scale * np.asarray(x) for scale in scales])
    stacked = put(program.mesh, jax.tree.map(spread, nets))
    *found, padding = probes_of(ROW, program, wave, stacked)
    assert padding == {}
    for lane, fold in enumerate(folds):
        own = jax.tree.map(lambda x, i=lane: np.asarray(x)[i : i + 1], stacked)
        own = put(PROGRAM.mesh, own)
        (expected,) = probes_of(ROW, PROGRAM, flights.wave(ROW, [fold]), own)
        assert found[lane].keys() == expected.keys()
        for name, value in expected.items():
            assert found[lane][name] == pytest.approx(value.item(), abs=2e-3), name


def test_features_that_are_not_finite_are_not_probed():
    wave = flights.wave(ROW, [SEEN])
    state = PROGRAM.abstract_state("tune")
    nets = jax.tree.map(
        lambda x: jnp.full(x.shape, jnp.nan, x.dtype), (state.params, state.model_state)
    )
    earlier = PROGRAM.abstract_finished("tune")
    blank = put(
        PROGRAM.mesh, jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), earlier)
    )
    nets = put(PROGRAM.mesh, nets)
    assert probes_of(ROW, PROGRAM, wave, {**blank, "tune": nets}) == [{}]


def test_systems_without_features_are_not_probed():
    row = flights.row("relay")  # its inspect returns something else
    wave = Wave(row.runs[:1], 1)
    assert flights.program("relay").features == {}
    assert probes_of(row, flights.program("relay"), wave, {}) == [{}]
    assert flights.program("duel").features == {}  # nothing at all


WRONG = {
    r"int32\[8\] of 8": lambda mask: jnp.zeros(mask.shape, jnp.int32),
    r"float32\[8\] of 8": lambda mask: jnp.zeros(mask.shape),
    r"float32\[8, 2, 2\] of 8": lambda mask: jnp.zeros((*mask.shape, 2, 2)),
    r"float32\[4, 8\] of 8": lambda mask: jnp.zeros((4, 8)),
    r"int32\[8, 4\] of 8": lambda mask: jnp.zeros((8, 4), jnp.int32),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_are_no_features_is_an_error_before_training(message, tmp_path):
    inspect = lambda *args: {"features": WRONG[message](args[-1]["mask"])}
    row = with_features(flights.row("duel"), inspect)
    with pytest.raises(ValueError, match=f"'duel' inspects 'features', {message}"):
        train(tmp_path, row, folds=None)


# And back.


def test_probes_are_collected_over_runs_and_old_runs_have_none(ledger):
    (manifest,) = ledger.manifest()["rows"]
    collected = collect(ledger, manifest).probes
    assert {g: {w: len(p) for w, p in t.items()} for g, t in collected.items()} == {
        "seen": {"before": 2, "after": 2},
        "unseen": {"before": 1, "after": 1},
    }
    entry = probed(entry_of(ledger, BOTH))
    expected = [entry[f"probe/unseen/after/{name}"] for name in Probe._fields]
    assert list(collected["unseen"]["after"][0]) == expected
    (run,) = [run for run in ROW.runs if run.fold.name == SEEN]
    old = {k: v for k, v in ledger.read(run.id).items() if not k.startswith("probe/")}
    provenance = old.pop("provenance")
    before = ledger.path(run.id).read_bytes()
    ledger.write(run.id, old, provenance)
    collected = collect(ledger, manifest).probes
    ledger.path(run.id).write_bytes(before)
    assert len(collected["seen"]["after"]) == 1


def test_the_report_answers_the_question(ledger, capsys, tmp_path):
    report_command(str(ledger.workdir), str(tmp_path), json=False)
    for text in (capsys.readouterr().out, (tmp_path / "report.md").read_text()):
        assert QUESTION in text and "2 unseen" in text and "3–4 seen" in text
        assert DOMAINS_TOLD not in text
    assert "![accuracies](curves-toy.png)" in text
    assert not list(tmp_path.glob("embedding-*"))  # of one domain alone
    report_command(str(ledger.workdir), str(tmp_path), json=True)
    (result,) = json.loads(capsys.readouterr().out)["results"]
    entry = probed(entry_of(ledger, BOTH))
    found = result["probes"]["unseen"]["after"]["information"]["mean"]
    assert found == entry["probe/unseen/after/information"]
