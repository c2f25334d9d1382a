"""Runs into waves: the groups that train in lockstep."""

import dataclasses
from collections.abc import Callable, Sequence

from mer_jax.ensemble.experiment import Run, fingerprint


@dataclasses.dataclass(frozen=True)
class Wave:
    """L runs trained together, L = devices * lanes.

    Attributes:
      runs: [L]; those from `real` on are padding, repeats whose results are
        thrown away.
      real: how many count.
    """

    runs: tuple[Run, ...]
    real: int

    @property
    def id(self) -> str:
        """16 hex digits naming the wave's checkpoints."""
        return fingerprint([run.id for run in self.runs], self.real)

    @property
    def inner(self) -> bool:
        """Whether its runs are inner runs; all are, or none."""
        return bool(self.runs[0].fold.inside)


def pack(runs: Sequence[Run], width: int, steps: Callable[[Run], int]) -> list[Wave]:
    """Returns the waves of `width` runs, long runs first.

    Runs of like length go together, as the shorter wait for the longest. The sort
    is stable: runs of one length keep their order.

    Args:
      runs: what is left to do.
      width: devices * lanes.
      steps: run -> its steps per epoch.
    """
    ordered = sorted(runs, key=lambda run: -steps(run))
    groups = [ordered[i : i + width] for i in range(0, len(ordered), width)]
    return [Wave(tuple(g) + (g[0],) * (width - len(g)), len(g)) for g in groups]
