"""How training went, as a picture: accuracies over the epochs of every stage."""

import itertools
import math
from collections.abc import Mapping

import numpy as np

from mer_jax.metrics.curves import Curve
from mer_jax.report.figures import COLOURS, entitle, new_figure, png
from mer_jax.report.row import Row
from mer_jax.report.text import count

CURVES_HOW = (
    "Accuracies on the clips that train, epoch by epoch, of every stage that reports "
    "any: the mean over runs, and from the least to the greatest of them. They say how "
    "training went, and are never a result."
)

_PANEL, _MOST_ACROSS = (4.6, 3.4), 3  # inches; panels beside one another
_DOTS = 30  # epochs at most of which each has a dot


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
    down = math.ceil(len(stages) / _MOST_ACROSS)
    across = math.ceil(len(stages) / down)
    figure = new_figure(across * _PANEL[0], down * _PANEL[1] + 0.6)
    panels = figure.subplots(down, across, squeeze=False).flat
    for axes, (stage, curves) in zip(panels, stages.items(), strict=False):
        _draw(axes, stage, curves)
    for axes in itertools.islice(figure.axes, len(stages), None):
        axes.set_visible(False)
    figure.axes[0].set_ylabel("accuracy")
    entitle(figure, row, ["accuracies on clips that train, not results"])
    return png(figure)


def _draw(axes, stage: str, curves: Mapping[str, Curve]) -> None:
    # Of more metrics than colours, the next ones are dashed.
    styles = ((c, dashes) for dashes in ("-", "--", ":") for c in COLOURS[:-2])
    for (name, curve), (colour, dashes) in zip(curves.items(), styles, strict=False):
        epochs = 1 + np.arange(len(curve.mean))
        style = {"color": colour, "ls": dashes, "label": name, "lw": 1.5}
        dot = "o" if len(epochs) <= _DOTS else ""
        axes.plot(epochs, curve.mean, marker=dot, ms=2.5, **style)
        axes.fill_between(
            *(epochs, curve.least, curve.greatest),
            color=colour,
            alpha=0.15,
            linewidth=0,
        )
    runs = max(curve.runs for curve in curves.values())
    axes.set_title(f"{stage}, {count(runs, 'run')}", fontsize=9, parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylim(-0.02, 1.02)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
