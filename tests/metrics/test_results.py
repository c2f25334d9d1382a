"""Tests for mer_jax/metrics/results.py."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from .made import make


def changed(name, position, value):
    values = list(getattr(make(), name))
    values[position] = value
    return {name: values}


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (changed("keys", 1, "a/s00/c000"), "keys holds 'a/s00/c000' more than once"),
        (changed("keys", 1, "a/s01/c001"), "key 'a/s01/c001' is not 'a/s00/<clip>'"),
        (changed("subjects", 0, "b/s00"), "subject 'b/s00' of 'a/s00/c000' is not 'a/"),
        (changed("folds", 0, "b/s01"), "subject 'a/s00' is held out by two folds"),
        (changed("labels", 2, 3), "label 3 of 'a/s00/c002' is outside 0..2"),
        (changed("classes", 2, "class0"), "classes holds 'class0' more than once"),
        ({"seeds": (4, 4)}, "seeds holds 4 more than once"),
        (
            {"seeds": (4,)},
            r"logits has shape \(2, 3, 24, 3\), expected \(1, 3, 24, 3\)",
        ),
        ({"epochs": np.array([10, 10, 20])}, "epochs must ascend"),
        ({"epochs": np.array([0, 10, 20])}, "epochs must ascend from 1"),
        ({"epochs": np.array([1.0, 2.0, 3.0])}, "epochs must be integers"),
        ({"labels": np.zeros(24)}, "labels must be integers, got dtype float64"),
        ({"labels": np.zeros(23, int)}, r"labels has shape \(23,\), expected \(24,\)"),
        (
            {"priors": np.full((24, 3), 0.3)},
            "priors of 'a/s00/c000' are no distribution",
        ),
        ({"expected_clips": 23}, "24 clips, but only 23 expected"),
        ({"expected_folds": 5}, "6 folds, but only 5 expected"),
        ({"seeds": ()}, "need a seed"),
        (
            {"inner_epochs": np.full((2, 5), 10)},
            r"inner_epochs has shape \(2, 5\), expected \(2, 6\)",
        ),
        (
            {"inner_epochs": np.full((2, 6), 15)},
            r"inner_epochs must be among the stored epochs \[10, 20, 30\], got \[15\]",
        ),
        ({"inner_epochs": np.ones((2, 6))}, "inner_epochs must be integers"),
    ],
)
def test_a_mistake_is_named(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        replace(make(), **change)


def test_only_a_leaky_division_holds_a_subject_out_twice():
    twice = changed("folds", 0, "b/s01")
    assert replace(make(), **twice, leaky=True).complete


def test_logits_that_are_not_finite_are_refused_with_their_run():
    logits = make().logits.copy()
    logits[1, 2, 5, 0] = np.nan
    with pytest.raises(ValueError, match=r"'b/s01/c005' .* \(seed 1, epoch 30\)"):
        replace(make(), logits=logits)


def test_predictions_are_the_largest_logit():
    results = make()
    assert results.predictions.shape == (2, 3, 24)
    naive = [max(range(3), key=lambda c: results.logits[1, 2, 7, c])]
    assert results.predictions[1, 2, 7] == naive[0]


def test_results_are_complete_when_every_clip_and_fold_is_there():
    assert make().complete
    assert replace(make(), expected_folds=None).complete
    assert not replace(make(), expected_clips=25).complete
    assert not replace(make(), expected_folds=7).complete
    assert replace(make(), expected_seeds=2).complete
    assert not replace(make(), expected_seeds=3).complete
    with pytest.raises(ValueError, match="2 seeds, but only 1 expected"):
        replace(make(), expected_seeds=1)


def test_subsets_are_all_clips_and_each_corpus():
    subsets = make().subsets
    assert list(subsets) == ["all", "a", "b"]
    assert subsets["all"].all()
    assert (subsets["a"] ^ subsets["b"]).all()


def test_one_corpus_has_one_subset():
    assert list(make(corpora="a").subsets) == ["all"]


def test_arrays_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        make().labels[0] = 1


def test_metrics_do_not_start_jax():
    check = "import sys, mer_jax.metrics, mer_jax.report; print('jax' in sys.modules, "
    check += "'matplotlib' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, cwd=root
    )
    assert done.stdout.split() == ["False", "False"], done.stderr
