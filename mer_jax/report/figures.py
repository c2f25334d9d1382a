"""What pictures of a row have in common."""

import io
import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mer_jax.report.row import Row

INK, STAMP_INK, DPI = "#1a1a1a", "#b00020", 150
# Okabe & Ito 2008: told apart by most people who see few colours.
COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00"),
    *("#cc79a7", "#56b4e9", "#f0e442", "#000000"),
)
_LETTERS = 11  # of a title, in an inch
_PANEL, _MOST_ACROSS = (4.6, 3.4), 3  # inches; panels beside one another
_DOTS = 30  # epochs at most of which each has a dot
_FAINT, _DASHES = 0.15, ("-", "--", ":")


def new_figure(width: float, height: float) -> Any:
    """Returns a figure of so many inches, without pyplot."""
    # Here, not above: a run that writes no report need not wait for matplotlib.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def panels(number: int) -> tuple[Any, list[Any]]:
    """Returns a figure and so many axes in it, in rows as full as can be."""
    down = math.ceil(number / _MOST_ACROSS)
    across = math.ceil(number / down)
    figure = new_figure(across * _PANEL[0], down * _PANEL[1] + 0.6)
    every = list(figure.subplots(down, across, squeeze=False).flat)
    for axes in every[number:]:
        axes.set_visible(False)
    return figure, every[:number]


def banded(
    axes: Any,
    style: Mapping[str, str],
    epochs: np.ndarray,
    line: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> None:
    """Draws a line over epochs, and the band about it.

    Args:
      axes: to draw on.
      style: of the line, its "color" among it.
      epochs: int[E], from 1.
      line, low, high: float[E].
    """
    dot = "o" if len(epochs) <= _DOTS else ""
    axes.plot(epochs, line, marker=dot, ms=2.5, lw=1.5, **style)
    # The band of a single epoch has no width but that of its edge.
    edge = 3 if len(epochs) == 1 else 0
    band = {"color": style["color"], "alpha": _FAINT, "linewidth": edge}
    axes.fill_between(epochs, low, high, **band)
    axes.set_xlabel("epoch")
    axes.set_xlim(left=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.spines[["top", "right"]].set_visible(False)


def styles() -> Iterator[dict[str, str]]:
    """Yields styles of lines that are told apart, neighbours without colours, too."""
    colours = COLOURS[:-2]
    for turn in range(len(_DASHES)):
        for i, colour in enumerate(colours):
            yield {"color": colour, "ls": _DASHES[(i + turn) % len(_DASHES)]}


def entitle(figure: Any, row: Row, lines: Sequence[str]) -> None:
    """Writes the row's name above, these lines, and why they may mean nothing."""
    width = int(_LETTERS * figure.get_figwidth())
    lines = [row.name, *lines, row.warning, row.stamp]
    wrapped = [part for line in lines for part in textwrap.wrap(line, width)]
    colour = STAMP_INK if row.stamp or row.warning else INK
    figure.suptitle("\n".join(wrapped), fontsize=9, color=colour, parse_math=False)


def png(figure: Any) -> bytes:
    """Returns the figure as a PNG file; 'tight' makes room for long names."""
    out = io.BytesIO()
    figure.savefig(out, format="png", bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()
