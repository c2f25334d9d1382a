"""The report for people, on what goes on inside: training, and what features tell."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from mer_jax.metrics import ALL
from mer_jax.report.blocks import table, titled
from mer_jax.report.curves import CURVES_HOW
from mer_jax.report.domains import DOMAINS, DOMAINS_TOLD, TOLD_HOW, domain_cells
from mer_jax.report.learning import INNER_MARK, LEARNING_HOW
from mer_jax.report.probes import PROBED_HOW, PROBES, QUESTION, probe_cells
from mer_jax.report.row import Embedding, Row
from mer_jax.report.text import named


def learned(row: Row, file: str) -> list[str]:
    """Returns the lines on how scores and losses moved.

    Args:
      row: whose.
      file: name of the picture; the table beside it is called like it.
    """
    lines = [titled("### Learning curves", row.stamp), "", f"![learning]({file})", ""]
    table = Path(file).with_suffix(".csv").name
    how = LEARNING_HOW + INNER_MARK * (row.cuts[ALL].inner is not None)
    return [*lines, f"{how} The numbers are in [{table}]({table}).", ""]


def training(row: Row, file: str) -> list[str]:
    """Returns the lines on how training went.

    Args:
      row: whose.
      file: name of its picture.
    """
    lines = [titled("### Training", row.stamp), "", f"![accuracies]({file})", ""]
    return [*lines, CURVES_HOW, ""]


def embedded(row: Row, embedding: Embedding, file: str) -> list[str]:
    """Returns the lines on the features of two domains.

    Args:
      row: whose.
      embedding: its features.
      file: name of their picture.
    """
    first, *others = embedding.domains
    lines = [titled("### Features of both domains", row.stamp), ""]
    told = (
        f"t-SNE of the features of {first} and of {', '.join(others)}, before and "
        f"after the last stage of one run (fold {embedding.fold}, seed "
        f"{embedding.seed}). Each panel is laid out by itself: who lies among whom may "
        "be compared, distances may not."
    )
    return [*lines, f"![features]({file})", "", told, ""]


def probes(rows: Sequence[Row]) -> list[str]:
    """Returns the sections on what features give away, of rows that were probed."""
    seen = [row for row in rows if row.probes]
    told = [row for row in rows if row.domains]
    return [
        *_section(seen, QUESTION, PROBES, probe_cells, PROBED_HOW),
        *_section(told, DOMAINS_TOLD, DOMAINS, domain_cells, TOLD_HOW),
    ]


def _section(
    rows: Sequence[Row],
    question: str,
    header: Sequence[str],
    cells: Callable[[Row], Iterable[tuple[str, ...]]],
    how: str,
) -> list[str]:
    if not rows:
        return []
    stamps = {row.stamp for row in rows if row.stamp}
    body = [(named(row), *own) for row in rows for own in cells(row)]
    heading = titled(f"## {question}", *stamps)
    return [heading, "", *table(("row", *header), body), how, ""]
