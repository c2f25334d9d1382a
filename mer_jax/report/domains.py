"""What probes of domains say, over the runs of a row."""

from collections.abc import Iterator, Sequence

from mer_jax.metrics.domains import pooled
from mer_jax.report.row import Row

DOMAINS_TOLD = "Domains told apart by the features"
DOMAINS = ("sample and", "balanced accuracy", "of the sample", "of the other", "runs")
TOLD_HOW = (
    "Probed are the features of the last stage, before -> after its training: a "
    "discriminator, kernel ridge regression, is trained anew in every run to tell the "
    "clips of another input from those of the sample, and judged on clips it did not "
    "see: of the sample those the run held out, of the other those of every other "
    "person. Counts are of clips that it told, over all runs; balanced accuracy is the "
    "mean of both shares. 0.5 is chance, which does not prove that the domains are "
    "alike."
)


def domains_over_runs(row: Row) -> dict[str, dict[str, object]]:
    """Returns further input -> "before" and "after" -> counts over the runs."""
    return {
        name: {
            when: {"runs": len(probes), "balanced_accuracy": pooled(probes).accuracy}
            | pooled(probes)._asdict()
            for when, probes in times.items()
        }
        for name, times in row.domains.items()
    }


def domain_cells(row: Row) -> Iterator[tuple[str, ...]]:
    """Yields the cells below `DOMAINS`, once for each further input."""
    for name, times in row.domains.items():
        found = [pooled(times[when]) for when in ("before", "after")]
        yield (
            name,
            _change([f"{of.accuracy:.3f}" for of in found]),
            _change([_share(of.own_hits, of.own_clips) for of in found]),
            _change([_share(of.other_hits, of.other_clips) for of in found]),
            str(len(times["after"])),
        )


def _share(hits: int, clips: int) -> str:
    return f"{hits} of {clips}"


def _change(spelled: Sequence[str]) -> str:
    return " -> ".join(spelled)
