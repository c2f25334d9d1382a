"""How often two classifiers of equal skill are called different.

The clips and the people are those of the MEGC2019 list: 442 clips of 68 people, 1 to 39
of a person, 250, 109 and 83 of a class. Some people are harder for both classifiers of
a pair; and each has people of its own whom it reads badly, or takes for one class, so
that the clips of a person go wrong together. All of this is drawn anew for every pair.
"""

import functools
from dataclasses import replace

import numpy as np

from mer_jax.metrics import paired_differences, paired_permutation

from .made import composite

PAIRS, EXCHANGES = 200, 999
LEAST, MOST = 0.02, 0.08  # 0.05, and two standard deviations of a share of 200


def classifier(clips, shared, *, skill, rng):
    """Results of one seed of a classifier.

    Args:
      clips: results whose clips and labels these are.
      shared: float [G], how easy each person is for every classifier.
      skill: how far the true class is above the others in all clips.
      rng: of what is this classifier's alone.
    """
    _, person = np.unique(clips.subjects, return_inverse=True)
    people, classes = len(shared), len(clips.classes)
    ease = skill + shared + rng.normal(0, 0.7, people)
    leaning = rng.normal(0, 1, (people, classes))
    logits = leaning[person] + rng.normal(size=(len(person), classes))
    logits[np.arange(len(person)), clips.labels] += ease[person]
    return replace(clips, logits=logits[None, None])


@functools.cache
def pairs(number=PAIRS, more=0.0):
    """Independent pairs, of equal skill or with `more` of the second."""
    clips, made = composite(), []
    for pair in range(number):
        rng = np.random.default_rng(pair)
        shared = rng.normal(0, 0.7, len(set(clips.subjects)))
        skills = (1.0, 1.0 + more)
        made.append([classifier(clips, shared, skill=s, rng=rng) for s in skills])
    return made


def found_by_permutation(made, exchanges=EXCHANGES):
    tests = (
        paired_permutation(*pair, exchanges=exchanges, seed=number)
        for number, pair in enumerate(made)
    )
    return np.mean([test.distinguishable for test in tests])


def every_clip_a_person(results):
    """The results, as if nothing had two clips in common."""
    return replace(
        results,
        keys=[f"{key}/clip" for key in results.keys],
        subjects=results.keys,
        folds=results.keys,
        expected_folds=None,
    )


def test_the_permutation_test_calls_one_equal_pair_in_twenty_different():
    assert LEAST <= found_by_permutation(pairs()) <= MOST


def test_the_intervals_call_one_equal_pair_in_twenty_different():
    found = [
        paired_differences(*pair, resamples=999, seed=number)
        for number, pair in enumerate(pairs())
    ]
    for name in ("uf1", "uar", "accuracy"):
        share = np.mean([getattr(one, name).distinguishable for one in found])
        assert LEAST <= share <= MOST, name


def test_clips_exchanged_one_by_one_would_call_far_more_of_them_different():
    """Why whole people are exchanged, and that these pairs tell a wrong test."""
    clipwise = [tuple(map(every_clip_a_person, pair)) for pair in pairs()[:100]]
    assert found_by_permutation(clipwise, exchanges=199) > 1.5 * MOST


def test_a_better_classifier_is_found_more_often_than_an_equal_one():
    assert found_by_permutation(pairs(50, more=0.8), exchanges=199) > 0.5
