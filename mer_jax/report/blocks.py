"""What Markdown is made of."""

from collections.abc import Iterable, Sequence


def titled(heading: str, *stamps: str) -> str:
    """Returns a heading with what it is stamped by; empty stamps are none."""
    return ". ".join([heading, *(stamp for stamp in stamps if stamp)])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Returns the lines of a table, and an empty one."""

    def line(cells: Sequence[str]) -> str:
        escaped = (cell.replace("|", "\\|").replace("\n", " ") for cell in cells)
        return "| " + " | ".join(escaped) + " |"

    return [line(header), "|" + " --- |" * len(header), *map(line, rows), ""]
