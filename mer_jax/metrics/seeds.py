"""What another training would give: scores, and their differences, over seeds.

The intervals of `bootstrap` and the p of `permutation` ask for other people and keep
the nets. Here people are kept, and each seed is a training of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from mer_jax.metrics.paired import DECIMALS, check_same_clips, last_confusions
from mer_jax.metrics.results import Results
from mer_jax.metrics.scores import Scores, accuracy, uar, uf1


def standard_deviation(per_seed: Sequence[Scores]) -> Scores | None:
    """Returns the standard deviations over seeds (n - 1 below); None of one seed."""
    if len(per_seed) < 2:
        return None
    names = [field.name for field in fields(Scores)]
    values = np.array([[getattr(own, name) for name in names] for own in per_seed])
    return Scores(**dict(zip(names, values.std(axis=0, ddof=1).tolist(), strict=True)))


@dataclass(frozen=True, kw_only=True)
class SeedDifferences:
    """What each seed of a row scores above one of another row, at the last epoch.

    Their means are the differences of the rows.

    Attributes:
      pairs: [P] seed of the row that is compared with, seed of the row compared; each
        seed with itself where both rows have the same ones, else every one of one row
        with every one of the other.
      uf1, uar, accuracy: [P], each in [-1, 1].
    """

    pairs: tuple[tuple[int, int], ...]
    uf1: tuple[float, ...]
    uar: tuple[float, ...]
    accuracy: tuple[float, ...]

    @property
    def matched(self) -> bool:
        """Whether each seed is paired with itself."""
        return all(one == other for one, other in self.pairs)

    @property
    def above(self) -> int:
        """In how many pairs UF1 is above that of the other row."""
        return sum(value > 0 for value in self.uf1)

    @property
    def below(self) -> int:
        """In how many it is below."""
        return sum(value < 0 for value in self.uf1)

    @property
    def one_sign(self) -> bool:
        """Whether UF1 is above in all pairs, or below in all."""
        return len(self.pairs) in (self.above, self.below)


def seed_differences(a: Results, b: Results) -> SeedDifferences:
    """Returns what the seeds of `b` score above those of `a`.

    Args:
      a: the row to compare with.
      b: the row to compare; of the same clips, in any order, with any seeds.

    Raises:
      ValueError: if the two do not hold the same clips, labels, subjects or classes.
    """
    check_same_clips(a, b)
    if set(a.seeds) == set(b.seeds):
        pairs = [(seed, seed) for seed in sorted(a.seeds)]
    else:
        pairs = [(one, other) for one in sorted(a.seeds) for other in sorted(b.seeds)]
    first = [a.seeds.index(one) for one, _ in pairs]
    second = [b.seeds.index(other) for _, other in pairs]
    one, other = (last_confusions(r).sum(axis=1) for r in (a, b))  # [S, K, K]

    def gaps(score: Callable[[np.ndarray], np.ndarray]) -> tuple[float, ...]:
        found = score(other)[second] - score(one)[first]
        return tuple(found.round(DECIMALS).tolist())

    return SeedDifferences(
        pairs=tuple(pairs), uf1=gaps(uf1), uar=gaps(uar), accuracy=gaps(accuracy)
    )
