"""Tests for mer_jax/report/domains.py, and where its numbers are printed."""

import json
import re

import pytest

from mer_jax.metrics.domains import DomainProbe
from mer_jax.report import STAMP, text_summary
from mer_jax.report.domains import (
    DOMAINS,
    DOMAINS_TOLD,
    domain_cells,
    domains_over_runs,
)
from mer_jax.report.markdown import report_markdown
from mer_jax.report.tables import report_json

from .made import row, with_domains, with_probes

CELLS = (
    "macro",
    "0.887 -> 0.550",
    "8 of 10 -> 6 of 10",
    "78 of 80 -> 40 of 80",
    "2",
)


def markdown(*rows):
    files = {r.name: {n: f"{n}.png" for n in ("all", "casme2", "samm")} for r in rows}
    return report_markdown(rows, files, {})


def section(text):
    (body,) = re.findall(rf"^## {re.escape(DOMAINS_TOLD)}(.*?)\Z", text, re.M | re.S)
    return body


def test_counts_are_pooled_over_runs_and_shares_are_balanced():
    assert list(domain_cells(with_domains(row()))) == [CELLS]
    assert (8 / 10 + 78 / 80) / 2 == pytest.approx(0.8875)


def test_json_has_the_same_numbers_and_nothing_where_nothing_was_probed():
    report = report_json([with_domains(row("a")), row("b")])
    probed, not_probed = json.loads(report)["results"]
    assert not_probed["domains"] == {}
    before, after = probed["domains"]["macro"].values()
    assert list(probed["domains"]["macro"]) == ["before", "after"]
    assert before == {
        "runs": 2,
        "balanced_accuracy": 0.8875,
        "own_hits": 8,
        "own_clips": 10,
        "other_hits": 78,
        "other_clips": 80,
    }
    assert after["balanced_accuracy"] == pytest.approx(0.55)
    assert set(after) == {"runs", "balanced_accuracy", *DomainProbe._fields}
    assert domains_over_runs(row()) == {}


def test_one_table_after_that_of_people_holds_all_rows_that_were_probed():
    rows = [with_domains(with_probes(row("a"))), row("b"), with_domains(row("c"))]
    lines = section(markdown(*rows)).splitlines()
    assert "| row | " + " | ".join(DOMAINS) + " |" in lines
    table = [line for line in lines if line.startswith("| `")]
    assert table == [f"| `{name}` | " + " | ".join(CELLS) + " |" for name in "ac"]
    assert "0.5 is chance, which does not prove" in " ".join(lines)


def test_the_summary_says_the_same():
    summary = text_summary([row("b"), with_domains(with_probes(row("a")))])
    body = summary.split(DOMAINS_TOLD)[1]
    assert [line.strip() for line in body.splitlines()[1:7]] == [
        "a",
        *(f"{name:<22}{cell}" for name, cell in zip(DOMAINS, CELLS, strict=True)),
    ]
    assert "0.5 is chance" in " ".join(line.strip() for line in body.splitlines())
    assert max(map(len, body.splitlines())) <= 88


def test_rows_that_were_not_probed_have_no_section():
    rows = [row(), with_probes(row("a"))]
    assert DOMAINS_TOLD not in markdown(*rows) + text_summary(rows)


def test_synthetic_rows_and_warnings_are_marked():
    synthetic = with_domains(row("a", synthetic=True, missing=2))
    title, *body = section(markdown(synthetic)).splitlines()
    assert STAMP in title
    assert any(f"`a`; {STAMP}; INCOMPLETE" in line for line in body)
    _, told = text_summary([synthetic]).split(DOMAINS_TOLD)
    assert STAMP in told and "INCOMPLETE" in told
    both = [row("b", synthetic=True), with_domains(row("real"))]
    assert STAMP not in section(markdown(*both))
