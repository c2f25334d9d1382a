"""Confusion matrices as pictures."""

import io
import textwrap

import numpy as np

from mer_jax.metrics import ALL, Cut
from mer_jax.report.row import Row
from mer_jax.report.text import count, number

_INK, _STAMP_INK, _DPI = "#1a1a1a", "#b00020", 150


def confusion_png(row: Row, cut: Cut) -> bytes:
    """Draws counts and row-normalised percentages of the last epoch.

    Args:
      row: what the clips belong to.
      cut: one of its subsets.

    Returns:
      A PNG file.
    """
    # Here, not above: a run that writes no report need not wait for matplotlib.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    classes = row.results.classes
    counts = cut.confusion.mean(axis=0)  # [K, K]
    of_class = counts.sum(axis=1, keepdims=True)
    share = counts / np.maximum(of_class, 1)  # a class without clips is a row of 0

    size = 2.6 + 0.95 * len(classes)  # inches
    figure = Figure(figsize=(size + 0.6, size), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, j in np.ndindex(share.shape):
        axes.text(
            j,
            i,
            _cell(float(counts[i, j]), float(share[i, j]), seeds=len(cut.per_seed)),
            ha="center",
            va="center",
            color="white" if share[i, j] > 0.6 else _INK,
        )
    totals = [f"{c}\nn = {n}" for c, n in zip(classes, cut.class_counts, strict=True)]
    axes.set_yticks(range(len(classes)), totals, parse_math=False)
    axes.set_xticks(range(len(classes)), classes, parse_math=False)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"])
    bar.set_label("share of the true class")
    bar.outline.set_visible(False)
    _title(axes, row, cut)
    out = io.BytesIO()
    # 'tight' makes room for long names.
    figure.savefig(out, format="png", bbox_inches="tight", metadata={"Software": None})
    return out.getvalue()


def _cell(count: float, share: float, seeds: int) -> str:
    shown = f"{count:.0f}" if seeds == 1 else f"{count:.1f}"
    return f"{shown}\n{100 * share:.0f} %"


def _title(axes, row: Row, cut: Cut) -> None:
    subset = "all corpora" if cut.name == ALL and len(row.cuts) > 1 else cut.name
    if cut.name == ALL and len(row.cuts) == 1:
        subset = row.results.corpora[0]
    seeds = len(row.results.seeds)
    mean = f", counts are means of {count(seeds, 'seed')}" if seeds > 1 else ""
    lines = [
        *textwrap.wrap(f"{row.name}: {subset}", 64),
        f"UF1 {number(cut.scores.uf1)}  UAR {number(cut.scores.uar)}, last epoch{mean}",
    ]
    title = "\n".join([*lines, *(line for line in (row.warning, row.stamp) if line)])
    color = _STAMP_INK if row.stamp or row.warning else _INK
    axes.set_title(title, fontsize=9, color=color, parse_math=False)
