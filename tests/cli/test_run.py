"""Tests for mer_jax/cli/run.py: what training is told, without training."""

import dataclasses
import functools
import io
import json

import jax
import numpy as np
import pytest
from rich.console import Console

from mer_jax.cli import run as module
from mer_jax.cli.options import RunOptions
from mer_jax.data.corpora import SMOKE_POOL, load
from mer_jax.data.folds import DIVISIONS
from mer_jax.data.pools import resident
from mer_jax.ensemble import sweep
from mer_jax.ensemble.ledger import write_npz
from tests import flights

ROW = flights.pretrained("disjoint", (0, 7))
SHARED, OWN = 4, [row_steps for row_steps in map(ROW.total_steps, ROW.runs)]


@pytest.fixture
def told(monkeypatch):
    """What the progress of a run is told before it starts."""
    sizes = []

    class Spy(module.TrainingProgress):
        def __init__(self, console, **told):
            sizes.append(told)
            super().__init__(console, **told)

    monkeypatch.setattr(module, "TrainingProgress", Spy)
    monkeypatch.setattr(module.sweep, "train", lambda *args, **more: None)
    return sizes


def train(workdir):
    screen = Console(file=io.StringIO())
    ledger = sweep.claim(workdir, [ROW])
    options = RunOptions(experiment="")
    module._train(ROW, options, flights.ALONE, ledger, 30.0, screen)
    return ledger


def test_the_steps_left_are_those_of_runs_and_of_what_they_share(told, tmp_path):
    ledger = train(tmp_path)
    shared = {"shared": ["pretrain"], "shared_steps": 2 * SHARED}
    assert told == [{"steps": sum(OWN), "runs": len(ROW.runs), **shared}]
    write_npz(ledger.shared_path(ROW.shared_run(7).id), {"finished": np.zeros(1)})
    train(tmp_path)
    assert told[1]["shared_steps"] == SHARED
    for run in ROW.runs:
        if run.seed == 0:  # so nobody needs what they would share
            ledger.write(run.id, {}, {})
    train(tmp_path)
    assert told[2]["shared_steps"] == 0 and told[2]["runs"] == len(ROW.runs) // 2


def test_how_frames_come_is_an_option_of_the_layout():
    layouts = [
        module.layout_of(RunOptions(experiment="", **told))
        for told in ({}, {"frames": "streamed"})
    ]
    assert [layout.frames for layout in layouts] == ["auto", "streamed"]


APEX = jax.ShapeDtypeStruct((16, 16, 3), np.uint8)

# An experiment with a labelled pool, and one without labels, neither at hand.
POOLED = """
from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.systems.minet import MiNet

def get():
    data = Data(corpora=("casme3/macro",))
    macro = Pool(
        name="macro", data=data, protocol=Protocol(name="macro3"), scope="others"
    )
    faces = Pool(name="faces", data=data)
    return Experiment(
        name="pooled",
        system=MiNet(macro_epochs=1),
        data=Data(corpora=("casme3/micro",)),
        protocol=Protocol(name="casme3_3"),
        pools=(macro, faces),
    )
"""


@pytest.fixture
def pooled(tmp_path):
    path = tmp_path / "pooled.py"
    path.write_text(POOLED)
    return path


def test_a_trial_has_drawn_people_in_its_pools_labelled_where_pools_are(pooled, cache):
    options = RunOptions(experiment=str(pooled), smoke=True)
    (experiment,) = module.experiments_of(options)
    macro, faces = experiment.pools
    assert macro.data == faces.data == SMOKE_POOL
    assert (macro.scope, faces.scope) == ("others", "disjoint")
    read = functools.partial(load, features={"apex": APEX}, cache=cache)
    sample = read(experiment.data, experiment.protocol)
    pools = [(pool, read(pool.data, pool.protocol)) for pool in experiment.pools]
    people = [set(corpus.subjects) for corpus in (sample, pools[0][1])]
    assert not people[0] & people[1]
    labels = resident(sample, pools).labels.reshape(3, 24)  # refuses other classes
    assert [np.bincount(part).tolist() for part in labels[:2]] == [[12, 6, 6]] * 2
    assert (labels[2] == -1).all()


@pytest.mark.parametrize("division", DIVISIONS)
def test_a_trial_has_people_enough_for_every_division(
    division, pooled, cache, monkeypatch
):
    (row,) = module.files.read(str(pooled))
    protocol = dataclasses.replace(row.protocol, division=division)
    changed = dataclasses.replace(row, protocol=protocol)
    monkeypatch.setattr(module.files, "read", lambda path: [changed])
    options = RunOptions(experiment=str(pooled), smoke=True)
    (experiment,) = module.experiments_of(options)
    sample = load(experiment.data, experiment.protocol, {"apex": APEX}, cache=cache)
    folds = experiment.protocol.folds(sample)
    assert len(folds) >= module.SMOKE_FOLDS
    assert bool(experiment.protocol.leak) == bool(protocol.leak)


@pytest.mark.slow
def test_a_trial_of_a_system_with_a_labelled_pool_runs(mer, pooled):
    told = mer("run", pooled, "--smoke", "--devices", "1", "--workdir", "w", "--json")
    assert "2 runs, 0 done already" in told.stderr
    assert json.loads(told.stdout)["results"][0]["synthetic"]
    assert "macro" in mer("report", "w").stdout
