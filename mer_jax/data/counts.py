"""The clips of one corpus beside the numbers that were published for it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mer_jax.data import protocols
from mer_jax.data.protocols import Definition, Part, Protocol
from mer_jax.data.selection import Chosen, Clip, select
from mer_jax.errors import UserError

_KEYS = 8  # missing clips that a text spells out


class Count(NamedTuple):
    """What a protocol finds in a corpus, and what it should find.

    Attributes:
      protocol: its name.
      classes: class -> clips found.
      published: class -> clips published, empty where no number is.
      subjects: found.
      published_subjects: 0 where no number is published.
      missing: keys of clips that the protocol lists and the corpus lacks.
    """

    protocol: str
    classes: dict[str, int]
    published: dict[str, int]
    subjects: int
    published_subjects: int
    missing: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether a number is another than the published one."""
        people = self.published_subjects
        return bool(
            (self.published and self.published != self.classes)
            or (people and people != self.subjects)
        )

    @property
    def complete(self) -> bool:
        """Whether numbers are published, and these are they."""
        return bool(self.published) and not self.differs

    def __str__(self) -> str:
        """Says how many, or what differs."""
        number = sum(self.classes.values())
        if not self.differs:
            what = "as published" if self.complete else "no count is published"
            return f"{what}: {number} clips of {self.subjects} subjects"
        differences = [
            f"{self.classes[name]} of {wanted} {name}"
            for name, wanted in self.published.items()
            if self.classes[name] != wanted
        ]
        if self.published_subjects not in (0, self.subjects):
            differences.append(f"{self.subjects} of {self.published_subjects} subjects")
        text = f"{number} clips: {', '.join(differences)}"
        if not self.missing:
            return text
        more = len(self.missing) - _KEYS
        shown = ", ".join(self.missing[:_KEYS]) + (f" and {more} more" * (more > 0))
        return f"{text}; not in the release: {shown}"


def counts_of(clips: Sequence[Clip], config: str) -> Iterator[Count]:
    """Yields the counts of every shipped protocol that is defined on these clips.

    Args:
      clips: records, of the corpora of one builder.
      config: of the builder, 'cropped'.
    """
    for name in protocols.names():
        definition = Protocol(name=name).definition()
        for corpus in sorted({clip["corpus"] for clip in clips}):
            part = definition.parts.get(corpus)
            if part and (not part.configs or config in part.configs):
                own = [clip for clip in clips if clip["corpus"] == corpus]
                yield _count(own, definition, part)


def _count(clips: Sequence[Clip], definition: Definition, part: Part) -> Count:
    chosen: Sequence[Chosen] = ()
    try:
        protocol = Protocol(name=definition.name, partial=True)
        chosen = select(clips, protocol, "repair").chosen
    except UserError:  # none of them counts
        pass
    found = Counter(definition.classes[one.label] for one in chosen)
    listed = [k for k in definition.listed or () if k.startswith(f"{part.corpus}/")]
    there = {one.clip["key"] for one in chosen}
    return Count(
        protocol=definition.name,
        classes={name: found[name] for name in definition.classes},
        published=dict(zip(definition.classes, part.counts, strict=False)),
        subjects=len({one.clip["subject"] for one in chosen}),
        published_subjects=part.subjects,
        missing=tuple(key for key in listed if key not in there),
    )
