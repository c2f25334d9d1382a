"""Optimisers against PyTorch's rules, written out in float64 NumPy."""

import jax
import numpy as np
import optax
import pytest

from mer_jax.train.optimizers import optimizer

RATE, DECAY, EPS = 0.03, 0.2, 1e-8
START = np.array([1.5, -0.7, 0.2])


def gradient(x):
    """Of something that is no parabola."""
    return np.cos(x) + 0.1 * x


def descended(tx, steps=5):
    x, state = START, tx.init(START)
    for _ in range(steps):
        change, state = tx.update(gradient(x), state, x)
        x = optax.apply_updates(x, change)
    return np.asarray(x)


def torch_adam(beta1, l2, decoupled, steps=5, beta2=0.999):
    x, m, v = START.copy(), 0, 0
    for t in range(1, steps + 1):
        g = gradient(x) + l2 * x
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        step = (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + EPS)
        x = x - RATE * (step + decoupled * x)
    return x


def torch_sgd(momentum, l2, steps=5):
    x, m = START.copy(), 0
    for _ in range(steps):
        m = momentum * m + gradient(x) + l2 * x
        x = x - RATE * m
    return x


@pytest.fixture(autouse=True)
def in_float64():
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("momentum", [0.9, 0.5])
@pytest.mark.parametrize("decay", [0.0, DECAY])
def test_adam_adds_the_decay_to_the_gradient(momentum, decay):
    tx = optimizer("adam", RATE, momentum=momentum, weight_decay=decay)
    np.testing.assert_allclose(descended(tx), torch_adam(momentum, decay, 0), rtol=1e-6)


def test_a_decoupled_decay_stays_outside_the_moments():
    tx = optimizer("adam", RATE, weight_decay=DECAY, wd_mode="decoupled")
    np.testing.assert_allclose(descended(tx), torch_adam(0.9, 0, DECAY), rtol=1e-6)
    assert not np.allclose(descended(tx), torch_adam(0.9, DECAY, 0))


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_sgd_has_pytorch_s_momentum(momentum):
    tx = optimizer("sgd", RATE, momentum=momentum, weight_decay=DECAY)
    np.testing.assert_allclose(descended(tx), torch_sgd(momentum, DECAY), rtol=1e-6)


@pytest.mark.parametrize("wrong", [{"kind": "adamw"}, {"wd_mode": "none"}])
def test_what_it_does_not_know_is_an_error(wrong):
    kind = wrong.pop("kind", "adam")
    with pytest.raises(ValueError, match=r"must be (adam or sgd|l2 or decoupled), got"):
        optimizer(kind, RATE, **wrong)
