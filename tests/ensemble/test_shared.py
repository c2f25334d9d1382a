"""Tests for mer_jax/ensemble/shared.py: stages that all folds share train once."""

import dataclasses

import jax
import numpy as np
import pytest

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool, with_pools
from mer_jax.ensemble import shared, sweep
from mer_jax.ensemble.listener import Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.runner import Hooks, Interrupted
from tests import flights, toys

SEEDS = (0, 7)
FOLDS = ("casme2/sub01", "samm/s06")


@pytest.fixture(
    scope="module",
    params=["disjoint", "per_fold", pytest.param("once_all", marks=pytest.mark.slow)],
)
def row(request):
    return pretrained(request.param)


def pretrained(scope):
    """The relay, its first stage on a pool of other people."""
    plain = flights.row("relay")
    first, *rest = plain.system.stages
    source = dataclasses.replace(first.source, pool="extra")
    stages = (dataclasses.replace(first, source=source), *rest)
    system = dataclasses.replace(plain.system, stages=stages)
    extra = toys.corpus(system.features, subjects={"zoo/1": 9, "zoo/2": 20}, seed=5)
    pool = Pool(name="extra", data=Data(), scope=scope)
    experiment = dataclasses.replace(
        plain.experiment, pools=(pool,), seeds=SEEDS, name=f"relay-{scope}"
    )
    pools = ((pool, extra),)
    return Row(
        experiment=experiment,
        system=system,
        corpus=plain.corpus,
        folds=with_pools(plain.folds, plain.corpus, pools),
        pools=pools,
    )


def train(row, workdir, listener=None, layout=flights.ALONE):
    ledger = sweep.claim(workdir, [row])
    sweep.train(
        row,
        ledger,
        layout=layout,
        folds=FOLDS,
        keep_params="all",
        listener=listener or Listener(),
    )
    return ledger


@pytest.fixture(scope="module")
def ledger(row, tmp_path_factory):
    return train(row, tmp_path_factory.mktemp("w"))


def chosen(row):
    return sweep.chosen(row, FOLDS)


def test_what_is_shared_trains_once_a_seed(row, ledger):
    names = [stage.name for stage in row.shared_stages]
    files = sorted((ledger.workdir / "shared").glob("*.npz"))
    if row.experiment.pools[0].scope == "per_fold":
        assert names == [] and files == []
        return
    assert names == ["pretrain"]
    assert {f.stem for f in files} == {row.shared_run(seed).id for seed in SEEDS}
    one, other = (shared.read_shared(ledger, row.shared_run(s).id) for s in SEEDS)
    nets = [name for name in one if name.startswith("nets/")]
    assert any((one[name] != other[name]).any() for name in nets)
    own = {stage.name for stage in row.own_stages}
    for run in chosen(row):
        curves = {
            n.split("/")[1] for n in ledger.read(run.id) if n.startswith("curves")
        }
        assert curves == own == {"probe", "tune"}


def test_every_run_tells_which_clips_each_stage_saw(row, ledger):
    scope = row.experiment.pools[0].scope
    for run in chosen(row):
        entry = ledger.read(run.id)
        if row.shared_stages:
            entry |= shared.read_shared(ledger, row.shared_run(run.seed).id)
        seen = {
            stage: set(entry[f"seen/{stage}"].tobytes().decode().split("\n"))
            for stage in ("pretrain", "probe", "tune")
        }
        own = {row.corpus.keys[i] for i in run.fold.train}
        assert seen["probe"] == seen["tune"] == own
        held_out = {k for k in seen["pretrain"] if k.startswith(run.fold.name + "/")}
        assert bool(held_out) == (scope == "once_all")  # and that one is labelled
        assert (row.leak != "") == (scope == "once_all")
        assert {k for k in seen["pretrain"] if k.startswith("zoo/")} == set(
            row.pools[0][1].keys
        )


def test_the_second_stage_starts_where_the_shared_one_ended(row, ledger):
    """Of the frozen encoder in the middle stage, every fold has the same."""
    if not row.shared_stages:  # every fold pre-trains for itself
        assert shared.given(row, None, None, ledger) == {}
        return
    program = Program(row.system, row.clips, row.folds, flights.ALONE)
    for run in chosen(row):
        wave = Wave((run,), 1)
        given = shared.given(row, program, wave, ledger)
        archive = shared.read_shared(ledger, row.shared_run(run.seed).id)
        for name, leaf in flights.host(given).items():
            np.testing.assert_array_equal(leaf[0], archive[f"nets/{name}"])


def test_trained_again_nothing_is_trained(row, ledger):
    def never(wave):
        raise AssertionError(f"trained {wave}")

    train(row, ledger.workdir, Listener(wave=never))


def entries(ledger, runs):
    read = lambda run: {
        k: v for k, v in ledger.read(run.id).items() if k != "provenance"
    }
    return {run.id: read(run) for run in runs}


def test_interrupted_anywhere_it_ends_in_the_same_bits(tmp_path_factory):
    # 6 of the first stage's steps are shared, so one stop is in it and one after.
    one = pretrained("disjoint")
    row = dataclasses.replace(
        one, experiment=dataclasses.replace(one.experiment, seeds=SEEDS[:1])
    )
    whole = train(row, tmp_path_factory.mktemp("whole"))
    workdir, taken = tmp_path_factory.mktemp("cut"), []
    for limit in (3, 5):
        hooks = Hooks(stepped=Steps(taken, limit), stop=lambda: taken[-1] == 0)
        with pytest.raises(Interrupted):
            train(row, workdir, Listener(hooks=hooks))
    again = train(row, workdir)
    expected, found = entries(whole, chosen(row)), entries(again, chosen(row))
    for run_id, entry in expected.items():
        for name, array in entry.items():
            np.testing.assert_array_equal(found[run_id][name], array, err_msg=name)


class Steps:
    """Counts down from a limit; what is left is the last of `taken`."""

    def __init__(self, taken, limit):
        self.taken = taken
        taken.append(limit)

    def __call__(self):
        self.taken.append(max(self.taken[-1] - 1, 0))


@pytest.mark.slow
def test_seeds_side_by_side_share_as_alone(ledger, row, tmp_path):
    wide = train(row, tmp_path, layout=Layout(devices=2, lanes=1))
    for run in chosen(row):
        a, b = ledger.read(run.id)["logits"], wide.read(run.id)["logits"]
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-4)


def test_pools_count_in_the_content_and_so_in_the_run():
    disjoint, per_fold = pretrained("disjoint"), pretrained("per_fold")
    plain = flights.row("relay")
    ids = {r.runs[0].id for r in (disjoint, per_fold, plain)}
    assert len(ids) == 3
    assert disjoint.content != plain.content
    told = disjoint.manifest()
    assert told["protocol"]["leak"] == ""
    assert jax.tree.leaves(told["settings"]["pools"])
