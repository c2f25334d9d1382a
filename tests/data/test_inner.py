"""Tests for mer_jax/data/inner.py: who is left out to choose the epoch on."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mer_jax.data.corpora import Data
from mer_jax.data.folds import (
    DIVISIONS,
    leave_one_corpus_out,
    leave_one_subject_out,
    stratified_folds,
)
from mer_jax.data.inner import inner_folds, left_out
from mer_jax.data.pools import Pool, resident, with_pools
from mer_jax.errors import UserError
from tests import toys

FEATURES = toys.Duel().build(3, 6).features
SHOWS = st.dictionaries(
    st.builds("{}/{}".format, st.sampled_from(["smic", "samm"]), st.integers(0, 30)),
    st.frozensets(st.integers(0, 4), min_size=1),
    min_size=2,
    max_size=25,
)
PEOPLE = {f"lab/{n:02}": 2 + n % 7 for n in range(16)} | {"zoo/1": 6, "zoo/2": 8}


def made(subjects=PEOPLE, seed=0):
    return toys.corpus(FEATURES, subjects=subjects, seed=seed)


def inner_of(folds, corpus, pools=()):
    clips = resident(corpus, pools)
    return inner_folds(folds, clips, [pool for pool, _ in pools], "cde3")


def people(corpus, clips):
    return {corpus.subjects[i] for i in clips}


def of(shows, names):
    """How many of these people show each class."""
    return Counter(label for name in names for label in shows[name])


@given(SHOWS, st.randoms())
def test_the_fifth_is_a_function_of_names_and_classes_alone(shows, random):
    shuffled = list(shows.items())
    random.shuffle(shuffled)
    out = left_out(shows, "cde3", "smic/s06")
    assert left_out(dict(shuffled), "cde3", "smic/s06") == out
    assert out == tuple(sorted(out)) and set(out) < set(shows)
    assert 1 <= len(out) <= max(1, round(len(shows) / 5))


@given(SHOWS)
def test_classes_are_on_both_sides_where_people_can_see_to_that(shows):
    out = left_out(shows, "cde3", "smic/s06")
    staying, most = shows.keys() - set(out), max(1, round(len(shows) / 5))
    before, train, inner = of(shows, shows), of(shows, staying), of(shows, out)
    assert all(train[label] for label in before if before[label] > 1)
    free = [n for n in shows if all(before[label] > 1 for label in shows[n])]
    if free:  # somebody is nobody's last: no class is lost at all
        assert train.keys() == before.keys()
    needed = lambda name: any(train[label] == 1 for label in shows[name])
    for label in before.keys() - inner.keys():
        showing = [name for name in staying if label in shows[name]]
        # Nobody who shows it may go; or a fifth have gone, each for another class.
        assert all(map(needed, showing)) or len(inner) >= len(out) == most
    if len(out) < most:  # nobody else may go
        assert all(map(needed, staying))


@given(st.integers(2, 40))
def test_people_who_show_everything_are_left_out_one_in_five(count):
    shows = {f"lab/{n:02}": {0, 1, 2} for n in range(count)}
    out = left_out(shows, "cde3", "smic/s06")
    assert len(out) == max(1, round(count / 5))


def test_as_many_classes_are_left_out_as_a_fifth_can_show():
    shows = {f"lab/{n:02}": {n % 5} for n in range(25)}
    for fold in ("a", "b", "c"):
        out = left_out(shows, "cde3", fold)
        assert len(out) == 5 and of(shows, out) == Counter(range(5))


def test_who_alone_shows_a_class_stays_with_those_who_train():
    shows = {f"lab/{n:02}": {0, 1} for n in range(9)} | {"lab/rare": {0, 1, 2}}
    outs = {left_out(shows, "cde3", f"fold {n}") for n in range(40)}
    assert not any("lab/rare" in out for out in outs)
    assert len(outs) > 5  # but the others take turns


def test_it_differs_from_fold_to_fold_and_from_protocol_to_protocol():
    shows = {f"lab/{n:02}": {0, 1} for n in range(30)}
    outs = {left_out(shows, p, f) for p in ("cde3", "own") for f in ("a", "b")}
    assert len(outs) == 4


DIVIDED = [leave_one_subject_out, leave_one_corpus_out, stratified_folds]
DIVIDED += [DIVISIONS["5fold"].divide, DIVISIONS["10fold-few"].divide]


@pytest.mark.parametrize("divide", DIVIDED)
def test_an_inner_fold_divides_the_training_clips_by_people(divide):
    corpus = made()
    folds = divide(corpus)
    for fold, inner in zip(folds, inner_of(folds, corpus), strict=True):
        assert inner.inside == fold.name and inner.name not in {f.name for f in folds}
        both = np.sort(np.concatenate([inner.train, inner.test]))
        np.testing.assert_array_equal(both, fold.train)
        assert not people(corpus, inner.train) & people(corpus, inner.test)
        assert not set(inner.test) & set(fold.test)  # though the division leak
        some, all_of = (len(people(corpus, c)) for c in (inner.test, fold.train))
        assert 1 <= some <= max(1, round(all_of / 5))


@settings(max_examples=10)
@given(st.integers(0, 2**20))
def test_what_the_clips_hold_and_who_is_tested_change_nothing(seed):
    corpus, other = made(), made(seed=seed)
    other = dataclasses.replace(other, labels=corpus.labels)
    (one, *_), (same, *_) = (
        inner_of(leave_one_subject_out(c), c) for c in (corpus, other)
    )
    np.testing.assert_array_equal(one.test, same.test)
    fold = leave_one_subject_out(corpus)[0]
    labels = corpus.labels.copy()
    labels[fold.test] = (labels[fold.test] + 1) % 3
    relabelled = dataclasses.replace(corpus, labels=labels)
    (again,) = inner_of([fold], relabelled)
    np.testing.assert_array_equal(one.test, again.test)


@pytest.mark.parametrize("scope", ["disjoint", "others", "per_fold", "once_all"])
def test_pools_lose_the_people_left_out_as_they_lose_those_tested(scope):
    corpus = made()
    subjects = {"far/1": 8} if scope == "disjoint" else {**PEOPLE, "far/1": 8}
    pool = Pool(name="extra", data=Data(), scope=scope)
    pools = [(pool, made(subjects, seed=1))]
    clips = resident(corpus, pools)
    folds = with_pools(leave_one_subject_out(corpus), corpus, pools)
    for fold, inner in zip(folds, inner_of(folds, corpus, pools), strict=True):
        away = people(corpus, [*fold.test, *inner.test])
        assert len(away) > 1
        found = people(clips, inner.clips("extra"))
        if pool.shared:  # trained once, whoever is left out
            np.testing.assert_array_equal(inner.clips("extra"), fold.clips("extra"))
        else:
            assert found == {*PEOPLE, "far/1"} - away
            sample = inner.clips("extra") < len(corpus.keys)
            assert sample.any() == (scope == "per_fold")


def test_one_person_alone_cannot_leave_anybody_out():
    corpus = made({"lab/1": 8, "lab/2": 8})
    with pytest.raises(UserError, match="fold lab/1 only lab/2 trains.*two people"):
        inner_of(leave_one_subject_out(corpus), corpus)
