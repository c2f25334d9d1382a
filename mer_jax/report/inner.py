"""Inner validation: the second result, and how its epochs were chosen."""

import numpy as np

from mer_jax.metrics import Cut
from mer_jax.report.row import InnerInfo, Row

INNER_HOW = (
    "Inner validation: beside every run, a second one left a fifth of the people who "
    "train out of its training ({people}) and chose the epoch by their clips: best UF1 "
    "over the classes they show, of equals the latest. The run itself, which trains on "
    "all of them, is scored at that epoch. The clips tested had no say, so this, too, "
    "is a {what}. Of few people UF1 moves in large steps: epochs that scatter from "
    "fold to fold say so; with fewer people an epoch also has fewer steps. Two ways to "
    "choose are two looks: say beforehand which one counts. What a row takes, in "
    "operations and seconds, is without these runs."
)


def inner_missing(inner: InnerInfo) -> str:
    """Spells how many runs are missing, '' if none is."""
    if not inner.missing:
        return ""
    return (
        f"inner validation: {inner.missing} of {inner.runs} runs missing, so no score; "
        "`mer run ... --inner-val` trains them"
    )


def inner_told(row: Row, what: str) -> str:
    """Spells how inner validation chose, or what is missing; '' if there is none.

    Args:
      row: of the report.
      what: "result", or why not.
    """
    if row.inner is None:
        return ""
    return inner_missing(row.inner) or INNER_HOW.format(
        people=_people(row.inner), what=what
    )


def inner_record(cut: Cut) -> dict[str, float | None]:
    """Returns UF1 under inner validation, for a flat record; None without it."""
    rung = cut.inner
    ends = rung.intervals.uf1 if rung and rung.intervals else None
    return {
        "inner_uf1": rung.scores.uf1 if rung else None,
        "inner_uf1_low": ends.low if ends else None,
        "inner_uf1_high": ends.high if ends else None,
    }


def _people(inner: InnerInfo) -> str:
    sizes = np.array([len(names) for names in inner.left_out.values()])
    few, many = sizes.min(), sizes.max()
    number = f"{few}" if few == many else f"{few} to {many}"
    return f"{number} of them, named in report.json"
