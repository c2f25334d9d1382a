"""All rows of a report in one table: what they score, tell of people, and take."""

from collections.abc import Callable, Sequence

from mer_jax.metrics import ALL, Rung
from mer_jax.report.blocks import table, titled
from mer_jax.report.differences import Compared, to_first
from mer_jax.report.inner import inner_record
from mer_jax.report.probes import over_runs
from mer_jax.report.row import Cost, Row
from mer_jax.report.seeds import deviation
from mer_jax.report.text import (
    compared_how,
    difference,
    named,
    number,
    p_value,
    scored,
)

SIDE_BY_SIDE = "Rows side by side"
SELECTED = "fold_epoch"  # the rung of the ladder that stands beside the result
HEADER = (
    "row",
    "UF1",
    "UAR",
    "UF1 minus first row",
    "p",
    "identity: accuracy (chance)",
    "further clips",
    "parameters (trained)",
    "FLOPs per fold",
    "seconds per fold",
    "no result: UF1 if selected on test subjects",
)
INNER_HEADER = "UF1, inner validation"  # before the last, where a row has any
TAKES_HOW = (
    "Identity: how often a linear probe names the person from the features after "
    "training, of people who trained (seen) and of those held out (unseen); only of "
    "systems that give features. Further clips: of pools that train beside the sample. "
    "Parameters: those that predictions are computed from; in brackets, those that the "
    "last stage trains, of nets that only help it, too. FLOPs: twice the multiply-adds "
    "of matrix products and convolutions in all steps that train a fold, as programmed "
    "for the device; elementwise work, and scoring, are left out. Seconds: of training "
    "as they passed on the device named under Provenance, compiling, scoring and "
    "whatever else ran there included. Both are means over folds and seeds; what is "
    "trained once for all folds stands apart."
)
SELECTED_HOW = (
    "Last column, **not a result**: UF1 of the same runs, had each fold stopped at the "
    "stored epoch that suits its test subjects best, as much published code does; in "
    "brackets, what the random classifier gets so from as many looks."
)


def side_by_side(rows: Sequence[Row]) -> list[str]:
    """Returns the section for people."""
    differences = to_first(rows)
    stamps = {row.stamp for row in rows if row.stamp}
    lines = [titled(f"## {SIDE_BY_SIDE}", *stamps), ""]
    inner = any(row.inner for row in rows)
    header = (*HEADER[:-1], INNER_HEADER, HEADER[-1]) if inner else HEADER
    cells = (_cells(row, differences.get(row.name), inner) for row in rows)
    lines += table(header, cells)
    told = (compared_how(differences), TAKES_HOW, SELECTED_HOW)
    return lines + [line for how in told if how for line in (how, "")]


def _cells(row: Row, of: Compared | str | None, inner: bool) -> tuple[str, ...]:
    cut, cost = row.cuts[ALL], row.cost
    return (
        named(row),
        scored(cut, "uf1"),
        scored(cut, "uar"),
        number(None) if of is None else difference(of),
        number(None) if of is None else p_value(of),
        _identity(row),
        str(_further_clips(row)),
        _parameters(cost),
        _with_once(cost.flops, cost.flops_once, _amount),
        _with_once(cost.seconds, cost.seconds_once, _seconds),
        *([_inner(cut.inner)] if inner else []),
        _selected(_rung(row)),
    )


def _inner(rung: Rung | None) -> str:
    return number(None) if rung is None else scored(rung, "uf1")


def _identity(row: Row) -> str:
    told = []
    for group, times in over_runs(row).items():
        accuracy, chance = (times["after"][n]["mean"] for n in ("accuracy", "chance"))
        told.append(f"{group} {number(accuracy)} ({number(chance)})")
    return ", ".join(told) or number(None)


def _parameters(cost: Cost) -> str:
    if cost.predicting is None or cost.trained is None:
        return number(None)
    return f"{_amount(cost.predicting)} ({_amount(cost.trained)})"


def _further_clips(row: Row) -> int:
    """Returns how many clips of pools some stage trains on."""
    return sum(p.clips for p in row.protocol.pools if p.once or p.per_fold)


def _with_once(
    own: float | None, once: float | None, spell: Callable[[float], str]
) -> str:
    if own is None:
        return number(None)
    return spell(own) + (f" + {spell(once)} once" if once else "")


def _seconds(value: float) -> str:
    return f"{value:#.3g}" if value < 99.95 else f"{value:.0f}"


def _amount(value: float) -> str:
    """Spells three digits and a unit: '0.512', '12.3 k', '4.57 T'."""
    for unit in ("", " k", " M", " G", " T", " P"):
        if value < 999.5 or unit == " P":
            break
        value /= 1000
    return f"{value:#.3g}".rstrip(".") + unit


def _rung(row: Row) -> Rung | None:
    """Returns the rung that is no result, None where there was nothing to select."""
    if len(row.results.epochs) == 1:
        return None
    (rung,) = (rung for rung in row.cuts[ALL].ladder if rung.name == SELECTED)
    return rung


def _selected(rung: Rung | None) -> str:
    if rung is None:
        return number(None)
    return f"{number(rung.scores.uf1)} ({number(rung.random.uf1)}, {rung.looks} looks)"


def records(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Returns the same for machines, one flat record a row; None is what is not."""
    differences = to_first(rows)
    inner = any(row.inner for row in rows)
    return [_record(row, differences.get(row.name), inner) for row in rows]


def _record(row: Row, of: Compared | str | None, inner: bool) -> dict[str, object]:
    cut, rung = row.cuts[ALL], _rung(row)
    record: dict[str, object] = {
        "row": row.name,
        "stamp": row.stamp,
        "warning": row.warning,
        "is_result": cut.ladder[0].is_result and not row.warning,
        "protocol": row.protocol.name,
        "protocol_hash": row.protocol.hash,
        "clips": cut.clips,
        "subjects": cut.subjects,
        "folds": cut.folds,
        "seeds": len(row.results.seeds),
    }
    spread = deviation(cut)
    for name in ("uf1", "uar"):
        ends = getattr(cut.intervals, name)
        record[name] = getattr(cut.scores, name)
        record |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
        record[f"{name}_sd_over_seeds"] = getattr(spread, name, None)
    return {
        **record,
        **_compared(of),
        **_probed(row),
        "further_clips": _further_clips(row),
        **_taken(row.cost),
        "no_result_rule": rung and rung.rule,
        "no_result_uf1": rung and rung.scores.uf1,
        "no_result_random_uf1": rung and rung.random.uf1,
        "no_result_looks": rung and rung.looks,
        **(inner_record(cut) if inner else {}),
    }


def _taken(cost: Cost) -> dict[str, object]:
    whole = lambda value: None if value is None else round(value)
    return {
        "parameters": cost.predicting,
        "parameters_trained": cost.trained,
        "parameters_held": cost.held,
        "flops_per_fold": whole(cost.flops),
        "flops_once": whole(cost.flops_once),
        "seconds_per_fold": cost.seconds,
        "seconds_once": cost.seconds_once,
    }


def _compared(of: Compared | str | None) -> dict[str, object]:
    pair = None if of is None or isinstance(of, str) else of
    uf1 = pair and pair.differences.uf1
    test, seeds = pair and pair.permutation, pair and pair.seeds
    return {
        "uf1_minus_first_row": uf1 and uf1.value,
        "uf1_minus_first_row_low": uf1 and uf1.interval.low,
        "uf1_minus_first_row_high": uf1 and uf1.interval.high,
        "p_value": test and test.p_value,
        "distinguishable": pair and pair.distinguishable,
        "seed_pairs": seeds and len(seeds.pairs),
        "seed_pairs_above_first_row": seeds and seeds.above,
        "uf1_minus_first_row_least_seed": seeds and min(seeds.uf1),
        "uf1_minus_first_row_greatest_seed": seeds and max(seeds.uf1),
        "not_compared": of if isinstance(of, str) else None,
    }


def _probed(row: Row) -> dict[str, object]:
    probes = over_runs(row)
    found: dict[str, object] = {}
    for group in ("seen", "unseen"):
        for name in ("accuracy", "chance"):
            mean = probes[group]["after"][name]["mean"] if group in probes else None
            found[f"identity_{group}_{name}"] = mean
    return found
