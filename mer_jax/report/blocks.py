"""What Markdown is made of."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

_MANY = 8  # numbers in a list before it is summarised


def titled(heading: str, *stamps: str) -> str:
    """Returns a heading with what it is stamped by; empty stamps are none."""
    return ". ".join([heading, *(stamp for stamp in stamps if stamp)])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table, and an empty one."""

    def line(cells: Sequence[str]) -> str:
        escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
        return "| " + " | ".join(escaped) + " |"

    return [line(header), "|" + " --- |" * len(header), *map(line, rows), ""]


def flatten(tree: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Spells a nested mapping as 'a.b' to text; long lists of numbers as statistics."""
    flat: dict[str, str] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping) and not _numbers(value.values()):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = _spell(value)
    return flat


def _spell(value: object) -> str:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        if _numbers(value):
            v = np.asarray(value, np.float64)
            return (
                f"{len(v)} values: median {np.median(v):.4g}, {v.min():.4g} to "
                f"{v.max():.4g}, sum {v.sum():.4g}"
            )
        return ", ".join(map(_spell, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _numbers(values) -> bool:
    """True if there are many values and all are numbers."""
    values = list(values)
    number_types = int | float | np.number
    return len(values) > _MANY and all(isinstance(v, number_types) for v in values)
