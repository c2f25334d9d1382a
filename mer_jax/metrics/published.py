"""Numbers of others, printed beside ours."""

from dataclasses import dataclass

from mer_jax.metrics.results import ALL


@dataclass(frozen=True, kw_only=True)
class Published:
    """One line of somebody's table; None where they print nothing.

    Attributes:
      subset: of the clips: "all", or the name of a corpus.
      source: paper and table, or repository and log.
      selection: how they chose the epoch, "not stated" if they do not say.
      uf1, uar, accuracy: in [0, 1].
    """

    source: str
    subset: str = ALL
    selection: str = "not stated"
    uf1: float | None = None
    uar: float | None = None
    accuracy: float | None = None
