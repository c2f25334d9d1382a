"""The ledger: one file per finished run, and what a workdir is for.

workdir/
  manifest.json           the rows, their settings, classes and clips
  runs/<2 hex>/<id>.npz   one per finished run; its existence means DONE
  params/<2 hex>/<id>.npz trained parameters, where kept
  shared/<id>.npz         nets of stages that all folds share, one per seed
  waves/<id>/             checkpoints of what is in flight
"""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mer_jax.ensemble.differences import differences
from mer_jax.errors import UserError
from mer_jax.files import write_atomic

VERSION = 1  # of the layout
MANIFEST = "manifest.json"
_BROKEN = (zipfile.BadZipFile, zlib.error)  # what a cut or changed .npz raises


class Ledger:
    """The results in one workdir."""

    def __init__(self, workdir: Path):
        self.workdir = workdir

    def path(self, run_id: str) -> Path:
        """Returns where the run's results are, or will be."""
        return self.workdir / "runs" / run_id[:2] / f"{run_id}.npz"

    def params_path(self, run_id: str) -> Path:
        """Returns where the run's parameters are, or will be, where kept."""
        return self.workdir / "params" / run_id[:2] / f"{run_id}.npz"

    def shared_path(self, run_id: str) -> Path:
        """Returns where the nets of shared stages are, or will be."""
        return self.workdir / "shared" / f"{run_id}.npz"

    def wave_directory(self, wave_id: str) -> Path:
        """Returns where the wave's checkpoints are."""
        return self.workdir / "waves" / wave_id

    def done(self, run_id: str) -> bool:
        """Returns whether the run has finished."""
        return self.path(run_id).exists() or self.shared_path(run_id).exists()

    def write(
        self, run_id: str, arrays: Mapping[str, np.ndarray], provenance: dict[str, Any]
    ) -> None:
        """Files a finished run.

        Args:
          run_id: `Run.id`.
          arrays: "keys" str[m] test clips, "labels" int[m], "epochs" int[E],
            "logits" float32[E, m, K], "train_counts" int[K], "curves/<metric>"
            float32[epochs of its stage], "steps/<stage>" int[] that it took,
            "seen/<stage>" uint8[.] keys of the clips it drew; of a run that draws
            sample clips, "shown/..." (`showing.pictures`); of a system with features,
            "probe/..." and "domain/..." (`probing.probes`); of one run of a row,
            "embedding/..." (`embedding.embeddings`); of inner runs, "left_out" str[.],
            people of the fold who do not train: its test clips are theirs.
          provenance: JSON values: what ran, where, with which versions.
        """
        text = np.frombuffer(json.dumps(provenance).encode(), np.uint8)
        write_npz(self.path(run_id), {**arrays, "provenance": text})

    def read(self, run_id: str) -> dict[str, Any]:
        """Returns what `write` filed, "provenance" as a dict.

        Raises:
          UserError: if the file is broken.
        """
        path = self.path(run_id)
        try:
            data = io.BytesIO(path.read_bytes())  # np.load leaks a broken file
            with np.load(data, allow_pickle=False) as archive:
                entry: dict[str, Any] = dict(archive)
            entry["provenance"] = json.loads(entry["provenance"].tobytes())
            return entry
        except (OSError, ValueError, KeyError, EOFError, *_BROKEN) as error:
            raise UserError(
                f"{path} is not a readable run ({error}). Delete it; the command "
                "that made it trains this run again"
            ) from error

    def manifest(self) -> dict[str, Any]:
        """Returns the manifest.

        Raises:
          UserError: if the folder is no workdir, or one of another version.
        """
        path = self.workdir / MANIFEST
        found: Any = None
        try:
            found = json.loads(path.read_text())
            wrong = "" if _is_ours(found) else f"it is not of layout version {VERSION}"
        except (OSError, ValueError) as error:
            wrong = str(error)
        if wrong:
            raise UserError(
                f"no readable {MANIFEST} in {self.workdir}: {wrong}. Expected a folder "
                "that `mer run` wrote, see its --workdir"
            )
        return found

    def claim(self, manifest: dict[str, Any]) -> None:
        """Makes the workdir this manifest's, or checks that it is.

        Rows may gain seeds, and inner runs; everything else must be the same.

        Raises:
          UserError: if the workdir belongs to another configuration, with the
            fields that differ.
        """
        if (self.workdir / MANIFEST).exists():
            before = self.manifest()
            differing = [*differences(_identity(before), _identity(manifest))]
            if differing:
                raise UserError(
                    f"{self.workdir} holds results of another configuration:\n"
                    + "\n".join(f"  {difference}" for difference in differing[:20])
                    + "\nChoose another --workdir, or repeat the former command"
                )
            former = {row["name"]: row for row in before["rows"]}
            for row in manifest["rows"]:
                old = former[row["name"]]
                row["seeds"] = sorted({*row["seeds"], *old["seeds"]})
                row["runs"] = {**old["runs"], **row["runs"]}
                if "inner" in old:  # they remain, wanted again or not
                    now = row.get("inner", old["inner"])
                    runs = {**old["inner"]["runs"], **now["runs"]}
                    row["inner"] = {**now, "runs": runs}
        text = json.dumps(manifest, indent=1)
        write_atomic(self.workdir / MANIFEST, text.encode())


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes a compressed .npz atomically."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(path, buffer.getbuffer())


def read_nets(path: Path, prefix: str = "") -> dict[str, np.ndarray]:
    """Returns the arrays of an .npz whose names start so, by what follows.

    Raises:
      UserError: if the file is broken.
    """
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            names = [name for name in archive.files if name.startswith(prefix)]
            return {name.removeprefix(prefix): archive[name] for name in names}
    except (OSError, ValueError, EOFError, *_BROKEN) as error:
        raise UserError(
            f"cannot read the nets in {path} ({error}). Train them again in another "
            "--workdir"
        ) from error


def _is_ours(manifest: Any) -> bool:
    known = isinstance(manifest, dict) and manifest.get("version") == VERSION
    return known and isinstance(manifest.get("rows"), list)


_IDENTITY = ("settings", "classes", "samples", "content")  # the rest follows


def _identity(manifest: dict[str, Any]) -> dict[str, Any]:
    rows = {row["name"]: {k: row[k] for k in _IDENTITY} for row in manifest["rows"]}
    return {"version": manifest["version"], "rows": rows}
