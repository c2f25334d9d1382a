"""All frames of clips, for stages that train on them: in memory, or left on disk."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

READERS = 4  # threads that read batches
AHEAD = 8  # batches that are read before they are asked for


@dataclasses.dataclass(frozen=True)
class Frames:
    """F frames of N clips, onset to offset, clip by clip.

    Attributes:
      owner: int32[F], the position of each frame's clip, ascending.
      parts: uint8[F_i, S, S, 3] RGB each, F in all; files are mapped, not read.
      content: stands for the pixels.
    """

    owner: np.ndarray
    parts: tuple[np.ndarray, ...]
    content: str

    def __len__(self) -> int:
        """Returns F."""
        return len(self.owner)

    def __getitem__(self, position: int) -> np.ndarray:
        """Returns uint8[S, S, 3]."""
        for part in self.parts:
            if position < len(part):
                return part[position]
            position -= len(part)
        raise IndexError(f"no frame {position} after the last of {len(self)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """(S, S, 3)."""
        return self.parts[0].shape[1:]

    @property
    def num_bytes(self) -> int:
        """Bytes of all pixels."""
        return sum(part.nbytes for part in self.parts)

    def of(self, clips: np.ndarray) -> np.ndarray:
        """Returns int[n] positions of the frames of some clips, ascending."""
        return np.flatnonzero(np.isin(self.owner, clips))


def joined(corpora: Sequence[Frames | None], sizes: Sequence[int]) -> Frames | None:
    """Returns the frames of corpora one after the other, None where none has any.

    Args:
      corpora: of each.
      sizes: clips of each; positions are counted through.
    """
    starts = np.cumsum([0, *sizes])
    found = [(s, f) for s, f in zip(starts, corpora, strict=False) if f is not None]
    if not found:
        return None
    return Frames(
        owner=np.concatenate([start + f.owner for start, f in found]).astype(np.int32),
        parts=tuple(part for _, f in found for part in f.parts),
        content=" ".join(f.content for _, f in found),
    )


def batch_at(
    frames: Frames, known: Mapping[str, np.ndarray], index: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns what `clips.gather` makes of frames on a device, made on the host.

    Args:
      frames: all there are.
      known: name -> [F], of each frame.
      index: int32[..., B] positions, -1 on padding rows.

    Returns:
      "frame" uint8[..., B, S, S, 3] and what is known of each, [..., B], 0 on padding
      rows, and "mask" bool[..., B].
    """
    mask = index >= 0
    pixels = np.zeros((*index.shape, *frames.shape), np.uint8)
    for place in zip(*np.nonzero(mask), strict=True):
        pixels[place] = frames[index[place]]
    rows = {
        name: np.where(mask, of[index], 0).astype(of.dtype)
        for name, of in known.items()
    }
    return {"frame": pixels, **rows, "mask": mask}


def streamed(
    frames: Frames, known: Mapping[str, np.ndarray], index: np.ndarray
) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batch of each step, read ahead by threads; see `batch_at`.

    A batch is known by the number of its step alone, so any step may be the first.

    Args:
      frames: all there are.
      known: name -> [F], of each frame.
      index: int32[T, ..., B] of T steps.
    """
    import grain

    steps = grain.MapDataset.source(_Steps(frames, known, index))
    options = grain.ReadOptions(num_threads=READERS, prefetch_buffer_size=AHEAD)
    batches = iter(steps.to_iter_dataset(options))
    try:
        yield from batches
    finally:
        batches.close()  # its threads end


class _Steps:
    """What grain reads batches from, in any order."""

    def __init__(self, *arguments):
        self.frames, self.known, self.index = arguments

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        return batch_at(self.frames, self.known, self.index[step])
