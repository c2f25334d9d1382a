"""Tests for mer_jax/ensemble/replay.py: runs trained anew, beside what was recorded."""

import dataclasses
import json
import tempfile

import numpy as np
import pytest

from mer_jax.ensemble import replay as module
from mer_jax.ensemble import shared, sweep
from mer_jax.ensemble.ledger import read_nets, write_npz
from mer_jax.ensemble.listener import Interrupted, Listener
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.recorded import choose
from mer_jax.ensemble.replay import check_clips, replays, train
from mer_jax.errors import UserError
from tests import flights, toys
from tests.ensemble import test_shared
from tests.ensemble.test_shared import FOLDS, SEEDS
from tests.ensemble.test_sweep import stop_after

ROW = flights.row("duel")
SHORT, LONG = flights.folds_of(ROW, 2), flights.folds_of(ROW, 3)


def trained(workdir, folds, layout, row=ROW, *, inner=False):
    """A ledger of the duel, with all parameters."""
    ledger = sweep.claim(workdir, [row], inner=inner)
    sweep.train(
        row,
        ledger,
        layout=layout,
        folds=folds,
        keep_params="all",
        listener=Listener(),
        inner=inner,
    )
    return ledger


def again(ledger, row=ROW, **which):
    """Replays and outcomes of the runs chosen."""
    chosen = choose(ledger, **which)
    found = list(replays(ledger, row, chosen))
    return found, [o for one in found for o in train(one, ledger, Listener())]


def files(ledger):
    return {p: p.read_bytes() for p in ledger.workdir.rglob("*") if p.is_file()}


@pytest.fixture(scope="module", autouse=True)
def one_program_a_layout():
    """Each program is compiled once in this file."""
    made = {}

    def program(system, corpus, folds, layout):
        key = system.name, *(stage.name for stage in system.stages), layout
        if key not in made:
            made[key] = Program(system, corpus, folds, layout)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        for where in (shared, sweep, module):
            patch.setattr(where, "Program", program)
        yield


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where temporary folders are made."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def test_what_folds_share_is_trained_anew_and_compared_too(tmp_path, folder):
    row = test_shared.pretrained("disjoint")
    ledger = test_shared.train(row, tmp_path / "w")
    one, other = (ledger.shared_path(row.shared_run(seed).id) for seed in SEEDS)
    nets = read_nets(one)
    name = next(n for n in nets if n.endswith("conv/kernel"))
    nets[name] = np.nextafter(nets[name], np.float32(9))
    write_npz(one, nets)
    other.unlink()  # somebody who kept the runs alone can replay them
    before = files(ledger)
    (replay,), found = again(ledger, row, fold=FOLDS[1], every=True)
    assert [(o.fold, o.seed) for o in found] == [
        ("shared", SEEDS[0]),
        *((FOLDS[1], seed) for seed in SEEDS),
    ]
    assert [[a.name for a in o.apart] for o in found] == [[name], [], []]
    assert {n for n in nets if n.startswith("nets/")} <= set(found[0].compared)
    curves = {n.split("/")[1] for n in found[1].compared if n.startswith("curves/")}
    assert curves == {"probe", "tune"} and replay.differing == ()
    assert files(ledger) == before and not list(folder.iterdir())


def test_what_folds_share_is_trained_as_it_was_and_not_as_its_runs(tmp_path):
    row = test_shared.pretrained("disjoint")
    ledger = test_shared.train(row, tmp_path / "w")
    (run, *_) = choose(ledger, fold=FOLDS[1], every=True)
    name = row.shared_run(run.seed).id
    told = shared.shared_provenance(ledger, name)
    assert (told["devices"], told["lanes"], told["formulation"]) == (1, 1, {})
    flown = []
    (one,) = replays(ledger, row, [run])
    with_provenance_shared(ledger, name, {**told, "lanes": 2})
    listener = Listener(wave=lambda wave: flown.append(len(wave.runs)))
    assert [o.fold for o in train(one, ledger, listener)] == ["shared", FOLDS[1]]
    assert flown == [2, 1]  # the shared stages' wave, the run's


def with_provenance_shared(ledger, run_id, told):
    """Files shared stages again with another provenance."""
    path = ledger.shared_path(run_id)
    arrays = dict(read_nets(ledger.shared_path(run_id)))
    write_npz(path, {**arrays, "provenance": np.array(json.dumps(told))})


@pytest.mark.parametrize(
    "layout", [Layout(1, 2), pytest.param(Layout(2, 1), marks=pytest.mark.slow)]
)
def test_a_run_flies_in_the_wave_that_was_recorded(tmp_path, layout):
    folds = [LONG[0], SHORT[0]]  # of unequal length
    ledger = trained(tmp_path, folds, layout)
    told = [ledger.read(r.id)["provenance"]["wave"] for r in choose(ledger, every=True)]
    assert told[0] == told[1] and len(told[0]) == 2
    (one,), (found,) = again(ledger, fold=SHORT[0])
    assert found.matches and found.fold == SHORT[0]
    assert one.program.layout == layout
    (wave,) = one.waves
    assert ([run.id for run in wave.runs], wave.real) == (told[0], 2)


def test_padding_of_a_recorded_wave_is_padding_again(tmp_path):
    ledger = trained(tmp_path, SHORT[:1], Layout(1, 2))
    (one,), (found,) = again(ledger)
    assert found.matches and [w.real for w in one.waves] == [1] and len(one.runs) == 1


def with_provenance(ledger, run_id, **changes):
    """Files a run again with another provenance; None takes a field away."""
    entry = ledger.read(run_id)
    told = {**entry.pop("provenance"), **changes}
    ledger.write(run_id, entry, {k: v for k, v in told.items() if v is not None})


def test_a_wave_that_was_not_recorded_is_padded_and_that_is_told(tmp_path):
    ledger = trained(tmp_path, LONG[:2], Layout(1, 2))
    (run, _) = choose(ledger, every=True)
    with_provenance(ledger, run.id, wave=None)
    (one,) = replays(ledger, ROW, [run])
    assert [(len(w.runs), w.real) for w in one.waves] == [(2, 1)]
    assert [d.path for d in one.differing] == ["wave"]


def test_what_is_not_as_recorded_is_told_and_fewer_devices_do(tmp_path):
    ledger = trained(tmp_path, LONG[:2], flights.ALONE)
    runs = choose(ledger, every=True)
    old = ledger.read(runs[0].id)["provenance"]
    versions = {**old["versions"], "jax": "0.1"}
    with_provenance(ledger, runs[0].id, versions=versions, host="far", devices=64)
    ids = [run.id for run in runs]
    with_provenance(ledger, runs[1].id, wave=ids, **{"xla flags": None, "lanes": 2})
    wide, lanes = replays(ledger, ROW, runs)
    assert [(len(w.runs), w.real) for w in wide.waves] == [(4, 1)]
    paths = ["devices", "host", "versions.jax", "wave"]
    assert [d.path for d in wide.differing] == paths
    assert wide.differing[0][1:] == (64, 4)
    assert [[run.id for run in w.runs] for w in lanes.waves] == [ids]
    assert lanes.differing == ()  # flags were not recorded, so nothing is said of them


def test_inner_runs_are_replayed_with_their_clips(tmp_path):
    ledger = trained(tmp_path, SHORT[:1], flights.ALONE, inner=True)
    _, found = again(ledger, every=True)
    assert [o.fold for o in found] == [SHORT[0], f"inner of {SHORT[0]}"]
    assert all(o.matches for o in found) and found[1].clips > 0


def test_a_recorded_logit_of_other_bits_is_found(tmp_path):
    ledger = trained(tmp_path, SHORT[:1], flights.ALONE)
    (run,) = choose(ledger)
    entry = ledger.read(run.id)
    told = entry.pop("provenance")
    old = entry["logits"][1, 0, 2]
    entry["logits"][1, 0, 2] = np.nextafter(old, np.float32(np.inf))
    ledger.write(run.id, entry, told)
    _, (found,) = again(ledger)
    gap = abs(float(entry["logits"][1, 0, 2]) - float(old))
    assert found.apart == (("logits", gap, 2),) and found.changed == 0


def test_a_run_whose_clips_came_in_another_order_says_so(tmp_path):
    ledger = trained(tmp_path, SHORT[:1], flights.ALONE)
    (run,) = choose(ledger)
    with_provenance(ledger, run.id, schedules={"duel": "another"})
    _, (found,) = again(ledger)
    assert [a.name for a in found.apart] == ["schedules/duel"]


def test_a_wish_to_stop_is_heard_and_leaves_nothing_behind(tmp_path, folder):
    ledger = trained(tmp_path / "w", LONG[:2], flights.ALONE)
    before = files(ledger)
    (one,) = replays(ledger, ROW, choose(ledger, every=True))
    for steps, compared in ((2, 0), (6, 1)):  # within a run, and at the end of one
        found = train(one, ledger, stop_after(steps))
        assert all(next(found).matches for _ in range(compared))
        with pytest.raises(Interrupted):
            next(found)
        assert files(ledger) == before and not list(folder.iterdir())


# The clips.


def with_clips(**changes):
    return dataclasses.replace(ROW, corpus=dataclasses.replace(ROW.corpus, **changes))


def test_the_same_clips_pass():
    check_clips(ROW.manifest(), ROW)
    check_clips({k: v for k, v in ROW.manifest().items() if k != "pools"}, ROW)


def other_labels():
    labels = ROW.corpus.labels.copy()
    labels[3] = (labels[3] + 1) % 3
    return with_clips(labels=labels)


def other_pixels():
    features = {n: a + (i == 0) for i, (n, a) in enumerate(ROW.corpus.features.items())}
    return with_clips(features=features)


def other_division():
    folds = (dataclasses.replace(ROW.folds[0], name="other"), *ROW.folds[1:])
    return dataclasses.replace(ROW, folds=folds)


def other_people():
    subjects = {"x1/new" if s == "samm/006" else s: n for s, n in toys.SUBJECTS.items()}
    return flights.row_of(
        ROW.experiment.system,
        ROW.system,
        toys.corpus(ROW.system.features, subjects=subjects),
        ROW.pools[0][1],
    )


def other_pool():
    pool = toys.corpus(ROW.system.features, subjects={"zoo/1": 14}, seed=5)
    return flights.row_of(ROW.experiment.system, ROW.system, ROW.corpus, pool)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (other_labels, f"clips with another label (1): {ROW.corpus.keys[3]}\n"),
        (other_pixels, "the same clips and labels, and other pixels"),
        (other_division, "the clips are divided into other folds"),
        (other_people, "clips there and not here (6): samm/006/EP00, samm/006/EP01"),
        (other_people, "clips here and not there (6): x1/new/EP00"),
        (other_pool, "pools.0.people: there 2, here 1"),
    ],
)
def test_other_clips_are_refused_with_what_differs(make, words):
    with pytest.raises(UserError) as error:
        check_clips(ROW.manifest(), make())
    assert "toy: the clips are not those recorded (content there" in str(error.value)
    assert words in str(error.value)


def test_other_classes_and_another_definition_are_named():
    told = ROW.manifest()
    told["protocol"]["definition"] = "another"
    told |= {"classes": ["one", "two"], "samples": "s"}
    with pytest.raises(UserError) as error:
        check_clips(told, ROW)
    text = str(error.value)
    assert 'classes: there ["one", "two"], here ["negative"' in text
    assert 'protocol.definition: there "another", here "' in text
    assert "other folds" not in text
