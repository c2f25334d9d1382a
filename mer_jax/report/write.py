"""Writes a report, each file whole or not at all."""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_jax.files import write_atomic
from mer_jax.report.clips import clips_png
from mer_jax.report.markdown import report_markdown
from mer_jax.report.pictures import confusion_png
from mer_jax.report.row import Row, check_names
from mer_jax.report.tables import predictions_csv, report_csv, report_json


@dataclass(frozen=True, kw_only=True)
class Written:
    """Where the files of a report are.

    Attributes:
      markdown, csv, json: one each.
      predictions: one per row.
      confusions: one per row and subset.
      clips: one per row that has sample clips.
    """

    markdown: Path
    csv: Path
    json: Path
    predictions: tuple[Path, ...]
    confusions: tuple[Path, ...]
    clips: tuple[Path, ...]


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
    pictures: dict[str, dict[str, str]] = {}
    drawn: dict[str, str] = {}
    predictions, confusions, clips = [], [], []
    for row in rows:
        pictures[row.name] = {}
        for subset, cut in row.cuts.items():
            name = f"confusion-{files[row.name]}-{_slug(subset)}.png"
            confusions.append(_replace(directory / name, confusion_png(row, cut)))
            pictures[row.name][subset] = name
        if row.sample_clips:
            drawn[row.name] = name = f"clips-{files[row.name]}.png"
            picture = clips_png(row, row.sample_clips)
            clips.append(_replace(directory / name, picture))
        name = f"predictions-{files[row.name]}.csv"
        predictions.append(_replace(directory / name, predictions_csv(row)))
    return Written(
        csv=_replace(directory / "report.csv", report_csv(rows)),
        markdown=_replace(
            directory / "report.md", report_markdown(rows, pictures, drawn)
        ),
        json=_replace(directory / "report.json", report_json(rows)),
        predictions=tuple(predictions),
        confusions=tuple(confusions),
        clips=tuple(clips),
    )


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
