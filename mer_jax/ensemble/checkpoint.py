"""Checkpoints of the wave in flight; the only file that imports orbax.

A checkpoint is one stacked tree [L, ...] of every run in the wave, with the names
of the runs beside it. Only the newest is kept: results are the ledger's business.
"""

import contextlib
import dataclasses
import errno
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
from orbax.checkpoint import v1 as ocp

from mer_jax.files import cannot_write, disk_is_full
from mer_jax.typing import PyTree

# Orbax announces every save, and every error once more than it raises it.
logging.getLogger("absl").setLevel(logging.CRITICAL)

_OVERHEAD = 10**6  # bytes of a checkpoint beside its arrays


@dataclasses.dataclass(frozen=True)
class Place:
    """Where in its training a wave stands.

    Attributes:
      stage: name.
      step: steps taken in this stage.
      order: steps taken in all stages, the checkpoint's number.
    """

    stage: str
    step: int
    order: int


class Checkpoints:
    """The checkpoints of one wave. A context manager: leaving it waits for disk."""

    def __init__(self, directory: Path, *, clean: bool = False):
        """Opens the checkpoints in `directory`.

        Args:
          directory: made if absent.
          clean: remove what a killed process left half-written. Only for the process
            that trains the wave: another one's half may still be growing.
        """
        self._directory = directory
        self._checkpointer = ocp.training.Checkpointer(
            directory.resolve(),
            preservation_policy=ocp.training.preservation_policies.LatestN(1),
            cleanup_tmp_directories=clean,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._disk_errors():
            self._checkpointer.close()  # raises what went wrong behind a save again

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        """Turns a full disk, however orbax and tensorstore spell it, into our error."""
        try:
            yield
        except (OSError, ValueError) as error:
            if not disk_is_full(error):
                raise
            raise cannot_write(self._directory, error) from error

    def save(
        self,
        place: Place,
        tree: PyTree,
        runs: list[str],
        real: int,
        computed: Mapping[str, Any],
    ) -> None:
        """Writes a checkpoint; the one before goes when this one is whole.

        Args:
          place: where the wave stands.
          tree: what it has.
          runs: ids of its runs.
          real: how many of them are no padding.
          computed: what the tree's bits depend on beside the runs, as JSON has it.

        Raises:
          UserError: if the disk refuses; the checkpoint before stays.
        """
        metadata = {
            "stage": place.stage,
            "step": place.step,
            "runs": runs,
            "real": real,
            "computed": dict(computed),
        }
        # Asked first: a write that fails half way makes orbax fill the screen.
        needed = sum(x.nbytes for x in jax.tree.leaves(tree)) + _OVERHEAD
        if shutil.disk_usage(self._directory).free < needed:
            full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            raise cannot_write(self._directory, full, needed)
        with self._disk_errors():
            self._checkpointer.save(
                place.order,
                tree,
                force=True,
                custom_metadata=metadata,
            )

    def latest(self) -> tuple[Place, dict[str, Any]] | None:
        """Returns the newest checkpoint's place and metadata, or None."""
        newest = self._checkpointer.latest
        if newest is None:
            return None
        metadata = self._checkpointer.metadata(newest).custom_metadata
        return Place(metadata["stage"], metadata["step"], newest.step), metadata

    def load(self, place: Place, abstract: PyTree) -> PyTree:
        """Returns the tree saved at `place`, on the shardings `abstract` names."""
        return self._checkpointer.load(place.order, abstract)


def drop_others(directory: Path, computed: Mapping[str, Any]) -> int:
    """Deletes checkpoints that were computed otherwise, for their bits are others.

    Args:
      directory: of a wave's checkpoints, which may not be there.
      computed: as `Checkpoints.save` has it.

    Returns:
      How many steps are lost.
    """
    if not directory.exists():
        return 0
    with Checkpoints(directory) as checkpoints:
        found = checkpoints.latest()
    if found is None or found[1].get("computed") == dict(computed):
        return 0
    shutil.rmtree(directory)
    return found[0].order
