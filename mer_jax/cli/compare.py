"""`mer compare`: whether B scores above A, paired by clip."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mer_jax.cli.sides import Side, matched, open_side, protocols
from mer_jax.metrics import (
    Intervals,
    Scores,
    SeedDifferences,
    last_confusions,
    mean_scores,
    standard_deviation,
    subject_intervals,
)
from mer_jax.report.differences import Compared, compared
from mer_jax.report.row import STAMP
from mer_jax.report.seeds import SIGNS_HOW, signs, uf1_per_seed
from mer_jax.report.tables import json_text
from mer_jax.report.text import (
    SCORES,
    columns,
    count,
    gap,
    interval,
    number,
    p_value,
    paragraph,
)

HOW = (
    "Paired by clip: the same subjects are resampled in both. p: two-sided, of a "
    "permutation test of UF1 that exchanges the predictions of both for whole "
    "subjects. UF1 is distinguishable where the interval excludes 0 and p is below "
    "0.05; UAR and accuracy go by the interval alone. Both are about the nets as they "
    "were trained. Several comparisons are not corrected for."
)


class _Scored(NamedTuple):
    """Scores of one side at its last epoch, the mean over seeds first."""

    mean: Scores
    intervals: Intervals
    per_seed: Sequence[Scores]


def compare_command(a: str, b: str, *, json: bool) -> None:
    """See `mer compare --help`."""
    sides = matched(open_side(a), open_side(b))
    scores = [_scored(side) for side in sides]
    of = compared(*(side.results for side in sides))
    if json:
        print(json_text(_facts(sides, scores, of)), end="")
    else:
        print("\n".join(_lines(sides, scores, of)))


def _scored(side: Side) -> _Scored:
    by_subject = last_confusions(side.results)  # [S, G, K, K]
    of_seeds = by_subject.sum(axis=1)
    return _Scored(
        mean=mean_scores(of_seeds),
        intervals=subject_intervals(by_subject),
        per_seed=[mean_scores(matrix) for matrix in of_seeds],
    )


def _facts(
    sides: Sequence[Side], scores: Sequence[_Scored], of: Compared
) -> dict[str, object]:
    differences = {name: getattr(of.differences, name) for name in SCORES}
    return {
        "schema": 1,
        "stamp": STAMP if any(side.synthetic for side in sides) else "",
        **{
            letter: _side_facts(side, own)
            for letter, side, own in zip("ab", sides, scores, strict=True)
        },
        "clips": len(sides[0].results.keys),
        "subjects": len(set(sides[0].results.subjects)),
        "classes": sides[0].results.classes,
        "other_in_protocols": list(protocols(*sides)),
        "b_minus_a": {
            **{
                name: {**vars(one), "distinguishable": one.distinguishable}
                for name, one in differences.items()
            },
            "level": of.differences.level,
            "resamples": of.differences.resamples,
        },
        "seeds": of.seeds,
        "permutation": of.permutation,
        "distinguishable": of.distinguishable,
        "verdict": _verdict(of),
        "verdict_of_seeds": _of_seeds(of.seeds, sides),
    }


def _side_facts(side: Side, own: _Scored) -> dict[str, object]:
    of_seeds = zip(side.results.seeds, own.per_seed, strict=True)
    return {
        "name": side.name,
        "marks": side.marks,
        "synthetic": side.synthetic,
        "is_result": side.is_result,
        "how": side.how,
        "notes": side.notes,
        "protocol": side.protocol
        and {"name": side.protocol.name, "hash": side.protocol.hash},
        **vars(own.mean),
        "intervals": own.intervals,
        "per_seed": [{"seed": seed, **vars(scores)} for seed, scores in of_seeds],
        "standard_deviation": standard_deviation(own.per_seed),
    }


def _lines(
    sides: Sequence[Side], scores: Sequence[_Scored], of: Compared
) -> Iterator[str]:
    for letter, side in zip("AB", sides, strict=True):
        yield f"{letter}  {side.name}"
        for text in side.marks:
            yield f"  {text}"
        yield f"  {', '.join(_conditions(side))}"
        for note in side.notes:
            yield from paragraph(note)
    for line in protocols(*sides):
        yield from paragraph(f"Not the same: {line}")
    results = sides[0].results
    yield (
        f"  {count(len(results.keys), 'clip')}, "
        f"{count(len(set(results.subjects)), 'subject')}; "
        f"{100 * of.differences.level:g} % intervals over subjects"
    )
    for mark in dict.fromkeys(mark for side in sides for mark in side.marks):
        yield f"  {mark}"
    yield ""
    width = max(map(len, SCORES.values()))
    yield columns("", ["A", "B", "B - A"], width)
    for name, spelled in SCORES.items():
        one = getattr(of.differences, name)
        told = of.distinguishable if name == "uf1" else one.distinguishable
        cells = [_cell(own, name) for own in scores]
        cells.append(gap(one, distinguishable=told))
        yield columns(spelled, cells, width)
    yield f"  p of UF1: {_test(of, sides)}"
    yield ""
    yield f"  {_verdict(of)}"
    yield f"  {_of_seeds(of.seeds, sides)}"
    yield ""
    for letter, side, own in zip("AB", sides, scores, strict=True):
        yield f"  UF1 per seed, {letter}: {_per_seed(side, own)}"
    if signs(of.seeds):
        yield f"  UF1 per seed, B - A: {_gaps(of.seeds)}"
    yield ""
    yield from paragraph(f"{HOW} {SIGNS_HOW}" if signs(of.seeds) else HOW)


def _conditions(side: Side) -> Iterator[str]:
    if side.protocol is not None:
        yield f"protocol {side.protocol.name} ({side.protocol.hash})"
        if side.protocol.reduced:
            yield side.protocol.reduced
    yield side.how
    if len(side.results.seeds) > 1:
        yield f"mean over {len(side.results.seeds)} seeds"


def _cell(own: _Scored, name: str) -> str:
    return f"{number(getattr(own.mean, name))} {interval(getattr(own.intervals, name))}"


def _test(of: Compared, sides: Sequence[Side]) -> str:
    if of.permutation is None:
        one, other = (len(side.results.seeds) for side in sides)
        return (
            f"none, A has {count(one, 'seed')} and B {count(other, 'seed')}; the "
            "interval alone decides"
        )
    exchanges = count(of.permutation.exchanges, "exchange")
    if of.permutation.exact:
        exchanges = f"all {exchanges}"
    return f"{p_value(of)} ({exchanges} of whole subjects)"


def _verdict(of: Compared) -> str:
    """Says which of the two is above in UF1, or that nobody can tell."""
    if not of.distinguishable:
        return "A and B are not distinguishable in UF1."
    above, below = ("B", "A") if of.differences.uf1.value > 0 else ("A", "B")
    return f"{above} is above {below} in UF1, and distinguishable from it."


def _of_seeds(of: SeedDifferences, sides: Sequence[Side]) -> str:
    """Says whether the difference has one sign in all seeds, or that nobody knows."""
    if any(len(side.results.seeds) == 1 for side in sides):
        return "Whether other seeds would agree is not known."
    if not of.above + of.below:
        return "No seed differs in UF1."
    if of.one_sign:
        return "The seeds agree on the sign."
    return "The seeds do not agree on the sign: another training may turn it."


def _gaps(of: SeedDifferences) -> str:
    if not of.matched:
        return f"B {signs(of)}"
    pairs = zip(of.pairs, of.uf1, strict=True)
    told = ", ".join(f"{value:+z.3f} (seed {seed})" for (seed, _), value in pairs)
    return f"{told}; B {signs(of)}"


def _per_seed(side: Side, own: _Scored) -> str:
    told = uf1_per_seed(side.results.seeds, own.per_seed)
    spread = standard_deviation(own.per_seed)
    return told if spread is None else f"{told}; sd {number(spread.uf1)}"
