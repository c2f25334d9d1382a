"""Writes a report, each file whole or not at all."""

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_jax.files import write_atomic
from mer_jax.report.clips import clips_png
from mer_jax.report.curves import accuracies, curves_png
from mer_jax.report.embedding import embedding_png
from mer_jax.report.learning import learning_png
from mer_jax.report.markdown import report_markdown
from mer_jax.report.pictures import confusion_png
from mer_jax.report.row import Row, check_names
from mer_jax.report.tables import (
    learning_csv,
    predictions_csv,
    report_csv,
    report_json,
    seeds_csv,
    side_by_side_csv,
)


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the files of a report are.

    Attributes:
      markdown, csv, json: one each.
      side_by_side: of several rows, None of one.
      seeds: what each seed of every row scores.
      predictions: one per row.
      learning: a picture and a table per row.
      confusions: one per row and subset.
      clips: one per row that has sample clips.
      curves: one per row whose stages report an accuracy.
      embeddings: one per row with features of two domains.
    """

    markdown: Path
    csv: Path
    json: Path
    side_by_side: Path | None
    seeds: Path
    predictions: tuple[Path, ...]
    learning: tuple[Path, ...]
    confusions: tuple[Path, ...]
    clips: tuple[Path, ...]
    curves: tuple[Path, ...]
    embeddings: tuple[Path, ...]


def write(rows: Sequence[Row], directory: Path) -> Written:
    """Writes the report of an experiment's rows.

    Args:
      rows: at least one, of different names.
      directory: made if missing. Files of the same name are replaced; report.json
        comes last, so a new one means that the report is complete.
    """
    check_names(rows)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    files = _file_names([row.name for row in rows])
    confusions: dict[str, dict[str, str]] = {row.name: {} for row in rows}
    pictures: dict[str, dict[str, str]] = {row.name: {} for row in rows}
    predictions, tables = [], []
    for row in rows:
        for subset, cut in row.cuts.items():
            name = f"confusion-{files[row.name]}-{_slug(subset)}.png"
            _replace(directory / name, confusion_png(row, cut))
            confusions[row.name][subset] = name
        for kind, picture in _pictures(row):
            name = f"{kind}-{files[row.name]}.png"
            _replace(directory / name, picture)
            pictures[row.name][kind] = name
        name = f"learning-{files[row.name]}.csv"
        tables.append(_replace(directory / name, learning_csv(row)))
        name = f"predictions-{files[row.name]}.csv"
        predictions.append(_replace(directory / name, predictions_csv(row)))
    of = lambda kind: [own[kind] for own in pictures.values() if kind in own]
    table = directory / "side-by-side.csv"
    paths = lambda names: tuple(directory / name for name in names)
    return Written(
        csv=_replace(directory / "report.csv", report_csv(rows)),
        side_by_side=(
            _replace(table, side_by_side_csv(rows)) if len(rows) > 1 else None
        ),
        markdown=_replace(
            directory / "report.md", report_markdown(rows, confusions, pictures)
        ),
        seeds=_replace(directory / "seeds.csv", seeds_csv(rows)),
        json=_replace(directory / "report.json", report_json(rows)),
        predictions=tuple(predictions),
        learning=(*paths(of("learning")), *tables),
        confusions=paths(n for own in confusions.values() for n in own.values()),
        clips=paths(of("clips")),
        curves=paths(of("curves")),
        embeddings=paths(of("embedding")),
    )


def _pictures(row: Row) -> Iterator[tuple[str, bytes]]:
    """Yields the kinds of pictures that a row has, and their files' contents."""
    yield "learning", learning_png(row)
    if accuracies(row):
        yield "curves", curves_png(row)
    if row.sample_clips:
        yield "clips", clips_png(row, row.sample_clips)
    if row.embedding:
        yield "embedding", embedding_png(row, row.embedding)


def _replace(path: Path, content: str | bytes) -> Path:
    write_atomic(path, content.encode() if isinstance(content, str) else content)
    return path


def _file_names(names: Sequence[str]) -> dict[str, str]:
    """Maps row names to what every file system and Markdown link takes."""
    slugs = {name: _slug(name) for name in names}
    folded = [slug.casefold() for slug in slugs.values()]
    return {
        name: slug
        if folded.count(slug.casefold()) == 1
        else f"{slug}-{zlib.crc32(name.encode()):08x}"
        for name, slug in slugs.items()
    }


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._=]+", "-", name).strip("-.")[:100] or "row"
