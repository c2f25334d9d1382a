"""Tests for mer_jax/metrics/domains.py: what is known of made domains."""

import numpy as np
import pytest

from mer_jax.metrics.domains import RIDGE, DomainProbe, domain_probe, pooled
from mer_jax.metrics.probes import gram_matrix, principal_components

WIDTH = 16


def made(change=lambda z, draw: z, *, own=60, other=80, held=50, width=WIDTH, seed=0):
    """Two domains of noise, the other one changed: clips to train on, and to judge."""
    draw = np.random.default_rng(seed)
    noise = lambda n: draw.normal(size=(n, width))
    pair = lambda n, m: (noise(n), change(noise(m), draw))
    return pair(own, other), pair(held, held)


def moved(z, draw):
    return z + 1.0  # four times the noise, along the diagonal


def two(z, draw):
    return z + 2.0 * draw.choice([-1, 1], len(z))[:, None]  # of the same mean


def wide(z, draw):
    return 2 * z


def by_seed(*args, seeds=3, **sizes):
    return pooled(domain_probe(*made(*args, seed=s, **sizes)) for s in range(seeds))


@pytest.mark.parametrize("width", [16, 512])
def test_without_a_difference_it_guesses(width):
    found = by_seed(width=width, seeds=6)
    clips = 6 * 50
    assert found[1::2] == (clips, clips)
    assert abs(found.accuracy - 0.5) < 4 * np.sqrt(1 / 8 / clips)  # a binomial share's


@pytest.mark.parametrize("change", [moved, two, wide])
def test_domains_of_another_mean_or_another_spread_are_told(change):
    assert by_seed(change).accuracy > 0.8
    assert by_seed(change, own=150, other=150).accuracy > 0.87


def test_neither_domain_is_named_more_often_for_having_more_clips():
    found = by_seed(own=20, other=200)
    told_other = found.own_clips - found.own_hits + found.other_hits
    assert 0.35 < told_other / (found.own_clips + found.other_clips) < 0.65
    told = by_seed(moved, own=20, other=200)
    assert min(told.own_hits, told.other_hits) > 0.85 * told.own_clips


def test_accuracy_is_the_mean_of_both_shares():
    assert DomainProbe(1, 4, 60, 80).accuracy == (0.25 + 0.75) / 2
    both = pooled([DomainProbe(1, 4, 60, 80), DomainProbe(1, 1, 0, 20)])
    assert both == (2, 5, 60, 100)


def test_it_is_weighted_kernel_ridge_regression_of_the_domain():
    """By its normal equations, and with every clip left out, one by one."""
    train, held = made(moved, own=5, other=9, held=6, width=3)
    x = principal_components(gram_matrix(np.concatenate([*train, *held])))
    distance = ((x[:, None] - x) ** 2).sum(axis=-1) / x.shape[1]
    assert distance.mean() == pytest.approx(2)
    kernel = np.exp(-distance / 2)
    y, weights = np.repeat([-1.0, 1.0], [5, 9]), np.repeat([7 / 5, 7 / 9], [5, 9])

    def scores(of, clips):  # of sum w (y - K c)^2 + RIDGE c K c the gradient is 0
        within, w = kernel[np.ix_(clips, clips)], np.diag(weights[clips])
        normal = within @ w @ within + RIDGE * within
        return kernel[np.ix_(of, clips)] @ np.linalg.solve(
            normal, within @ w @ y[clips]
        )

    everybody = np.arange(14)
    left_out = [scores([i], np.delete(everybody, i))[0] for i in everybody]
    between = (np.mean(left_out[:5]) + np.mean(left_out[5:])) / 2
    told = scores(np.arange(14, 26), everybody) > between
    expected = (~told[:6]).sum(), 6, told[6:].sum(), 6
    assert domain_probe(train, held) == expected
    assert 6 < expected[0] + expected[2] < 12  # or the comparison would say little


def test_the_domains_may_be_exchanged():
    train, held = made(moved, own=7, other=30)
    found = domain_probe(train, held)
    assert domain_probe(train[::-1], held[::-1]) == (*found[2:], *found[:2])
    assert domain_probe(train, held) == found  # and nothing is random


def test_scale_does_not_matter_and_single_precision_hardly():
    train, held = made(moved, own=30, other=30)
    found = domain_probe(train, held)
    change = lambda pair: tuple(x * np.geomspace(0.1, 9, WIDTH) + 3 for x in pair)
    assert domain_probe(change(train), change(held)) == found
    single = lambda pair: tuple(x.astype(np.float32) for x in pair)
    assert domain_probe(single(train), single(held)) == found


def test_features_that_are_alike_in_all_clips_are_chance():
    constant = lambda *sizes: tuple(np.full((n, 3), 0.1, np.float32) for n in sizes)
    assert domain_probe(constant(4, 5), constant(6, 7)).accuracy == 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, h: ((t[0][0], t[1]), h), r"\[N, D\], all of one width, got \[\(16,"),
        (lambda t, h: ((t[0][:, :3], t[1]), h), r"\(60, 3\), \(80, 16\)"),
        (lambda t, h: (t, (h[0], h[1][:0])), r"no clips: .* \(0, 16\)"),
        (lambda t, h: (t, (h[0] * np.nan, h[1])), "not finite"),
    ],
)
def test_what_cannot_be_probed_is_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        domain_probe(*change(*made()))
