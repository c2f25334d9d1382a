"""Fields of a system's config that change how fast it is, and nothing else."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def speed(values: Mapping[str, tuple[Any, ...]]) -> Any:
    """Returns a field of a config that changes speed, and rounding, alone.

    Where it is "auto", the default, the launcher may put in its place whichever value
    it finds fastest.

    Args:
      values: by backend, of all others "", the first the one that holds untried.
    """
    return dataclasses.field(default="auto", metadata={"speed": values})
