"""From a ledger to `Results`: the test logits of all runs, joined by clip key."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mer_jax.ensemble.ledger import Ledger
from mer_jax.errors import UserError
from mer_jax.metrics.probes import Probe
from mer_jax.metrics.results import Results


class Shown(NamedTuple):
    """Sample clips as the runs of one seed drew them.

    Attributes:
      seed: of these runs.
      pictures: clip key -> "<stage>/<name>" -> uint8[H, W] or [H, W, 3].
    """

    seed: int
    pictures: Mapping[str, Mapping[str, np.ndarray]]


class Collected(NamedTuple):
    """What a row has measured so far.

    Attributes:
      results: the test logits of its runs.
      provenance: of these runs: the values they agree on, the mean seconds per run,
        and how many runs are done.
      shown: sample clips; None where no run drew any.
      probes: group -> "before" and "after" -> one of each run that probed it.
    """

    results: Results
    provenance: dict[str, Any]
    shown: Shown | None
    probes: Mapping[str, Mapping[str, Sequence[Probe]]]


def collect(ledger: Ledger, row: Mapping[str, Any]) -> Collected:
    """Returns what a row has measured so far, and how.

    The seeds with the most finished folds count, with the folds all of them have:
    clips are pooled over complete sets only.

    Args:
      ledger: of the workdir.
      row: of its manifest.

    Raises:
      UserError: if no run has finished.
    """
    done = {
        (fold, seed): row["runs"][f"{fold} {seed}"]
        for fold in row["folds"]
        for seed in row["seeds"]
        if ledger.done(row["runs"][f"{fold} {seed}"])
    }
    if not done:
        raise UserError(
            f"{row['name']}: no run of {len(row['runs'])} has finished yet; "
            "`mer status` shows the progress"
        )
    counts = {seed: sum(s == seed for _, s in done) for seed in row["seeds"]}
    seeds = [s for s in row["seeds"] if counts[s] == max(counts.values())]
    folds = [f for f in row["folds"] if all((f, s) in done for s in seeds)]
    if not folds:  # no fold in common: one seed is better than none
        seeds = seeds[:1]
        folds = [f for f in row["folds"] if (f, seeds[0]) in done]
    entries = {
        (fold, seed): ledger.read(done[fold, seed]) for fold in folds for seed in seeds
    }
    return Collected(
        results=_pool(entries, folds, seeds, row),
        provenance=_common(entries.values(), len(done), row),
        shown=_shown(entries, seeds),
        probes=_probes(list(entries.values())),
    )


def _pool(
    entries: Mapping[tuple[str, int], Mapping[str, Any]],
    folds: Sequence[str],
    seeds: Sequence[int],
    row: Mapping[str, Any],
) -> Results:
    first = [entries[fold, seeds[0]] for fold in folds]
    sizes = [len(entry["keys"]) for entry in first]
    keys = np.concatenate([entry["keys"] for entry in first]).tolist()
    logits = [
        np.concatenate([entries[fold, seed]["logits"] for fold in folds], axis=1)
        for seed in seeds
    ]
    counts = np.stack([entry["train_counts"] for entry in first]).astype(np.float64)
    priors = counts / counts.sum(axis=1, keepdims=True)
    return Results(
        keys=keys,
        corpora=[key.split("/")[0] for key in keys],
        subjects=[key.rsplit("/", 1)[0] for key in keys],
        labels=np.concatenate([entry["labels"] for entry in first]),
        folds=np.repeat(folds, sizes).tolist(),
        classes=row["classes"],
        seeds=seeds,
        epochs=first[0]["epochs"],
        logits=np.stack(logits),
        priors=np.repeat(priors, sizes, axis=0),
        expected_clips=len(row["clips"]),
        expected_folds=len(row["folds"]),
        leaky=bool(row["protocol"]["leak"]),
    )


def _shown(
    entries: Mapping[tuple[str, int], Mapping[str, Any]], seeds: Sequence[int]
) -> Shown | None:
    """Returns the sample clips of the seed that drew most, the first of equals."""
    found: dict[int, dict[str, dict[str, np.ndarray]]] = {seed: {} for seed in seeds}
    for (_, seed), entry in entries.items():
        keys = entry.get("shown/keys", np.array([]))  # old runs drew none
        drawn = {n: a for n, a in entry.items() if n.startswith("shown/")}
        drawn.pop("shown/keys", None)
        for i, key in enumerate(keys.tolist()):
            own = {n.removeprefix("shown/"): array[i] for n, array in drawn.items()}
            found[seed][key] = own
    seed = max(seeds, key=lambda s: len(found[s]))
    return Shown(seed, dict(sorted(found[seed].items()))) if found[seed] else None


def _probes(
    entries: Sequence[Mapping[str, Any]],
) -> dict[str, dict[str, list[Probe]]]:
    """Returns what the runs filed as "probe/<group>/<when>/<field>", old ones nothing.

    Groups and times are in the order in which they were filed.
    """
    found: dict[str, dict[str, list[Probe]]] = {}
    for entry in entries:
        names = [name.split("/") for name in entry if name.startswith("probe/")]
        for group, when in dict.fromkeys((g, w) for _, g, w, _ in names):
            own = [entry[f"probe/{group}/{when}/{f}"].item() for f in Probe._fields]
            found.setdefault(group, {}).setdefault(when, []).append(Probe(*own))
    return found


def _common(entries, done: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the provenance the runs share; where they differ, every value."""
    records = [entry["provenance"] for entry in entries]
    own = {"row", "fold", "seed", "schedules", "seconds", "finished", "content"}
    merged: dict[str, Any] = {"runs done": f"{done} of {len(row['runs'])}"}
    for name in records[0].keys() - own:
        values = [record.get(name) for record in records]
        distinct = [v for i, v in enumerate(values) if v not in values[:i]]
        merged[name] = distinct[0] if len(distinct) == 1 else distinct
    merged["seconds per run"] = round(
        float(np.mean([r["seconds"] for r in records])), 2
    )
    merged["first finished"] = min(r["finished"] for r in records)
    merged["last finished"] = max(r["finished"] for r in records)
    return dict(sorted(merged.items()))
