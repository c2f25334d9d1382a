"""Tests for mer_jax/report/probes.py, and where its numbers are printed."""

import dataclasses
import json
import re

import pytest

from mer_jax.metrics.probes import Probe
from mer_jax.report import STAMP, text_summary
from mer_jax.report.markdown import report_markdown
from mer_jax.report.probes import PROBES, QUESTION, over_runs, probe_cells
from mer_jax.report.tables import report_json

from .made import row, with_probes

SEEN = (
    "7–8 seen",
    "1.250 [1.000, 1.500] -> 0.250 [0.000, 0.500]",
    "2.013",
    "0.750 [0.600, 0.900] -> 0.300 [0.200, 0.400]",
    "0.150",
    "2",
)
UNSEEN = (
    "2 unseen",
    "0.400 [0.400, 0.400] -> 0.300 [0.300, 0.300]",
    "0.693",
    "0.900 [0.900, 0.900] -> 0.800 [0.800, 0.800]",
    "0.500",
    "1",
)


def markdown(*rows):
    files = {r.name: {n: f"{n}.png" for n in ("all", "casme2", "samm")} for r in rows}
    return report_markdown(rows, files, {})


def section(text):
    (body,) = re.findall(rf"^## {re.escape(QUESTION)}(.*?)\Z", text, re.M | re.S)
    return body


def test_the_mean_stands_between_the_least_and_the_greatest_of_the_runs():
    assert list(probe_cells(with_probes(row()))) == [SEEN, UNSEEN]


def test_json_has_the_same_numbers_and_nothing_where_nothing_was_probed():
    report = report_json([with_probes(row("a")), row("b")])
    probed, not_probed = json.loads(report)["results"]
    assert not_probed["probes"] == {}
    seen = probed["probes"]["seen"]
    assert seen["before"]["runs"] == 2
    assert seen["before"]["information"] == {"mean": 1.25, "min": 1.0, "max": 1.5}
    assert seen["after"]["accuracy"]["mean"] == pytest.approx(0.3)
    assert set(seen["after"]) == {"runs", *Probe._fields}
    assert over_runs(row()) == {}


def test_one_table_holds_all_rows_that_were_probed():
    rows = [with_probes(row("a")), row("b"), with_probes(row("c"))]
    lines = section(markdown(*rows)).splitlines()
    assert "| row | " + " | ".join(PROBES) + " |" in lines
    table = [line for line in lines if line.startswith("| `")]
    assert table == [
        f"| `{name}` | " + " | ".join(cells) + " |"
        for name in ("a", "c")
        for cells in (SEEN, UNSEEN)
    ]
    assert "does not prove that there is none" in " ".join(lines)


def test_the_summary_says_the_same():
    summary = text_summary([row("b"), with_probes(row("a"))])
    body = summary.split(QUESTION)[1]
    assert [line.strip() for line in body.splitlines()[1:8]] == [
        "a",
        *(f"{name:<22}{cell}" for name, cell in zip(PROBES, SEEN, strict=True)),
    ]
    assert "UF1 minus" in summary.split(QUESTION)[0]
    assert max(map(len, body.splitlines())) <= 88


def test_rows_that_were_not_probed_have_no_section():
    assert QUESTION not in markdown(row()) + text_summary([row()])


def test_synthetic_rows_and_warnings_are_marked():
    synthetic = with_probes(row("a", synthetic=True, missing=2))
    title, *body = section(markdown(synthetic)).splitlines()
    assert STAMP in title
    assert any(f"`a`; {STAMP}; INCOMPLETE" in line for line in body)
    _, told = text_summary([synthetic]).split(QUESTION)
    assert STAMP in told and "INCOMPLETE" in told
    both = [row("b", synthetic=True), with_probes(row("real"))]
    assert STAMP not in section(markdown(*both))


def test_a_leaky_row_is_marked():
    leaky = dataclasses.replace(row().protocol, leak="LEAKY: one face")
    told = markdown(with_probes(dataclasses.replace(row(), protocol=leaky)))
    assert "LEAKY: one face" in section(told)
