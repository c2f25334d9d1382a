"""What features of a sample are made from."""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mer_jax.data.prepared import Prepared, Progress
from mer_jax.data.selection import Chosen
from mer_jax.preprocess.cache import cached
from mer_jax.preprocess.crops import Alignment, Footage, crops_recipe

if TYPE_CHECKING:  # it uses this module
    from mer_jax.data.corpora import Data


@dataclasses.dataclass(frozen=True)
class Footing:
    """All that features of a sample are made from.

    Attributes:
      chosen: the N clips.
      owner: clip key -> the corpus that has it.
      data: how frames become features.
      cache: of derived arrays.
      progress: told what is being done.
    """

    chosen: Sequence[Chosen]
    owner: Mapping[str, Prepared]
    data: "Data"
    cache: Path
    progress: Progress

    @property
    def name(self) -> str:
        """The corpora's names."""
        return "+".join(self.data.corpora)

    @property
    def corpora(self) -> list[Prepared]:
        """Those that have a clip of the sample."""
        return list({one.name: one for one in map(self.owner_of, self.chosen)}.values())

    def owner_of(self, c: Chosen) -> Prepared:
        """Returns the corpus that has a clip."""
        return self.owner[c.clip["key"]]

    def alignment(self, size: int) -> Alignment:
        """Returns how faces are cut out at a size in px."""
        return Alignment(
            align=self.data.align,
            size=size,
            stabilise=self.data.stabilise,
            on_no_face=self.data.on_no_face,
        )

    def footage(self, c: Chosen, wanted: Iterable[int]) -> Footage:
        """Returns a clip with the frames wanted of it."""
        return Footage(
            key=c.clip["key"],
            content=c.clip["content"],
            frames=functools.partial(self.owner_of(c).encoded, c.clip, "frames"),
            onset=c.reading["onset_index"],
            wanted=tuple(wanted),
        )

    def told(self, what: str) -> Callable[[int, int], None]:
        """Returns the progress of one kind of work."""
        return lambda done, total: self.progress(f"{what} {self.name}", done, total)

    def cached(
        self, kind: str, key: dict[str, object], alignment: Alignment, compute
    ) -> dict[str, np.ndarray]:
        """Returns arrays of the whole sample, from disk if it was asked for before.

        Args:
          kind: folder of the cache.
          key: what the arrays depend on beside the crops.
          alignment: of the crops.
          compute: makes them.
        """
        indices = ("onset_index", "apex_index", "offset_index")
        crops = [
            crops_recipe(self.footage(c, (c.reading[i] for i in indices)), alignment)
            for c in self.chosen
        ]
        apexes = [c.reading["apex_source"] for c in self.chosen]
        sample = json.dumps([crops, apexes], sort_keys=True)
        digest = hashlib.sha256(sample.encode()).hexdigest()
        rules = [self.data.apex, self.data.macro_apex, alignment.on_no_face]
        key = {**key, "sample": digest, "rules": rules}
        return cached(self.cache / kind, self.name.replace("/", "-"), key, compute)
