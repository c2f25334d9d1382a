"""Tests for mer_jax/data/schedule.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data.schedule import beside, digest, pad_steps, schedule

WORDS = ("cde3", "casme2/sub01", "train", 0)
ORDERS = ("shuffled", "subject", "label")


@st.composite
def folds(draw):
    """A corpus, some of its clips to train on, and how."""
    count = draw(st.integers(1, 40))
    subjects = draw(st.lists(st.integers(1, 5), min_size=count, max_size=count))
    keys = sorted(f"c{s % 2}/s{s}/EP{i:02}" for i, s in enumerate(subjects))
    train = draw(st.sets(st.integers(0, count - 1), min_size=1))
    return {
        "train": np.array(sorted(train)),
        "keys": keys,
        "labels": np.array(
            draw(st.lists(st.integers(0, 2), min_size=count, max_size=count))
        ),
        "batch": draw(st.integers(1, 12)),
        "num_epochs": draw(st.integers(1, 4)),
    }


@given(folds(), st.sampled_from(ORDERS))
def test_every_epoch_holds_each_training_clip_once_and_padding_last(fold, order):
    index = schedule(**fold, order=order, words=WORDS)
    count, batch = len(fold["train"]), fold["batch"]
    steps = int(np.ceil(count / batch))
    assert index.shape == (fold["num_epochs"], steps, batch)
    assert index.dtype == np.int32
    for epoch in index.reshape(fold["num_epochs"], -1):
        np.testing.assert_array_equal(np.sort(epoch[:count]), fold["train"])
        assert (epoch[count:] == -1).all()
    assert (index >= 0).any(axis=2).all()  # no step is padding alone


@given(folds(), st.sampled_from(ORDERS))
def test_a_schedule_is_a_function_of_its_arguments(fold, order):
    one, two = (schedule(**fold, order=order, words=WORDS) for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert digest(one) == digest(two)


@given(folds())
def test_subject_order_is_that_of_the_keys(fold):
    for epoch in schedule(**fold, order="subject", words=WORDS):
        keys = [fold["keys"][i] for i in epoch.ravel() if i >= 0]
        assert keys == sorted(keys)


@given(folds())
def test_label_order_walks_classes_then_file_names(fold):
    for epoch in schedule(**fold, order="label", words=WORDS):
        clips = [i for i in epoch.ravel() if i >= 0]
        told = [
            (fold["labels"][i], "_".join(fold["keys"][i].split("/")[1:])) for i in clips
        ]
        assert told == sorted(told)


def test_label_order_mixes_the_corpora_as_one_folder_of_files_does():
    keys = ["casme2/sub01/EP02", "casme2/sub01/EP19", "samm/006/1", "smic/s01/n1"]
    index = schedule(
        np.arange(4),
        keys=keys,
        labels=np.array([1, 0, 0, 0]),
        batch=2,
        order="label",
        num_epochs=1,
        words=WORDS,
    )
    files = [[keys[i].split("/", 1)[1].replace("/", "_") for i in s] for s in index[0]]
    assert files == [["006_1", "s01_n1"], ["sub01_EP19", "sub01_EP02"]]


def long(order="shuffled", words=WORDS, **more):
    fold = dict(
        keys=[f"c/s/{i:03}" for i in range(60)],
        labels=np.zeros(60),
        batch=7,
        num_epochs=3,
    )
    train = np.arange(60)
    return schedule(**{"train": train, **fold, **more}, order=order, words=words)


def test_shuffling_differs_by_epoch_and_by_every_word():
    index = long()
    assert (index[0] != index[1]).any()
    for words in (
        ("cde4", *WORDS[1:]),
        (WORDS[0], "casme2/sub02", *WORDS[2:]),
        (*WORDS[:2], "tune", 0),
        (*WORDS[:3], 1),
    ):
        assert (long(words=words) != index).any(), words
        assert digest(long(words=words)) != digest(index)


def test_fixed_orders_ignore_the_words():
    for order in ("subject", "label"):
        np.testing.assert_array_equal(long(order), long(order, words=("other", 1)))


def test_longer_training_begins_like_shorter_training():
    np.testing.assert_array_equal(long(num_epochs=5)[:3], long())


@given(folds(), st.integers(0, 5))
def test_padded_steps_follow_each_epochs_own(fold, more):
    index = schedule(**fold, order="shuffled", words=WORDS)
    steps = index.shape[1] + more
    padded = pad_steps(index, steps)
    assert padded.shape == (len(index), steps, fold["batch"])
    np.testing.assert_array_equal(padded[:, : index.shape[1]], index)
    assert (padded[:, index.shape[1] :] == -1).all()
    assert padded.dtype == index.dtype


def test_an_empty_fold_and_an_unknown_order_are_refused():
    with pytest.raises(ValueError, match="no training clips for .*casme2/sub01"):
        long(train=np.array([], int))
    with pytest.raises(ValueError, match="shuffled, subject or label, got 'random'"):
        long("random")


POOL = np.array([70, 62, 68, 61, 66])
LABELS = np.concatenate([np.arange(60) % 3, np.zeros(2), [1, 1, 0, 1, 0, 0, 0, 1, 0]])


def next_to(index=None, pool=POOL, draw="random", batch=7, words=(*WORDS, "macro")):
    index = long(labels=LABELS) if index is None else index
    return beside(index, pool, labels=LABELS, batch=batch, draw=draw, words=words)


@given(st.integers(1, 12), st.integers(1, 30))
def test_random_clips_are_pass_after_pass_over_the_pool(batch, count):
    pool = 100 + np.arange(count)
    index = next_to(pool=pool, batch=batch)
    assert index.shape == (*long().shape[:2], batch) and index.dtype == np.int32
    flat = index.ravel()
    for start in range(0, len(flat) - count + 1, count):
        np.testing.assert_array_equal(np.sort(flat[start : start + count]), pool)
    counts = np.unique(flat, return_counts=True)[1]
    assert counts.max() - (0 if len(counts) < count else counts.min()) <= 1


def test_random_clips_differ_by_pass_and_by_every_word():
    pool = 100 + np.arange(21)
    first, second = next_to(pool=pool).reshape(-1, 21)[:2]
    assert (first != second).any()
    other = next_to(pool=pool, words=(*WORDS, "still"))
    assert (other != next_to(pool=pool)).any()


def test_matched_clips_have_the_class_of_their_rows_where_the_pool_has_it():
    index = long(labels=LABELS)
    matched = next_to(index, draw="class_matched")
    assert matched.shape == index.shape and matched.dtype == np.int32
    np.testing.assert_array_equal(matched >= 0, index >= 0)
    real = index >= 0
    assert np.isin(matched[real], POOL).all()
    wanted, found = LABELS[index[real]], LABELS[matched[real]]
    np.testing.assert_array_equal(found[wanted < 2], wanted[wanted < 2])
    assert set(matched[real][wanted == 2]) == set(POOL)  # of class 2 there is none
    assert (matched[0] != matched[1]).any()


def test_clips_beside_are_refused_that_cannot_be_drawn():
    with pytest.raises(ValueError, match="no clips to draw from for .*macro"):
        next_to(pool=POOL[:0])
    with pytest.raises(ValueError, match="random or class_matched, got 'any'"):
        next_to(draw="any")
    with pytest.raises(ValueError, match="5 clips cannot be matched to .* of 7"):
        next_to(draw="class_matched", batch=5)
