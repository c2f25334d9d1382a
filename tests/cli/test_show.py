"""Tests for mer_jax/cli/show.py: from a workdir to its report."""

import json

import numpy as np
import pytest

from mer_jax.cli.show import report_command
from mer_jax.ensemble import sweep
from mer_jax.ensemble.ledger import MANIFEST
from tests import flights

ROW = flights.row("duel")


@pytest.fixture
def ledger(tmp_path):
    """The workdir of a row whose runs are made up, not trained."""
    ledger = sweep.claim(tmp_path, [ROW])
    labels = ROW.corpus.labels
    for number, run in enumerate(ROW.runs):
        keys = [ROW.corpus.keys[i] for i in run.fold.test]
        arrays = {
            "keys": np.array(keys),
            "labels": labels[run.fold.test],
            "epochs": np.array([2]),
            "logits": np.eye(3, dtype=np.float32)[labels[run.fold.test]][None],
            "train_counts": np.bincount(labels[run.fold.train], minlength=3),
        }
        if number < 2:
            arrays["shown/keys"] = np.array(keys[:1])
            arrays["shown/duel/map"] = np.full((1, 5, 5), 99, np.uint8)
        provenance = {"seconds": 1.0, "finished": "2026-01-01"}
        ledger.write(run.id, arrays, provenance)
    return ledger


def report(ledger):
    report_command(str(ledger.workdir), None, json=False)
    return (ledger.workdir / "report" / "report.md").read_text()


def edit_manifest(ledger, edit):
    manifest = ledger.manifest()
    edit(manifest["rows"][0])
    (ledger.workdir / MANIFEST).write_text(json.dumps(manifest))


def test_faces_that_were_filmed_are_told_from_those_that_were_drawn(ledger):
    first = ROW.runs[0].fold.test[0]  # shown

    def film(clip):
        return lambda row: row["clips"][clip].__setitem__(2, False)

    assert "licences" not in report(ledger)
    edit_manifest(ledger, film(ROW.runs[0].fold.test[1]))  # not shown
    assert "licences" not in report(ledger)
    edit_manifest(ledger, film(first))
    text = report(ledger)
    assert "The licences of most corpora forbid" in text and "SYNTHETIC" in text
    assert "![sample clips](clips-toy.png)" in text


def test_a_workdir_of_before_pools_and_sample_clips_still_reports(ledger):
    def age(row):
        del row["pools"]
        row["published"] = [
            {"source": "p", "selection": "s", "uf1": 0.5, "uar": None, "accuracy": None}
        ]

    for run in ROW.runs:
        entry = ledger.read(run.id)
        old = {name: a for name, a in entry.items() if not name.startswith("shown/")}
        provenance = old.pop("provenance")
        ledger.write(run.id, old, provenance)
    edit_manifest(ledger, age)
    text = report(ledger)
    assert "published: p; selection: s | 0.500 |" in text
    assert "Sample clips" not in text and "| pool |" not in text
    assert not list((ledger.workdir / "report").glob("clips-*"))
    sweep.claim(ledger.workdir, [ROW])  # and goes on
    (pool,) = ledger.manifest()["rows"][0]["pools"]
    assert pool["name"] == "others" and pool["per_fold"] == ["duel"]
