"""Tests for mer_jax/data/folds.py."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data.corpus import concatenate
from mer_jax.data.folds import Loso, sample_hash
from mer_jax.errors import UserError
from tests import toys

SUBJECTS = st.dictionaries(
    st.builds(
        "{}/{}".format,
        st.sampled_from(["smic", "casme2", "samm"]),
        st.sampled_from(["s06", "sub06", "006"]),
    ),
    st.integers(1, 40),
    min_size=2,
)
FEATURES = toys.Duel().build(3).features


def made(subjects, seed=0):
    return toys.corpus(FEATURES, subjects=subjects, seed=seed)


@given(SUBJECTS)
def test_each_subject_is_held_out_once_and_the_rest_trains(subjects):
    corpus = made(subjects)
    folds = Loso(name="p").folds(corpus)
    assert [f.name for f in folds] == sorted(subjects)
    everyone = np.arange(len(corpus.keys))
    for fold in folds:
        assert not set(fold.train) & set(fold.test)
        np.testing.assert_array_equal(np.union1d(fold.train, fold.test), everyone)
        assert {corpus.subjects[i] for i in fold.test} == {fold.name}
        assert fold.name not in {corpus.subjects[i] for i in fold.train}
    tested = np.concatenate([f.test for f in folds])
    np.testing.assert_array_equal(np.sort(tested), everyone)


def test_subjects_of_one_name_in_two_corpora_are_two_people():
    corpus = made({"smic/s06": 16, "samm/s06": 16, "casme2/sub06": 16})
    folds = {f.name: f for f in Loso(name="p").folds(corpus)}
    assert set(folds) == {"smic/s06", "samm/s06", "casme2/sub06"}
    held_out = folds["samm/s06"].test
    assert {corpus.corpora[i] for i in held_out} == {"samm"}
    trained = {corpus.subjects[i] for i in folds["samm/s06"].train}
    assert trained == {"smic/s06", "casme2/sub06"}


def test_one_subject_cannot_be_left_out():
    with pytest.raises(UserError, match="two subjects or more; made has 1: smic/s06"):
        Loso(name="p").folds(made({"smic/s06": 16}))


@given(SUBJECTS, st.randoms(use_true_random=False))
def test_the_order_in_which_clips_arrive_does_not_matter(subjects, random):
    whole = made(subjects)
    parts = split_at_random(whole, random)
    joined = dataclasses.replace(concatenate(parts), name="made", drops="none")
    assert joined.keys == whole.keys
    assert joined.content_hash() == whole.content_hash()
    protocol = Loso(name="p")
    assert sample_hash(joined, protocol.folds(joined)) == sample_hash(
        whole, protocol.folds(whole)
    )


def split_at_random(corpus, random):
    """Three corpora of some of the clips each, in random order of parts."""
    part = np.array([random.randrange(3) for _ in corpus.keys])
    parts = [rows_of(corpus, np.flatnonzero(part == number)) for number in range(3)]
    random.shuffle(parts)
    return parts


def rows_of(corpus, rows):
    return dataclasses.replace(
        corpus,
        keys=tuple(corpus.keys[i] for i in rows),
        labels=corpus.labels[rows],
        features={k: v[rows] for k, v in corpus.features.items()},
        synthetic=corpus.synthetic[rows],
    )


def test_the_sample_hash_tells_clips_labels_classes_and_division_apart():
    corpus = made(toys.SUBJECTS)
    folds = Loso(name="p").folds(corpus)
    labels = corpus.labels.copy()
    labels[3] = (labels[3] + 1) % 3
    renamed = corpus.keys[:-1] + (corpus.keys[-1] + "x",)
    hashes = {
        sample_hash(corpus, folds),
        sample_hash(dataclasses.replace(corpus, labels=labels), folds),
        sample_hash(dataclasses.replace(corpus, keys=renamed), folds),
        sample_hash(dataclasses.replace(corpus, classes=("a", "b", "c")), folds),
        sample_hash(corpus, folds[1:]),
    }
    assert len(hashes) == 5
    louder = {k: v + 1 for k, v in corpus.features.items()}
    other = dataclasses.replace(corpus, features=louder)
    assert (
        sample_hash(other, folds) in hashes
    )  # the method's business, not the sample's
