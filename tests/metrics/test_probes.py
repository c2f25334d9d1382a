"""Tests for mer_jax/metrics/probes.py: what is known of made features."""

import numpy as np
import pytest

from mer_jax.metrics import probes
from mer_jax.metrics.probes import SCALES, bound, gradient, probe


def made(strength, *, people=10, clips=12, width=16, seed=0):
    """Features in which each person has a direction of length about `strength`."""
    draw = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), clips)
    towards = draw.normal(size=(people, width)) / np.sqrt(width)
    noise = draw.normal(size=(people * clips, width))
    features = (strength * towards[person] + noise).astype(np.float32)
    return features, person, np.arange(len(person)) % 2 == 0


SIZES = [(10, 12, 16), (10, 12, 512), (25, 8, 128)]


@pytest.mark.parametrize(("people", "clips", "width"), SIZES)
def test_without_dependence_nothing_is_found(people, clips, width):
    found = [
        probe(*made(0, people=people, clips=clips, width=width, seed=seed))
        for seed in range(2)
    ]
    assert np.mean([of.information for of in found]) < 0.05
    assert max(of.information for of in found) < 0.1
    accuracy = np.mean([of.accuracy for of in found])
    deviation = np.sqrt(1 / people / (2 * people * clips))  # of a binomial share
    assert abs(accuracy - 1 / people) < 4 * deviation
    assert {of.chance for of in found} == {1 / people}
    assert found[0][3:] == (people, people * clips)


@pytest.mark.parametrize(("people", "clips", "width"), SIZES)
def test_information_rises_to_the_logarithm_of_the_number_of_people(
    people, clips, width
):
    sizes = {"people": people, "clips": clips, "width": width}
    found = [probe(*made(a, **sizes)) for a in (0, 2, 4, 8, 64)]
    information = [of.information for of in found]
    assert (np.diff(information) > 0).all()
    assert 0.95 * np.log(people) < information[-1] <= np.log(people)
    accuracies = [of.accuracy for of in found]
    assert (np.diff(accuracies) >= 0).all() and accuracies[-1] == 1


def test_it_is_a_lower_bound_of_what_is_known():
    """Two equally likely persons at +1 and -1, noise 1: by numerical integration."""
    z = np.linspace(-9, 9, 20001)
    density = lambda x: np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    own, mixed = density(z - 1), (density(z - 1) + density(z + 1)) / 2
    true = np.sum(own * np.log(own / mixed)) * (z[1] - z[0])
    draw = np.random.default_rng(0)
    person = np.arange(600) % 2
    features = (2 * person - 1 + draw.normal(size=600))[:, None]
    found = probe(features, person, draw.permutation(600) < 300)
    assert true - 0.06 < found.information < true + 0.06
    assert abs(found.accuracy - 0.8413) < 0.06  # of the best decision, by a table


def test_the_bound_is_that_over_all_pairs_of_clips():
    draw = np.random.default_rng(0)
    person = draw.integers(0, 3, 7)
    f = draw.normal(size=(7, 3))
    for scale, found in zip(SCALES, bound(f, np.eye(3)[person]), strict=True):
        joint = np.mean([scale * f[i, person[i]] for i in range(7)])
        product = [np.exp(scale * f[i, person[j]]) for i in range(7) for j in range(7)]
        assert found == pytest.approx(joint - np.log(np.mean(product)), abs=1e-12)


def test_the_gradient_is_that_of_the_bound():
    draw = np.random.default_rng(0)
    critic = tuple(draw.normal(size=shape) for shape in ((2, 5), (5,), (5, 3)))
    inputs, who = draw.normal(size=(8, 2)), np.eye(3)[draw.integers(0, 3, 8)]
    one = int(np.abs(SCALES - 1).argmin())

    def loss(critic):  # at the scale next to 1, as if the last weights were smaller
        first, bias, last = critic
        f = probes.scores((first, bias, last / SCALES[one]), inputs)
        return -bound(f, who)[one]

    for number, found in enumerate(gradient(critic, inputs, who)):
        for place in np.ndindex(found.shape):
            ends = []
            for step in (1e-6, -1e-6):
                moved = [part.copy() for part in critic]
                moved[number][place] += step
                ends.append(loss(moved))
            by_hand = (ends[0] - ends[1]) / 2e-6
            assert found[place] == pytest.approx(by_hand, abs=1e-7)


def test_the_linear_probe_is_ridge_regression_of_what_it_trains_on():
    features, person, train = made(2, people=4, clips=6, width=3)
    x = (features - features.mean(0)) / features.std(0) / np.sqrt(3)
    who = np.eye(4)[person]
    y = who[train] - who[train].mean(0)
    weights = np.linalg.solve(x[train].T @ x[train] + np.eye(3), x[train].T @ y)
    expected = x[~train] @ weights + who[train].mean(0)
    found = probes._ridge(probes.gram_matrix(features.astype(np.float64)), who, train)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_chance_is_naming_the_person_with_the_most_clips():
    person = np.array([0] * 12 + [1] * 4 + [2] * 4)
    features = np.random.default_rng(0).normal(size=(20, 6))
    found = probe(features, person, np.arange(20) % 2 == 0)
    assert found.chance == 0.6
    assert found[3:] == (3, 20)


def test_features_that_are_alike_in_all_clips_tell_nothing():
    _, person, train = made(0)
    constant = np.full((120, 3), 0.1, np.float32)
    found = probe(constant, person, train)
    assert found.information == 0 and found.accuracy == found.chance == 0.1
    told, *_ = made(4)
    beside = np.concatenate([told, constant], axis=1)
    assert probe(beside, person, train) == pytest.approx(probe(told, person, train))


def test_neither_scale_nor_names_of_people_matter():
    features, person, train = made(2)
    found = probe(features, person, train)
    assert found == probe(features, person, train)  # and nothing is random
    scaled = features * np.geomspace(0.1, 9, 16) + 3
    assert probe(scaled, 7 * person - 5, train) == pytest.approx(found, abs=1e-3)
    assert probe(features, person, ~train) == pytest.approx(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f, p, t: (f[:, 0], p, t), r"expected features \[N, D\]"),
        (lambda f, p, t: (f, p[:-1], t), r"\(119,\)"),
        (lambda f, p, t: (f * np.nan, p, t), "not finite"),
        (lambda f, p, t: (f, 0 * p, t), "two people or more"),
        (lambda f, p, t: (f, p, t | (p == 3)), "in both halves; got 10, 10 .* 9"),
    ],
)
def test_what_cannot_be_probed_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        probe(*change(*made(1)))
