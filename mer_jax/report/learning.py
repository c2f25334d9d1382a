"""How a row learns, as a picture and a table: UF1 held out, and losses, with bands."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mer_jax.metrics import ALL, Interval
from mer_jax.metrics.curves import MIDDLE, Curve
from mer_jax.report.figures import COLOURS, INK, banded, entitle, panels, png, styles
from mer_jax.report.row import Row
from mer_jax.report.text import count

LEARNING_HOW = (
    "First panel: UF1 of the predictions of all folds together, at every stored epoch "
    "of the last stage. Only what is marked may be a result: an epoch chosen by "
    "looking at this curve gives none. Other panels: what each stage minimises, on "
    "clips that train."
)
INNER_MARK = " The mark of inner validation stands at the median of its epochs."
_MARKS = {"last": "last epoch", "inner_val": "inner validation"}
_STYLES = {"last": ("o", COLOURS[0]), "inner_val": ("D", COLOURS[3])}


class _Series(NamedTuple):
    """A curve with its band.

    Attributes:
      name: unique in a row.
      epochs: int[E].
      line, low, high: float[E].
      line_is, band_is: what they are, in words.
    """

    name: str
    epochs: np.ndarray
    line: np.ndarray
    low: np.ndarray
    high: np.ndarray
    line_is: str
    band_is: str


class _Mark(NamedTuple):
    """UF1 by a rule that looks at no test score, at the median of its epochs."""

    rung: str
    epoch: float
    score: float
    ends: Interval
    is_result: bool


def learning_png(row: Row) -> bytes:
    """Draws UF1 over the stored epochs, and the losses, one panel a stage.

    Returns:
      A PNG file.
    """
    stages, results = _losses(row), [mark for mark in _marks(row) if mark.is_result]
    figure, (first, *others) = panels(1 + len(stages))
    _draw_uf1(first, row)
    for axes, (stage, series) in zip(others, stages.items(), strict=True):
        _draw_losses(axes, stage, series)
    what = "only marked points are results" if results else "no point is a result"
    told = [f"UF1 held out; {what}"]
    told += ["losses are of clips that train"] if stages else []
    entitle(figure, row, told)
    return png(figure)


def learning_records(row: Row) -> Iterator[dict[str, object]]:
    """Yields the same for machines: each point of a curve, and each mark."""
    uf1, of_row = _uf1(row), {"row": row.name, "stamp": row.stamp}
    of_row["warning"] = row.warning
    for own in (uf1, *(own for stage in _losses(row).values() for own in stage)):
        points = zip(own.epochs, own.line, own.low, own.high, strict=True)
        for epoch, value, low, high in points:
            yield of_row | {
                "curve": own.name,
                "epoch": str(epoch),
                **{"value": float(value), "low": float(low), "high": float(high)},
                "value_is": own.line_is,
                "band_is": own.band_is,
                "is_result": False,
            }
    for mark in _marks(row):
        yield of_row | {
            "curve": f"{uf1.name}, {_MARKS[mark.rung]}",
            "epoch": f"{mark.epoch:g}",
            **{"value": mark.score, "low": mark.ends.low, "high": mark.ends.high},
            "value_is": uf1.line_is,
            "band_is": _over_subjects(row),
            "is_result": mark.is_result,
        }


def _uf1(row: Row) -> _Series:
    found = row.learning
    line, band = "one seed", _over_subjects(row)
    if found.seeds > 1:
        line = f"mean over {found.seeds} seeds"
        band = "least to greatest"
    return _Series("uf1", found.epochs, found.mean, found.low, found.high, line, band)


def _over_subjects(row: Row) -> str:
    cut = row.cuts[ALL]
    if cut.subjects == 1:
        return "none, of one subject"
    return f"{100 * cut.intervals.level:g} % interval over subjects"


def _losses(row: Row) -> dict[str, list[_Series]]:
    """Returns stage -> what its updates minimise: metrics called "loss"."""
    found = {
        stage: [
            _loss(f"{stage}/{name}", curve)
            for name, curve in own.items()
            if name.split("/")[-1] == "loss"
        ]
        for stage, own in row.curves.items()
    }
    return {stage: own for stage, own in found.items() if own}


def _loss(name: str, curve: Curve) -> _Series:
    band = f"middle {100 * MIDDLE:g} % of runs"
    return _Series(
        name=name,
        epochs=1 + np.arange(len(curve.median)),
        line=curve.median,
        low=curve.low,
        high=curve.high,
        line_is=f"median of {count(curve.runs, 'run')}",
        band_is=band if curve.runs > 1 else "none, of one run",
    )


def _marks(row: Row) -> Iterator[_Mark]:
    for rung in row.cuts[ALL].ladder:
        if rung.intervals is not None:
            yield _Mark(
                rung=rung.name,
                epoch=float(np.median(rung.epochs)),
                score=rung.scores.uf1,
                ends=rung.intervals.uf1,
                is_result=rung.is_result and not row.warning,
            )


def _draw_uf1(axes, row: Row) -> None:
    own = _uf1(row)
    banded(axes, {"color": COLOURS[0]}, own.epochs, own.line, own.low, own.high)
    for mark in _marks(row):
        marker, colour = _STYLES[mark.rung]
        style = {"color": colour, "zorder": 3, "clip_on": False}
        axes.plot([mark.epoch] * 2, [mark.ends.low, mark.ends.high], lw=2, **style)
        what = "result" if mark.is_result else "not a result"
        told = f"{what}: {_MARKS[mark.rung]}"
        axes.plot([mark.epoch], [mark.score], marker, ms=7, label=told, **style)
    chance = row.cuts[ALL].random.uf1
    axes.axhline(chance, color=INK, ls=":", lw=1, label="random classifier")
    title = f"{own.line_is}, band: {own.band_is}"
    if own.band_is != _over_subjects(row):
        title += f"\nbar: {_over_subjects(row)}"
    axes.set_title(title, fontsize=9)
    axes.set_ylabel("UF1")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, fontsize=8)


def _draw_losses(axes, stage: str, series: list[_Series]) -> None:
    for own, style in zip(series, styles(), strict=False):
        style = {"label": own.name.removeprefix(f"{stage}/"), **style}
        banded(axes, style, own.epochs, own.line, own.low, own.high)
    title = f"{stage}, {own.line_is}\nband: {own.band_is}"
    axes.set_title(title, fontsize=9, parse_math=False)
    axes.set_ylabel("loss")
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=8)
