"""How each row of a report differs from its first row."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

from mer_jax.metrics import (
    Differences,
    Permutation,
    Results,
    SeedDifferences,
    paired_differences,
    paired_permutation,
    seed_differences,
)
from mer_jax.report.row import Row

OTHER_PROTOCOL, OTHER_CLIPS = "other protocol", "other clips"


class Compared(NamedTuple):
    """A row beside the first.

    Attributes:
      differences: its scores minus those of the first.
      permutation: whether UF1 differs; None where the rows' numbers of seeds do.
      seeds: the same differences from seed to seed.
    """

    differences: Differences
    permutation: Permutation | None
    seeds: SeedDifferences

    @property
    def distinguishable(self) -> bool:
        """Whether UF1 differs by its interval and by its p, if there is one.

        Both are of people; whether the seeds agree is told beside it.
        """
        tested = self.permutation is None or self.permutation.distinguishable
        return tested and self.differences.uf1.distinguishable


def to_first(rows: Sequence[Row]) -> dict[str, Compared | str]:
    """Returns row name -> how it differs from the first row, or why nobody says.

    Rows are compared where they hold the same clips of one protocol; some clips are
    missing while runs are. The first row is not in it.
    """
    first, *others = rows
    return {row.name: _compared(row, first) for row in others}


@functools.lru_cache(maxsize=64)  # files of a report and the terminal ask for it
def _compared(row: Row, first: Row) -> Compared | str:
    if row.protocol.hash != first.protocol.hash:
        return OTHER_PROTOCOL
    if set(row.results.keys) != set(first.results.keys):
        return OTHER_CLIPS
    return compared(first.results, row.results)


def compared(a: Results, b: Results) -> Compared:
    """Returns how far `b` is above `a`, of the same clips.

    Raises:
      ValueError: if the two do not hold the same clips, labels, subjects or classes.
    """
    pair = a, b
    alike = len(a.seeds) == len(b.seeds)
    return Compared(
        differences=paired_differences(*pair),
        permutation=paired_permutation(*pair) if alike else None,
        seeds=seed_differences(*pair),
    )
