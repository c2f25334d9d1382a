"""Nets from a workdir to a `.safetensors` file that other runs can start from."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import mer_jax
from mer_jax.data.pools import SHARED
from mer_jax.ensemble.experiment import run_id
from mer_jax.ensemble.ledger import Ledger, read_nets
from mer_jax.errors import UserError
from mer_jax.files import write_atomic

SUFFIX = ".safetensors"


class Nets(NamedTuple):
    """Nets as a stage left them.

    Attributes:
      stage: name.
      fold: name; `SHARED` where the stage trained once for all.
      seed: of the run.
      run: its id.
      path: where they are, if they were kept.
    """

    stage: str
    fold: str
    seed: int
    run: str
    path: Path

    def __str__(self):
        """Returns "fold, seed" for messages."""
        return f"{self.fold} (seed {self.seed})"


class Exported(NamedTuple):
    """What was written.

    Attributes:
      path: the file.
      digest: 16 hex digits, by which runs that start from it know it.
      num_bytes: its size.
      about: where the nets come from, as its header tells.
    """

    path: Path
    digest: str
    num_bytes: int
    about: dict[str, str]


def export(
    ledger: Ledger,
    path: Path,
    *,
    row: str | None = None,
    stage: str | None = None,
    fold: str | None = None,
    seed: int | None = None,
) -> Exported:
    """Writes the nets after a stage; the same nets make the same bytes.

    Args:
      ledger: of the workdir.
      path: of the file, "*.safetensors".
      row: name; may be left out where there is one.
      stage: name. Default: the last of those that all folds share, if there is one
        and no fold is named; else the last.
      fold: name; may be left out where one run is kept, or all folds share the stage.
      seed: may be left out where there is one.

    Raises:
      UserError: if there are no such nets or several, or `path` is something else.
    """
    from safetensors.numpy import save

    if path.suffix != SUFFIX:
        raise UserError(f"{path}: expected a name that ends in {SUFFIX}")
    entry = _row(ledger, row)
    nets = _choose(entry["name"], finished(ledger, entry), stage, fold, seed)
    about = _about(entry, nets)
    # One value, as the library writes several in an order that changes.
    header = {"mer_jax": json.dumps(about, sort_keys=True)}
    data = save(_leaves(nets), header)
    if not path.exists():
        write_atomic(path, data)
    elif not path.is_file() or path.read_bytes() != data:
        raise UserError(f"{path} exists and is something else. Choose another name")
    digest = hashlib.sha256(data).hexdigest()[:16]
    return Exported(path, digest, len(data), about)


def finished(ledger: Ledger, row: Mapping[str, Any]) -> list[Nets]:
    """Returns the nets of a row that are trained, in order of their stages.

    Args:
      ledger: of the workdir.
      row: of its manifest.
    """
    found = []
    for seed in row["seeds"]:
        name = run_id(row["settings"], row["content"], SHARED, seed)
        path = ledger.shared_path(name)
        stages = read_nets(path, "seen/") if path.exists() else {}
        found += [Nets(stage, SHARED, seed, name, path) for stage in stages]
    runs = [(f, s, row["runs"][f"{f} {s}"]) for s in row["seeds"] for f in row["folds"]]
    done = [run for run in runs if ledger.done(run[-1])]
    if done:
        *_, last = ledger.read(done[0][-1])["provenance"]["schedules"]
        found += [Nets(last, *run, ledger.params_path(run[-1])) for run in done]
    return found


def _row(ledger: Ledger, name: str | None) -> dict[str, Any]:
    rows = {row["name"]: row for row in ledger.manifest()["rows"]}
    if name is None and len(rows) == 1:
        return next(iter(rows.values()))
    if name not in rows:
        what = "which row?" if name is None else f"no row {name!r}."
        raise UserError(f"{ledger.workdir}: {what} --row is one of: {', '.join(rows)}")
    return rows[name]


def _choose(
    row: str,
    found: Sequence[Nets],
    stage: str | None,
    fold: str | None,
    seed: int | None,
) -> Nets:
    if not found:
        raise UserError(f"{row}: no run has finished yet; `mer status` shows how far")
    stages = list(dict.fromkeys(nets.stage for nets in found))
    shared = [nets.stage for nets in found if nets.fold == SHARED and fold is None]
    stage = stage or [*stages, *shared][-1]
    if stage not in stages:
        raise UserError(
            f"{row}: no nets after stage {stage!r}. There are those of the stages that "
            f"all folds share, and of the last, once finished: {', '.join(stages)}"
        )
    of_stage = [nets for nets in found if nets.stage == stage]
    fits = lambda n: fold in (None, n.fold) and seed in (None, n.seed)
    fitting = [nets for nets in of_stage if fits(nets)]
    kept = [nets for nets in fitting if nets.path.exists()]
    if len(kept) == 1:
        return kept[0]
    if fitting and not kept:
        raise UserError(
            f"{row}: the parameters of {_listed(fitting)} were not kept. Train again "
            "in another --workdir with --keep-params all"
        )
    problem = "several runs fit" if kept else "no finished run fits"
    raise UserError(
        f"{row}, stage {stage}: {problem}. Choose --fold and --seed among: "
        f"{_listed(kept or of_stage)}"
    )


def _listed(nets: Sequence[Nets]) -> str:
    more = f", ... ({len(nets)})" if len(nets) > 5 else ""
    return ", ".join(map(str, nets[:5])) + more


def _leaves(nets: Nets) -> dict[str, np.ndarray]:
    """Returns "params/<net>/..." and "model_state/<net>/..." -> array."""
    places = {"params/": "params/", "model_state/": "model_state/"}
    if nets.fold == SHARED:  # a pair, see shared.py
        start = f"nets/{nets.stage}"
        places = {f"{start}/0/": "params/", f"{start}/1/": "model_state/"}
    arrays = {
        place + name: array
        for prefix, place in places.items()
        for name, array in read_nets(nets.path, prefix).items()
    }
    # Row-major: the library writes memory as it lies.
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}


def _about(row: Mapping[str, Any], nets: Nets) -> dict[str, str]:
    synthetic = any(synthetic for _, _, synthetic in row["clips"])
    unknown = "unknown" if row["settings"]["pools"] else "no"  # of the pools' clips
    return {
        "version": mer_jax.__version__,
        "row": row["name"],
        "system": row["settings"]["system"][""],
        "stage": nets.stage,
        "fold": nets.fold,
        "seed": str(nets.seed),
        "run": nets.run,
        "synthetic": "yes" if synthetic else unknown,
        "content": row["content"],
    }
