"""From the clips of prepared corpora to the sample of a protocol, and its check."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from mer_jax.data.protocols import Definition, Part, Protocol
from mer_jax.errors import UserError

Clip = Mapping[str, Any]
Repairs = Literal["repair", "keep", "drop"]

_SHOWN = 8  # keys that a message spells out


class Chosen(NamedTuple):
    """A clip of the sample.

    Attributes:
      clip: its record.
      reading: the annotation in force, see `datasets_tfds/record.py`.
      label: class number.
    """

    clip: Clip
    reading: Mapping[str, Any]
    label: int


class Sample(NamedTuple):
    """What a protocol makes of a corpus.

    Attributes:
      chosen: clips, in order of key.
      rules: a line on everything that was left out or mended, and why.
      reduced: how the sample falls short of the published one, '' if it does not.
    """

    chosen: tuple[Chosen, ...]
    rules: tuple[str, ...]
    reduced: str


def select(clips: Sequence[Clip], protocol: Protocol, repairs: Repairs) -> Sample:
    """Returns the clips of all corpora that a protocol counts.

    Args:
      clips: records of all corpora of the experiment.
      protocol: which clips count, as what.
      repairs: what becomes of clips with a published annotation error: "repair"
        mends it, "keep" takes the annotation as written, "drop" leaves them out.

    Raises:
      UserError: if clips of a real release are missing, or more than published; if
        no clip is left.
    """
    definition = protocol.definition()
    labelled, rules = [], []
    for corpus in sorted({clip["corpus"] for clip in clips}):
        own = [clip for clip in clips if clip["corpus"] == corpus]
        counted, left_out = _label(own, definition, repairs)
        labelled += counted
        rules.append(_told(corpus, len(counted), len(own), left_out))
    twin = any(clip["synthetic"] for clip in clips)
    there = {clip["corpus"] for clip in clips}
    reduced = _check(labelled, definition, there, allowed=twin or protocol.partial)
    kept = [c for c in labelled if repairs != "drop" or not _has_repairs(c.clip)]
    rules += _repairs_told(labelled, repairs)
    if not kept:
        raise UserError(
            f"protocol {definition.name}: none of {len(clips)} clips counts. "
            + " ".join(rules)
        )
    kept.sort(key=lambda c: c.clip["key"])
    return Sample(tuple(kept), tuple(rules), reduced)


def select_all(clips: Sequence[Clip], repairs: Repairs) -> Sample:
    """Returns every clip, as the one class there is; see `select`."""
    chosen = [Chosen(clip, _reading(clip, repairs), 0) for clip in clips]
    kept = [c for c in chosen if repairs != "drop" or not _has_repairs(c.clip)]
    kept.sort(key=lambda c: c.clip["key"])
    rules = (f"all {len(chosen)} clips, unlabelled", *_repairs_told(chosen, repairs))
    return Sample(tuple(kept), rules, "")


def _reading(clip: Clip, repairs: Repairs) -> Mapping[str, Any]:
    written = clip["annotated"]
    return written if repairs == "keep" else clip.get("repaired", written)


def _label(
    clips: Sequence[Clip], definition: Definition, repairs: Repairs
) -> tuple[list[Chosen], Counter[str]]:
    """Returns the clips that count, and why how many of the others do not."""
    chosen, left_out = [], Counter[str]()
    for clip in clips:
        reading = _reading(clip, repairs)
        emotion = reading["emotion"].lower()
        if definition.listed is not None:
            label = definition.listed.get(clip["key"])
        else:
            part = definition.parts.get(clip["corpus"])
            label = part.labels.get(emotion) if part else None
        if label is None:
            left_out[emotion] += 1
        else:
            chosen.append(Chosen(clip, reading, label))
    return chosen, left_out


def _told(corpus: str, counted: int, total: int, left_out: Counter[str]) -> str:
    if not left_out:
        return f"{corpus}: all {total} clips"
    others = ", ".join(f"{n} {emotion}" for emotion, n in sorted(left_out.items()))
    return f"{corpus}: {counted} of {total} clips, not {others}"


def _has_repairs(clip: Clip) -> bool:
    return any(line.startswith("made: ") for line in clip.get("repairs", ()))


def _repairs_told(chosen: Sequence[Chosen], repairs: Repairs) -> list[str]:
    known = [c.clip["key"] for c in chosen if _has_repairs(c.clip)]
    what = {"repair": "repaired", "keep": "kept as written", "drop": "left out"}
    told = [f"annotation errors {what[repairs]}: {_some(known)}"] if known else []
    refused = [
        f"{c.clip['key']}: {line}"
        for c in chosen
        for line in c.clip.get("repairs", ())
        if line.startswith("not made")
    ]
    return told + refused


def _some(keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(keys[:_SHOWN]) + more


def _check(
    chosen: Sequence[Chosen],
    definition: Definition,
    there: Collection[str],
    *,
    allowed: bool,
) -> str:
    """Returns how the sample differs from the published one; '' if it does not."""
    differences, sizes = [], []
    for corpus, part in definition.parts.items():
        if definition.any_of and corpus not in there:
            continue
        own = [c for c in chosen if c.clip["corpus"] == corpus]
        if difference := _difference(own, part, definition.classes):
            differences.append(f"{corpus} {difference}")
            sizes.append(f"{corpus} {len(own)} of {sum(part.counts)}")
    if not differences:
        return ""
    if allowed:
        return f"reduced: {', '.join(sizes)} published clips"
    missing = sorted(set(definition.listed or ()) - {c.clip["key"] for c in chosen})
    listed = f"\nNot in the release: {_some(missing)}." if missing else ""
    raise UserError(
        f"protocol {definition.name} does not have its published sample: "
        f"{'; '.join(differences)}.{listed}\nPrepare the complete release, or add "
        "--set protocol.partial=true: the result then says that its sample is reduced"
    )


def _difference(own: Sequence[Chosen], part: Part, classes: Sequence[str]) -> str:
    """Returns what is not as published of one corpus, '' if nothing is."""
    counts = Counter(c.label for c in own)
    subjects = len({c.clip["subject"] for c in own})
    told = [
        f"{counts[number]} of {published} {classes[number]}"
        for number, published in enumerate(part.counts)
        if counts[number] != published
    ]
    if part.subjects and subjects != part.subjects:
        told.append(f"{subjects} of {part.subjects} subjects")
    return ", ".join(told)


def check_configs(names: Sequence[str], protocol: Protocol) -> None:
    """Checks that builder configs carry the annotation a protocol is defined on.

    Args:
      names: "corpus/config" of each builder.
      protocol: of the experiment.

    Raises:
      UserError: naming the configs that fit.
    """
    for name in names:
        corpus, _, config = name.partition("/")
        part = protocol.definition().parts.get(corpus)
        if part and part.configs and config not in part.configs:
            fit = ", ".join(f"{corpus}/{c}" for c in part.configs)
            raise UserError(
                f"protocol {protocol.name} is defined on {fit}, not on {name}: "
                "change data.corpora or protocol.name"
            )
