"""Do features tell two domains apart? A fresh discriminator, judged on unseen clips.

It is trained on clips of both domains, which weigh the same however many clips they
have, and judged on other clips of both. It sees the features standardised over all
clips, which needs no domains, and of these the principal components that the critic
of `probes.py` sees. It is ridge regression of the domain with a Gaussian kernel: it
finds domains that differ in spread, or in how features depend on one another, and not
only those of other means; it has a closed form, and nothing in it is random. It decides
midway between what it says of both domains' training clips, each of them left out.

Measured on D features N(0, 1): accuracy on 50 held-out clips of each domain, 8 draws on
average. In the other domain there is `a` more along a random direction, or 8 more or 8
less by chance ("two"); or features are 1.3 times as wide ("wide"); or one half of them
depends on the other by 0.9, in the own domain by -0.9 ("pairs"). Without a difference
it is from 0.495 to 0.506 on average of 150 draws, and as far from 0.5 as by chance.

    training clips, D               a = 2   4     8     two   wide  pairs
    150 and 200, 16                 0.80  0.96  1.00  1.00  0.67  1.00
    150 and 200, 512                0.72  0.95  1.00  1.00  0.95  1.00
    30 and 40, 16                   0.81  0.97  1.00  0.99  0.56  0.93
    30 and 40, 512                  0.61  0.88  1.00  0.78  0.70  0.74
    linear ridge, 150 and 200, 512  0.74  0.95  1.00  0.49  0.52  0.54
    linear ridge, 30 and 40, 512    0.62  0.87  1.00  0.52  0.48  0.51
    perceptron, 150 and 200, 512    0.69  0.92  1.00  0.99  0.79  0.98
    perceptron, 30 and 40, 512      0.59  0.68  0.81  0.57  0.65  0.69

The others are the linear probe of `probes.py`, and its critic with a logistic loss.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mer_jax.metrics.probes import gram_matrix, principal_components

RIDGE = 0.3  # where a clip's kernel with itself is 1

Pair = tuple[np.ndarray, np.ndarray]  # own, other: float[n, D] and float[m, D]


class DomainProbe(NamedTuple):
    """How many held-out clips of either domain the discriminator told rightly.

    Attributes:
      own_hits, own_clips: those told, and all, of the own domain.
      other_hits, other_clips: of the other.
    """

    own_hits: int
    own_clips: int
    other_hits: int
    other_clips: int

    @property
    def accuracy(self) -> float:
        """Balanced: the mean of both domains' shares. 0.5 is chance."""
        own, other = self.own_hits / self.own_clips, self.other_hits / self.other_clips
        return (own + other) / 2


def pooled(probes: Iterable[DomainProbe]) -> DomainProbe:
    """Returns the sums over several probes, at least one."""
    return DomainProbe(*map(sum, zip(*probes, strict=True)))


def domain_probe(train: Pair, held_out: Pair) -> DomainProbe:
    """Trains the discriminator on some clips of two domains, judges it on others.

    Args:
      train: features of clips of the own domain, and of the other.
      held_out: likewise.

    Raises:
      ValueError: for other shapes, a part without clips, or features that are not
        finite.
    """
    parts = (*train, *held_out)
    _check(parts)
    everything = np.concatenate(parts).astype(np.float64)
    kernel = _kernel(principal_components(gram_matrix(everything)))
    sizes = [len(part) for part in train]
    n = sum(sizes)
    domain = np.repeat([-1.0, 1.0], sizes)
    weights = np.repeat(n / 2 / np.array(sizes), sizes)  # 1 on average
    inverse = np.linalg.inv(kernel[:n, :n] + RIDGE * np.diag(1 / weights))
    coefficients = inverse @ domain
    left_out = domain - coefficients / np.diag(inverse)  # a clip's, without the clip
    between = np.mean([part.mean() for part in np.split(left_out, sizes[:1])])
    told = kernel[n:, :n] @ coefficients > between
    own, other = np.split(told, [len(held_out[0])])
    return DomainProbe(int((~own).sum()), len(own), int(other.sum()), len(other))


def _check(parts: tuple[np.ndarray, ...]) -> None:
    shapes = [np.shape(part) for part in parts]
    if any(len(shape) != 2 or shape[1] != shapes[0][1] for shape in shapes):
        raise ValueError(f"expected features [N, D], all of one width, got {shapes}")
    if not all(len(part) for part in parts):
        raise ValueError(f"a part has no clips: {shapes}")
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("features are not finite")


def _kernel(inputs: np.ndarray) -> np.ndarray:
    """Returns float64[N, N], exp(-d / 2), d squares of distances, 2 on average."""
    squares = (inputs**2).sum(axis=1)
    distances = squares[:, None] + squares - 2 * inputs @ inputs.T
    return np.exp(-np.maximum(distances, 0) / (2 * inputs.shape[1]))
