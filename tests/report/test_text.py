"""Tests for mer_jax/report/text.py."""

import numpy as np
import pytest

from mer_jax.metrics import Interval
from mer_jax.report import STAMP, text_summary
from mer_jax.report.text import flatten, interval, number

from .made import POOL, row, with_pools


def test_numbers_have_three_decimals_and_say_when_there_is_none():
    assert [number(0.72094), number(None), number(float("nan"))] == [
        "0.721",
        "–",
        "n/a",
    ]
    assert interval(Interval(low=0.655, high=0.7749)) == "[0.655, 0.775]"
    assert interval(Interval(low=np.nan, high=np.nan)) == "[no interval]"


def test_settings_are_flattened_and_long_lists_summarised():
    tree = {
        "system": {"name": "ststnet", "rates": (0.1, 0.2)},
        "wall_seconds": {f"run{i}": float(i) for i in range(1, 12)},
        "steps": list(range(9)),
    }
    assert flatten(tree) == {
        "system.name": "ststnet",
        "system.rates": "0.1, 0.2",
        "wall_seconds": "11 values: median 6, 1 to 11, sum 66",
        "steps": "9 values: median 4, 0 to 8, sum 36",
    }


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
