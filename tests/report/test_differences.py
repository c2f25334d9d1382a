"""Tests for mer_jax/report/differences.py."""

import pytest

from mer_jax.metrics import (
    Difference,
    Differences,
    Interval,
    Permutation,
    paired_differences,
    paired_permutation,
    seed_differences,
)
from mer_jax.report.differences import OTHER_CLIPS, OTHER_PROTOCOL, Compared, to_first

from .made import row, seed_gaps


def compared(low, high, p=None):
    """A difference of UF1 with an interval, and a p if there is one."""
    uf1 = Difference(value=(low + high) / 2, interval=Interval(low=low, high=high))
    test = p and Permutation(p_value=p, exchanges=9_999, exact=False)
    found = Differences(uf1=uf1, uar=uf1, accuracy=uf1, level=0.95, resamples=9)
    return Compared(found, test, seed_gaps(low, high))


def test_every_row_is_compared_with_the_first():
    rows = [row("a"), row("b", noise=1), row("c", skill=3, epochs=2)]
    found = to_first(rows)
    assert list(found) == ["b", "c"]
    for one in rows[1:]:
        pair = rows[0].results, one.results
        expected = Compared(
            paired_differences(*pair),
            paired_permutation(*pair),
            seed_differences(*pair),
        )
        assert found[one.name] == expected
    assert found["c"].differences.uf1.value > 0 and found["c"].distinguishable
    assert not found["b"].distinguishable


def test_rows_of_other_numbers_of_seeds_have_no_p():
    found = to_first([row("a"), row("c", skill=3, seeds=1)])["c"]
    assert found.permutation is None and found.distinguishable


@pytest.mark.parametrize(
    ("found", "distinguishable"),
    [
        (compared(0.01, 0.2, p=0.0499), True),
        (compared(-0.2, -0.01, p=0.0499), True),
        (compared(0.01, 0.2, p=0.05), False),
        (compared(-0.01, 0.2, p=0.0499), False),
        (compared(0.01, 0.2), True),
        (compared(-0.01, 0.2), False),
        (compared(float("nan"), float("nan"), p=0.01), False),
    ],
)
def test_rows_are_told_apart_where_both_the_interval_and_p_do(found, distinguishable):
    assert found.distinguishable is distinguishable


def test_a_single_row_has_nothing_to_be_compared_with():
    assert to_first([row()]) == {}


def test_rows_of_other_clips_or_another_protocol_are_not_compared():
    rows = [row("a"), row("b", hash="0000"), row("c", missing=2)]
    assert to_first(rows) == {"b": OTHER_PROTOCOL, "c": OTHER_CLIPS}


def test_unfinished_rows_of_the_same_clips_are_compared():
    rows = [row("a", missing=2), row("b", missing=2, noise=1)]
    assert not isinstance(to_first(rows)["b"], str)


def test_differences_are_computed_once():
    rows = [row("a"), row("b", noise=1)]
    assert to_first(rows)["b"] is to_first(rows)["b"]
