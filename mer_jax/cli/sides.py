"""What `mer compare` compares: a row of a workdir, or a file of predictions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mer_jax.cli.score import HANDED_IN, is_synthetic, never_true
from mer_jax.errors import UserError
from mer_jax.files import typed_path
from mer_jax.metrics import Results, in_classes, read_predictions
from mer_jax.report.row import NO_RESULT, ProtocolInfo

_FEW = 3  # clips, rules, classes that are named; the rest is counted


@dataclass(frozen=True, kw_only=True)
class Side:
    """A or B.

    Attributes:
      name: as given, with the row where it was not.
      results: of the clips that it holds.
      marks: what must stand beside its scores: synthetic, incomplete, leaky.
      synthetic: whether any clip is drawn.
      is_result: whether its scores may be called one.
      how: how the epoch was chosen.
      notes: what else a reader must know.
      protocol: None of a file.
    """

    name: str
    results: Results
    marks: Sequence[str]
    synthetic: bool
    is_result: bool
    how: str
    notes: Sequence[str]
    protocol: ProtocolInfo | None


def open_side(text: str) -> Side:
    """Returns what FILE, WORKDIR or WORKDIR:ROW names.

    Raises:
      UserError: if there is no such file, workdir or row, a workdir with several rows
        is given without one, or no run of it has finished.
    """
    path = typed_path(text)
    if path.is_file():
        return _of_file(text, path)
    if path.is_dir():
        return _of_workdir(text, path, None)
    # A row's name may hold colons, and so may that of a folder.
    for end in (i for i, letter in enumerate(text) if letter == ":"):
        path = typed_path(text[:end])
        if path.is_dir():
            return _of_workdir(text[:end], path, text[end + 1 :])
    raise UserError(
        f"{text}: no such file or folder. Expected a CSV file of predictions, or a "
        "folder that `mer run` wrote: WORKDIR, or WORKDIR:ROW for one of several rows"
    )


def _of_file(text: str, path: Path) -> Side:
    found = read_predictions(path)
    return Side(
        name=text,
        results=found.results,
        marks=found.stamps,
        synthetic=is_synthetic(found),
        is_result=False,
        how="as handed in",
        notes=[HANDED_IN, *never_true(found)],
        protocol=None,
    )


def _of_workdir(text: str, path: Path, name: str | None) -> Side:
    from mer_jax.cli.show import report_row  # imports JAX, which a file does not need
    from mer_jax.ensemble.ledger import Ledger

    ledger = Ledger(path)
    rows = {row["name"]: row for row in ledger.manifest()["rows"]}
    if name is None and len(rows) > 1:
        raise UserError(
            f"{text} has several rows; name one as {text}:ROW. Rows: {', '.join(rows)}"
        )
    if name is not None and name not in rows:
        raise UserError(f"{text} has no row {name!r}. Rows: {', '.join(rows)}")
    name = next(iter(rows)) if name is None else name
    row = report_row(ledger, rows[name])
    return Side(
        name=f"{text}:{name}",
        results=row.results,
        marks=row.marks,
        synthetic=row.synthetic,
        is_result=row.results.complete and not row.warning,
        how=f"{row.selection} ({row.results.epochs[-1]})",
        notes=[NO_RESULT] if row.warning else [],
        protocol=row.protocol,
    )


def matched(a: Side, b: Side) -> tuple[Side, Side]:
    """Returns both over the same classes, if they may be compared.

    Raises:
      UserError: with what differs of protocols, clips, labels, subjects or classes.
    """
    one, other = _named(a.results, b), _named(b.results, a)
    same = (
        a.protocol is None or b.protocol is None or a.protocol.hash == b.protocol.hash
    )
    differing = [*_samples(one, other)]
    if differing or not same:
        differing += [*_numbers("A", a.results, one), *_numbers("B", b.results, other)]
        differing = [*protocols(a, b), *differing]
        raise UserError(
            "A and B score other things and are not compared:\n"
            + "\n".join(f"  {line}" for line in differing)
            + f"\nA is {_told(a)}. B is {_told(b)}. Compare what scores the same "
            "clips, with the same labels, under one protocol"
        )
    classes = tuple(dict.fromkeys((*one.classes, *other.classes)))
    return (
        replace(a, results=in_classes(one, classes)),
        replace(b, results=in_classes(other, classes)),
    )


def _told(side: Side) -> str:
    return "; ".join((side.name, *side.marks))


def _named(results: Results, beside: Side) -> Results:
    """Returns results with numbers of classes as names, if a workdir is beside them.

    Numbers are positions in the classes of its protocol, as in a report's predictions.
    """
    names = beside.results.classes
    numbers = [name for name in results.classes if name.isdecimal()]
    if beside.protocol is None or len(numbers) < len(results.classes):
        return results
    if max(map(int, numbers)) >= len(names) or set(numbers) & set(names):
        return results
    return replace(results, classes=[names[int(number)] for number in numbers])


def _numbers(side: str, before: Results, named: Results) -> Iterator[str]:
    if before.classes != named.classes:
        pairs = zip(before.classes, named.classes, strict=True)
        told = ", ".join(f"{number} is {name}" for number, name in pairs)
        yield f"numbers of classes in {side}: {told}"


def protocols(a: Side, b: Side) -> Iterator[str]:
    """Yields what differs of two protocols, if both are known."""
    one, other = a.protocol, b.protocol
    if one is None or other is None:
        return
    if (one.name, one.hash) != (other.name, other.hash):
        told = [f"{p.name} ({p.hash})" for p in (one, other)]
        yield f"protocol: {told[0]} in A, {told[1]} in B"
    if one.reduced != other.reduced:
        whole = "the published sample"
        yield f"sample: {one.reduced or whole} in A, {other.reduced or whole} in B"
    yield from _only("rules", set(one.rules), set(other.rules))


def _samples(a: Results, b: Results) -> Iterator[str]:
    """Yields what differs of classes, clips, labels and subjects."""
    names = [sorted({r.classes[label] for label in r.labels}) for r in (a, b)]
    if names[0] != names[1]:
        yield f"true classes: {', '.join(names[0])} in A, {', '.join(names[1])} in B"
    yield from _only("clips", set(a.keys), set(b.keys))
    for what, of in (
        ("labels", lambda r: [r.classes[label] for label in r.labels]),
        ("subjects", lambda r: r.subjects),
    ):
        one, other = (dict(zip(r.keys, of(r), strict=True)) for r in (a, b))
        yield from _other(what, one, other)


def _only(what: str, a: set[str], b: set[str]) -> Iterator[str]:
    for side, lost in (("A", a - b), ("B", b - a)):
        if lost:
            yield f"{what}: {len(lost)} only in {side}: {_first(sorted(lost))}"


def _other(what: str, a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[str]:
    both = sorted(set(a) & set(b))
    told = [f"{k} ({a[k]} in A, {b[k]} in B)" for k in both if a[k] != b[k]]
    if told:
        yield f"{what}: other at {len(told)} of {len(both)} clips: {_first(told)}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + (", ..." if len(names) > _FEW else "")
