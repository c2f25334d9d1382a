"""Tests for mer_jax/report/row.py."""

from dataclasses import replace
from typing import get_args

import pytest

from mer_jax.data.pools import Scope
from mer_jax.metrics import ALL, Published
from mer_jax.report.row import SCOPES

from .made import row, with_clips


def test_a_row_whose_protocol_is_another_is_refused():
    protocol = row().protocol
    swapped = dict(reversed(protocol.class_counts.items()))
    moved = dict(zip(protocol.class_counts, (15, 17, 8), strict=True))
    for change, complaint in (
        ({"class_counts": swapped}, "the protocol has classes"),
        (
            {"class_counts": moved},
            r"\[15, 17, 8\] clips per class, the results \[16, 16",
        ),
        ({"num_clips": 39}, "the protocol has 39 clips, the results expect 40"),
    ):
        with pytest.raises(ValueError, match=complaint):
            replace(row(), protocol=replace(protocol, **change))


def test_the_warning_says_what_is_missing():
    assert row().warning == ""
    assert row(missing=3).warning == "INCOMPLETE: 5 of 8 folds, 25 of 40 clips"
    partial = row(missing=3)
    unknown = replace(partial, results=replace(partial.results, expected_folds=None))
    assert unknown.warning == "INCOMPLETE: 25 of 40 clips, 5 folds scored"
    results = row().results
    seeds = len(results.seeds)
    fewer = replace(row(), results=replace(results, expected_seeds=seeds + 1))
    assert fewer.warning == (
        f"INCOMPLETE: {seeds} of {seeds + 1} seeds, 8 of 8 folds, 40 of 40 clips"
    )
    assert not any(rung.is_result for rung in fewer.cuts[ALL].ladder)


def test_the_numbers_are_computed_once():
    one = row()
    assert one.cuts is one.cuts


def test_a_leak_is_a_reason_why_scores_are_no_result():
    leaky = replace(row().protocol, leak="LEAKY: clips of one subject")
    assert replace(row(), protocol=leaky).warning == "LEAKY: clips of one subject"
    both = replace(row(missing=3), protocol=leaky)
    assert both.warning == (
        "INCOMPLETE: 5 of 8 folds, 25 of 40 clips; LEAKY: clips of one subject"
    )


def test_every_scope_of_a_pool_has_its_meaning():
    assert set(SCOPES) == set(get_args(Scope))


def test_published_numbers_are_found_by_what_was_scored():
    everything, samm, _ = row().published
    assert row().published_of("all") == [everything]
    assert row().published_of("samm") == [samm]
    assert row().published_of("casme2") == []
    assert row(corpora=("samm",)).published_of("all") == [everything, samm]
    assert Published(source="p").subset == "all"


def test_sample_clips_that_are_not_scored_are_refused():
    whole, part = row(), row(missing=3)
    late = with_clips(replace(whole, results=whole.results), number=40).sample_clips
    with pytest.raises(ValueError, match=r"clips \['casme2/006.*are not scored"):
        replace(part, sample_clips=late)
