"""Tests for datasets_tfds/matching.py."""

from datasets_tfds.matching import by_clip, told

A, B, C = ("s1", "a"), ("s1", "b"), ("s2", "a")


def test_things_are_found_by_clip_in_the_order_given():
    problems = []
    found = by_clip([(C, 3), (A, 1), (B, 2)], str, problems)
    assert list(found.items()) == [(C, 3), (A, 1), (B, 2)]
    assert problems == []


def test_every_place_of_a_clip_that_comes_twice_is_named():
    problems = ["before"]
    by_clip([(A, 1), (B, 2), (A, 3), (A, 4)], lambda n: f"row {n}", problems)
    assert problems == ["before", "s1/a more than once: row 1 and row 3 and row 4"]


def test_what_has_no_partner_is_told_as_it_is_written():
    lines = told({A: "S1/A", B: "S1/B"}, {A: "s1/a", C: "s2/A"})
    assert lines == [
        "1 of 2 annotated clips have frames; without: S1/B",
        "folders without a row: s2/A",
    ]
    assert told({A: "S1/A"}, {A: "s1/a"}) == ["1 of 1 annotated clips have frames"]


def test_long_lists_are_cut():
    rows = {("s", str(n)): f"s/{n}" for n in range(14)}
    assert told(rows, {})[0].endswith("s/10, s/11 and 2 more")
    assert told({}, rows)[1].endswith("s/10, s/11 and 2 more")
