"""Tests for mer_jax/report/differences.py."""

from mer_jax.metrics import paired_differences
from mer_jax.report.differences import OTHER_CLIPS, OTHER_PROTOCOL, to_first

from .made import row


def test_every_row_is_compared_with_the_first():
    rows = [row("a"), row("b", noise=1), row("c", skill=3, seeds=1, epochs=2)]
    differences = to_first(rows)
    assert list(differences) == ["b", "c"]
    for one in rows[1:]:
        expected = paired_differences(rows[0].results, one.results)
        assert differences[one.name] == expected
    assert differences["c"].uf1.value > 0


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
