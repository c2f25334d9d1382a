"""The same numbers for machines: CSV and JSON."""

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.metrics import ALL, Cut, Published, Rung
from mer_jax.report.differences import Compared, to_first
from mer_jax.report.domains import domains_over_runs
from mer_jax.report.learning import learning_records
from mer_jax.report.probes import over_runs
from mer_jax.report.row import SCOPES, STAMP, Row
from mer_jax.report.seeds import deviation
from mer_jax.report.side_by_side import records
from mer_jax.report.text import SCORES, selected

# An indented list of numbers, to be put on one line. JSON strings hold no line feed.
_LIST = re.compile(r"\[\n[^\[\]{}\"]*\]")


def report_csv(rows: Sequence[Row]) -> str:
    """Returns one line per row, subset and rung; no interval where none is due.

    What others published of a subset follows it, as rungs called "published".
    """
    return _csv(
        line
        for row in rows
        for cut in row.cuts.values()
        for line in (
            *(_csv_line(row, cut, rung) for rung in cut.ladder),
            *(_published_line(row, cut, p) for p in row.published_of(cut.name)),
        )
    )


def side_by_side_csv(rows: Sequence[Row]) -> str:
    """Returns one line per row: scores, identity, and what the row takes."""
    return _csv({k: _cell(v) for k, v in record.items()} for record in records(rows))


def learning_csv(row: Row) -> str:
    """Returns one line per point of the picture of how a row learns."""
    lines = learning_records(row)
    return _csv({k: _cell(v) for k, v in line.items()} for line in lines)


def seeds_csv(rows: Sequence[Row]) -> str:
    """Returns one line per row, subset, result and seed: what that seed scores."""
    return _csv(
        {
            "row": row.name,
            "stamp": row.stamp,
            "warning": row.warning,
            "subset": cut.name,
            "rung": rung.name,
            "rule": rung.rule,
            "seed": seed,
            **{name: _decimal(getattr(own, name)) for name in SCORES},
        }
        for row in rows
        for cut in row.cuts.values()
        for rung in cut.ladder
        if rung.intervals is not None
        for seed, own in zip(row.results.seeds, rung.per_seed, strict=True)
    )


def predictions_csv(row: Row) -> str:
    """Returns one line per seed and clip: what the last epoch predicts, as numbers.

    Labels and predictions are positions in the protocol's classes.
    """
    r = row.results
    return _csv(
        {
            "corpus": r.corpora[n],
            "subject": r.subjects[n].removeprefix(f"{r.corpora[n]}/"),
            "clip": r.keys[n].removeprefix(f"{r.subjects[n]}/"),
            "label": int(r.labels[n]),
            "prediction": int(r.predictions[s, -1, n]),
            "seed": seed,
            "fold": r.folds[n],
            "stamp": row.stamp,
            "warning": row.warning,
        }
        for s, seed in enumerate(r.seeds)
        for n in np.argsort(r.keys)
    )


def report_json(rows: Sequence[Row]) -> str:
    """Returns {'results': [...]}, one object per row in order; NaN is null."""
    differences = to_first(rows)
    report = {
        "schema": 1,
        "stamp": STAMP if any(row.synthetic for row in rows) else "",
        "results": [
            _result(row)
            | {"minus_first_row": _minus(rows[0], differences.get(row.name))}
            for row in rows
        ],
        "side_by_side": records(rows) if len(rows) > 1 else [],
    }
    return json_text(report)


def json_text(value: Any) -> str:
    """Returns JSON of what `metrics` makes: dataclasses, arrays; NaN is null."""
    text = json.dumps(_plain(value), indent=2, allow_nan=False) + "\n"
    return _LIST.sub(lambda found: " ".join(found[0].split()), text)


def _csv(lines) -> str:
    out = io.StringIO()
    writer = None
    for line in lines:
        if writer is None:
            writer = csv.DictWriter(out, list(line), lineterminator="\n")
            writer.writeheader()
        writer.writerow(line)
    return out.getvalue()


def _csv_line(row: Row, cut: Cut, rung: Rung) -> dict[str, object]:
    line: dict[str, object] = {
        "row": row.name,
        "stamp": row.stamp,
        "synthetic": str(row.synthetic).lower(),
        "complete": str(row.results.complete).lower(),
        "protocol": row.protocol.name,
        "protocol_hash": row.protocol.hash,
        "subset": cut.name,
        "rung": rung.name,
        "is_result": str(rung.is_result and not row.warning).lower(),
        "rule": rung.rule,
        "looks": rung.looks,
        "clips": cut.clips,
        "subjects": cut.subjects,
        "folds": cut.folds,
        "seeds": len(row.results.seeds),
    }
    spread = deviation(rung) if rung.intervals else None
    for name in SCORES:
        ends = getattr(rung.intervals, name, None)
        line[name] = _decimal(getattr(rung.scores, name))
        line[f"{name}_low"] = _decimal(ends and ends.low)
        line[f"{name}_high"] = _decimal(ends and ends.high)
        line[f"{name}_sd_over_seeds"] = _decimal(getattr(spread, name, None))
    for name in SCORES:
        line[f"random_{name}"] = _decimal(getattr(rung.random, name))
    return line


def _published_line(row: Row, cut: Cut, published: Published) -> dict[str, object]:
    ours = _csv_line(row, cut, cut.ladder[0])
    shared = ("row", "stamp", "synthetic", "protocol", "subset")
    return {
        **{name: value if name in shared else "" for name, value in ours.items()},
        "rung": "published",
        "is_result": "false",
        "rule": f"{published.source}; {selected(published)}",
        **{name: _decimal(getattr(published, name)) for name in SCORES},
    }


def _cell(value: Any) -> str:
    if value is None or isinstance(value, float):
        return _decimal(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decimal(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6f}"


def _result(row: Row) -> dict[str, object]:
    results = row.results
    everything, *corpora = row.cuts.values()
    pools = [_plain(p) | {"meaning": SCOPES[p.scope]} for p in row.protocol.pools]
    return {
        "name": row.name,
        "synthetic": row.synthetic,
        "stamp": row.stamp,
        "complete": results.complete,
        "warning": row.warning,
        "caveat": row.caveat,
        "is_result": everything.ladder[0].is_result and not row.warning,
        **_numbers(row, everything),
        "per_corpus": {cut.name: _numbers(row, cut) for cut in corpora},
        "classes": results.classes,
        "seeds": results.seeds,
        "stored_epochs": results.epochs,
        "expected_clips": results.expected_clips,
        "expected_folds": results.expected_folds,
        "expected_seeds": results.expected_seeds,
        "fold_names": sorted(set(results.folds)),
        "selection": row.selection,
        "protocol": _plain(row.protocol) | {"pools": pools},
        "settings": row.settings,
        "provenance": row.provenance,
        "probes": over_runs(row),
        "domains": domains_over_runs(row),
        "cost": row.cost,
        **({"inner_validation": row.inner} if row.inner else {}),
    }


def _minus(first: Row, of: Compared | str | None) -> dict[str, object] | None:
    """Returns what a row scores above the first; None for the first itself."""
    if of is None:
        return None
    if isinstance(of, str):
        return {"first_row": first.name, "not_compared": of}
    differences = {name: getattr(of.differences, name) for name in SCORES}
    return {
        "first_row": first.name,
        "not_compared": None,
        "distinguishable": of.distinguishable,
        "permutation": of.permutation,
        "seeds": of.seeds,
        "level": of.differences.level,
        "resamples": of.differences.resamples,
        **{
            name: _plain(one) | {"distinguishable": one.distinguishable}
            for name, one in differences.items()
        },
    }


def _numbers(row: Row, cut: Cut) -> dict[str, object]:
    """Scores of a subset; `confusion` is [seeds][true][predicted]."""
    ladder = []
    for own in cut.ladder:
        rung = _plain(own)
        rung["is_result"] = own.is_result and not row.warning
        rung |= rung.pop("scores")
        del rung["per_seed"]
        if own.intervals is not None:
            rung |= _seeds(row, own)
        if cut.name != ALL:
            del rung["epochs"]  # of all folds, given once
        ladder.append(rung)
    return {
        **_plain(cut.scores),
        "intervals": cut.intervals,
        "random": cut.random,
        "clips": cut.clips,
        "subjects": cut.subjects,
        "folds": cut.folds,
        "class_counts": cut.class_counts,
        "confusion": cut.confusion,
        **_seeds(row, cut.ladder[0]),
        "published": row.published_of(cut.name),
        "ladder": ladder,
    }


def _seeds(row: Row, of: Rung) -> dict[str, object]:
    """Returns what each seed scores, and how they spread: null for one."""
    per_seed = zip(row.results.seeds, of.per_seed, strict=True)
    return {
        "per_seed": [{"seed": seed, **_plain(own)} for seed, own in per_seed],
        "standard_deviation": deviation(of),
    }


def _plain(value: Any) -> Any:
    """Turns dataclasses, arrays and paths into what JSON knows."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {f.name: _plain(getattr(value, f.name)) for f in fields}
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.as_posix() if isinstance(value, Path) else str(value)
