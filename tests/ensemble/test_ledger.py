"""Tests for mer_jax/ensemble/ledger.py."""

import copy
import dataclasses
import errno
import os

import numpy as np
import pytest

from mer_jax import files
from mer_jax.ensemble import sweep
from mer_jax.ensemble.ledger import MANIFEST, Ledger
from mer_jax.errors import UserError
from tests import flights

RUN = "ab12cd34ab12cd34"
ARRAYS = {
    "keys": np.array(["casme2/sub01/EP02", "casme2/sub01/EP03"]),
    "labels": np.array([0, 2]),
    "logits": np.arange(12, dtype=np.float32).reshape(2, 2, 3),
}


def manifest(**changes):
    row = {
        "name": "row",
        "settings": {"system": {"batch": 8, "size": 28}, "eval_every": 1},
        "seeds": [0],
        "classes": ["negative", "positive"],
        "samples": "s",
        "content": "c",
        "folds": ["a/b"],
        "runs": {"a/b 0": "id0"},
        "published": [],
        **changes,
    }
    return {"version": 1, "rows": [row]}


# Runs.


def test_a_run_comes_back_as_it_was_filed(tmp_path):
    ledger = Ledger(tmp_path)
    assert not ledger.done(RUN)
    ledger.write(RUN, ARRAYS, {"versions": {"jax": "0.10"}, "seconds": 1.5})
    assert ledger.done(RUN)
    assert ledger.path(RUN) == tmp_path / "runs" / "ab" / f"{RUN}.npz"
    entry = ledger.read(RUN)
    assert entry.pop("provenance") == {"versions": {"jax": "0.10"}, "seconds": 1.5}
    assert entry.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(entry[name], array)
        assert entry[name].dtype == array.dtype


def filed(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.write(RUN, ARRAYS, {"seconds": 1.0})
    return ledger


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_named_in_an_error_for_the_user(share, tmp_path):
    ledger = filed(tmp_path)
    data = ledger.path(RUN).read_bytes()
    ledger.path(RUN).write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=f"{RUN}.npz is not a readable run.*Delete it"):
        ledger.read(RUN)


@pytest.mark.parametrize("place", [60, 200, 400, 600])
def test_a_file_with_a_changed_byte_is_named_in_an_error_for_the_user(place, tmp_path):
    ledger = filed(tmp_path)
    data = bytearray(ledger.path(RUN).read_bytes())
    data[place : place + 4] = bytes(255 - b for b in data[place : place + 4])
    ledger.path(RUN).write_bytes(data)
    with pytest.raises(UserError, match=f"{RUN}.npz is not a readable run"):
        ledger.read(RUN)


def test_a_file_of_something_else_is_named_in_an_error_for_the_user(tmp_path):
    ledger = filed(tmp_path)
    for write in (
        lambda path: np.savez(path, logits=np.zeros(3)),  # without provenance
        lambda path: path.write_text("hello"),
        lambda path: np.savez(path, provenance=np.frombuffer(b"{", np.uint8)),
        lambda path: path.unlink(),
    ):
        write(ledger.path(RUN))
        with pytest.raises(UserError, match=f"{RUN}.npz"):
            ledger.read(RUN)


def test_a_full_disk_leaves_the_run_undone(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    ledger = Ledger(tmp_path)
    with pytest.raises(UserError, match="no room for"):
        ledger.write(RUN, ARRAYS, {})
    assert not ledger.done(RUN)
    assert not list(tmp_path.rglob("*.partial"))


# The manifest.


def test_a_folder_that_is_no_workdir_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match="manifest.json.*`mer run` wrote"):
        Ledger(tmp_path).manifest()
    for text in ("{", "[]", '{"name": "a web app"}', '{"version": 99, "rows": []}'):
        (tmp_path / MANIFEST).write_text(text)
        with pytest.raises(UserError, match="manifest.json.*`mer run` wrote"):
            Ledger(tmp_path).manifest()


def test_a_workdir_may_be_claimed_again_by_the_same_rows(tmp_path):
    ledger = Ledger(tmp_path / "new")
    ledger.claim(manifest())
    ledger.claim(manifest())
    assert ledger.manifest() == manifest()


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        (
            {"settings": {"system": {"batch": 16, "size": 28}, "eval_every": 2}},
            [
                "rows.row.settings.eval_every: there 1, here 2",
                "rows.row.settings.system.batch: there 8, here 16",
            ],
        ),
        ({"content": "d"}, ['rows.row.content: there "c", here "d"']),
        (
            {"classes": ["a"]},
            ['rows.row.classes: there ["negative", "positive"], here ["a"]'],
        ),
        ({"name": "other"}, ["rows.other: there null, here {", "rows.row: there {"]),
    ],
    ids=["settings", "content", "classes", "name"],
)
def test_another_configuration_is_refused_field_by_field(changes, lines, tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(manifest())
    with pytest.raises(UserError, match="results of another configuration") as error:
        ledger.claim(manifest(**changes))
    told = str(error.value).splitlines()[1:-1]
    assert len(told) == len(lines)
    for found, line in zip(told, lines, strict=True):
        assert found.startswith(f"  {line}") and len(found) < 160
    assert "--workdir" in str(error.value)
    assert ledger.manifest() == manifest()


def test_what_is_only_printed_may_change(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(manifest())
    ledger.claim(manifest(published=[{"source": "paper"}]))
    assert ledger.manifest()["rows"][0]["published"] == [{"source": "paper"}]


def test_rows_gain_seeds_and_lose_none(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(manifest())
    ledger.claim(manifest(seeds=[2], runs={"a/b 2": "id2"}))
    (row,) = ledger.manifest()["rows"]
    assert row["seeds"] == [0, 2]
    assert row["runs"] == {"a/b 0": "id0", "a/b 2": "id2"}


def inner(*seeds):
    runs = {f"a/b {seed}": f"inner {seed}" for seed in seeds}
    return {"left_out": {"a/b": ["a/c"]}, "runs": runs}


def test_rows_gain_inner_runs_and_lose_none(tmp_path):
    ledger = Ledger(tmp_path)
    told = lambda: ledger.manifest()["rows"][0]
    ledger.claim(manifest())
    assert "inner" not in told()
    ledger.claim(manifest(inner=inner(0)))
    assert told()["inner"] == inner(0)
    ledger.claim(manifest())
    assert told()["inner"] == inner(0)
    ledger.claim(manifest(seeds=[2], runs={"a/b 2": "id2"}, inner=inner(2)))
    assert told()["inner"] == inner(0, 2)


def test_rows_are_told_apart_by_name_not_by_place(tmp_path):
    (a,), (b,) = (manifest(name=n, seeds=[s])["rows"] for n, s in (("a", 0), ("b", 1)))
    ledger = Ledger(tmp_path)
    ledger.claim({"version": 1, "rows": copy.deepcopy([a, b])})
    ledger.claim({"version": 1, "rows": copy.deepcopy([b, a])})
    seeds = {row["name"]: row["seeds"] for row in ledger.manifest()["rows"]}
    assert seeds == {"a": [0], "b": [1]}


def test_another_layout_of_the_workdir_is_refused(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(manifest())
    with pytest.raises(UserError, match="version: there 1, here 2"):
        ledger.claim({**manifest(), "version": 2})


def test_every_seed_of_a_claimed_row_has_a_run_for_every_fold(tmp_path):
    """What the report relies on, with fewer seeds than before as with more."""
    row = flights.row("duel")
    for seeds in ((0, 1), (0,), (1, 2)):
        experiment = dataclasses.replace(row.experiment, seeds=seeds)
        ledger = sweep.claim(
            tmp_path, [dataclasses.replace(row, experiment=experiment)]
        )
    (claimed,) = ledger.manifest()["rows"]
    assert claimed["seeds"] == [0, 1, 2]
    assert set(claimed["runs"]) == {
        f"{fold} {seed}" for fold in claimed["folds"] for seed in (0, 1, 2)
    }
