"""`mer export`."""

import json as json_module
from pathlib import Path

from mer_jax.ensemble.export import export
from mer_jax.ensemble.ledger import Ledger


def export_command(
    workdir: str,
    file: str,
    *,
    row: str | None,
    stage: str | None,
    fold: str | None,
    seed: int | None,
    json: bool,
) -> None:
    """See `mer export --help`."""
    ledger, path = (Path(text).expanduser() for text in (workdir, file))
    done = export(Ledger(ledger), path, row=row, stage=stage, fold=fold, seed=seed)
    if json:
        told = {"file": str(done.path), "sha256": done.digest, "bytes": done.num_bytes}
        print(json_module.dumps({**told, **done.about}, indent=1))
        return
    print(
        "{path}: {row} after stage {stage}, fold {fold}, seed {seed}".format(
            path=done.path, **done.about
        )
    )
    print(f"  {done.num_bytes} bytes, known by their content as {done.digest}")
