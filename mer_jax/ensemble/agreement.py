"""Whether two trainings of one run agree, bit by bit."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from mer_jax.ensemble.ledger import Ledger, read_nets

Arrays = Mapping[str, np.ndarray]

_DECIDED = ("keys", "labels", "epochs", "logits", "train_counts")
_KINDS = ("curves/", "steps/", "seen/")


class Apart(NamedTuple):
    """An array that is not the same bits.

    Attributes:
      name: of the array.
      largest: absolute difference; None where there is none to take: of other shapes,
        of no floating numbers, or where it is missing here.
      first: epoch, from 1, of the first values that differ, of arrays over epochs.
    """

    name: str
    largest: float | None = None
    first: int | None = None


class Outcome(NamedTuple):
    """What came out of a training, beside what was recorded.

    Attributes:
      row, fold: names; the fold of stages that all folds share is "shared".
      seed: of the run.
      run: its id in the ledger.
      compared: names of the arrays.
      apart: those that differ.
      clips: how many are tested; 0 where there are no predictions to compare.
      changed: of how many the prediction after the last epoch is another.
    """

    row: str
    fold: str
    seed: int
    run: str
    compared: tuple[str, ...]
    apart: tuple[Apart, ...]
    clips: int = 0
    changed: int = 0

    @property
    def matches(self) -> bool:
        """Whether all is the same, bit for bit."""
        return not self.apart

    @property
    def logits(self) -> Apart | None:
        """How the logits differ, None if they do not."""
        return next((a for a in self.apart if a.name == "logits"), None)


def outcome(
    row: str, fold: str, seed: int, run: str, there: Arrays, here: Arrays
) -> Outcome:
    """Returns how two trainings of a run compare.

    Args:
      row, fold, seed, run: as of `Outcome`.
      there: recorded, as `run_arrays` or `shared_arrays` return them.
      here: trained anew; what it has beyond them is let be.
    """
    last = [x["logits"][-1].argmax(-1) for x in (there, here) if "logits" in x]
    clips, changed = 0, 0
    if len(last) == 2 and last[0].shape == last[1].shape:
        clips, changed = len(last[0]), int((last[0] != last[1]).sum())
    found = (apart(name, there, here) for name in there)
    return Outcome(
        *(row, fold, seed, run),
        compared=tuple(there),
        apart=tuple(a for a in found if a is not None),
        clips=clips,
        changed=changed,
    )


def apart(name: str, there: Arrays, here: Arrays) -> Apart | None:
    """Returns how an array differs, None if it is the same bits."""
    if name not in here:
        return Apart(name)
    a, b = np.ascontiguousarray(there[name]), np.ascontiguousarray(here[name])
    alike = a.dtype == b.dtype and a.shape == b.shape
    if alike and a.tobytes() == b.tobytes():
        return None
    if not (alike and np.issubdtype(a.dtype, np.floating)):
        return Apart(name)
    largest = float(np.abs(a.astype(np.float64) - b.astype(np.float64)).max())
    if name == "logits":
        epochs = there["epochs"]
    elif name.startswith("curves/"):
        epochs = np.arange(1, len(a) + 1)
    else:
        return Apart(name, largest)
    bits = (x.reshape(len(x), -1).view(np.uint8) for x in (a, b))
    where = np.not_equal(*bits).any(axis=1)
    return Apart(name, largest, int(epochs[where.argmax()]))


def run_arrays(ledger: Ledger, run_id: str) -> dict[str, np.ndarray]:
    """Returns what training decides of a run, by name.

    That is of its entry the test clips, logits, curves, steps and clips seen; as
    "schedules/<stage>" the digests of the order in which it drew them; and where they
    were kept "params/..." and "model_state/...".

    Raises:
      UserError: if a file is broken.
    """
    entry = ledger.read(run_id)
    schedules = entry["provenance"]["schedules"].items()
    path = ledger.params_path(run_id)
    return {
        **{f"schedules/{stage}": np.array(digest) for stage, digest in schedules},
        **_decided(entry),
        **(read_nets(path) if path.exists() else {}),
    }


def shared_arrays(ledger: Ledger, run_id: str) -> dict[str, np.ndarray]:
    """Returns what training decides of stages that all folds share, likewise.

    Raises:
      UserError: if the file is broken.
    """
    archive = read_nets(ledger.shared_path(run_id))
    nets = {name: leaf for name, leaf in archive.items() if name.startswith("nets/")}
    return {**_decided(archive), **nets}


def _decided(arrays: Arrays) -> dict[str, np.ndarray]:
    decided = lambda name: name in _DECIDED or name.startswith(_KINDS)
    return {name: array for name, array in arrays.items() if decided(name)}
