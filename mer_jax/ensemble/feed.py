"""The batches of stages that train on frames: from the devices, or from files."""

import functools
from collections.abc import Callable, Generator, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.clips import gather
from mer_jax.data.corpus import Corpus
from mer_jax.data.frames import Frames, streamed
from mer_jax.data.pools import Resident, frame_arrays
from mer_jax.ensemble.lift import put, replicate
from mer_jax.typing import Batch

Way = Literal["auto", "resident", "streamed"]

RESIDENT_LIMIT = 2e9  # bytes of frames that lie on every device unless told otherwise


class FrameFeed:
    """All frames of a program's clips, and their way into its steps.

    Both ways make the same batches, before the step and not in it: so the step is one
    program, and its numbers cannot depend on the way.

    Attributes:
      frames: of the clips, None where no stage trains on frames.
      way: "resident" if they lie on every device, else "streamed".
    """

    def __init__(
        self,
        clips: Corpus | Resident,
        mesh: jax.sharding.Mesh,
        lift: Callable[[Callable], Callable],
        way: Way,
    ):
        """Takes what the batches come from; moves nothing.

        Args:
          clips: all of the experiment.
          mesh: of the devices.
          lift: of a function of one run; its argument `clips` is shared.
          way: "resident" puts the frames on every device, "streamed" reads each batch
            from where they are; "auto" is "resident" up to 2 GB.
        """
        self.frames, self.mesh = clips.frames, mesh
        self._clips = clips
        small = self.frames is not None and self.frames.num_bytes <= RESIDENT_LIMIT
        self.way = way if way != "auto" else "resident" if small else "streamed"
        self._pick = lift(lambda index, clips: gather(clips, index))

    @property
    def resident_bytes(self) -> int:
        """What they take of every device, from their first batch on."""
        return self._all.num_bytes if self.frames and self.way == "resident" else 0

    @property
    def owner(self) -> np.ndarray:
        """int32[F], the position of each frame's clip."""
        return self._all.owner

    @functools.cached_property
    def arrays(self) -> Mapping[str, jax.Array]:
        """The frames on every device; "frame" uint8[F, S, S, 3], "label", "subject"."""
        own = {"frame": np.concatenate(self._all.parts), **frame_arrays(self._clips)}
        return replicate(self.mesh, own)

    def batches(self, index: np.ndarray) -> Generator[Batch, None, None]:
        """Yields the batches [L, B, ...] of T steps; see `Program.rows`."""
        if self.way == "resident":
            for t in range(index.shape[1]):
                batch = self._pick(put(self.mesh, index[:, t]), self.arrays)
                yield put(self.mesh, batch)  # as the others are laid out
        else:
            steps = index.swapaxes(0, 1)
            for batch in streamed(self._all, frame_arrays(self._clips), steps):
                yield put(self.mesh, batch)

    def example(self, *shape: int) -> Batch:
        """Returns a batch [B, ...], or [L, B, ...], of padding alone."""
        return {
            "frame": jnp.zeros((*shape, *self._all.shape), jnp.uint8),
            "label": jnp.zeros(shape, jnp.int32),
            "subject": jnp.zeros(shape, jnp.int32),
            "mask": jnp.zeros(shape, bool),
        }

    @property
    def _all(self) -> Frames:
        if self.frames is None:
            raise ValueError("a stage trains on frames, and the clips have none")
        return self.frames
