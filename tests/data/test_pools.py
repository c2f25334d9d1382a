"""Tests for mer_jax/data/pools.py: who trains beside the sample, and who must not."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data.corpora import Data
from mer_jax.data.folds import leave_one_subject_out
from mer_jax.data.pools import Pool, resident, resident_arrays, shared_fold, with_pools
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from tests import toys

FEATURES = toys.Duel().build(3, 6).features
SAMPLE = toys.corpus(FEATURES, subjects={"a/1": 8, "a/2": 8, "b/1": 8})
OTHERS = toys.corpus(FEATURES, subjects={"c/1": 8, "c/2": 16}, seed=1)
MIXED = toys.corpus(FEATURES, subjects={"a/2": 8, "c/1": 16}, seed=2)


def pool(scope, name="pretraining", protocol=None):
    return Pool(name=name, data=Data(), scope=scope, protocol=protocol)


def subjects_of(fold, pools, name="pretraining"):
    clips = resident(SAMPLE, pools)
    return {clips.keys[i].rsplit("/", 1)[0] for i in fold.clips(name)}


def test_without_pools_everything_is_the_sample():
    assert resident(SAMPLE, ()) is SAMPLE
    folds = leave_one_subject_out(SAMPLE)
    again = with_pools(folds, SAMPLE, ())
    for fold, same in zip(folds, again, strict=True):
        np.testing.assert_array_equal(fold.train, same.clips())


def test_resident_clips_are_the_sample_then_the_pools():
    pools = [(pool("disjoint"), OTHERS), (pool("per_fold", "second"), MIXED)]
    clips = resident(SAMPLE, pools)
    assert clips.keys == SAMPLE.keys + OTHERS.keys + MIXED.keys
    assert clips.classes == SAMPLE.classes
    for name, array in clips.features.items():
        parts = [c.features[name] for c in (SAMPLE, OTHERS, MIXED)]
        np.testing.assert_array_equal(array, np.concatenate(parts))
    n = len(SAMPLE.keys)
    np.testing.assert_array_equal(clips.labels[:n], SAMPLE.labels)
    assert (clips.labels[n:] == -1).all()  # no protocol: no labels


def test_a_pool_with_a_protocol_keeps_its_labels_and_needs_the_same_classes():
    labelled = pool("disjoint", protocol=Protocol(name="macro3"))
    clips = resident(SAMPLE, [(labelled, OTHERS)])
    np.testing.assert_array_equal(clips.labels[len(SAMPLE.keys) :], OTHERS.labels)
    other = dataclasses.replace(OTHERS, classes=("x", "y", "z"))
    with pytest.raises(UserError, match="has classes .*'x', 'y', 'z'.* the sample"):
        resident(SAMPLE, [(labelled, other)])


def test_a_disjoint_pool_trains_whole_and_shows_nobody_of_the_sample():
    pools = [(pool("disjoint"), OTHERS)]
    for fold in with_pools(leave_one_subject_out(SAMPLE), SAMPLE, pools):
        assert subjects_of(fold, pools) == {"c/1", "c/2"}
        assert len(fold.clips("pretraining")) == len(OTHERS.keys)
    with pytest.raises(UserError, match="disjoint from the sample, but a/2 are"):
        with_pools(leave_one_subject_out(SAMPLE), SAMPLE, [(pool("disjoint"), MIXED)])


@given(
    st.dictionaries(
        st.builds("{}/{}".format, st.sampled_from("abc"), st.integers(1, 3)),
        st.integers(1, 16),
        min_size=1,
    )
)
def test_per_fold_the_held_out_person_is_in_no_pool(others):
    corpus = toys.corpus(FEATURES, subjects=others, seed=3)
    pools = [(pool("per_fold"), corpus)]
    everyone = set(SAMPLE.subjects) | set(corpus.subjects)
    for fold in with_pools(leave_one_subject_out(SAMPLE), SAMPLE, pools):
        assert subjects_of(fold, pools) == everyone - {fold.name}
        assert not set(fold.clips("pretraining")) & set(fold.test)


def test_others_are_the_pool_without_the_held_out_person():
    pools = [(pool("others"), MIXED)]
    for fold in with_pools(leave_one_subject_out(SAMPLE), SAMPLE, pools):
        assert subjects_of(fold, pools) == set(MIXED.subjects) - {fold.name}
        assert (fold.clips("pretraining") >= len(SAMPLE.keys)).all()


def test_once_for_all_leaks_and_says_so():
    leaky = pool("once_all")
    pools = [(leaky, MIXED)]
    for fold in with_pools(leave_one_subject_out(SAMPLE), SAMPLE, pools):
        assert subjects_of(fold, pools) == set(SAMPLE.subjects) | set(MIXED.subjects)
    assert leaky.leak.startswith("LEAKY") and leaky.shared
    assert not pool("disjoint").leak and not pool("per_fold").leak
    assert pool("disjoint").shared and not pool("per_fold").shared
    assert not pool("others").leak and not pool("others").shared


def test_the_shared_fold_holds_the_shared_pools_alone():
    pools = [(pool("disjoint"), OTHERS), (pool("per_fold", "second"), MIXED)]
    folds = with_pools(leave_one_subject_out(SAMPLE), SAMPLE, pools)
    fold = shared_fold(folds, [p for p, _ in pools])
    assert list(fold.pools) == ["pretraining"]
    assert len(fold.train) == len(fold.test) == 0


def test_people_of_pools_have_no_number():
    extra = toys.corpus(FEATURES, subjects=toys.OTHERS, seed=5)
    both = resident(SAMPLE, [(Pool(name="extra", data=Data()), extra)])
    own = len(SAMPLE.keys)
    for clips in (SAMPLE, both):
        numbers = resident_arrays(clips)["subject"]
        assert numbers.dtype == np.int32 and len(numbers) == len(clips.keys)
        np.testing.assert_array_equal(numbers[:own], SAMPLE.subject_numbers)
        assert (numbers[own:] == -1).all()
