"""The finished runs of a workdir, and those among them that are meant."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mer_jax.data.inner import INNER
from mer_jax.ensemble.experiment import run_id
from mer_jax.ensemble.ledger import MANIFEST, Ledger
from mer_jax.errors import UserError

_LISTED = 5  # runs in a message


class Recorded(NamedTuple):
    """A finished run.

    Attributes:
      row: of the manifest.
      fold: name; of an inner run "inner of ...".
      seed: of the run.
      id: its name in the ledger.
    """

    row: Mapping[str, Any]
    fold: str
    seed: int
    id: str

    def __str__(self):
        """Returns "row, fold, seed" for messages."""
        return f"{self.row['name']}, fold {self.fold}, seed {self.seed}"


def choose(
    ledger: Ledger,
    *,
    runs: Sequence[str] = (),
    row: str | None = None,
    fold: str | None = None,
    seed: int | None = None,
    every: bool = False,
) -> list[Recorded]:
    """Returns the finished runs that are meant, in order of the manifest.

    Args:
      ledger: of the workdir.
      runs: their ids; none for all.
      row: name; None for all.
      fold: name, of an inner run "inner of ..."; None for all.
      seed: None for all.
      every: whether all that fit are meant, and not the first alone. Runs that are
        named by id all are.

    Raises:
      UserError: if none fits, or the manifest's settings are not those of the runs.
    """
    done = finished_runs(ledger)
    if not done:
        raise UserError(
            f"{ledger.workdir}: no run has finished yet; `mer status` shows how far"
        )
    wanted = ((row, 0), (fold, 1), (seed, 2))
    of = lambda run: (run.row["name"], run.fold, run.seed)
    fits = lambda run: all(want in (None, of(run)[i]) for want, i in wanted)
    fitting = [run for run in done if fits(run) and (not runs or run.id in runs)]
    missing = set(runs) - {run.id for run in fitting}
    if missing or not fitting:
        some = "".join(f"\n  {run} ({run.id})" for run in done[:_LISTED])
        more = f"\n  ... ({len(done)})" if len(done) > _LISTED else ""
        what = ", ".join(sorted(missing)) or "fits"
        raise UserError(
            f"{ledger.workdir}: no finished run {what}. "
            f"Choose --row, --fold and --seed, or ids, among:{some}{more}"
        )
    chosen = fitting if every or runs else fitting[:1]
    for run in chosen:
        told = run.row["settings"], run.row["content"]
        if run_id(*told, run.fold, run.seed) != run.id:
            raise UserError(
                f"{ledger.workdir / MANIFEST}: the settings of {run.row['name']!r} are "
                f"not those under which run {run.id} was filed. The file was changed "
                "since; nothing can be replayed by it"
            )
    return chosen


def finished_runs(ledger: Ledger) -> list[Recorded]:
    """Returns the finished runs row by row, the inner runs of each after the others."""
    return [
        run
        for row in ledger.manifest()["rows"]
        for run in recorded_runs(row)
        if ledger.done(run.id)
    ]


def recorded_runs(row: Mapping[str, Any]) -> list[Recorded]:
    """Returns all runs of a manifest's row, finished or not."""
    kinds = {"": row["runs"], INNER: row.get("inner", {"runs": {}})["runs"]}
    return [
        Recorded(row, prefix + fold, seed, runs[f"{fold} {seed}"])
        for prefix, runs in kinds.items()
        for fold in row["folds"]
        for seed in row["seeds"]
        if f"{fold} {seed}" in runs
    ]
