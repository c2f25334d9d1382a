"""What the probes of features say, over the runs of a row."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mer_jax.metrics.probes import Probe
from mer_jax.report.row import Row

QUESTION = "Identity left in the features"
PROBES = ("people", "information (nats)", "can reach", "accuracy", "chance", "runs")
PROBED_HOW = (
    "Probed are the features of the last stage, before -> after its training: mean "
    "over runs [least, greatest]. Seen are people the run trained on, unseen those it "
    "held out. Each half of their clips trains the probes that are judged on the "
    "other. Information: a lower bound of that between features and person, at the "
    "critic's best scale; 0 where it finds none, which does not prove that there is "
    "none, and at most the logarithm of the number of people. Accuracy: of a linear "
    "probe that names the person; chance: naming the one with most clips."
)


def over_runs(row: Row) -> dict[str, dict[str, dict[str, Any]]]:
    """Returns group of people -> "before" and "after" -> mean, least and greatest."""
    return {
        group: {
            when: {"runs": len(probes)}
            | {
                name: dict(zip(("mean", "min", "max"), _spread(values), strict=True))
                for name, values in zip(
                    Probe._fields, zip(*probes, strict=True), strict=True
                )
            }
            for when, probes in times.items()
        }
        for group, times in row.probes.items()
    }


def probe_cells(row: Row) -> Iterator[tuple[str, ...]]:
    """Yields the cells below `PROBES`, once for each group of people."""
    for group, times in row.probes.items():
        after = times["after"]
        yield (
            f"{_whole(p.people for p in after)} {group}",
            _change(times["before"], after, lambda p: p.information),
            f"{_spread([math.log(p.people) for p in after])[0]:.3f}",
            _change(times["before"], after, lambda p: p.accuracy),
            f"{_spread([p.chance for p in after])[0]:.3f}",
            str(len(after)),
        )


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    return sum(values) / len(values), min(values), max(values)


def _change(
    before: Sequence[Probe], after: Sequence[Probe], value: Callable[[Probe], float]
) -> str:
    """Spells '0.512 [0.401, 0.633] -> 0.101 [0.020, 0.200]'."""
    spelled = []
    for probes in (before, after):
        mean, least, greatest = _spread([value(p) for p in probes])
        spelled.append(f"{mean:.3f} [{least:.3f}, {greatest:.3f}]")
    return " -> ".join(spelled)


def _whole(values: Iterator[int]) -> str:
    ordered = sorted(set(values))
    return "–".join(str(n) for n in dict.fromkeys((ordered[0], ordered[-1])))
