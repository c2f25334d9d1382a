"""How training went, as a picture: accuracies over the epochs of every stage."""

from collections.abc import Mapping

import numpy as np

from mer_jax.metrics.curves import Curve
from mer_jax.report.figures import banded, entitle, panels, png, styles
from mer_jax.report.row import Row
from mer_jax.report.text import count

CURVES_HOW = (
    "Accuracies on the clips that train, epoch by epoch, of every stage that reports "
    "any: the mean over runs, and from the least to the greatest of them. They say how "
    "training went, and are never a result."
)


def accuracies(row: Row) -> dict[str, dict[str, Curve]]:
    """Returns stage -> metric -> its curve, of metrics whose name ends so."""
    found = {
        stage: {name: curve for name, curve in own.items() if name.endswith("accuracy")}
        for stage, own in row.curves.items()
    }
    return {stage: own for stage, own in found.items() if own}


def curves_png(row: Row) -> bytes:
    """Draws the row's accuracies, one panel a stage; there is at least one.

    Returns:
      A PNG file.
    """
    stages = accuracies(row)
    figure, every = panels(len(stages))
    for axes, (stage, curves) in zip(every, stages.items(), strict=True):
        _draw(axes, stage, curves)
    every[0].set_ylabel("accuracy")
    entitle(figure, row, ["accuracies on clips that train, not results"])
    return png(figure)


def _draw(axes, stage: str, curves: Mapping[str, Curve]) -> None:
    for (name, curve), style in zip(curves.items(), styles(), strict=False):
        epochs = 1 + np.arange(len(curve.mean))
        band = curve.mean, curve.least, curve.greatest
        banded(axes, {"label": name, **style}, epochs, *band)
    runs = max(curve.runs for curve in curves.values())
    axes.set_title(f"{stage}, {count(runs, 'run')}", fontsize=9, parse_math=False)
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, fontsize=8)
