"""Tests for mer_jax/report/side_by_side.py, and where its numbers are printed."""

import csv
import dataclasses
import io
import json
import re

import pytest

from mer_jax.report import STAMP
from mer_jax.report.differences import to_first
from mer_jax.report.markdown import report_markdown
from mer_jax.report.side_by_side import HEADER, SIDE_BY_SIDE, records, side_by_side
from mer_jax.report.tables import report_json, side_by_side_csv
from mer_jax.report.write import write

from .made import POOL, row, with_cost, with_pools, with_probes

SELECTED = HEADER[-1]


def cells(*rows):
    """Header to cell, of each row."""
    lines = [line for line in side_by_side(rows) if line.startswith("|")]
    split = [[c.strip() for c in x.strip("|").split(" | ")] for x in lines]
    header, _, *body = split
    assert header == list(HEADER) and len(body) == len(rows)
    return [dict(zip(header, line, strict=True)) for line in body]


def csv_lines(*rows):
    return list(csv.DictReader(io.StringIO(side_by_side_csv(rows))))


def test_a_row_stands_beside_its_difference_to_the_first():
    rows = [
        row("a"),
        row("better", skill=4),
        row("alike", noise=1),
        row("other", hash="0000"),
        row("fewer", missing=2),
        row("one_seed", skill=4, seeds=1),
    ]
    table = cells(*rows)
    cut, value = rows[0].cuts["all"], rows[1].cuts["all"].scores.uf1
    ends = cut.intervals.uf1
    assert table[0]["UF1"] == f"{cut.scores.uf1:.3f} [{ends.low:.3f}, {ends.high:.3f}]"
    assert table[0]["UAR"].startswith(f"{cut.scores.uar:.3f} [")
    gaps = [line["UF1 minus first row"] for line in table]
    assert gaps[0] == "–"
    assert gaps[1].startswith(f"{value - cut.scores.uf1:+.3f} [+0.")
    assert "], not distinguishable; above with 1 of 3 seeds, -0." in gaps[2]
    assert gaps[3:5] == ["other protocol: not compared", "other clips: not compared"]
    p = to_first(rows)["alike"].permutation.p_value
    told = [line["p"] for line in table]
    assert told == ["–", "0.0078", f"{p:.4f}", "–", "–", "–"]
    assert "not" not in gaps[1] + gaps[5]
    below = "\n".join(side_by_side(rows))
    assert "paired by clip" in below and "not corrected for" in below


def test_how_rows_are_compared_is_not_said_where_none_is():
    assert "paired" not in "\n".join(side_by_side([row("a"), row("b", hash="0000")]))


def test_identity_stands_beside_chance_for_each_group_of_people():
    probed, not_probed = cells(with_probes(row("a")), row("b"))
    name = "identity: accuracy (chance)"
    assert probed[name] == "seen 0.300 (0.150), unseen 0.800 (0.500)"
    assert not_probed[name] == "–"


@pytest.mark.parametrize(
    ("once", "flops", "seconds"),
    [
        (True, "3.46 T + 45.0 T once", "12.3 + 679 once"),
        (False, "3.46 T", "12.3"),
    ],
)
def test_what_a_row_takes_is_spelled_with_what_is_trained_once(once, flops, seconds):
    known, unknown = cells(with_cost(row("a"), once=once), row("b"))
    names = HEADER[7:10]
    assert [known[name] for name in names] == ["1.23 M (23.5 M)", flops, seconds]
    assert [unknown[name] for name in names] == ["–"] * 3


@pytest.mark.parametrize(
    ("predicting", "told"),
    [(7, "7.00"), (999, "999"), (1000, "1.00 k"), (999_600, "1.00 M")],
)
def test_amounts_have_three_digits(predicting, told):
    one = with_cost(row("a"))
    cost = dataclasses.replace(one.cost, predicting=predicting, trained=predicting)
    (line, _) = cells(dataclasses.replace(one, cost=cost), row("b"))
    assert line["parameters (trained)"] == f"{told} ({told})"


def test_clips_of_pools_that_train_are_counted():
    idle = dataclasses.replace(POOL, name="idle", once=())
    found = [
        cells(r, row("b"))[0] for r in (row("a"), with_pools(row("a"), POOL, idle))
    ]
    assert [line["further clips"] for line in found] == ["0", "530"]


def test_what_selection_would_print_is_called_no_result_wherever_it_is():
    rows = [row("a"), row("b", epochs=1)]
    (rung,) = (r for r in rows[0].cuts["all"].ladder if r.name == "fold_epoch")
    first, second = cells(*rows)
    uf1, random = rung.scores.uf1, rung.random.uf1
    assert SELECTED.startswith("no result")
    assert first[SELECTED] == f"{uf1:.3f} ({random:.3f}, 4 looks)"
    assert second[SELECTED] == "–"  # there was nothing to select from
    assert "**not a result**" in "\n".join(side_by_side(rows))
    record = records(rows)[0]
    assert [name for name, of in record.items() if of == uf1] == ["no_result_uf1"]
    assert records(rows)[1]["no_result_looks"] is None


def test_the_table_comes_first_of_several_rows_and_is_stamped():
    rows = [row("a", synthetic=True, missing=2), row("b", missing=2)]
    files = {r.name: {n: f"{n}.png" for n in ("all", "casme2", "samm")} for r in rows}
    titles = re.findall(r"^#+ (.*)$", report_markdown(rows, files, {}), re.M)
    assert titles[1] == f"{SIDE_BY_SIDE}. {STAMP}"
    first, second = (line["row"] for line in cells(*rows))
    assert first.startswith(f"`a`; {STAMP}; INCOMPLETE: 6 of 8 folds")
    assert second.startswith("`b`; INCOMPLETE: 6 of 8 folds")
    found = csv_lines(*rows)
    assert [line["stamp"] for line in found] == [STAMP, ""]
    assert {line["is_result"] for line in found} == {"false"}
    assert STAMP not in "\n".join(side_by_side([row("a"), row("b")]))


def test_csv_and_json_hold_the_same_numbers():
    rows = [with_cost(with_probes(row("a"))), with_cost(row("b", skill=4)), row("c")]
    report = json.loads(report_json(rows))
    for one, line, record in zip(
        rows, csv_lines(*rows), report["side_by_side"], strict=True
    ):
        assert list(line) == list(record)
        for name, value in record.items():
            if value is None:
                assert line[name] == "", name
            elif isinstance(value, bool):
                assert line[name] == str(value).lower()
            elif isinstance(value, float):
                assert float(line[name]) == pytest.approx(value, abs=1e-6)
            else:
                assert line[name] == str(value)
        assert record["uf1"] == one.cuts["all"].scores.uf1
    first, second, third = report["side_by_side"]
    assert first["identity_seen_accuracy"] == pytest.approx(0.3)
    assert first["flops_per_fold"] == 3_456_000_000_000
    assert (first["uf1_minus_first_row"], first["p_value"]) == (None, None)
    assert second["uf1_minus_first_row"] == second["uf1"] - first["uf1"]
    assert second["p_value"] == 2 / 256 and second["distinguishable"] is True
    assert third["p_value"] == 1 and third["distinguishable"] is False
    assert third["parameters"] is None and third["identity_unseen_chance"] is None


def test_rows_that_are_not_compared_say_why_to_machines():
    _, other, fewer = records([row("a"), row("b", hash="00"), row("c", missing=2)])
    assert (other["not_compared"], fewer["not_compared"]) == (
        "other protocol",
        "other clips",
    )
    assert other["p_value"] is other["uf1_minus_first_row"] is None


def test_one_row_has_nothing_beside_it(tmp_path):
    assert json.loads(report_json([row()]))["side_by_side"] == []
    written = write([row()], tmp_path)
    assert written.side_by_side is None
    assert not list(tmp_path.glob("side*"))
