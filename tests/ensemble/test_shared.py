"""Tests for mer_jax/ensemble/shared.py: stages that all folds share train once."""

import dataclasses

import jax
import numpy as np
import pytest

from mer_jax.cli.show import report_command
from mer_jax.ensemble import shared, sweep
from mer_jax.ensemble.collect import collect
from mer_jax.ensemble.cost import cost
from mer_jax.ensemble.ledger import read_nets
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Layout, Program
from mer_jax.train.stage import merge
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
    return flights.pretrained(scope, SEEDS)


def train(row, workdir, listener=None, layout=flights.ALONE, *, inner=False):
    ledger = sweep.claim(workdir, [row], inner=inner)
    sweep.train(
        row,
        ledger,
        layout=layout,
        folds=FOLDS,
        keep_params="all",
        listener=listener or Listener(),
        inner=inner,
    )
    return ledger


@pytest.fixture(scope="module")
def ledger(row, tmp_path_factory):
    return train(row, tmp_path_factory.mktemp("w"), inner=True)


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
    one, other = (read_nets(ledger.shared_path(row.shared_run(s).id)) for s in SEEDS)
    nets = [name for name in one if name.startswith("nets/")]
    assert any((one[name] != other[name]).any() for name in nets)
    losses = one["curves/pretrain/pretrain/loss"]
    assert len(losses) == row.shared_stages[0].num_epochs and np.isfinite(losses).all()
    own = {stage.name for stage in row.own_stages}
    for run in chosen(row):
        curves = {
            n.split("/")[1] for n in ledger.read(run.id) if n.startswith("curves")
        }
        assert curves == own == {"probe", "tune"}


def test_curves_of_shared_stages_are_collected_with_the_others(row, ledger):
    (manifest,) = ledger.manifest()["rows"]
    curves = collect(ledger, manifest).curves
    assert list(curves) == ["pretrain", "probe", "tune"]
    every = len(SEEDS) * len(FOLDS)
    once = len(SEEDS) if row.shared_stages else every
    runs = {stage: {c.runs for c in own.values()} for stage, own in curves.items()}
    assert runs == {"pretrain": {once}, "probe": {every}, "tune": {every}}


def test_what_training_takes_is_collected_and_what_is_shared_apart(row, ledger):
    (manifest,) = ledger.manifest()["rows"]
    found = collect(ledger, manifest).cost
    told = cost(flights.program_of(row))

    def flops(stages, run):
        steps = {s.name: s.num_epochs * row.epoch_steps(s, run) for s in stages}
        return sum(told["step flops"][name] * taken for name, taken in steps.items())

    assert found.flops == np.mean([flops(row.own_stages, run) for run in chosen(row)])
    once = [flops(row.shared_stages, row.shared_run(seed)) for seed in SEEDS]
    assert found.flops_once == np.mean(once)
    assert found[:3] == tuple(told["parameters"].values())
    assert found.seconds > 0
    assert (found.seconds_once > 0) == (found.flops_once > 0) == bool(row.shared_stages)


def test_every_run_tells_which_clips_each_stage_saw(row, ledger):
    scope = row.experiment.pools[0].scope
    for run in chosen(row):
        entry = ledger.read(run.id)
        if row.shared_stages:
            entry |= read_nets(ledger.shared_path(row.shared_run(run.seed).id))
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
        archive = read_nets(ledger.shared_path(row.shared_run(run.seed).id))
        for name, leaf in flights.host(given).items():
            np.testing.assert_array_equal(leaf[0], archive[f"nets/{name}"])


def nets_of(run, row, ledger):
    """Stage -> its last nets, as they are on disk."""
    program = Program(row.system, row.clips, row.folds, flights.ALONE)
    nets = shared.given(row, program, Wave((run,), 1), ledger)
    found = {name: jax.tree.map(lambda x: x[0], tree) for name, tree in nets.items()}
    with np.load(ledger.params_path(run.id)) as kept:
        tree = merge(dict(kept), {})
    return found | {"tune": (tree["params"], tree["model_state"])}


def test_shared_stages_draw_the_clips_that_a_run_holds_out(row, ledger):
    """The same nets in every run, its own clips."""
    (run,) = (r for r in chosen(row) if (r.fold.name, r.seed) == (FOLDS[0], SEEDS[0]))
    entry, nets = ledger.read(run.id), nets_of(run, row, ledger)
    keys = entry["shown/keys"].tolist()
    assert keys == ["casme2/sub01/EP00", "casme2/sub01/EP01"]
    batch = flights.batch_of(row.corpus, np.array([0, 1]))
    drawn = [name for name in entry if name.startswith("shown/") and "keys" not in name]
    stages = ("pretrain", "tune")
    assert drawn == [f"shown/{s}/{n}" for s in stages for n in toys.SHOWS]
    for stage in row.system.stages:
        if stage.name in nets:
            found = stage.inspect(*nets[stage.name], batch)
            for name in stage.shows:
                stored = entry[f"shown/{stage.name}/{name}"]
                expected = 255 * np.clip(np.asarray(found[name]), 0, 1)
                assert np.abs(stored - expected).max() <= 0.51
                assert stored.std() > 1
    for other in chosen(row):
        shown = "shown/keys" in ledger.read(other.id)
        assert shown == (other.id == run.id)


def test_the_report_draws_the_clips_and_tells_of_the_pool(row, ledger, capsys):
    report_command(str(ledger.workdir), None, json=False)
    scope = row.experiment.pools[0].scope
    told = f"pool extra, {scope} ("
    often = "once for all folds" if row.shared_stages else "in every fold"
    where = f"; synthetic/demo, 14 clips of 2 people; pretrain: trained {often}"
    text = (ledger.workdir / "report" / "report.md").read_text()
    summary = capsys.readouterr().out
    for shown in (text.replace("| pool | ", "pool "), summary):
        assert told in shown and where in shown
        assert ("LEAKY" in shown) == (scope == "once_all")
    assert f"![sample clips](clips-{row.experiment.name}.png)" in text
    picture = ledger.workdir / "report" / f"clips-{row.experiment.name}.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "held out in the run that drew it (seed 0)" in text
    assert "licences" not in text  # nobody was filmed


def test_trained_again_nothing_is_trained(row, ledger):
    def never(wave):
        raise AssertionError(f"trained {wave}")

    train(row, ledger.workdir, Listener(wave=never), inner=True)


def test_inner_runs_take_over_what_is_shared_and_train_the_rest(row, ledger):
    for run in sweep.chosen(row, FOLDS, inner=True)[len(chosen(row)) :]:
        away, entry = {*row.tested(run.fold), run.fold.inside}, ledger.read(run.id)
        assert len(away) == 2
        trained = [name.split("/")[1] for name in entry if name.startswith("seen/")]
        assert trained == [stage.name for stage in row.own_stages]
        for stage in trained:
            keys = entry[f"seen/{stage}"].tobytes().decode().split("\n")
            assert not {key.rsplit("/", 1)[0] for key in keys} & away
        assert not any(name.startswith("shown/") for name in entry)


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


def test_a_manifest_tells_of_pools_what_a_report_prints():
    common = {"name": "extra", "corpora": ["synthetic/demo"], "clips": 14, "people": 2}
    for scope, once, per_fold in (
        ("disjoint", ["pretrain"], []),
        ("per_fold", [], ["pretrain"]),
        ("once_all", ["pretrain"], []),
    ):
        (pool,) = pretrained(scope).manifest()["pools"]
        trained = {"once": once, "per_fold": per_fold}
        assert pool == {**common, "scope": scope, **trained}
    assert flights.row("relay").manifest()["pools"] == []


def test_steps_of_shared_stages_are_those_of_their_schedule(tmp_path):
    for scope, steps in (("disjoint", 4), ("per_fold", 0), ("once_all", 10)):
        row = pretrained(scope)
        assert row.shared_steps(SEEDS[1]) == steps  # 2 epochs of 14 or of 38 clips
        own = 2 if row.shared_stages else 3
        run = row.runs[0]
        assert len(row.own_stages) == own
        per_epoch = [row.epoch_steps(stage, run) for stage in row.own_stages]
        assert row.total_steps(run) == 2 * sum(per_epoch)
