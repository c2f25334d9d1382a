"""Numbers of others, printed beside ours."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """One line of somebody's table; None where they print nothing.

    Attributes:
      source: paper and table, or repository and log.
      selection: how they chose the epoch, "not stated" if they do not say.
      uf1, uar, accuracy: in [0, 1].
    """

    source: str
    selection: str = "not stated"
    uf1: float | None = None
    uar: float | None = None
    accuracy: float | None = None
