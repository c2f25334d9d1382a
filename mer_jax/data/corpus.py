"""A corpus in memory: clips sorted by key, with what a system reads of each."""

import dataclasses
import hashlib
from collections.abc import Mapping

import numpy as np

from mer_jax.data.frames import Frames
from mer_jax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Corpus:
    """N clips, sorted by key; one or several corpora.

    Attributes:
      name: the corpora's names joined by "+".
      keys: [N] "corpus/subject/clip", unique.
      labels: int32[N].
      classes: [K] names.
      features: name -> [N, ...], what the system reads.
      synthetic: [N] whether a clip was drawn by a program; a score on such clips
        says nothing about real ones.
      rules: a line on everything that was left out, mended or guessed; for the report.
      reduced: how the clips fall short of the published sample, '' if they do not.
      frames: of the clips, where a system trains on frames.
    """

    name: str
    keys: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    features: Mapping[str, np.ndarray]
    synthetic: np.ndarray
    rules: tuple[str, ...] = ()
    reduced: str = ""
    frames: Frames | None = None

    def __post_init__(self):
        """Checks what every later step relies on."""
        if list(self.keys) != sorted(set(self.keys)):
            twice = sorted({k for k in self.keys if self.keys.count(k) > 1})
            raise UserError(
                f"corpus {self.name}: clip keys must be sorted and unique; "
                f"these appear more than once: {', '.join(twice) or 'none (unsorted)'}"
            )
        for key in self.keys:
            if len(parts := key.split("/")) != 3 or not all(parts):
                raise UserError(
                    f"corpus {self.name}: keys must be corpus/subject/clip, got {key!r}"
                )
        arrays = {**self.features, "label": self.labels, "synthetic": self.synthetic}
        sizes = {k: len(v) for k, v in arrays.items()}
        if set(sizes.values()) != {len(self.keys)}:
            raise ValueError(f"{len(self.keys)} keys, but arrays of {sizes}")
        for key, label in zip(self.keys, self.labels, strict=True):
            if not 0 <= label < len(self.classes):
                raise UserError(
                    f"corpus {self.name}: label {label} of {key} is not among the "
                    f"{len(self.classes)} classes {self.classes}"
                )

    @property
    def subjects(self) -> tuple[str, ...]:
        """[N] "corpus/subject"."""
        return tuple(k.rsplit("/", 1)[0] for k in self.keys)

    @property
    def corpora(self) -> tuple[str, ...]:
        """[N] corpus of each clip."""
        return tuple(k.split("/", 1)[0] for k in self.keys)

    @property
    def subject_numbers(self) -> np.ndarray:
        """int32[N], the place of each clip's subject among the sorted subjects."""
        return np.unique(self.subjects, return_inverse=True)[1].astype(np.int32)

    @property
    def num_subjects(self) -> int:
        """How many people are in it, the same number in two corpora being two."""
        return len(set(self.subjects))

    def content_hash(self) -> str:
        """Returns 16 hex digits of keys, labels, every feature's bytes and frames."""
        digest = hashlib.sha256("\n".join((*self.keys, *self.classes)).encode())
        digest.update(self.labels.astype(np.int32).tobytes())
        for name in sorted(self.features):
            array = np.ascontiguousarray(self.features[name])
            digest.update(f"{name}{array.dtype}{array.shape}".encode())
            digest.update(array.tobytes())
        if self.frames is not None:
            digest.update(f"frames{self.frames.content}".encode())
            digest.update(self.frames.owner.astype(np.int32).tobytes())
        return digest.hexdigest()[:16]
