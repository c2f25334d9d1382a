"""Tests for mer_jax/report/tables.py."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mer_jax.report import STAMP
from mer_jax.report.tables import predictions_csv, report_csv, report_json

from .made import POOL, row, with_cost, with_pools


def lines(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_csv_has_a_line_per_row_subset_and_rung():
    table = lines(report_csv([row("a"), row("b")]))
    table = [line for line in table if line["rung"] != "published"]
    assert len(table) == 2 * 3 * 4
    assert {(x["row"], x["subset"], x["rung"]) for x in table} == {
        (name, subset, rung)
        for name in "ab"
        for subset in ("all", "casme2", "samm")
        for rung in ("last", "shared_epoch", "fold_epoch", "stop_at_100")
    }


def test_published_numbers_follow_the_subset_they_are_of():
    table = lines(report_csv([row(synthetic=True)]))
    found = [(i, x) for i, x in enumerate(table) if x["rung"] == "published"]
    (i, first), (j, second) = found
    assert [x["subset"] for x in table[i - 1 : i + 1]] == ["all", "all"]
    assert [x["subset"] for x in table[j - 1 : j + 1]] == ["samm", "samm"]
    assert first["rule"] == "Liong 2019; selection: last epoch"
    assert [first[x] for x in ("uf1", "uar", "accuracy")] == [
        "0.735000",
        "0.761000",
        "",
    ]
    assert second["uf1"] == "0.659000" and second["is_result"] == "false"
    blank = {"folds", "clips", "seeds", "uf1_low", "random_uf1", "protocol_hash"}
    assert {first[name] for name in blank} == {""}


def test_the_json_has_published_numbers_beside_ours():
    (result,) = json.loads(report_json([row()]))["results"]
    assert [p["source"] for p in result["published"]] == ["Liong 2019"]
    assert result["per_corpus"]["casme2"]["published"] == []
    (samm,) = result["per_corpus"]["samm"]["published"]
    assert (samm["subset"], samm["uf1"], samm["uar"]) == ("samm", 0.659, None)


def test_the_json_has_the_pools_and_what_their_scopes_mean():
    (result,) = json.loads(report_json([with_pools(row(), POOL)]))["results"]
    (pool,) = result["protocol"]["pools"]
    assert pool == {
        "name": "pretraining",
        "scope": "disjoint",
        "meaning": "nobody in it is in the sample",
        "corpora": ["ckplus", "mmi/macro"],
        "clips": 530,
        "people": 120,
        "once": ["pretrain"],
        "per_fold": [],
    }
    (result,) = json.loads(report_json([row()]))["results"]
    assert result["protocol"]["pools"] == []


def test_only_results_have_intervals_in_the_csv():
    one = row()
    for line in lines(report_csv([one])):
        if line["rung"] == "published":
            continue
        assert (line["is_result"] == "true") == (line["rung"] == "last")
        assert (
            bool(line["uf1_low"]) == bool(line["uar_high"]) == (line["rung"] == "last")
        )
    first = lines(report_csv([one]))[0]
    assert float(first["uf1"]) == pytest.approx(one.cuts["all"].scores.uf1, abs=1e-6)
    assert float(first["random_uar"]) == pytest.approx(
        one.cuts["all"].random.uar, abs=1e-6
    )


@pytest.mark.parametrize("synthetic", [True, False])
def test_machine_readable_files_are_stamped_if_and_only_if_synthetic(synthetic):
    one, stamp = row(synthetic=synthetic), STAMP if synthetic else ""
    for table in (report_csv([one]), predictions_csv(one)):
        assert {line["stamp"] for line in lines(table)} == {stamp}
    report = json.loads(report_json([one]))
    assert report["stamp"] == report["results"][0]["stamp"] == stamp
    assert report["results"][0]["synthetic"] is synthetic


def test_the_json_has_what_a_reader_looks_for_first():
    one = row()
    (result,) = json.loads(report_json([one]))["results"]
    cut = one.cuts["all"]
    assert (result["uf1"], result["uar"]) == (cut.scores.uf1, cut.scores.uar)
    assert result["intervals"]["uf1"] == vars(cut.intervals.uf1)
    assert result["random"]["uf1"] == cut.random.uf1
    assert set(result["per_corpus"]) == {"casme2", "samm"}
    assert result["per_corpus"]["samm"]["uar"] == one.cuts["samm"].scores.uar
    assert result["confusion"] == cut.confusion.tolist()
    assert result["seeds"] == [0, 1, 2]
    assert result["protocol"]["hash"] == "1f3a9c2b"
    assert result["provenance"]["versions"] == {"jax": "0.10.2"}
    assert result["is_result"] is True
    assert [rung["name"] for rung in result["ladder"] if rung["is_result"]] == ["last"]
    assert np.shape(result["ladder"][2]["epochs"]) == (3, len(result["fold_names"]))


def test_the_json_has_what_each_row_scores_above_the_first():
    rows = [row("a"), row("b", skill=4), row("c", hash="0000"), row("d", missing=2)]
    report = json.loads(report_json(rows))["results"]
    first, better, other, fewer = (result["minus_first_row"] for result in report)
    assert first is None
    assert list(better) == [
        "first_row",
        "not_compared",
        "distinguishable",
        "permutation",
        "seeds",
        "level",
        "resamples",
        "uf1",
        "uar",
        "accuracy",
    ]
    assert (better["first_row"], better["not_compared"]) == ("a", None)
    assert better["distinguishable"] is True
    assert better["permutation"] == {
        "p_value": 2 / 256,
        "exchanges": 256,
        "exact": True,
    }
    assert (better["level"], better["resamples"]) == (0.95, 10_000)
    for name in ("uf1", "uar", "accuracy"):
        assert better[name]["value"] == report[1][name] - report[0][name]
        assert 0 < better[name]["interval"]["low"] < better[name]["interval"]["high"]
        assert better[name]["distinguishable"] is True
    assert other == {"first_row": "a", "not_compared": "other protocol"}
    assert fewer == {"first_row": "a", "not_compared": "other clips"}


def test_the_json_has_what_a_row_took():
    known, unknown = json.loads(report_json([with_cost(row("a")), row("b")]))["results"]
    assert known["cost"]["predicting"] == 1_234_567
    assert set(unknown["cost"].values()) == {None}


def test_the_json_of_an_unfinished_experiment_is_no_result():
    (result,) = json.loads(report_json([row(missing=3)]))["results"]
    assert result["complete"] is result["is_result"] is False
    assert not any(rung["is_result"] for rung in result["ladder"])
    assert result["warning"].startswith("INCOMPLETE")


def test_json_takes_what_provenance_holds_and_writes_nan_as_null():
    odd = {
        "path": Path("a/b"),
        "array": np.arange(2),
        "nan": float("nan"),
        "text": "[\n1,\n 2]",
        "type": np.float32,
    }
    (result,) = json.loads(report_json([replace(row(), provenance=odd)]))["results"]
    assert result["provenance"] == {
        "path": "a/b",
        "array": [0, 1],
        "nan": None,
        "text": "[\n1,\n 2]",
        "type": str(np.float32),
    }


def test_numbers_of_one_list_stand_on_one_line_of_json():
    assert '"seeds": [ 0, 1, 2 ],' in report_json([row()])


def test_predictions_are_listed_per_seed_in_order_of_the_keys():
    one = row()
    table = lines(predictions_csv(one))
    assert list(table[0])[:5] == ["corpus", "subject", "clip", "label", "prediction"]
    assert len(table) == 3 * 40
    r = one.results
    for line in table:
        key = "/".join((line["corpus"], line["subject"], line["clip"]))
        n, s = r.keys.index(key), r.seeds.index(int(line["seed"]))
        assert int(line["label"]) == r.labels[n]
        assert int(line["prediction"]) == r.predictions[s, -1, n]
    keys = [(x["corpus"], x["subject"], x["clip"]) for x in table[:40]]
    assert keys == sorted(keys)


def test_a_leaky_row_holds_no_result_for_machines():
    leaky = replace(row(), protocol=replace(row().protocol, leak="LEAKY: one face"))
    assert {line["is_result"] for line in lines(report_csv([leaky]))} == {"false"}
    assert {line["warning"] for line in lines(predictions_csv(leaky))} == {
        "LEAKY: one face"
    }
    (result,) = json.loads(report_json([leaky]))["results"]
    assert result["is_result"] is False and result["warning"] == "LEAKY: one face"
    assert not any(rung["is_result"] for rung in result["ladder"])
