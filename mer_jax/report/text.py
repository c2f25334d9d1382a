"""How numbers are spelled, and the plain-text summary for a terminal."""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from mer_jax.metrics import ALL, Cut, Difference, Interval, Published, Rung
from mer_jax.report.differences import Compared, to_first
from mer_jax.report.domains import DOMAINS, DOMAINS_TOLD, TOLD_HOW, domain_cells
from mer_jax.report.inner import inner_missing
from mer_jax.report.probes import PROBED_HOW, PROBES, QUESTION, probe_cells
from mer_jax.report.row import (
    NO_RESULT,
    NOT_RESULTS,
    SCOPES,
    PoolInfo,
    Row,
    check_names,
)
from mer_jax.report.seeds import ONE_SEED, SIGNS_HOW, deviation, signs, uf1_per_seed

SCORES = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}


def number(value: float | None) -> str:
    """Spells a score: three decimals, 'n/a' for NaN and a dash for None."""
    if value is None:
        return "–"
    return "n/a" if math.isnan(value) else f"{value:.3f}"


def interval(value: Interval) -> str:
    """Spells an interval, 'no interval' where one subject allows none."""
    if math.isnan(value.low):
        return "[no interval]"
    return f"[{number(value.low)}, {number(value.high)}]"


def named(row: Row) -> str:
    """Spells a row's name in a table, and what must stand beside it."""
    return "; ".join([f"`{row.name}`", *row.marks])


def scored(of: Cut | Rung, name: str, mark: str = "") -> str:
    """Spells one of a subset's scores, between marks, with its interval."""
    score, ends = getattr(of.scores, name), getattr(of.intervals, name)
    return f"{mark}{number(score)}{mark} {interval(ends)}"


def difference(of: Compared | str) -> str:
    """Spells how far a row's UF1 is above another's, or why nobody says."""
    if isinstance(of, str):
        return f"{of}: not compared"
    told = gap(of.differences.uf1, distinguishable=of.distinguishable)
    return "; ".join(part for part in (told, signs(of.seeds)) if part)


def gap(of: Difference, *, distinguishable: bool) -> str:
    """Spells a difference of one score with its interval, and whether it is any."""
    signed = lambda value: f"{value:+z.3f}"
    ends = f"[{signed(of.interval.low)}, {signed(of.interval.high)}]"
    if math.isnan(of.interval.low):
        ends = "[no interval]"
    told = f"{signed(of.value)} {ends}"
    return told if distinguishable else f"{told}, not distinguishable"


def p_value(of: Compared | str) -> str:
    """Spells the p of a difference, a dash where there is none."""
    if isinstance(of, str) or of.permutation is None:
        return number(None)
    return f"{of.permutation.p_value:.4f}"


def compared_how(differences: Mapping[str, Compared | str]) -> str:
    """Spells what the differences to the first row are, '' where there are none."""
    compared = [d for d in differences.values() if not isinstance(d, str)]
    if not compared:
        return ""
    level = f"{100 * compared[0].differences.level:g} %"
    seeds = f" {SIGNS_HOW}" if any(signs(one.seeds) for one in compared) else ""
    return (
        "Differences to the first row are paired by clip, the same subjects resampled "
        f"in both; brackets: {level} interval; positive: this row is above the first. "
        "p: two-sided, of a permutation test of UF1 that exchanges the predictions of "
        "both rows for whole subjects; none where they have other numbers of seeds. "
        "Not distinguishable: the interval holds 0, or p is 0.05 or more. Several "
        f"comparisons are not corrected for.{seeds}"
    )


def count(value: int, noun: str) -> str:
    """Spells '1 fold', '68 folds'."""
    return f"{value} {noun}" if value == 1 else f"{value} {noun}s"


def sample(row: Row) -> str:
    """Spells how much was scored."""
    cut = row.cuts[ALL]
    return ", ".join(
        (
            count(cut.clips, "clip"),
            count(cut.subjects, "subject"),
            count(cut.folds, "fold"),
            count(len(row.results.seeds), "seed"),
            *([row.protocol.reduced] if row.protocol.reduced else []),
        )
    )


def chosen(rung: Rung) -> str:
    """Spells the epochs a rule chose."""
    epochs = np.array(rung.epochs)  # [S, F]
    if (epochs == epochs[:, :1]).all():
        return ", ".join(map(str, dict.fromkeys(epochs[:, 0].tolist())))
    return f"median {np.median(epochs):.0f}, {epochs.min()} to {epochs.max()}"


def selected(published: Published) -> str:
    """Spells how others chose the epoch."""
    return f"selection: {published.selection}"


def pooled(pool: PoolInfo) -> str:
    """Spells a pool, its scope, and how often the stages on it are trained."""
    trained = [
        f"{', '.join(stages)}: trained {often}"
        for stages, often in (
            (pool.once, "once for all folds"),
            (pool.per_fold, "in every fold"),
        )
        if stages
    ]
    size = f"{count(pool.clips, 'clip')} of {pool.people} people"
    return "; ".join(
        (
            f"{pool.name}, {pool.scope} ({SCOPES[pool.scope]})",
            f"{', '.join(pool.corpora)}, {size}",
            *(trained or ["no stage trains on it"]),
        )
    )


def over_seeds(row: Row) -> str:
    """Spells how seeds were combined, nothing for one."""
    return "mean over seeds, " if len(row.results.seeds) > 1 else ""


def text_summary(rows: Sequence[Row]) -> str:
    """Returns what a terminal shows: results, chance and what selection would print."""
    check_names(rows)
    blocks = [_lines(row) for row in rows]
    if len(rows) > 1:
        blocks += [_differences(rows)]
    if probed := [row for row in rows if row.probes]:
        cells = [(row, probe_cells(row)) for row in probed]
        blocks += [_probed(QUESTION, PROBES, cells, PROBED_HOW)]
    if told := [row for row in rows if row.domains]:
        cells = [(row, domain_cells(row)) for row in told]
        blocks += [_probed(DOMAINS_TOLD, DOMAINS, cells, TOLD_HOW)]
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def _lines(row: Row) -> list[str]:
    everything = row.cuts[ALL]
    width = max(len(name) for name in (*row.cuts, *(r.name for r in everything.ladder)))
    intervals = everything.intervals
    lines = [row.name]
    lines += [f"  {row.stamp}"] if row.stamp else []
    lines += [f"  {row.caveat}"] if row.caveat else []
    lines += [f"  {row.warning}. {NO_RESULT}"] if row.warning else []
    lines += [
        f"  protocol {row.protocol.name} ({row.protocol.hash}); {sample(row)}",
        f"  {row.selection} ({row.results.epochs[-1]}); "
        f"{over_seeds(row)}{100 * intervals.level:g} % intervals over subjects",
        *(f"  pool {pooled(pool)}" for pool in row.protocol.pools),
        "",
        columns("", [*SCORES.values(), "random UF1"], width),
    ]
    for name, cut in row.cuts.items():
        cells = [scored(cut, score) for score in SCORES]
        lines.append(columns(name, [*cells, number(cut.random.uf1)], width))
    lines += _seeds(row, everything, width) + _inner(row, width)
    for name in row.cuts:
        what = "published" if name == ALL else f"published, {name}"
        lines += [f"  {what}: {_published(p)}" for p in row.published_of(name)]
    lines += ["", f"  {NOT_RESULTS} (not results):"]
    if len(row.results.epochs) == 1:
        return [*lines, "  the same: one epoch was stored"]
    for rung in everything.selected:
        cells = [number(getattr(rung.scores, score)) for score in SCORES]
        lines.append(columns(rung.name, [*cells, number(rung.random.uf1)], width))
    return lines


def _seeds(row: Row, of: Cut | Rung, width: int) -> list[str]:
    """Returns how the scores of all clips spread over seeds."""
    spread = deviation(of)
    if spread is None:
        return [f"  {ONE_SEED}"]
    cells = [f"sd {number(getattr(spread, score))}" for score in SCORES]
    told = uf1_per_seed(row.results.seeds, of.per_seed)
    return [columns("over seeds", cells, width), f"  UF1 per seed: {told}"]


def _inner(row: Row, width: int) -> list[str]:
    """Returns what inner validation scores, or why it does not."""
    if row.inner is None:
        return []
    if missing := inner_missing(row.inner):
        return ["", f"  {missing}"]
    rungs = {name: cut.inner for name, cut in row.cuts.items()}
    lines = []
    for name, rung in rungs.items():
        if rung is not None:
            lines += ["", f"  {rung.rule} ({chosen(rung)})"] if name == ALL else []
            cells = [*(scored(rung, score) for score in SCORES)]
            lines.append(columns(name, [*cells, number(rung.random.uf1)], width))
    if (whole := rungs[ALL]) is not None and len(whole.per_seed) > 1:
        lines += _seeds(row, whole, width)
    return lines


def _differences(rows: Sequence[Row]) -> list[str]:
    differences = to_first(rows)
    width = max(map(len, differences))
    lines = [f"UF1 minus the first row's, {rows[0].name}"]
    lines += [f"  {stamp}" for stamp in dict.fromkeys(r.stamp for r in rows) if stamp]
    lines += [f"  {rows[0].warning}. {NO_RESULT}"] if rows[0].warning else []
    for row in rows[1:]:
        of = differences[row.name]
        told = [difference(of)]
        told += [f"p {p_value(of)}"] if not isinstance(of, str) else []
        told += [row.warning] if row.warning else []
        lines.append(f"  {row.name:<{width}}  {'; '.join(told)}")
    return lines + paragraph(compared_how(differences))


def _probed(
    question: str,
    names: Sequence[str],
    rows: Iterable[tuple[Row, Iterable[tuple[str, ...]]]],
    how: str,
) -> list[str]:
    lines = [question]
    for row, groups in rows:
        lines += [f"  {told}" for told in (row.name, row.stamp, row.warning) if told]
        for group in groups:
            pairs = zip(names, group, strict=True)
            lines += [f"    {name:<22}{cell}" for name, cell in pairs]
    return lines + paragraph(how)


def _published(published: Published) -> str:
    numbers = (f"{SCORES[s]} {number(getattr(published, s))}" for s in SCORES)
    return f"{published.source}: {', '.join(numbers)}; {selected(published)}"


def paragraph(text: str) -> list[str]:
    """Spells prose as indented lines for a terminal."""
    return textwrap.wrap(text, 88, initial_indent="  ", subsequent_indent="  ")


def columns(name: str, cells: Sequence[str], width: int) -> str:
    """Spells one line of a table for a terminal, its name padded to `width`."""
    return (f"  {name:<{width}}  " + "".join(f"{cell:<22}" for cell in cells)).rstrip()
