"""What pictures of a row have in common."""

import io
import textwrap
from collections.abc import Sequence
from typing import Any

from mer_jax.report.row import Row

INK, STAMP_INK, DPI = "#1a1a1a", "#b00020", 150
# Okabe & Ito 2008: told apart by most people who see few colours.
COLOURS = (
    *("#0072b2", "#e69f00", "#009e73", "#d55e00"),
    *("#cc79a7", "#56b4e9", "#f0e442", "#000000"),
)
_LETTERS = 11  # of a title, in an inch


def new_figure(width: float, height: float) -> Any:
    """Returns a figure of so many inches, without pyplot."""
    # Here, not above: a run that writes no report need not wait for matplotlib.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


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
