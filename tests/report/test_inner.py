"""Tests for mer_jax/report/inner.py: how inner validation stands beside the result."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from mer_jax.report import text_summary
from mer_jax.report.side_by_side import HEADER, INNER_HEADER, side_by_side
from mer_jax.report.tables import report_csv, report_json, side_by_side_csv

from .made import row, with_inner
from .test_markdown import markdown, sections

RULE = "inner validation: best UF1 on people left out (ties: the latest)"
MISSING = "inner validation: 3 of 24 runs missing, so no score"
SELECTED = "What selecting on the test subject would print"
LEAK = "LEAKY: clips of one subject both train and test"


def leaky(one):
    protocol = dataclasses.replace(one.protocol, leak=LEAK)
    return dataclasses.replace(one, protocol=protocol)


@pytest.fixture(scope="module")
def one():
    return with_inner(row())


def test_it_stands_beside_the_last_epoch_as_a_result(one):
    parts = sections(markdown(one))
    rung, body = one.cuts["all"].inner, parts["Result"]
    score, ends = rung.scores.uf1, rung.intervals.uf1
    assert f"**result**: {RULE} (median " in body
    assert f"**{score:.3f}** [{ends.low:.3f}, {ends.high:.3f}]" in body
    assert body.count("random classifier, same rule | ") == 2
    last, inner = (body.index(f"**result**: {rule}") for rule in ("last epoch", RULE))
    assert last < inner < body.index("published")
    assert "left a fifth of the people who train out of its training (1 to 2" in body
    assert "this, too, is a result." in body and "two looks" in body
    assert RULE not in parts[SELECTED]


def test_rules_that_look_at_test_scores_stay_where_they_were(one):
    plain = sections(markdown(row()))
    assert sections(markdown(one))[SELECTED] == plain[SELECTED]
    end = lambda text: text.partition("Inner")[0].partition(SELECTED)[2]
    assert end(text_summary([one])) == end(text_summary([row()]))


def test_it_is_no_result_where_the_last_epoch_is_none():
    for none in (with_inner(row(missing=3)), leaky(with_inner(row()))):
        text = markdown(none)
        assert f"**score**: {RULE}" in text and "**result**" not in text
        assert "this, too, is a score, not a result." in text
        (line,) = (
            line
            for line in csv.DictReader(io.StringIO(report_csv([none])))
            if (line["rung"], line["subset"]) == ("inner_val", "all")
        )
        assert line["is_result"] == "false"


def test_the_summary_has_its_scores_of_all_and_of_every_corpus(one):
    summary = text_summary([one])
    block = summary.split(f"  {RULE} (median ")[1].split("\n  published")[0]
    *lines, spread, per_seed = (line.split() for line in block.splitlines()[1:])
    assert [line[0] for line in lines] == ["all", "casme2", "samm"]
    uf1 = [own.uf1 for own in one.cuts["all"].inner.per_seed]
    assert spread[:4] == ["over", "seeds", "sd", f"{np.std(uf1, ddof=1):.3f}"]
    assert per_seed[3::3] == [f"{value:.3f}" for value in uf1]
    for name, *cells in lines:
        assert cells[0] == f"{one.cuts[name].inner.scores.uf1:.3f}"


def test_runs_that_are_missing_are_counted_and_nothing_is_scored():
    some = with_inner(row(), missing=3)
    for text in (markdown(some), text_summary([some])):
        assert MISSING in text and "`mer run ... --inner-val` trains them" in text
        assert RULE not in text
    (result,) = json.loads(report_json([some]))["results"]
    assert result["inner_validation"]["missing"] == 3
    assert "inner_val" not in {rung["name"] for rung in result["ladder"]}


def test_machines_are_told_the_epochs_and_the_people(one):
    (result,) = json.loads(report_json([one]))["results"]
    last, inner, *others = result["ladder"]
    assert (inner["name"], inner["is_result"]) == ("inner_val", True)
    assert inner["epochs"] == one.results.inner_epochs.tolist()
    assert inner["uf1"] == one.cuts["all"].inner.scores.uf1
    assert not any(rung["is_result"] for rung in others)
    told = result["inner_validation"]
    assert (told["runs"], told["missing"]) == (24, 0)
    assert list(told["left_out"]) == result["fold_names"]
    table = list(csv.DictReader(io.StringIO(report_csv([one]))))
    lines = [line for line in table if line["rung"] == "inner_val"]
    assert [line["subset"] for line in lines] == ["all", "casme2", "samm"]
    assert all(line["is_result"] == "true" and line["uf1_low"] for line in lines)


def test_rows_side_by_side_have_it_where_any_row_has_it(one):
    other = row("b")
    plain = "\n".join(side_by_side([row(), other]))
    assert INNER_HEADER not in plain
    header, _, first, second = "\n".join(side_by_side([one, other])).splitlines()[2:6]
    names = [name.strip() for name in header.strip("|").split(" | ")]
    assert names == [*HEADER[:-1], INNER_HEADER, HEADER[-1]]
    found = [
        dict(zip(names, line.strip("| ").split(" | "), strict=True))[INNER_HEADER]
        for line in (first, second)
    ]
    uf1 = one.cuts["all"].inner.scores.uf1
    assert found[0].startswith(f"{uf1:.3f} [") and found[1] == "–"
    lines = list(csv.DictReader(io.StringIO(side_by_side_csv([one, other]))))
    assert float(lines[0]["inner_uf1"]) == pytest.approx(uf1, abs=1e-6)
    assert lines[0]["inner_uf1_high"] and lines[1]["inner_uf1"] == ""


def test_without_it_nothing_is_said_of_it():
    for text in (markdown(row()), text_summary([row()]), report_csv([row()])):
        assert "inner" not in text.lower()
    assert "inner" not in report_json([row(), row("b")])
