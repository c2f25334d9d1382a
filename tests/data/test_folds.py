"""Tests for mer_jax/data/folds.py."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data.folds import (
    DIVISIONS,
    leave_one_corpus_out,
    leave_one_subject_out,
    others_clips,
    sample_hash,
    stratified_folds,
    subject_folds,
)
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
FEATURES = toys.Duel().build(3, 6).features


def made(subjects, seed=0):
    return toys.corpus(FEATURES, subjects=subjects, seed=seed)


@given(SUBJECTS)
def test_each_subject_is_held_out_once_and_the_rest_trains(subjects):
    corpus = made(subjects)
    folds = leave_one_subject_out(corpus)
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
    folds = {f.name: f for f in leave_one_subject_out(corpus)}
    assert set(folds) == {"smic/s06", "samm/s06", "casme2/sub06"}
    held_out = folds["samm/s06"].test
    assert {corpus.corpora[i] for i in held_out} == {"samm"}
    trained = {corpus.subjects[i] for i in folds["samm/s06"].train}
    assert trained == {"smic/s06", "casme2/sub06"}


def test_one_subject_cannot_be_left_out():
    with pytest.raises(UserError, match="two subjects or more; made has 1: smic/s06"):
        leave_one_subject_out(made({"smic/s06": 16}))


def test_the_sample_hash_tells_clips_labels_classes_and_division_apart():
    corpus = made(toys.SUBJECTS)
    folds = leave_one_subject_out(corpus)
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


MANY = st.dictionaries(
    st.builds("lab/{}".format, st.integers(0, 99)), st.integers(1, 30), min_size=5
)


@given(MANY, st.integers(2, 5))
def test_no_subject_is_in_two_folds_and_sizes_are_as_even_as_subjects_allow(
    subjects, count
):
    corpus = made(subjects)
    folds = subject_folds(corpus, count)
    assert [f.name for f in folds] == [
        f"fold {n} of {count}" for n in range(1, count + 1)
    ]
    people = [{corpus.subjects[i] for i in fold.test} for fold in folds]
    assert set.union(*people) == set(subjects)
    assert sum(map(len, people)) == len(subjects)
    sizes = [len(fold.test) for fold in folds]
    assert max(sizes) - min(sizes) <= max(subjects.values())


@pytest.mark.parametrize("count", [5, 10])
def test_subject_folds_are_as_even_as_those_of_scikit_learn(count):
    from sklearn.model_selection import GroupKFold

    corpus = made({f"lab/{n}": 1 + (7 * n) % 13 for n in range(23)})
    theirs = GroupKFold(count).split(corpus.labels, groups=corpus.subjects)
    ours = sorted(len(fold.test) for fold in DIVISIONS[f"{count}fold"].divide(corpus))
    assert ours == sorted(len(test) for _, test in theirs)


def test_ten_folds_are_in_the_order_of_their_numbers():
    folds = DIVISIONS["10fold"].divide(made({f"lab/{n}": 1 for n in range(12)}))
    assert [f.name for f in folds] == [f"fold {n:02} of 10" for n in range(1, 11)]


def test_few_people_train_and_all_are_tested_once():
    corpus = made({f"lab/{n:02}": 1 + n % 3 for n in range(23)})
    folds, ten = (DIVISIONS[name].divide(corpus) for name in ("10fold-few", "10fold"))
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested) == list(range(len(corpus.keys)))
    who = np.array(corpus.subjects)
    for i, (fold, whole) in enumerate(zip(folds, ten, strict=True)):
        np.testing.assert_array_equal(fold.test, whole.test)
        assert fold.name == whole.name
        assert not set(who[fold.train]) & set(who[fold.test])
        parts = [set(who[ten[(i + step) % 10].test]) for step in (1, 2)]
        assert set(who[fold.train]) == set.union(*parts)
        assert (np.diff(fold.train) > 0).all()
    # Equal hashes would say that both may be compared.
    assert sample_hash(corpus, folds) != sample_hash(corpus, ten)


@given(MANY)
def test_stratified_folds_spread_every_class_and_are_labelled_leaky(subjects):
    corpus = made(subjects)
    folds = stratified_folds(corpus)
    for label in np.unique(corpus.labels):
        counts = [int((corpus.labels[f.test] == label).sum()) for f in folds]
        assert max(counts) - min(counts) <= 1
    tested = np.sort(np.concatenate([f.test for f in folds]))
    np.testing.assert_array_equal(tested, np.arange(len(corpus.keys)))
    assert DIVISIONS["5fold-leaky"].leak.startswith("LEAKY")
    assert [d for d, rule in DIVISIONS.items() if rule.leak] == ["5fold-leaky"]


def test_stratified_folds_do_leak():
    corpus = made({"lab/a": 20, "lab/b": 20})
    fold = stratified_folds(corpus)[0]
    people = lambda clips: {corpus.subjects[i] for i in clips}
    assert people(fold.test) & people(fold.train)


def test_one_corpus_is_left_out():
    corpus = made({"smic/s06": 3, "smic/s07": 4, "samm/s06": 5})
    folds = {f.name: f for f in leave_one_corpus_out(corpus)}
    assert set(folds) == {"smic", "samm"}
    assert {corpus.corpora[i] for i in folds["samm"].test} == {"samm"}
    with pytest.raises(UserError, match="two corpora or more; made has 1: smic"):
        leave_one_corpus_out(made({"smic/s06": 3, "smic/s07": 4}))


def test_five_folds_need_five_subjects():
    with pytest.raises(UserError, match="5 subjects; made has 2"):
        subject_folds(made({"smic/s06": 3, "smic/s07": 4}))


@given(SUBJECTS, SUBJECTS)
def test_a_person_held_out_leaves_every_source_of_training(subjects, others):
    corpus, other = made(subjects), made(others, seed=1)
    for fold in leave_one_subject_out(corpus):
        clips = others_clips(other, corpus, fold)
        assert fold.name not in {other.subjects[i] for i in clips}
        left_out = set(range(len(other.keys))) - set(clips.tolist())
        assert {other.subjects[i] for i in left_out} <= {fold.name}
