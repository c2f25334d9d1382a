"""Tests for mer_jax/ensemble/export.py: what was trained starts other runs."""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import mer_jax
from mer_jax.ensemble.experiment import plain, run_id
from mer_jax.ensemble.export import export, finished
from mer_jax.ensemble.ledger import Ledger, read_nets, write_npz
from mer_jax.ensemble.program import Layout
from mer_jax.errors import UserError
from mer_jax.models.weights import adopt, read
from tests import flights
from tests.ensemble import test_shared
from tests.ensemble.test_experiment import Started
from tests.ensemble.test_shared import FOLDS, SEEDS

FOLD = FOLDS[1]


@pytest.fixture(scope="module")
def row():
    return test_shared.pretrained("disjoint")


@pytest.fixture(scope="module")
def trained(row, tmp_path_factory):
    """Two folds and seeds of the relay; copy, never write."""
    return test_shared.train(row, tmp_path_factory.mktemp("w")).workdir


@pytest.fixture
def ledger(trained, tmp_path):
    return Ledger(shutil.copytree(trained, tmp_path / "w"))


@pytest.fixture
def file(tmp_path):
    return tmp_path / "nets.safetensors"


def params_of(ledger, fold=FOLD, seed=SEEDS[0]):
    (entry,) = ledger.manifest()["rows"]
    return ledger.params_path(entry["runs"][f"{fold} {seed}"])


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, leaf in expected.items():
        np.testing.assert_array_equal(found[name], leaf, err_msg=name)


def test_the_shared_stage_is_the_default(row, ledger, file):
    done = export(ledger, file, seed=SEEDS[1])
    run = row.shared_run(SEEDS[1])
    assert (done.about["stage"], done.about["fold"]) == ("pretrain", "shared")
    assert (done.about["seed"], done.about["run"]) == (str(SEEDS[1]), run.id)
    names = {"0": "params", "1": "model_state"}
    expected = {
        f"{names[name.split('/')[2]]}/{name.split('/', 3)[3]}": leaf
        for name, leaf in read_nets(ledger.shared_path(run.id)).items()
        if name.startswith("nets/")
    }
    assert "params/encoder/conv/kernel" in expected
    assert "model_state/encoder/norm/mean" in expected
    assert_same(load_file(file), expected)


def test_of_the_last_stage_a_fold_is_named(row, ledger, file):
    done = export(ledger, file, fold=FOLD, seed=SEEDS[0])
    (run,) = [r for r in row.runs if r.fold.name == FOLD and r.seed == SEEDS[0]]
    assert done.about == {
        "version": mer_jax.__version__,
        "row": "relay-disjoint",
        "system": "Relay",
        "stage": "tune",
        "fold": FOLD,
        "seed": "0",
        "run": run.id,
        "synthetic": "yes",
        "content": row.content,
    }
    with safe_open(file, "np") as opened:
        assert json.loads(opened.metadata()["mer_jax"]) == done.about
    with np.load(ledger.params_path(run.id)) as kept:
        assert_same(load_file(file), dict(kept))


def test_the_same_nets_make_the_same_bytes(ledger, file, tmp_path):
    done = [
        export(ledger, path, stage="tune", fold=FOLD, seed=0)
        for path in (file, tmp_path / "deep" / "other.safetensors", file)
    ]
    assert done[0] == done[2] and done[0].digest == done[1].digest
    assert done[0].path.read_bytes() == done[1].path.read_bytes()
    assert plain(Started(str(file)))["init_weights"] == done[0].digest
    assert file.stat().st_size == done[0].num_bytes


def test_arrays_in_any_order_of_memory_are_written_as_they_read(ledger, file, tmp_path):
    export(ledger, file, fold=FOLD, seed=0)
    path = params_of(ledger)
    with np.load(path) as kept:
        columns = {name: np.asfortranarray(leaf) for name, leaf in kept.items()}
    assert not columns["params/head/dense/kernel"].flags.c_contiguous
    average = {"model_state/critic/average": np.array(0.5, np.float32)}
    write_npz(path, {**columns, **average})
    other = tmp_path / "columns.safetensors"
    export(ledger, other, fold=FOLD, seed=0)
    assert_same(load_file(other), {**load_file(file), **average})


def adopting(of, file):
    """The row, its first stage started from a file."""
    first, *rest = of.system.stages
    weights = read(file)
    init = lambda key, batch: adopt(weights, *first.init(key, batch))
    stages = (dataclasses.replace(first, init=init), *rest)
    return dataclasses.replace(of, system=dataclasses.replace(of.system, stages=stages))


@pytest.mark.parametrize("layout", [Layout(1, 2), Layout(2, 1, "pmap")], ids=str)
def test_runs_start_from_what_was_exported(row, ledger, file, tmp_path, layout):
    export(ledger, file, stage="pretrain", seed=SEEDS[0])
    started = adopting(flights.row("relay"), file)
    program = flights.program_of(started, layout)
    folds = flights.folds_of(started)[:2]
    state = flights.enter(flights.runner(started, program, folds, tmp_path), "pretrain")
    found = flights.host({"params": state.params, "model_state": state.model_state})
    expected = {name: np.stack([x, x]) for name, x in load_file(file).items()}
    assert_same(found, expected)


def test_a_whole_classifier_starts_another_under_its_names(row, ledger, file):
    export(ledger, file, fold=FOLD, seed=SEEDS[0])
    stage = row.system.stages[-1]
    batch = flights.batch_of(row.corpus, np.zeros(8, np.int32))
    init = lambda key: adopt(read(file), *stage.init(key, batch))
    params, model_state = jax.jit(init)(jax.random.key(3))
    found = flights.host({"params": params, "model_state": model_state})
    assert_same(found, load_file(file))


def test_a_manifest_tells_the_id_of_what_is_shared(row, ledger):
    (entry,) = ledger.manifest()["rows"]
    for seed in SEEDS:
        found = run_id(entry["settings"], entry["content"], "shared", seed)
        assert found == row.shared_run(seed).id
    kinds = [(nets.stage, nets.fold, nets.seed) for nets in finished(ledger, entry)]
    assert kinds == [
        *(("pretrain", "shared", seed) for seed in SEEDS),
        *(("tune", fold, seed) for seed in SEEDS for fold in FOLDS),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "stage pretrain: several runs fit.*: shared (seed 0), shared (seed 7)"),
        ({"stage": "tune"}, "stage tune: several runs fit. Choose --fold and --seed"),
        ({"stage": "probe"}, "no nets after stage 'probe'.*pretrain, tune"),
        ({"fold": "samm/006", "seed": 0}, "no finished run fits.*casme2/sub01 (seed 0"),
        ({"stage": "pretrain", "fold": FOLD}, "no finished run fits.*shared (seed 0)"),
        ({"seed": 3}, "stage pretrain: no finished run fits"),
        ({"row": "other"}, "no row 'other'. --row is one of: relay-disjoint"),
    ],
)
def test_a_choice_that_is_none_lists_what_there_is(ledger, file, options, words):
    with pytest.raises(UserError) as error:
        export(ledger, file, **options)
    start, _, rest = words.partition(".*")
    assert start in str(error.value) and rest in str(error.value)
    assert not file.exists()


def test_parameters_that_were_not_kept_are_asked_for(ledger, file):
    for path in (ledger.workdir / "params").glob("*/*.npz"):
        if path != params_of(ledger):
            path.unlink()
    assert export(ledger, file, stage="tune").about["fold"] == FOLD  # the one kept
    with pytest.raises(UserError, match=r"sub01 \(seed 0\) were not .*--keep-params"):
        export(ledger, file, fold=FOLDS[0], seed=0)


def test_a_shared_stage_is_there_before_any_run_has_finished(ledger, file):
    shutil.rmtree(ledger.workdir / "runs")
    assert export(ledger, file, seed=0).about["stage"] == "pretrain"
    shutil.rmtree(ledger.workdir / "shared")
    with pytest.raises(UserError, match="relay-disjoint: no run has finished yet"):
        export(ledger, file)


def test_another_file_is_not_replaced(ledger, file, tmp_path):
    file.write_bytes(b"mine")
    with pytest.raises(UserError, match="exists and is something else"):
        export(ledger, file, seed=0)
    assert file.read_bytes() == b"mine"
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(UserError, match="exists and is something else"):
        export(ledger, folder, seed=0)
    with pytest.raises(UserError, match="a name that ends in .safetensors"):
        export(ledger, tmp_path / "nets.npz", seed=0)


@pytest.mark.parametrize("keep", [0, 100, -30])
def test_broken_nets_are_an_error_with_their_path(ledger, file, keep):
    path = params_of(ledger)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(UserError, match=f"cannot read the nets in .*{path.name}"):
        export(ledger, file, fold=FOLD, seed=0)
    assert not file.exists()


def test_clips_of_pools_may_be_drawn_too(row, ledger, file):
    (entry,) = ledger.manifest()["rows"]
    entry["clips"] = [[key, label, False] for key, label, *_ in entry["clips"]]
    text = json.dumps({**ledger.manifest(), "rows": [entry]})
    (ledger.workdir / "manifest.json").write_text(text)
    assert export(ledger, file, seed=0).about["synthetic"] == "unknown"
