"""Tests for mer_jax/report/text.py."""

import dataclasses
import json

import numpy as np
import pytest

from mer_jax.metrics import Difference, Differences, Interval, Permutation
from mer_jax.report import STAMP, text_summary
from mer_jax.report.differences import Compared
from mer_jax.report.tables import report_json
from mer_jax.report.text import (
    compared_how,
    difference,
    interval,
    number,
    p_value,
)

from .made import POOL, row, seed_gaps, with_pools
from .test_markdown import markdown


def test_numbers_have_three_decimals_and_say_when_there_is_none():
    assert [number(0.72094), number(None), number(float("nan"))] == [
        "0.721",
        "–",
        "n/a",
    ]
    assert interval(Interval(low=0.655, high=0.7749)) == "[0.655, 0.775]"
    assert interval(Interval(low=np.nan, high=np.nan)) == "[no interval]"


def test_the_summary_names_the_result_its_conditions_and_what_is_none():
    one = row()
    summary = text_summary([one])
    cut = one.cuts["all"]
    ends = cut.intervals.uf1
    assert f"{cut.scores.uf1:.3f} [{ends.low:.3f}, {ends.high:.3f}]" in summary
    assert "cde3 (1f3a9c2b); 40 clips, 8 subjects, 8 folds, 3 seeds" in summary
    assert "published: Liong 2019: UF1 0.735, UAR 0.761, accuracy –" in summary
    assert "published, samm: Liong on SAMM: UF1 0.659, UAR –" in summary
    assert "elsewhere" not in summary
    result, selected = summary.split("What selecting on the test subject would print")
    assert "fold_epoch" in selected
    assert "fold_epoch" not in result
    assert "casme2" in result


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_summary_is_stamped_if_and_only_if_synthetic(synthetic):
    assert (STAMP in text_summary([row(synthetic=synthetic)])) == synthetic


def test_the_summary_names_pools():
    summary = text_summary([with_pools(row(), POOL)])
    assert (
        "\n  pool pretraining, disjoint (nobody in it is in the sample); ckp" in summary
    )
    assert "530 clips of 120 people; pretrain: trained once for all folds" in summary


def test_the_summary_of_an_unfinished_experiment_says_so():
    assert "INCOMPLETE: 5 of 8 folds" in text_summary([row(missing=3)])


def test_the_summary_of_one_stored_epoch_has_no_ladder():
    summary = text_summary([row(epochs=1)])
    assert "one epoch was stored" in summary
    assert "fold_epoch" not in summary


def differing(value, low, high, level=0.95, p=0.001, gaps=(0.1,)):
    uf1 = Difference(value=value, interval=Interval(low=low, high=high))
    found = Differences(uf1=uf1, uar=uf1, accuracy=uf1, level=level, resamples=9)
    test = p and Permutation(p_value=p, exchanges=9_999, exact=False)
    return Compared(found, test, seed_gaps(*gaps))


@pytest.mark.parametrize(
    ("of", "told", "p"),
    [
        (differing(0.0214, 0.0031, 0.0399), "+0.021 [+0.003, +0.040]", "0.0010"),
        (differing(-0.0214, -0.0399, -0.0031), "-0.021 [-0.040, -0.003]", "0.0010"),
        (
            differing(0.0214, -0.01, 0.05),
            "+0.021 [-0.010, +0.050], not distinguishable",
            "0.0010",
        ),
        (
            differing(0.0214, 0.0031, 0.0399, p=0.05),
            "+0.021 [+0.003, +0.040], not distinguishable",
            "0.0500",
        ),
        (
            differing(-0.0001, -0.0002, 0.0, p=1.0),
            "+0.000 [+0.000, +0.000], not distinguishable",
            "1.0000",
        ),
        (differing(0.02, 0.01, 0.03, p=None), "+0.020 [+0.010, +0.030]", "–"),
        (
            differing(0.1, np.nan, np.nan, p=1.0),
            "+0.100 [no interval], not distinguishable",
            "1.0000",
        ),
        (
            differing(0.02, -0.01, 0.03, gaps=(-0.0004, 0.04, 0.02)),
            "+0.020 [-0.010, +0.030], not distinguishable; above with 2 of 3 seeds, "
            "+0.000 to +0.040",
            "0.0010",
        ),
        ("other clips", "other clips: not compared", "–"),
    ],
)
def test_a_difference_has_a_sign_and_says_when_it_tells_nothing_apart(of, told, p):
    assert (difference(of), p_value(of)) == (told, p)


def test_how_rows_were_compared_is_said_where_any_was():
    told = compared_how({"b": "other clips", "c": differing(0.1, 0, 0.2, level=0.9)})
    for words in (
        "paired by clip, the same subjects resampled in both; brackets: 90 %",
        "positive: this row is above the first",
        "exchanges the predictions of both rows for whole subjects",
        "Not distinguishable: the interval holds 0, or p is 0.05 or more",
        "Several comparisons are not corrected for.",
    ):
        assert words in told
    assert compared_how({"b": "other clips"}) == compared_how({}) == ""
    assert "seeds agree by luck" not in told
    several = differing(0.1, 0, 0.2, gaps=(0.1, 0.2))
    assert "seeds agree by luck" in compared_how({"c": several})


def test_the_summary_of_several_rows_ends_with_their_differences():
    rows = [row("a"), row("much_better", skill=4), row("c", missing=2), row("d")]
    *_, block = text_summary(rows).rstrip().split("\n\n")
    title, better, unfinished, same, *told = block.splitlines()
    assert title == "UF1 minus the first row's, a"
    assert better.startswith("  much_better  +0.") and "not" not in better
    assert "]; above with 3 of 3 seeds, +0." in better and better.endswith("p 0.0078")
    assert unfinished == (
        "  c            other clips: not compared; "
        "INCOMPLETE: 6 of 8 folds, 30 of 40 clips"
    )
    assert same.endswith(
        "+0.000 [+0.000, +0.000], not distinguishable; above with 0 of 3 seeds, +0.000 "
        "to +0.000; p 1.0000"
    )
    told_in_full = " ".join(line.strip() for line in told)
    assert "Several comparisons are not corrected for." in told_in_full
    assert max(map(len, told)) <= 88
    assert "minus" not in text_summary(rows[:1])


def test_the_differences_of_the_summary_carry_stamps_and_warnings():
    rows = [row("a", missing=2, synthetic=True), row("b", missing=2, noise=1)]
    *_, block = text_summary(rows).rstrip().split("\n\n")
    _, stamp, first, second, *_ = block.splitlines()
    assert stamp == f"  {STAMP}"
    assert first.startswith("  INCOMPLETE: 6 of 8 folds")
    assert second.startswith("  b  ") and "; INCOMPLETE: 6 of 8 folds" in second


def test_what_a_system_says_of_itself_stands_beside_its_scores():
    said = "a reading of prose, not the paper's"
    plain, told = row(), dataclasses.replace(row("b"), caveat=said)
    summary = text_summary([plain, told])
    assert summary.count(said) == 1
    assert f"b\n  {said}\n" in summary
    assert markdown(told).count(said) == 1
    report = json.loads(report_json([plain, told]))
    assert [one["caveat"] for one in report["results"]] == ["", said]
