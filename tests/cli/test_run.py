"""Tests for mer_jax/cli/run.py: what training is told, without training."""

import io

import numpy as np
import pytest
from rich.console import Console

from mer_jax.cli import run as module
from mer_jax.cli.options import RunOptions
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
