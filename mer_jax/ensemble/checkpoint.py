"""Checkpoints of the wave in flight; the only file that imports orbax.

A checkpoint is one stacked tree [L, ...] of every run in the wave, with the names
of the runs beside it. Only the newest is kept: results are the ledger's business.
"""

import dataclasses
import logging
from pathlib import Path
from typing import Any

from orbax.checkpoint import v1 as ocp

from mer_jax.files import cannot_write
from mer_jax.typing import PyTree

# Orbax announces every save; the progress line is ours.
logging.getLogger("absl").setLevel(logging.ERROR)


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

    def __init__(self, directory: Path):
        self._directory = directory
        self._checkpointer = ocp.training.Checkpointer(
            directory.resolve(),
            preservation_policy=ocp.training.preservation_policies.LatestN(1),
            cleanup_tmp_directories=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._checkpointer.close()

    def save(self, place: Place, tree: PyTree, runs: list[str], real: int) -> None:
        """Writes a checkpoint; the one before goes when this one is whole.

        Raises:
          UserError: if the disk refuses; the checkpoint before stays.
        """
        metadata = {"stage": place.stage, "step": place.step, "runs": runs}
        try:
            self._checkpointer.save(
                place.order,
                tree,
                force=True,
                custom_metadata={**metadata, "real": real},
            )
        except OSError as error:
            raise cannot_write(self._directory, error) from error

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
