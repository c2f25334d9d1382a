"""Does identity remain in features? Two probes that never saw the clips they judge.

Each is trained on one half of the clips and judged on the other, then the other way
round. Both see the features standardised over all clips, which needs no identities.

The *critic* is a perceptron on at most 32 principal components and the person as
one-hot; it is trained to make the Donsker-Varadhan bound [1] of their mutual
information large,

    I(Z; Y) >= E_p(z, y) f(z, y) - log E_p(z)p(y) exp f(z, y),

the second mean over all pairs of a clip and a person of the half. On clips that it
was not trained on a critic is too sure of itself, which would hide weak dependence.
So the bound is taken at the best multiple of f, one number for both halves, fitted
on the held-out clips: never below 0, and too large by what one number can fit.

The *linear probe* is ridge regression of the one-hot person.

Measured, with features a e_y + N(0, 1), e_y one random direction per person y of
about unit length, D of them, 10 people of 12 clips and 50 of 8. Without dependence,
a = 0, of 20 draws: at most 0.003 nats on average, never more than 0.048, and accuracy
as by chance. With it (6 draws each), information / accuracy, log P being 2.30 and 3.91:

    P, D      a = 2        a = 4        a = 8        a = 16       a = 64
    10, 16    0.54 / 0.45  1.46 / 0.88  1.97 / 1.00  2.18 / 1.00  2.28 / 1.00
    10, 512   0.05 / 0.19  0.63 / 0.54  1.48 / 0.99  1.92 / 1.00  2.23 / 1.00
    50, 16    0.57 / 0.16  2.13 / 0.61  3.28 / 0.93  3.68 / 0.98  3.87 / 0.99
    50, 512   0.01 / 0.04  0.24 / 0.19  2.32 / 0.97  3.58 / 1.00  3.88 / 1.00

So it is a lower bound, and far from tight with few clips (at P = 50, D = 16, a = 2 the
true information is about 1.6): compare values, of the same clips. Identity in a few of
many features is diluted by standardising. Of 3 people of 4 clips nothing can be said:
0.04 nats on average, up to 0.4, without dependence.

[1] Belghazi et al., Mutual Information Neural Estimation, ICML 2018, equation 5.
"""

from typing import NamedTuple

import numpy as np

from mer_jax.metrics._random import generator

COMPONENTS = 32  # that the critic sees, at most
HIDDEN = 32  # 64 gain 0.2 nats at most, and BLAS wakes threads every step
STEPS = 100
LEARNING_RATE = 0.01
DECAY = 3.0  # of the weights, times the learning rate
RIDGE = 1.0  # where a clip's features have mean square 1
SCALES = np.array([0.0, *np.geomspace(0.02, 4.0, 40)])  # of the critic, when judged
_DEAD = 1e-6  # spread of a feature, over its size, that is rounding alone

Critic = tuple[np.ndarray, np.ndarray, np.ndarray]  # [C, H], [H], [H, P]


class Probe(NamedTuple):
    """What the features of some clips tell about who is seen.

    Attributes:
      information: estimate of the mutual information of features and person, in
        nats, on held-out clips; from 0 to the logarithm of the number of people.
      accuracy: share of the held-out clips whose person a linear probe names.
      chance: what naming the person with the most training clips gets.
      people: how many there are to tell apart.
      clips: of all of them; each is held out once.
    """

    information: float
    accuracy: float
    chance: float
    people: int
    clips: int


def probe(features: np.ndarray, person: np.ndarray, train: np.ndarray) -> Probe:
    """Trains both probes on either half of the clips and judges them on the other.

    Args:
      features: float[N, D].
      person: int[N], whose clip it is; any numbers.
      train: bool[N], one of the halves; everybody is in both.

    Raises:
      ValueError: for other shapes, features that are not finite, fewer than two
        people, or somebody who is in one half only.
    """
    _check(features, person, train)
    names, person = np.unique(person, return_inverse=True)
    who = np.eye(len(names))[person]  # [N, P]
    gram = gram_matrix(features.astype(np.float64))
    inputs = principal_components(gram)
    bounds, hits, lucky = np.zeros(len(SCALES)), 0, 0
    for half in (train, ~train):
        critic = fit_critic(inputs[half], who[half])
        bounds += bound(scores(critic, inputs[~half]), who[~half]) / 2
        named = _ridge(gram, who, half).argmax(axis=1)
        hits += (named == person[~half]).sum()
        lucky += (who[half].sum(axis=0).argmax() == person[~half]).sum()
    return Probe(
        information=max(float(bounds.max()), 0.0),  # rounding may stay below
        accuracy=float(hits / len(person)),
        chance=float(lucky / len(person)),
        people=len(names),
        clips=len(person),
    )


def _check(features: np.ndarray, person: np.ndarray, train: np.ndarray) -> None:
    shape = np.shape(features)
    if len(shape) != 2 or not len(person) == len(train) == shape[0]:
        raise ValueError(
            f"expected features [N, D], person [N] and train [N], got {shape}, "
            f"{np.shape(person)} and {np.shape(train)}"
        )
    if not np.isfinite(features).all():
        raise ValueError("features are not finite")
    everybody = set(np.unique(person))
    if len(everybody) < 2 or not everybody == set(person[train]) == set(person[~train]):
        raise ValueError(
            "expected two people or more, everybody in both halves; got "
            f"{len(everybody)}, {len(set(person[train]))} in one and "
            f"{len(set(person[~train]))} in the other"
        )


def gram_matrix(features: np.ndarray) -> np.ndarray:
    """Returns float64[N, N], mean products of standardised features.

    Features that are alike in all clips do not count.
    """
    spread = features.std(axis=0)
    alive = spread > _DEAD * np.abs(features).max(axis=0)
    x = (features - features.mean(axis=0))[:, alive] / spread[alive]
    return x @ x.T / max(x.shape[1], 1)


def principal_components(gram: np.ndarray) -> np.ndarray:
    """Returns float64[N, C], the first principal components, of mean square 1."""
    values, vectors = np.linalg.eigh(gram)  # ascending
    values, vectors = values[-COMPONENTS:], vectors[:, -COMPONENTS:]
    real = values > 1e-9 * len(gram)
    components = vectors[:, real] * np.sqrt(values[real])
    return components / np.sqrt(np.mean(components**2)) if real.any() else vectors * 0


def _ridge(gram: np.ndarray, who: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Returns float64[n, P], the scores of the clips that are not in `train`."""
    mean = who[train].mean(axis=0)
    own = gram[np.ix_(train, train)] + RIDGE * np.eye(train.sum())
    return gram[np.ix_(~train, train)] @ np.linalg.solve(own, who[train] - mean) + mean


def scores(critic: Critic, inputs: np.ndarray) -> np.ndarray:
    """Returns f, float64[N, P]: of every clip with every person."""
    first, bias, last = critic
    return np.maximum(inputs @ first + bias, 0) @ last


def bound(f: np.ndarray, who: np.ndarray) -> np.ndarray:
    """Returns the Donsker-Varadhan bound at every one of `SCALES`, in nats.

    Args:
      f: float64[N, P], of every clip with every person.
      who: float64[N, P], one-hot.
    """
    joint = (f * who).sum() / len(f)
    shift = f.max()
    pairs = np.exp(SCALES[:, None, None] * (f - shift)) * who.mean(axis=0)
    return SCALES * (joint - shift) - np.log(pairs.sum(axis=(1, 2)) / len(f))


def gradient(critic: Critic, inputs: np.ndarray, who: np.ndarray) -> Critic:
    """Returns the gradient of minus the bound at scale 1."""
    first, bias, last = critic
    before = inputs @ first + bias
    hidden = np.maximum(before, 0)
    f = hidden @ last
    pairs = np.exp(f - f.max()) * who.mean(axis=0)
    of_f = pairs / pairs.sum() - who / len(f)
    of_hidden = (of_f @ last.T) * (before > 0)
    return inputs.T @ of_hidden, of_hidden.sum(axis=0), hidden.T @ of_f


def fit_critic(inputs: np.ndarray, who: np.ndarray) -> Critic:
    """Trains a critic from the same numbers every time: Adam with weight decay."""
    size = inputs.shape[1]
    first = generator("identity critic", 0).normal(size=(size, HIDDEN)) / np.sqrt(size)
    critic: Critic = (first, np.zeros(HIDDEN), np.zeros((HIDDEN, who.shape[1])))
    means, squares = [0.0 * x for x in critic], [0.0 * x for x in critic]
    decays = (DECAY, 0.0, DECAY)  # none of the bias
    for step in range(1, STEPS + 1):
        found = gradient(critic, inputs, who)
        means = [0.9 * m + 0.1 * g for m, g in zip(means, found, strict=True)]
        squares = [
            0.999 * s + 0.001 * g**2 for s, g in zip(squares, found, strict=True)
        ]
        ahead, wide = 1 - 0.9**step, 1 - 0.999**step
        first, bias, last = (
            x - LEARNING_RATE * (m / ahead / (np.sqrt(s / wide) + 1e-8) + decay * x)
            for x, m, s, decay in zip(critic, means, squares, decays, strict=True)
        )
        critic = (first, bias, last)
    return critic
