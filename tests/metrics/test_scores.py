"""Tests for mer_jax/metrics/scores.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from mer_jax.metrics import (
    accuracy,
    confusion,
    confusion_by_group,
    mean_scores,
    uar,
    uf1,
)

# The pooled predictions of STSTNet's authors (christy1206/STSTNet, the log of its
# Python version), counted: true class by predicted class, with the scores the log
# prints (all) and those re-scored from it by others (per corpus).
STSTNET = {
    "all": ([[195, 39, 16], [36, 68, 5], [12, 7, 64]], 0.7209, 0.7250),
    "casme2": ([[77, 11, 0], [10, 21, 1], [1, 0, 24]], 0.830, 0.830),
    "samm": ([[71, 13, 8], [11, 14, 1], [4, 3, 8]], 0.599, 0.615),
    "smic": ([[47, 15, 8], [15, 33, 3], [7, 4, 32]], 0.687, 0.688),
}


@st.composite
def scored_clips(draw, min_size=1):
    """True and predicted classes of some clips, and the number of classes."""
    k = draw(st.integers(2, 7))
    classes = st.integers(0, k - 1)
    n = draw(st.integers(min_size, 40))
    column = st.lists(classes, min_size=n, max_size=n).map(np.array)
    return draw(column), draw(column), k


def naive_scores(labels, predictions, k):
    """The formulas, one class and one clip at a time, in Python floats."""
    f1, recall = [], []
    for c in range(k):
        pairs = list(zip(labels, predictions, strict=True))
        tp = sum(t == c and p == c for t, p in pairs)
        fp = sum(t != c and p == c for t, p in pairs)
        fn = sum(t == c and p != c for t, p in pairs)
        if tp + fn:
            f1.append(2 * tp / (2 * tp + fp + fn))
            recall.append(tp / (tp + fn))
    return sum(f1) / len(f1), sum(recall) / len(recall)


@given(scored_clips())
def test_scores_equal_the_printed_formulas(case):
    labels, predictions, k = case
    matrix = confusion(labels, predictions, k)
    np.testing.assert_allclose(
        (uf1(matrix), uar(matrix)), naive_scores(labels, predictions, k), rtol=1e-12
    )


@given(scored_clips())
def test_scores_equal_scikit_learn_over_the_true_classes(case):
    labels, predictions, k = case
    matrix = confusion(labels, predictions, k)
    settings = {"labels": np.unique(labels), "average": "macro", "zero_division": 0.0}
    np.testing.assert_array_equal(
        matrix, oracle.confusion_matrix(labels, predictions, labels=range(k))
    )
    np.testing.assert_allclose(
        [uf1(matrix), uar(matrix), accuracy(matrix)],
        [
            oracle.f1_score(labels, predictions, **settings),
            oracle.recall_score(labels, predictions, **settings),
            oracle.accuracy_score(labels, predictions),
        ],
        rtol=1e-12,
    )


@given(scored_clips())
def test_scores_are_between_0_and_1(case):
    labels, predictions, k = case
    matrix = confusion(labels, predictions, k)
    for score in (uf1, uar, accuracy):
        assert 0 <= score(matrix) <= 1


@given(scored_clips())
def test_perfect_predictions_score_1(case):
    labels, _, k = case
    matrix = confusion(labels, labels, k)
    assert uf1(matrix) == uar(matrix) == accuracy(matrix) == 1


@given(scored_clips(), st.randoms(use_true_random=False))
def test_the_order_of_clips_and_the_names_of_classes_do_not_matter(case, random):
    labels, predictions, k = case
    order, names = list(range(len(labels))), list(range(k))
    random.shuffle(order)
    random.shuffle(names)
    renamed = np.array(names)
    there = confusion(labels, predictions, k)
    again = confusion(renamed[labels[order]], renamed[predictions[order]], k)
    for score in (uf1, uar, accuracy):
        assert score(there) == pytest.approx(score(again), abs=1e-12)


@given(scored_clips(min_size=2))
def test_groups_add_up_to_the_whole(case):
    labels, predictions, k = case
    groups = np.arange(len(labels)) % 3
    by_group = confusion_by_group(labels, predictions, groups, 3, k)
    np.testing.assert_array_equal(
        by_group.sum(axis=0), confusion(labels, predictions, k)
    )
    one = groups == 1
    np.testing.assert_array_equal(
        by_group[1], confusion(labels[one], predictions[one], k)
    )


def test_leading_axes_are_scored_one_by_one():
    rng = np.random.default_rng(0)
    labels, predictions = rng.integers(4, size=30), rng.integers(4, size=(2, 5, 30))
    matrices = confusion(labels, predictions, 4)
    assert matrices.shape == (2, 5, 4, 4)
    for score in (uf1, uar, accuracy):
        each = [score(confusion(labels, p, 4)) for p in predictions.reshape(10, 30)]
        np.testing.assert_array_equal(score(matrices).ravel(), each)
    assert mean_scores(matrices).uf1 == pytest.approx(uf1(matrices).mean())


@pytest.mark.parametrize("subset", STSTNET)
def test_the_log_of_ststnet_scores_what_it_prints(subset):
    matrix, f1, recall = STSTNET[subset]
    digits = 4 if subset == "all" else 3
    assert round(float(uf1(matrix)), digits) == f1
    # .6145 is printed as .615
    assert float(uar(matrix)) == pytest.approx(recall, abs=0.51 * 10**-digits)


def test_the_corpora_of_ststnet_add_up():
    parts = [np.array(STSTNET[corpus][0]) for corpus in ("casme2", "samm", "smic")]
    np.testing.assert_array_equal(sum(parts), STSTNET["all"][0])


def test_predicting_the_majority_scores_its_recall_only():
    labels = np.repeat([0, 1, 2], [250, 109, 83])
    matrix = confusion(labels, np.zeros_like(labels), 3)
    assert uar(matrix) == pytest.approx(1 / 3)
    assert uf1(matrix) == pytest.approx(2 * 250 / (442 + 250) / 3)
    assert accuracy(matrix) == 250 / 442


def test_an_absent_class_leaves_the_means_but_predicting_it_still_costs():
    labels = np.array([0, 0, 1, 1])
    right = confusion(labels, labels, 3)
    wrong = confusion(labels, np.array([0, 0, 1, 2]), 3)
    assert uf1(right) == uar(right) == 1
    assert uar(wrong) == 0.75
    assert uf1(wrong) == pytest.approx((1 + 2 / 3) / 2)


def test_an_empty_set_scores_nan_without_a_warning():
    empty = confusion(np.zeros(0, int), np.zeros((2, 0), int), 3)
    assert np.isnan([uf1(empty), uar(empty), accuracy(empty)]).all()


@pytest.mark.parametrize(
    ("labels", "predictions", "complaint"),
    [
        ([0, 3], [0, 0], r"labels must be in 0\.\.2, got 0\.\.3"),
        ([0, 1], [0, -1], r"predictions must be in 0\.\.2, got -1\.\.0"),
        ([0, 1], [0, 1, 1], "differ in the number of clips"),
    ],
)
def test_a_mistake_is_named(labels, predictions, complaint):
    with pytest.raises(ValueError, match=complaint):
        confusion(np.array(labels), np.array(predictions), 3)
