"""Tests for mer_jax/cli/replay.py: a study of whether numbers come out again."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mer_jax.cli import replay as module
from mer_jax.ensemble.agreement import Apart, Outcome
from mer_jax.ensemble.ledger import MANIFEST, Ledger
from mer_jax.ensemble.recorded import finished_runs


@pytest.fixture
def runs(workdir):
    """The two finished runs of the workdir."""
    return finished_runs(Ledger(workdir))


def nudge(workdir, run):
    """Moves a recorded logit by one ulp; returns by how much."""
    ledger = Ledger(workdir)
    entry = ledger.read(run.id)
    told, logits = entry.pop("provenance"), entry["logits"]
    old = logits[-1, 0, 0]
    logits[-1, 0, 0] = np.nextafter(old, np.float32(np.inf))
    ledger.write(run.id, entry, told)
    return entry["epochs"][-1], abs(float(logits[-1, 0, 0]) - float(old))


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_what_comes_out_the_same_and_what_does_not(mer, workdir, runs):
    epoch, gap = nudge(workdir, runs[1])
    before = files(workdir)
    done = mer("replay", "w", "--all", check=False)
    assert done.returncode == 1 and files(workdir) == before
    assert f"{runs[0]} ({runs[0].id}): bitwise the same, 18 arrays" in done.stdout
    assert f"{runs[1]} ({runs[1].id}): NOT the same\n" in done.stdout
    assert f"  logits: differ, up to {gap:.3g} apart, first after epoch {epoch};" in (
        done.stdout
    )
    assert done.stdout.endswith("1 of 2 trainings came out bitwise the same\n")
    assert "same versions, devices and layout as recorded" in done.stderr


def test_the_first_finished_run_is_the_default_and_what_differs_is_told(
    mer, workdir, runs
):
    ledger = Ledger(workdir)
    entry = ledger.read(runs[0].id)
    told = entry.pop("provenance")
    told["versions"]["jax"] = "0.1"
    ledger.write(runs[0].id, entry, told | {"commit": "f00"})
    done = mer("replay", "w", "--json")
    facts = json.loads(done.stdout)
    (run,) = facts["runs"]
    assert [run[name] for name in ("fold", "seed", "run")] == [*runs[0][1:]]
    assert run["matches"] and facts["matches"] and run["differing"] == []
    paths = [difference["path"] for difference in facts["not_as_recorded"]]
    assert paths == ["commit", "versions.jax"]
    assert 'versions.jax: there "0.1", here "' in done.stderr
    assert "other bits are to be expected" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--set", "system.epochs=9"), "system.epochs: there "),
        (("--set", "system.epochs=1,2"), "--set: one value each"),
        (("--set", "system.zeal=1"), "has no field 'zeal'; it has: size, filters"),
        (("--set", "data.corpora=synthetic/demo"), "data.corpora: there "),
        (("--row", "nothing"), "no finished run fits. Choose --row"),
        (("0123456789abcdef",), "no finished run 0123456789abcdef. Choose"),
    ],
)
def test_bad_input_is_one_clear_message_and_trains_nothing(
    mer, workdir, monkeypatch, words, expected
):
    monkeypatch.delattr(module, "train")
    done = mer("replay", "w", *words, check=False)
    assert done.returncode == 1 and expected in done.stderr
    assert done.stdout == ""


def test_settings_that_were_edited_are_found_out(mer, workdir):
    told = json.loads((workdir / MANIFEST).read_text())
    told["rows"][0]["settings"]["system"]["learning_rate"] = 1.0
    (workdir / MANIFEST).write_text(json.dumps(told))
    done = mer("replay", "w", check=False)
    assert done.returncode == 1 and "The file was changed since" in done.stderr


def test_other_clips_under_the_same_name_stop_it(mer, workdir, monkeypatch):
    opened = module.open_rows

    def brighter(*words, **more):
        (row,) = opened(*words, **more)
        (features,) = row.corpus.features.values()
        features += 1
        return [row]

    monkeypatch.setattr(module, "open_rows", brighter)
    monkeypatch.delattr(module, "train")
    done = mer("replay", "w", check=False)
    assert done.returncode == 1
    assert "the same clips and labels, and other pixels" in done.stderr


def text(*apart, clips=12, changed=0, nets=23):
    compared = ("logits", *(f"params/{i}" for i in range(nets)))
    told = Outcome("row", "a/b", 3, "id", compared, apart, clips, changed)
    return "\n".join(module._lines(told))


def test_an_outcome_is_told_in_a_few_lines():
    about = "row, fold a/b, seed 3 (id): "
    assert text() == about + "bitwise the same, 24 arrays, 23 of them nets"
    assert text(nets=0) == about + "bitwise the same, 1 array; nets were not kept"
    assert text(
        Apart("curves/net/loss", 1e-7, 4),
        Apart("seen/net"),
        Apart("logits", 0.25, 5),
        Apart("params/0", 0.5),
        Apart("params/1"),
        changed=2,
    ).split("\n") == [
        about + "NOT the same",
        "  logits: differ, up to 0.25 apart, first after epoch 5; predictions of the "
        "last epoch: 10 of 12 clips the same",
        "  curves/net/loss: differ, up to 1e-07 apart, first after epoch 4",
        "  seen/net: differ",
        "  nets: 2 of 23 arrays differ, up to 0.5 apart",
    ]
    assert "logits are bitwise the same" in text(Apart("params/0", 0.5))
    shared = text(Apart("params/0", 0.5), clips=0)
    assert "logits" not in shared and "1 of 23 arrays differ" in shared


@pytest.mark.slow
def test_interrupted_it_leaves_nothing_behind(workdir, cache, tmp_path):
    before, folder = files(workdir), tmp_path / "tmp"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "mer_jax.cli.main", "replay", "w"],
        cwd=tmp_path,
        env={**os.environ, "MER_CACHE": str(cache), "TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    while not list(folder.glob("mer-replay-*/waves/*")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, messages = process.communicate()
    assert process.returncode == 130
    assert "stopped; the workdir is as it was" in messages
    assert "Traceback" not in messages
    assert files(workdir) == before
    assert not list(folder.glob("mer-replay-*"))
