"""Tests for mer_jax/ensemble/inner.py: inner runs, from training to their choice."""

import dataclasses
import functools
import itertools
import shutil

import numpy as np
import pytest

from mer_jax.data.pools import resident_arrays
from mer_jax.ensemble import sweep
from mer_jax.ensemble.collect import collect
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.lift import replicate
from mer_jax.ensemble.listener import Hooks, Interrupted, Listener
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.runner import WaveRunner
from mer_jax.ensemble.sweep import chosen, waves
from mer_jax.errors import UserError
from mer_jax.metrics import evaluate
from tests import flights, toys

EPOCHS, SEEDS = 5, (0, 7)
PEOPLE = {
    f"lab/{n:02}": 4 + 2 * (n % 3) for n in range(12)
}  # two of eleven are left out


@functools.cache
def row():
    config = toys.Duel(epochs=EPOCHS)
    system = config.build(len(toys.CLASSES), len(PEOPLE))
    corpus = toys.corpus(system.features, subjects=PEOPLE)
    # Of labels that nothing can learn no epoch is the best everywhere.
    labels = np.random.default_rng(1).permutation(corpus.labels)
    made = flights.row_of(config, system, dataclasses.replace(corpus, labels=labels))
    experiment = dataclasses.replace(made.experiment, seeds=SEEDS, name="twelve")
    return dataclasses.replace(made, experiment=experiment)


@functools.cache
def program():
    return flights.program_of(row())


FOLDS = ["lab/03", "lab/08"]


def train(workdir, inner=True, folds=FOLDS, listener=None, of=None):
    of = of or row()
    ledger = sweep.claim(workdir, [of], inner=inner)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep, "Program", lambda *told: program())
        sweep.train(
            of,
            ledger,
            layout=flights.ALONE,
            folds=folds,
            keep_params="all",
            listener=listener or Listener(),
            inner=inner,
        )
    return ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A workdir with runs and inner runs of two folds; not to be written to."""
    return train(tmp_path_factory.mktemp("both"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The same without inner runs."""
    return train(tmp_path_factory.mktemp("plain"), inner=False)


def entries(ledger, runs=None):
    """What is in the ledger but times, by run id."""
    runs = runs or [path.stem for path in ledger.workdir.glob("runs/*/*.npz")]
    found = {}
    for run in runs:
        entry = ledger.read(run)
        provenance = entry.pop("provenance")
        del provenance["seconds"], provenance["finished"]
        found[run] = {**entry, "provenance": np.array(str(provenance))}
    return found


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for run in one:
        assert one[run].keys() == other[run].keys()
        for name, array in one[run].items():
            assert array.tobytes() == other[run][name].tobytes(), name


def ids(inner):
    runs = chosen(row(), FOLDS, inner=True)
    return [run.id for run in runs if bool(run.fold.inside) == inner]


def people(keys):
    return {key.rsplit("/", 1)[0] for key in keys}


# Who trains, and who is left out.


def test_runs_are_the_same_bits_with_and_without_inner_runs(ledger, plain):
    assert set(entries(plain)) == set(ids(inner=False))
    assert_same_bits(entries(plain), entries(ledger, ids(inner=False)))
    for run in ids(inner=False):
        kept = (one.params_path(run).read_bytes() for one in (ledger, plain))
        assert len(set(kept)) == 1
    (with_inner,), (without,) = (one.manifest()["rows"] for one in (ledger, plain))
    assert "inner" not in without and with_inner.pop("inner")
    assert with_inner == without


def test_an_inner_run_trains_without_those_tested_and_those_left_out(ledger):
    told = ledger.manifest()["rows"][0]["inner"]
    everyone, others = set(PEOPLE), people(row().pools[0][1].keys)
    widest = 0
    for fold, seed in itertools.product(FOLDS, SEEDS):
        run = told["runs"][f"{fold} {seed}"]
        entry, away = ledger.read(run), set(told["left_out"][fold])
        assert len(away) == 2 and fold not in away
        assert set(entry["left_out"].tolist()) == people(entry["keys"]) == away
        seen = people(entry["seen/duel"].tobytes().decode().split("\n"))
        assert seen == everyone - away - {fold} | others
        own = np.isin(row().corpus.subjects, sorted(seen))
        counts = np.bincount(row().corpus.labels[own], minlength=3)
        np.testing.assert_array_equal(entry["train_counts"], counts)
        assert entry["provenance"]["fold"] == f"inner of {fold}"
        assert entry["logits"].shape == (EPOCHS, len(entry["keys"]), 3)
        assert np.isfinite(entry["logits"]).all()
        assert not ledger.params_path(run).exists()
        widest = max(widest, len(entry["keys"]))
    assert widest > program().max_test  # or the shapes below would be no matter


def test_seeds_share_whom_a_fold_leaves_out(ledger):
    told = ledger.manifest()["rows"][0]["inner"]
    assert told["left_out"].keys() == {fold.name for fold in row().folds}
    for fold in FOLDS:
        one, other = (ledger.read(told["runs"][f"{fold} {s}"]) for s in SEEDS)
        assert one["keys"].tolist() == other["keys"].tolist()
        assert (one["logits"] != other["logits"]).any()


def test_waves_are_of_runs_or_of_inner_runs_alone(tmp_path):
    runs = chosen(row(), None, inner=True)
    left = waves(row(), runs, Ledger(tmp_path), 5)
    for wave in left:
        assert {bool(run.fold.inside) for run in wave.runs} == {wave.inner}
    real = [run.id for wave in left for run in wave.runs[: wave.real]]
    assert len(real) == len(set(real)) == 2 * len(row().folds) * len(SEEDS)
    assert [w.inner for w in left] == sorted(w.inner for w in left)


# Nobody peeks.


def soiled(clips, seed=0):
    """The clips on the devices, some of them with other labels and noise."""
    rng, arrays = np.random.default_rng(seed), dict(resident_arrays(row().clips))
    arrays["label"] = arrays["label"].copy()
    arrays["label"][clips] = (arrays["label"][clips] + 1) % 3
    for name in row().clips.features:
        arrays[name] = arrays[name].copy()
        arrays[name][clips] = 3 * rng.normal(size=arrays[name][clips].shape)
    return replicate(program().mesh, arrays)


def inner_run(fold=FOLDS[0]):
    return next(run for run in row().inner_runs if run.fold.inside == fold)


def land(run, folder):
    most = max(len(fold.test) for fold in row().inner_folds)
    wave, clips = Wave((run,), 1), row().clips
    runner = WaveRunner(program(), clips, wave, folder, most=most)
    return flights.snapshot(runner.run(Hooks()))


def test_clips_of_the_person_tested_leave_no_bit_in_an_inner_run(tmp_path, monkeypatch):
    run = inner_run()
    clean = land(run, tmp_path / "a")
    tested = next(f for f in row().folds if f.name == run.fold.inside).test
    monkeypatch.setattr(program(), "clips", soiled(tested))
    assert not flights.differing(clean, land(run, tmp_path / "b"))


def test_clips_left_out_leave_their_mark_on_logits_alone(tmp_path, monkeypatch):
    run = inner_run()
    clean = land(run, tmp_path / "a")
    monkeypatch.setattr(program(), "clips", soiled(run.fold.test))
    changed = flights.differing(clean, land(run, tmp_path / "b"))
    assert [name.split(":")[0] for name in changed] == ["logits"]
    monkeypatch.setattr(program(), "clips", soiled(run.fold.train[:1]))
    assert len(flights.differing(clean, land(run, tmp_path / "c"))) > 1


def test_the_epoch_chosen_does_not_depend_on_the_clips_tested(
    ledger, tmp_path, monkeypatch
):
    """All is trained in a world where these clips hold garbage."""
    (told,) = ledger.manifest()["rows"]
    tested = np.concatenate([f.test for f in row().folds if f.name == FOLDS[0]])
    monkeypatch.setattr(program(), "clips", soiled(tested))
    other = train(tmp_path, folds=FOLDS[:1])
    found = []
    for one in (ledger, other):
        runs = [told["runs"][f"{FOLDS[0]} {seed}"] for seed in SEEDS]
        found.append([one.read(run)["logits"] for run in runs])
    assert (np.array(found[0]) != np.array(found[1])).any()  # the garbage is seen
    before, after = collect(ledger, told).inner, collect(other, told).inner
    np.testing.assert_array_equal(before.epochs[:, :1], after.epochs)


# What is chosen.


def f1(labels, predictions):
    """Mean over the classes that are there, in float64."""
    scores = []
    for k in np.unique(labels):
        hits = np.sum((predictions == k) & (labels == k), dtype=np.float64)
        scores.append(2 * hits / (np.sum(predictions == k) + np.sum(labels == k)))
    return np.mean(scores)


def test_the_rung_is_what_a_loop_over_the_ledger_gives(ledger):
    (told,) = ledger.manifest()["rows"]
    scores, epochs = [], []
    for seed in SEEDS:
        labels, predictions = [], []
        for fold in FOLDS:
            inner = ledger.read(told["inner"]["runs"][f"{fold} {seed}"])
            outer = ledger.read(told["runs"][f"{fold} {seed}"])
            best = 0
            for e in range(EPOCHS):
                now, former = (
                    f1(inner["labels"], inner["logits"][i].argmax(-1))
                    for i in (e, best)
                )
                best = e if now >= former - 1e-9 else best
            labels.append(outer["labels"])
            predictions.append(outer["logits"].astype(np.float64)[best].argmax(-1))
            epochs.append(best + 1)
        scores.append(f1(np.concatenate(labels), np.concatenate(predictions)))
    collected = collect(ledger, told)
    rung = evaluate(collected.results, resamples=50)["all"].inner
    assert rung.scores.uf1 == pytest.approx(np.mean(scores), rel=1e-12)
    assert [e for seed in rung.epochs for e in seed] == epochs
    assert len(set(epochs)) > 1  # or it would be that of any rule
    assert (collected.inner.runs, collected.inner.missing) == (4, 0)
    assert collected.inner.left_out.keys() == set(FOLDS)


def copy_of(ledger, folder):
    """A workdir of which the runs may be deleted and added to."""
    return Ledger(shutil.copytree(ledger.workdir, folder / "copy"))


def test_a_run_that_is_missing_leaves_no_rung_and_is_counted(ledger, tmp_path):
    ledger = copy_of(ledger, tmp_path)
    (told,) = ledger.manifest()["rows"]
    ledger.path(told["inner"]["runs"][f"{FOLDS[1]} 7"]).unlink()
    collected = collect(ledger, told)
    assert (collected.inner.runs, collected.inner.missing) == (4, 1)
    assert collected.results.inner_epochs is None
    assert evaluate(collected.results, resamples=50)["all"].inner is None


def test_a_broken_inner_run_is_named(ledger, tmp_path):
    ledger = copy_of(ledger, tmp_path)
    (told,) = ledger.manifest()["rows"]
    path = ledger.path(told["inner"]["runs"][f"{FOLDS[1]} 7"])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=f"{path.name} is not a readable run"):
        collect(ledger, told)


def test_a_later_run_without_them_leaves_inner_runs_alone(ledger, tmp_path):
    ledger, before = copy_of(ledger, tmp_path), entries(ledger)
    old = ledger.manifest()
    train(ledger.workdir, inner=False)
    assert ledger.manifest() == old
    assert_same_bits(entries(ledger), before)
    # Of another seed there are none: missing, not forgotten.
    experiment = dataclasses.replace(row().experiment, seeds=(3,))
    more = dataclasses.replace(row(), experiment=experiment)
    train(ledger.workdir, inner=False, of=more)
    (told,) = ledger.manifest()["rows"]
    assert told["seeds"] == [0, 3, 7]
    found = collect(ledger, told).inner
    assert (found.runs, found.missing) == (6, 2)
    train(ledger.workdir, of=more)  # and they join the others
    (told,) = ledger.manifest()["rows"]
    found = collect(ledger, told)
    assert found.inner.missing == 0 and found.results.inner_epochs.shape == (3, 2)


def test_inner_runs_are_added_to_runs_that_are_done(ledger, plain, tmp_path):
    later, landed = copy_of(plain, tmp_path), []
    train(later.workdir, listener=Listener(landed=lambda run: landed.append(run.id)))
    assert sorted(landed) == sorted(ids(inner=True))
    assert_same_bits(entries(ledger), entries(later))


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_interrupted_it_continues_to_the_same_ledger_bitwise(ledger, part, tmp_path):
    runs = [run for run in chosen(row(), FOLDS[:1], inner=True) if run.seed == 0]
    steps = sum(row().total_steps(run) for run in runs)
    experiment = dataclasses.replace(row().experiment, seeds=(0,))
    one = dataclasses.replace(row(), experiment=experiment)
    counter = itertools.count(1)
    stop = Listener(hooks=Hooks(stop=lambda: next(counter) >= part * steps))
    with pytest.raises(Interrupted):
        train(tmp_path, folds=FOLDS[:1], listener=stop, of=one)
    assert len(list(tmp_path.glob("waves/*"))) == 1
    whole = entries(ledger, [run.id for run in runs])
    if part > 0.5:  # without them, what is in flight stays in flight
        before = set(entries(Ledger(tmp_path)))
        train(tmp_path, inner=False, folds=FOLDS[:1], of=one)
        assert set(entries(Ledger(tmp_path))) == before
        assert len(list(tmp_path.glob("waves/*"))) == 1
    assert_same_bits(entries(train(tmp_path, folds=FOLDS[:1], of=one)), whole)
    assert not list(tmp_path.glob("waves/*"))
