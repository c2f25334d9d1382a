r"""Could the two rows have been exchanged? A permutation test over subjects.

If it made no difference which of two systems is asked, then a person's predictions of
the one might as well be the other's. So both are exchanged for some people, drawn at
random: for all clips of these, in all seeds. With d the difference of UF1, mean over
seeds, and d* what it is after an exchange,

.. math::
  p = \frac{1 + \#\{|d^*| \ge |d|\}}{1 + R}

over R random exchanges; or the share of :math:`|d^*| \ge |d|` over all of them, where
there are no more. Equal differences may differ by rounding and count as equal.

As the intervals of `bootstrap`, p is about the nets as they were trained: what another
training would give is not in it, nor that folds share training clips.
"""

from dataclasses import dataclass

import numpy as np

from mer_jax.metrics._random import generator
from mer_jax.metrics.paired import DECIMALS, check_same_clips, last_confusions
from mer_jax.metrics.results import Results
from mer_jax.metrics.scores import uf1

SIGNIFICANCE = 0.05
_BATCH = 1000  # exchanges held at once


@dataclass(frozen=True, kw_only=True)
class Permutation:
    """What a permutation test says of the difference of UF1.

    Attributes:
      p_value: two-sided, in (0, 1].
      exchanges: how many there were.
      exact: whether these are all there are.
    """

    p_value: float
    exchanges: int
    exact: bool

    @property
    def distinguishable(self) -> bool:
        """Whether p is below 0.05."""
        return self.p_value < SIGNIFICANCE


def paired_permutation(
    a: Results, b: Results, *, exchanges: int = 9_999, seed: int = 0
) -> Permutation:
    """Tests whether two rows differ in UF1 at the last epoch, mean over seeds.

    Args:
      a: the one row.
      b: the other; of the same clips, in any order, with as many seeds. Seeds are
        exchanged for one another in their order.
      exchanges: R, if there are more.
      seed: of the draws.

    Returns:
      The same for (b, a).

    Raises:
      ValueError: if the two do not hold the same clips, labels, subjects or classes,
        or as many seeds.
    """
    check_same_clips(a, b)
    if len(a.seeds) != len(b.seeds):
        raise ValueError(
            f"seeds differ in number: {a.seeds} and {b.seeds}. Each seed of one row is "
            "exchanged for one of the other; compare rows with as many seeds"
        )
    from scipy.stats import permutation_test  # takes a second

    # [S, G, K, K]; by number, so that p does not hang on how seeds were listed.
    one, other = (last_confusions(r)[np.argsort(r.seeds)] for r in (a, b))
    people = one.shape[1]
    if people < 2:  # both exchanges are as far apart; SciPy wants two people
        return Permutation(p_value=1.0, exchanges=2, exact=True)
    numbers = np.arange(people)

    def distance(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        """Returns |d*| [...], of whose predictions are the first's, int[..., G]."""
        own = (first == numbers).astype(np.float64)
        gap = uf1(_pooled(own, one, other)) - uf1(_pooled(own, other, one))
        return np.abs(gap.mean(axis=-1)).round(DECIMALS)

    found = permutation_test(
        (numbers, numbers + people),
        distance,
        permutation_type="samples",
        vectorized=True,
        n_resamples=exchanges,
        batch=_BATCH,
        alternative="greater",
        axis=-1,
        rng=generator("permutation", seed),
    )
    count = len(found.null_distribution)
    return Permutation(
        p_value=float(found.pvalue), exchanges=count, exact=count == 2**people
    )


def _pooled(own: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Adds up the matrices of some people in one row and of the rest in the other.

    Args:
      own: float64 [..., G], 1 for the people taken from `one`, else 0.
      one: int [S, G, K, K].
      other: likewise.

    Returns:
      float64 [..., S, K, K], whole numbers.
    """
    seeds, people, k, _ = one.shape
    flat = lambda counts: np.moveaxis(counts, 1, 0).reshape(people, -1).astype(float)
    total = own @ flat(one) + (1 - own) @ flat(other)
    return total.reshape(*own.shape[:-1], seeds, k, k)
