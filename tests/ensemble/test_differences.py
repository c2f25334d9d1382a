"""Tests for mer_jax/ensemble/differences.py."""

import copy
import string

from hypothesis import given
from hypothesis import strategies as st

from mer_jax.ensemble.differences import Difference, differences

NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=3)
LEAVES = st.integers() | st.text(string.ascii_letters) | st.lists(st.integers())
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, min_size=1, max_size=3),
    lambda inner: (
        st.dictionaries(NAMES, inner, min_size=1, max_size=3)
        | st.fixed_dictionaries({"list": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=5,
)


def places(tree, path=()):
    """The paths to every leaf."""
    if isinstance(tree, list) and tree and all(isinstance(v, dict) for v in tree):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return [path]
    return [place for key in tree for place in places(tree[key], (*path, key))]


@given(TREES, st.data())
def test_one_changed_leaf_is_found_where_it_is_and_nothing_else(tree, data):
    assert not [*differences(tree, copy.deepcopy(tree))]
    other = copy.deepcopy(tree)
    *way, last = data.draw(st.sampled_from(places(tree)))
    there, here = tree, other
    for key in way:
        there, here = there[key], here[key]
    here[last] = {"new": 0.5}
    path = ".".join(map(str, (*way, last)))
    assert [*differences(tree, other)] == [Difference(path, there[last], here[last])]


def test_what_one_side_lacks_is_none_and_lists_of_other_lengths_are_one_field():
    there = {"a": 1, "b": [{"c": 1}], "d": [{"e": 1}, {"f": 2}]}
    here = {"b": [], "d": [{"e": 1}, {"f": 3}], "g": "x" * 100}
    found = [*differences(there, here)]
    assert found == [
        ("a", 1, None),
        ("b", [{"c": 1}], []),
        ("d.1.f", 2, 3),
        ("g", None, "x" * 100),
    ]
    assert str(found[0]) == "a: there 1, here null"
    assert str(found[3]).endswith("xxx...") and len(str(found[3])) < 110
