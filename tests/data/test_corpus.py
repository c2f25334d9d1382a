"""Tests for mer_jax/data/corpus.py."""

import dataclasses

import numpy as np
import pytest

from mer_jax.errors import UserError
from tests import toys

FEATURES = toys.Duel().build(3, 6).features
CORPUS = toys.corpus(FEATURES)


def with_keys(*keys):
    rows = np.arange(len(keys))
    return dataclasses.replace(
        CORPUS,
        keys=keys,
        labels=CORPUS.labels[rows],
        features={k: v[rows] for k, v in CORPUS.features.items()},
        synthetic=CORPUS.synthetic[rows],
    )


def test_subjects_and_corpora_come_from_the_keys():
    corpus = with_keys("casme2/sub01/EP02", "samm/006/x", "smic/s06/n1")
    assert corpus.subjects == ("casme2/sub01", "samm/006", "smic/s06")
    assert corpus.corpora == ("casme2", "samm", "smic")


def test_keys_must_be_unique_and_sorted():
    with pytest.raises(UserError, match="more than once: a/b/c$"):
        with_keys("a/b/c", "a/b/c", "a/b/d")
    with pytest.raises(UserError, match=r"none \(unsorted\)"):
        with_keys("a/b/d", "a/b/c")


@pytest.mark.parametrize("key", ["casme2/EP02", "EP02", "a/b/c/d", "a//c", "a/b/"])
def test_a_key_must_name_corpus_subject_and_clip(key):
    with pytest.raises(UserError, match=f"corpus/subject/clip.*{key}"):
        with_keys(key)


def test_every_array_has_a_row_per_clip():
    for change in (
        {"labels": CORPUS.labels[1:]},
        {"features": {**CORPUS.features, "apex": CORPUS.features["apex"][1:]}},
        {"synthetic": CORPUS.synthetic[1:]},
    ):
        with pytest.raises(ValueError, match="24 keys, but"):
            dataclasses.replace(CORPUS, **change)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_must_be_numbers_of_classes(label):
    labels = CORPUS.labels.copy()
    labels[5] = label
    with pytest.raises(
        UserError, match=f"label {label} .*{CORPUS.keys[5]}.* 3 classes"
    ):
        dataclasses.replace(CORPUS, labels=labels)


def test_the_content_hash_changes_with_keys_labels_classes_and_features():
    labels = (CORPUS.labels + 1) % 3
    touched = {**CORPUS.features, "apex": CORPUS.features["apex"] + 1e-3}
    double = {k: v.astype(np.float64) for k, v in CORPUS.features.items()}
    renamed = {"apex": CORPUS.features["apex"], "offset": CORPUS.features["onset"]}
    hashes = [
        dataclasses.replace(CORPUS, **change).content_hash()
        for change in (
            {},
            {"keys": CORPUS.keys[:-1] + (CORPUS.keys[-1] + "x",)},
            {"labels": labels},
            {"classes": ("a", "b", "c")},
            {"features": touched},
            {"features": double},
            {"features": renamed},
        )
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_content_hash_does_not_see_memory_order_label_type_or_name():
    same = dataclasses.replace(
        CORPUS,
        name="other",
        labels=CORPUS.labels.astype(np.int64),
        features={
            k: np.asfortranarray(v) for k, v in reversed(CORPUS.features.items())
        },
    )
    assert same.content_hash() == CORPUS.content_hash()


def test_subjects_are_numbered_in_order_of_their_names():
    made = toys.corpus(FEATURES)
    names = sorted(set(made.subjects))
    assert made.num_subjects == len(names) == len(toys.SUBJECTS)
    numbers = made.subject_numbers
    assert numbers.dtype == np.int32
    assert [names[n] for n in numbers] == list(made.subjects)
