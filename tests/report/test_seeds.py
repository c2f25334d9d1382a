"""Tests for mer_jax/report/seeds.py, and where it is printed that seeds differ."""

import csv
import io
import json
import statistics
from dataclasses import replace

import pytest

from mer_jax.report import STAMP, text_summary
from mer_jax.report.seeds import ONE_SEED, deviation, signs, uf1_per_seed
from mer_jax.report.tables import report_csv, report_json, seeds_csv, side_by_side_csv

from .made import row, seed_gaps, with_inner
from .test_markdown import markdown, sections

SCORES = ("uf1", "uar", "accuracy")


def spreads(of):
    """Standard deviations over seeds, of Python's own."""
    values = [[getattr(own, name) for own in of.per_seed] for name in SCORES]
    return [statistics.stdev(own) for own in values]


def lines(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_text_has_one_line_of_deviations_and_one_of_seeds():
    one = row()
    cut, text = one.cuts["all"], text_summary([one])
    first, second, third = (f"sd {value:.3f}" for value in spreads(cut))
    assert f"  over seeds    {first:<22}{second:<22}{third}\n" in text
    told = ", ".join(f"{s.uf1:.3f} (seed {i})" for i, s in enumerate(cut.per_seed))
    assert f"  UF1 per seed: {told}\n" in text
    assert ONE_SEED not in text


def test_one_seed_is_said_to_say_nothing_of_their_spread():
    one = row(seeds=1)
    assert deviation(one.cuts["all"]) is None
    told = "one seed: its spread over seeds is not known"
    assert text_summary([one]).count(told) == 1
    body = sections(markdown(one))["Per seed"]
    assert body.strip() == f"Seed 0; {told}."
    assert "standard deviation" not in markdown(one)
    assert uf1_per_seed([7], one.cuts["all"].per_seed).endswith(f" (seed 7); {told}")
    (result,) = json.loads(report_json([one]))["results"]
    assert result["standard_deviation"] is None and len(result["per_seed"]) == 1
    assert {line["uf1_sd_over_seeds"] for line in lines(report_csv([one]))} == {""}


def test_in_markdown_the_deviation_stands_below_the_score_and_seeds_by_themselves():
    one = with_inner(row())
    parts, cut = sections(markdown(one)), one.cuts["all"]
    for of in (cut, cut.inner):
        told = " | ".join(f"{value:.3f}" for value in spreads(of))
        assert f"| standard deviation over 3 seeds | {told} |" in parts["Result"]
    body = [line for line in parts["Per seed"].splitlines() if line.startswith("|")]
    assert len(body) == 2 + 3 and body[0].count("inner validation") == 3
    pairs = zip(cut.per_seed, cut.inner.per_seed, strict=True)
    for seed, (line, (last, inner)) in enumerate(zip(body[2:], pairs, strict=True)):
        cells = [f"{getattr(own, n):.3f}" for own in (last, inner) for n in SCORES]
        assert line == f"| {seed} | {' | '.join(cells)} |"
    assert "never the best one" in parts["Per seed"]
    assert "inner" not in sections(markdown(row()))["Per seed"]


def test_machines_are_told_the_deviation_of_results_alone():
    one = with_inner(row())
    (result,) = json.loads(report_json([one]))["results"]
    cut = one.cuts["all"]
    expected = dict(zip(SCORES, spreads(cut), strict=True))
    assert result["standard_deviation"] == pytest.approx(expected, abs=1e-12)
    for own, rung in zip(cut.ladder, result["ladder"], strict=True):
        assert ("standard_deviation" in rung) == (own.intervals is not None)
        assert ("per_seed" in rung) == rung["is_result"]
    for line in lines(report_csv([one])):
        if line["subset"] == "all" and line["rung"] == "inner_val":
            found = [float(line[f"{name}_sd_over_seeds"]) for name in SCORES]
            assert found == pytest.approx(spreads(cut.inner), abs=1e-6)
        told = line["rung"] in ("last", "inner_val")
        assert bool(line["uar_sd_over_seeds"]) == told


def test_every_seed_has_a_line_for_each_subset_and_result():
    one = with_inner(row(synthetic=True))
    table = lines(seeds_csv([one]))
    assert len(table) == 3 * 2 * 3  # subsets, results, seeds
    assert {line["stamp"] for line in table} == {STAMP}
    for line in table:
        cut = one.cuts[line["subset"]]
        rung = {"last": cut.ladder[0], "inner_val": cut.inner}[line["rung"]]
        own = rung.per_seed[int(line["seed"])]
        for name in SCORES:
            assert float(line[name]) == pytest.approx(getattr(own, name), abs=1e-6)


def test_signs_tell_how_often_and_how_far():
    gaps = seed_gaps(0.1, -0.02, 0.03)
    assert signs(gaps) == "above with 2 of 3 seeds, -0.020 to +0.100"
    others = replace(gaps, pairs=((0, 1), (0, 2), (0, 3)))
    assert signs(others) == "above with 2 of 3 pairs of seeds, -0.020 to +0.100"
    assert signs(seed_gaps(0.1)) == ""


def test_rows_side_by_side_tell_machines_how_their_seeds_differ():
    rows = [row("a"), row("b", noise=1), row("c", seeds=1)]
    first, second, third = lines(side_by_side_csv(rows))
    gaps = [
        other.uf1 - one.uf1
        for one, other in zip(*(r.cuts["all"].per_seed for r in rows[:2]), strict=True)
    ]
    assert second["seed_pairs"] == third["seed_pairs"] == "3"
    assert int(second["seed_pairs_above_first_row"]) == sum(gap > 0 for gap in gaps)
    for name, value in (("least", min(gaps)), ("greatest", max(gaps))):
        found = float(second[f"uf1_minus_first_row_{name}_seed"])
        assert found == pytest.approx(value, abs=1e-6)
    assert first["seed_pairs"] == third["uf1_sd_over_seeds"] == ""
    assert float(first["uf1_sd_over_seeds"]) == pytest.approx(
        spreads(rows[0].cuts["all"])[0], abs=1e-6
    )
