"""Tests for mer_jax/metrics/inner.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from mer_jax.metrics import confusion, uf1
from mer_jax.metrics.inner import best_epoch


@given(st.integers(0, 2**20), st.integers(1, 6), st.integers(1, 9), st.integers(2, 5))
def test_it_is_the_latest_epoch_of_best_macro_f1_of_scikit_learn(
    seed, epochs, clips, classes
):
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=clips)
    logits = rng.normal(size=(epochs, clips, classes)).astype(np.float32)
    scores = [
        f1_score(
            *(labels, epoch.argmax(-1)),
            labels=np.unique(labels),  # classes that nobody shows are left out
            average="macro",
            zero_division=0,
        )
        for epoch in logits.astype(np.float64)
    ]
    best = max(range(epochs), key=lambda e: (round(scores[e], 9), e))
    assert best_epoch(logits, labels) == best


def test_means_that_differ_in_the_last_bit_tie():
    labels = np.repeat([0, 1, 2], [3, 4, 5])
    first = np.array([0, 1, 1, 0, 1, 2, 2, 0, 2, 1, 1, 1])
    second = np.array([2, 2, 0, 2, 2, 0, 1, 1, 1, 1, 0, 2])
    a, b = (uf1(confusion(labels, epoch, 3)) for epoch in (first, second))
    assert a > b and a == pytest.approx(b, abs=1e-15)  # 47/180, summed otherwise
    assert best_epoch(np.eye(3)[np.stack([first, second])], labels) == 1


def test_what_cannot_choose_is_refused():
    with pytest.raises(ValueError, match="no clips"):
        best_epoch(np.zeros((2, 0, 3)), np.zeros(0, int))
    with pytest.raises(ValueError, match="not finite"):
        best_epoch(np.full((2, 1, 3), np.nan), np.zeros(1, int))
