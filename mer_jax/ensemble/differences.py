"""Where two JSON values differ, field by field."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class Difference(NamedTuple):
    """One field that differs; None is what one side does not have.

    Attributes:
      path: of the field, "a.b".
      there: what was recorded.
      here: what it is now.
    """

    path: str
    there: Any
    here: Any

    def __str__(self):
        """Returns "path: there ..., here ..."."""
        return f"{self.path}: there {_short(self.there)}, here {_short(self.here)}"


def differences(there: Any, here: Any, path: str = "") -> Iterator[Difference]:
    """Yields the fields in which nested JSON values differ, in order of name.

    A list is one field, except where both are dicts, as many.
    """
    if _dicts(there) and _dicts(here) and len(there) == len(here):
        there, here = ({str(i): v for i, v in enumerate(x)} for x in (there, here))
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted({*there, *here}):
            inner = f"{path}.{key}" if path else key
            yield from differences(there.get(key), here.get(key), inner)
    elif there != here:
        yield Difference(path, there, here)


def _dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 80 else text[:77] + "..."
