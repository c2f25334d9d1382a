"""From a ledger to `Results`: the test logits of all runs, joined by clip key."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from mer_jax.data.pools import SHARED
from mer_jax.ensemble.cost import Cost, cost_of_runs
from mer_jax.ensemble.embedding import OWN
from mer_jax.ensemble.experiment import run_id
from mer_jax.ensemble.inner import Inner, inner_validation
from mer_jax.ensemble.ledger import Ledger
from mer_jax.ensemble.shared import shared_records
from mer_jax.errors import UserError
from mer_jax.metrics.curves import Curve, over_runs
from mer_jax.metrics.domains import DomainProbe
from mer_jax.metrics.probes import Probe
from mer_jax.metrics.results import Results

_P = TypeVar("_P", Probe, DomainProbe)


class Shown(NamedTuple):
    """Sample clips as the runs of one seed drew them.

    Attributes:
      seed: of these runs.
      pictures: clip key -> "<stage>/<name>" -> uint8[H, W], [H, W, 3], or [H, W, 2], a
        grey image and the map to be laid over it.
    """

    seed: int
    pictures: Mapping[str, Mapping[str, np.ndarray]]


class Embedded(NamedTuple):
    """Features of one input's clips as one run computed them.

    Attributes:
      labels: int[n], -1 where there are none.
      held_out: bool[n], whether the run tested on the clip.
      before, after: float[n, D], with the nets at either end of the last stage.
    """

    labels: np.ndarray
    held_out: np.ndarray
    before: np.ndarray
    after: np.ndarray


class Embedding(NamedTuple):
    """Features of the first run that filed some, by row and then by seed.

    Attributes:
      fold, seed: of this run.
      inputs: of the sample, which comes first and is called "own", and of others.
    """

    fold: str
    seed: int
    inputs: Mapping[str, Embedded]


class Collected(NamedTuple):
    """What a row has measured so far.

    Attributes:
      results: the test logits of its runs.
      provenance: of these runs: the values they agree on, the mean seconds per run,
        and how many runs are done.
      shown: sample clips; None where no run drew any.
      probes: group -> "before" and "after" -> one of each run that probed it.
      domains: further input -> likewise.
      embedding: features of one run; None where no run filed any.
      curves: stage -> metric -> over the runs.
      cost: what they took.
      inner: what inner runs chose; None where there were to be none.
    """

    results: Results
    provenance: dict[str, Any]
    shown: Shown | None
    probes: Mapping[str, Mapping[str, Sequence[Probe]]]
    domains: Mapping[str, Mapping[str, Sequence[DomainProbe]]]
    embedding: Embedding | None
    curves: Mapping[str, Mapping[str, Curve]]
    cost: Cost
    inner: Inner | None = None


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
    inner = inner_validation(ledger, row, folds, seeds)
    own, settings = list(entries.values()), (row["settings"], row["content"])
    ids = [run_id(*settings, SHARED, seed) for seed in seeds]
    shared = [found for i in ids if (found := shared_records(ledger, i))]
    return Collected(
        results=_pool(entries, folds, seeds, row, inner),
        provenance=_common(own, len(done), row),
        shown=_shown(entries, seeds),
        probes=_probes(own, "probe", Probe),
        domains=_probes(own, "domain", DomainProbe),
        embedding=_embedding(entries),
        curves=_curves([*shared, *own]),
        cost=cost_of_runs(own, shared),
        inner=inner,
    )


def _pool(
    entries: Mapping[tuple[str, int], Mapping[str, Any]],
    folds: Sequence[str],
    seeds: Sequence[int],
    row: Mapping[str, Any],
    inner: Inner | None,
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
        expected_seeds=len(row["seeds"]),
        leaky=bool(row["protocol"]["leak"]),
        inner_epochs=None if inner is None else inner.epochs,
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
    entries: Sequence[Mapping[str, Any]], kind: str, made: Callable[..., _P]
) -> dict[str, dict[str, list[_P]]]:
    """Returns what runs filed as "<kind>/<of what>/<when>/<field>", old ones nothing.

    What was probed, and when, is in the order in which it was filed.
    """
    found: dict[str, dict[str, list[_P]]] = {}
    for entry in entries:
        fields: dict[tuple[str, str], dict[str, Any]] = {}
        for name in entry:
            if name.startswith(f"{kind}/"):
                _, what, when, field = name.split("/")
                fields.setdefault((what, when), {})[field] = entry[name].item()
        for (what, when), own in fields.items():
            found.setdefault(what, {}).setdefault(when, []).append(made(**own))
    return found


def _embedding(
    entries: Mapping[tuple[str, int], Mapping[str, Any]],
) -> Embedding | None:
    prefix = "embedding/keys/"
    for (fold, seed), entry in entries.items():
        names = [n.removeprefix(prefix) for n in entry if n.startswith(prefix)]
        inputs = {
            name: Embedded(
                labels=entry[f"embedding/labels/{name}"],
                held_out=np.isin(entry[prefix + name], entry["keys"]),
                before=entry[f"embedding/before/{name}"].astype(np.float32),
                after=entry[f"embedding/after/{name}"].astype(np.float32),
            )
            for name in sorted(names, key=lambda name: name != OWN)
        }
        if inputs:
            return Embedding(fold, seed, inputs)
    return None


def _curves(entries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Returns what was filed as "curves/<stage>/<metric>", stages as they trained."""
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for entry in entries:
        for name in entry:
            if name.startswith("curves/"):
                _, stage, metric = name.split("/", 2)
                found.setdefault(stage, {}).setdefault(metric, []).append(entry[name])
    return {
        stage: {metric: over_runs(values) for metric, values in own.items()}
        for stage, own in found.items()
    }


def _common(entries, done: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the provenance the runs share; where they differ, every value."""
    records = [entry["provenance"] for entry in entries]
    own = {"row", "fold", "seed", "schedules", "seconds", "finished", "content", "wave"}
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
