"""The report for people."""

from collections.abc import Mapping, Sequence

from mer_jax.metrics import ALL, Cut, Published, Rung
from mer_jax.report.blocks import flatten, table, titled
from mer_jax.report.inner import inner_told
from mer_jax.report.inside import embedded, learned, probes, training
from mer_jax.report.row import NO_RESULT, NOT_RESULTS, Row, SampleClips
from mer_jax.report.seeds import ONE_SEED, SEEDS_HOW, deviation
from mer_jax.report.side_by_side import side_by_side
from mer_jax.report.text import (
    SCORES,
    chosen,
    named,
    number,
    over_seeds,
    pooled,
    sample,
    scored,
    selected,
)

_GRAD_CAM = (
    " Grad-CAM (Selvaraju et al. 2017): where a map of the net spoke for the class "
    "that was predicted, 1 where it did most in any frame of the clip; of frames not "
    "named the one is drawn in which that adds up to most."
)


def report_markdown(
    rows: Sequence[Row],
    confusions: Mapping[str, Mapping[str, str]],
    pictures: Mapping[str, Mapping[str, str]],
) -> str:
    """Returns the report.

    Args:
      rows: in order.
      confusions: row name to subset name to file name of the confusion matrix.
      pictures: row name to file names of "learning", "curves", "clips" and
        "embedding", of those that it has.
    """
    stamps = {row.stamp for row in rows if row.stamp}
    lines = [titled("# Results", *stamps), ""]
    if len(rows) > 1:
        lines += [*side_by_side(rows), *_overview(rows)]
    for row in rows:
        lines += _row(row, confusions[row.name], pictures.get(row.name, {}))
    return "\n".join(lines + probes(rows))


def _row(
    row: Row, confusions: Mapping[str, str], pictures: Mapping[str, str]
) -> list[str]:
    lines = [titled(f"## {row.name}", row.stamp), ""]
    if row.warning:
        lines += [f"> **{row.warning}. {NO_RESULT}**", ""]
    if row.caveat:
        lines += [f"> {row.caveat}", ""]
    lines += _headline(row)
    if len(row.cuts) > 1:
        lines += _corpora(row)
    lines += _selection(row) + _seeds(row) + _confusions(row, confusions)
    if "learning" in pictures:
        lines += learned(row, pictures["learning"])
    if "curves" in pictures:
        lines += training(row, pictures["curves"])
    if row.sample_clips and "clips" in pictures:
        lines += _sample_clips(row, row.sample_clips, pictures["clips"])
    if row.embedding and "embedding" in pictures:
        lines += embedded(row, row.embedding, pictures["embedding"])
    lines += _protocol(row)
    for title, tree in (("Settings", row.settings), ("Provenance", row.provenance)):
        lines += [f"### {title}", ""]
        lines += table(("name", "value"), [*flatten(tree).items()] or [("none", "")])
    return lines


def _overview(rows: Sequence[Row]) -> list[str]:
    published = any(_published_uf1(row) for row in rows)

    def line(row: Row) -> tuple[str, ...]:
        cut = row.cuts[ALL]
        return (
            named(row),
            f"{row.protocol.name} `{row.protocol.hash}`",
            str(cut.clips),
            *(scored(cut, name) for name in SCORES),
            number(cut.random.uf1),
            *([_published_uf1(row) or number(None)] if published else []),
        )

    stamps = {row.stamp for row in rows if row.stamp}
    lines = [titled("## All rows", *stamps), ""]
    header = ["row", "protocol", "clips", *SCORES.values(), "random UF1"]
    header += ["published UF1"] if published else []
    lines += table(header, map(line, rows))
    if published:
        lines += ["Whose the published numbers are is said below, row by row.", ""]
    if len({row.protocol.hash for row in rows}) > 1:
        lines += [
            "**The rows score different sets of clips (see the hashes): "
            "compare only rows of one hash.**",
            "",
        ]
    return lines


def _published_uf1(row: Row) -> str:
    """Spells what others print of the whole sample, '' if nothing."""
    values = [p.uf1 for p in row.published_of(ALL) if p.uf1 is not None]
    return ", ".join(map(number, values))


def _headline(row: Row) -> list[str]:
    cut, epoch = row.cuts[ALL], row.results.epochs[-1]
    title, what = ("Result", "result")
    if row.warning:
        title, what = ("Score, not a result", "score")
    lines = [titled(f"### {title}", row.stamp), ""]
    ours = [f"**{what}**: {row.selection} ({epoch})"]
    ours += [scored(cut, name, "**") for name in SCORES]
    floor = ["random classifier, same rule"]
    floor += [number(getattr(cut.random, name)) for name in SCORES]
    body = [ours, *_deviation(row, cut), floor, *_inner(row, what)]
    body += [_published(p) for p in row.published_of(ALL)]
    lines += table(("", *SCORES.values()), body)
    intervals = cut.intervals
    lines += [
        f"{sample(row)}. One confusion matrix pooled over folds, UF1 and UAR are means "
        f"over its classes; {over_seeds(row)}brackets: {100 * intervals.level:g} % "
        f"interval, subjects resampled {intervals.resamples} times. The random "
        "classifier draws each clip's class from the training priors of its fold.",
        "",
    ]
    told = inner_told(row, title.lower())
    return [*lines, told, ""] if told else lines


def _inner(row: Row, what: str) -> list[list[str]]:
    """Returns the lines of inner validation, and of chance under it, if it chose."""
    rung = row.cuts[ALL].inner
    if rung is None:
        return []
    ours = [f"**{what}**: {rung.rule} ({chosen(rung)})"]
    ours += [scored(rung, name, "**") for name in SCORES]
    floor = ["random classifier, same rule"]
    floor += [number(getattr(rung.random, name)) for name in SCORES]
    return [ours, *_deviation(row, rung), floor]


def _deviation(row: Row, of: Cut | Rung) -> list[list[str]]:
    """Returns the line of standard deviations over seeds, none of one seed."""
    spread = deviation(of)
    if spread is None:
        return []
    told = f"standard deviation over {len(row.results.seeds)} seeds"
    return [[told, *(number(getattr(spread, name)) for name in SCORES)]]


def _published(published: Published) -> list[str]:
    scores = [number(getattr(published, name)) for name in SCORES]
    return [f"published: {published.source}; {selected(published)}", *scores]


def _corpora(row: Row) -> list[str]:
    cuts = [cut for name, cut in row.cuts.items() if name != ALL]
    classes = row.results.classes
    lines = [titled("### Per corpus", row.stamp), ""]
    header = ("corpus", "clips", "subjects", " / ".join(classes))
    body: list[Sequence[str]] = []
    for cut in cuts:
        ours = [cut.name, str(cut.clips), str(cut.subjects)]
        ours += [" / ".join(map(str, cut.class_counts))]
        ours += [scored(cut, name) for name in SCORES]
        body += [[*ours, number(cut.random.uf1), number(cut.random.uar)]]
        for published in row.published_of(cut.name):
            source, *scores = _published(published)
            body += [(f"{cut.name}, {source}", "", "", "", *scores, "", "")]
    lines += table(
        (*header, *SCORES.values(), "random UF1", "random UAR"),
        body,
    )
    lines += ["Cut from the pooled predictions; nothing was trained apart.", ""]
    for cut in cuts:
        pairs = zip(classes, cut.class_counts, strict=True)
        if absent := [name for name, clips in pairs if not clips]:
            names = ", ".join(absent)
            lines += [f"{cut.name} has no {names}: left out of its means.", ""]
        if cut.intervals.lacking > 0.01:
            share = f"{100 * cut.intervals.lacking:.0f} %"
            lines += [
                f"{cut.name}: {share} of the resamples lack a class (scored over the "
                "others); its intervals are rough.",
                "",
            ]
    return lines


def _selection(row: Row) -> list[str]:
    lines = [titled(f"### {NOT_RESULTS}", row.stamp), ""]
    if len(row.results.epochs) == 1:
        return [
            *lines,
            f"One epoch was stored ({row.results.epochs[0]}): there is nothing to "
            "select from, and every rule would print the numbers above.",
            "",
        ]
    lines += [
        f"Not results. The same runs, had the epoch been chosen among the "
        f"{len(row.results.epochs)} stored ones by the scores of the held-out "
        "subjects, as much published code does; beside it, what the random classifier "
        "gets from the same rule and as many looks.",
        "",
    ]
    header = ["rule", *SCORES.values(), *(f"random {n}" for n in SCORES.values())]
    lines += table(
        (*header, "epochs chosen"),
        (
            (
                rung.rule,
                *(number(getattr(rung.scores, name)) for name in SCORES),
                *(number(getattr(rung.random, name)) for name in SCORES),
                chosen(rung),
            )
            for rung in row.cuts[ALL].selected
        ),
    )
    lines += [
        "The last two rules score alike: a subject that is ever all right is all right "
        "under both. They differ in the epochs trained.",
        "",
    ]
    return lines


def _seeds(row: Row) -> list[str]:
    lines = [titled("### Per seed", row.stamp), ""]
    seeds, cut = row.results.seeds, row.cuts[ALL]
    if len(seeds) == 1:
        return [*lines, f"Seed {seeds[0]}; {ONE_SEED}.", ""]
    header = ["seed", *SCORES.values()]
    results = [cut.per_seed]
    if cut.inner is not None:
        header += [f"{name}, inner validation" for name in SCORES.values()]
        results += [cut.inner.per_seed]
    body = [
        (str(seed), *(number(getattr(s, name)) for s in own for name in SCORES))
        for seed, *own in zip(seeds, *results, strict=True)
    ]
    return [*lines, *table(header, body), SEEDS_HOW, ""]


def _confusions(row: Row, files: Mapping[str, str]) -> list[str]:
    lines = [titled("### Confusion", row.stamp), ""]
    return lines + [f"![{name}]({file})" for name, file in files.items()] + [""]


def _sample_clips(row: Row, clips: SampleClips, file: str) -> list[str]:
    lines = [titled("### Sample clips", row.stamp), "", f"![sample clips]({file})", ""]
    told = (
        f"Each clip was held out in the run that drew it (seed {clips.seed}), with the "
        "nets at the end of each stage"
    )
    told += f". {row.protocol.leak}." if row.protocol.leak else "."
    if any("Grad-CAM" in name for own in clips.pictures.values() for name in own):
        told += _GRAD_CAM
    if clips.filmed:
        told += " The licences of most corpora forbid publishing their faces."
    return [*lines, told, ""]


def _protocol(row: Row) -> list[str]:
    protocol = row.protocol
    counts = ", ".join(f"{name} {n}" for name, n in protocol.class_counts.items())
    facts = [
        ("name", protocol.name),
        ("hash", f"`{protocol.hash}`"),
        ("clips", str(protocol.num_clips)),
        ("subjects", str(protocol.num_subjects)),
        ("classes", counts),
        *([("sample", protocol.reduced)] if protocol.reduced else []),
        *(("pool", pooled(pool)) for pool in protocol.pools),
        *(("rule", rule) for rule in protocol.rules),
    ]
    return ["### Protocol", "", *table(("name", "value"), facts)]
