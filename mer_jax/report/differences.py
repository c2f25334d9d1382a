"""How each row of a report differs from its first row."""

import functools
from collections.abc import Sequence

from mer_jax.metrics import Differences, paired_differences
from mer_jax.report.row import Row

OTHER_PROTOCOL, OTHER_CLIPS = "other protocol", "other clips"


def to_first(rows: Sequence[Row]) -> dict[str, Differences | str]:
    """Returns row name -> its scores minus the first row's, or why there are none.

    Rows are compared where they hold the same clips of one protocol; some clips are
    missing while runs are. The first row is not in it.
    """
    first, *others = rows
    return {row.name: _minus(row, first) for row in others}


@functools.lru_cache(maxsize=64)  # three files of a report and the terminal ask for it
def _minus(row: Row, first: Row) -> Differences | str:
    if row.protocol.hash != first.protocol.hash:
        return OTHER_PROTOCOL
    if set(row.results.keys) != set(first.results.keys):
        return OTHER_CLIPS
    return paired_differences(first.results, row.results)
