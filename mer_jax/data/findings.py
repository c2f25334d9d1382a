"""What may be wrong with a release or one of its clips: findings of a few kinds."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mer_jax.data.counts import Count

if TYPE_CHECKING:
    from datasets_tfds.film import Film

TOTAL, RISE = 0.5, 0.26  # s: a micro-expression, or its rise to the apex

ERRORS = {
    "refused": "prepare stops at it",
    "duplicate key": "several clips have one name; prepare stops at it",
    "rows without frames": "clips that are annotated and not in this copy",
    "corrupt frame": "cannot be decoded, or is not of 8 bits (depth: of 16)",
    "gap": "frame numbers inside of a clip that are absent",
    "frame sizes": "differ within a clip",
    "no onset": "has no frame or is no number: the nearest or the first is taken",
    "no apex": "has no frame or is no number: the nearest or the middle is taken",
    "apex outside": "of onset and offset: the middle is taken",
    "no offset": "has no frame or is no number: the nearest or the last is taken",
    "onset after offset": "the first and the last frame are taken",
    "repair not made": "a published correction that does not fit this copy",
    "no face": "in the onset frame and the three after it",
    "counts differ": "from those published for a protocol",
}
NOTES = {
    "apex is onset": "so annotated: nothing moves between them",
    "apex is offset": "so annotated",
    "too long": f"for a micro-expression: over {TOTAL} s, and {RISE} s to the apex",
    "repair": "a published correction, made or not needed",
    "folders without a row": "clips that nobody annotated",
    "annotation": "the file, and the protocols that have its counts",
    "counts": "those published for a protocol, or none are",
    "faces": "why they were not looked for",
    "nothing": "is there for this config",
    "remark": "what else the builder tells",
}


class Finding(NamedTuple):
    """One thing that is wrong, or worth knowing.

    Attributes:
      kind: a key of `ERRORS` or `NOTES`.
      about: a clip's key or the name of a protocol; '' is the whole release.
      text: what.
      error: whether it stops `prepare` or a run, or may change a result. Of the kinds
        of `ERRORS`, what a repair mends does not, nor an offset that nobody needs.
    """

    kind: str
    about: str
    text: str
    error: bool


def finding(kind: str, about: str, text: str, *, harmless: str = "") -> Finding:
    """Returns a finding: an error if its kind is one, but where it is `harmless`."""
    from datasets_tfds.record import printable

    text += f" ({harmless})" if harmless else ""
    error = kind in ERRORS and not harmless
    return Finding(kind, printable(about), printable(text), error)


def told(lines: Sequence[str]) -> Iterator[Finding]:
    """Yields what a builder tells of a whole release."""
    from datasets_tfds.kinds import kind_of

    for line in lines:
        yield finding(kind_of(line), "", line)


def of_clip(film: "Film", record: Mapping[str, Any]) -> Iterator[Finding]:
    """Yields what is odd about a clip.

    Args:
      film: as its builder found it.
      record: made of it, its frames still files or buffers.
    """
    from datasets_tfds.film import positions
    from datasets_tfds.kinds import kind_of

    written, mended = (
        positions(record[reading], record["frame_numbers"], film.apexes)
        for reading in ("annotated", "repaired")
    )
    left = {kind_of(line) for line in mended.issues}
    for line in record["issues"]:
        kind, harmless = kind_of(line), ""
        if line in written.issues and kind not in left:
            harmless = "a repair mends it"
        elif kind == "no offset" and mended.apex_source == "annotated":
            harmless = "the apex is annotated"
        elif kind == "gap" and _is_whole(record):
            harmless = "none of them from onset to offset"
        yield finding(kind, film.key, line, harmless=harmless)
    for line in record["repairs"]:
        yield finding(kind_of(line), film.key, line)
    yield from _sizes(film.key, record["frames"])
    if record["kind"] == "micro" and film.fps:
        yield from _too_long(record)


def _is_whole(record: Mapping[str, Any]) -> bool:
    """Returns whether no frame is absent from onset to offset, errors mended."""
    reading, numbers = record["repaired"], record["frame_numbers"]
    first, last = reading["onset_index"], reading["offset_index"]
    return numbers[last] - numbers[first] == last - first


def _sizes(key: str, frames) -> Iterator[Finding]:
    from PIL import Image

    sizes = Counter[str]()
    for frame in frames:
        with Image.open(frame) as image:
            sizes[f"{image.width}x{image.height}"] += 1
    if len(sizes) > 1:
        shown = ", ".join(f"{n} of {size}" for size, n in sizes.most_common())
        yield finding("frame sizes", key, f"{shown} px")


def _too_long(record: Mapping[str, Any]) -> Iterator[Finding]:
    """Yields a finding on a clip that is no micro-expression by its duration.

    One lasts at most 0.5 s, or at most 0.26 s from its onset to its apex (Yan et al.
    2013). Where no apex is annotated, its middle says nothing.
    """
    reading, numbers = record["repaired"], record["frame_numbers"]
    onset, apex, offset = (
        numbers[reading[f"{name}_index"]] for name in ("onset", "apex", "offset")
    )
    total, rise = (offset - onset) / record["fps"], (apex - onset) / record["fps"]
    has_apex = reading["apex_source"] == "annotated"
    if total <= TOTAL or (has_apex and rise <= RISE):
        return
    apexes = f"{rise:.3f} s (over {RISE})" if has_apex else "unknown"
    text = f"{total:.3f} s (over {TOTAL}), from onset to apex {apexes}"
    yield finding("too long", record["key"], text)


def of_counts(counts: Sequence[Count], versions: Sequence[str]) -> Iterator[Finding]:
    """Yields how the clips compare with what was published.

    Args:
      counts: of every protocol that is defined on them.
      versions: of their annotation.
    """
    for count in counts:
        kind = "counts differ" if count.differs else "counts"
        yield finding(kind, count.protocol, str(count))
    complete = ", ".join(count.protocol for count in counts if count.complete)
    match = f"the counts of {complete}" if complete else "no protocol's counts"
    for version in versions:
        yield finding("annotation", "", f"{version}: {match}")
