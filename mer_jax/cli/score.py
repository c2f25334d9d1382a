"""`mer score`: scores of predictions that somebody hands in as a CSV file."""

from collections.abc import Iterator, Sequence

from mer_jax.files import typed_path
from mer_jax.metrics import ALL, Cut, Predictions, evaluate, read_predictions
from mer_jax.report.row import STAMP
from mer_jax.report.seeds import ONE_SEED, deviation
from mer_jax.report.tables import json_text
from mer_jax.report.text import SCORES, columns, count, number, paragraph, scored

HANDED_IN = (
    "Scores as handed in, not verified results: a file cannot show how the epoch was "
    "chosen, on what the nets were trained, or whether clips were left out."
)
FLOOR = (
    "random: every clip's class is drawn as often as the class is in this file. A "
    "report draws by the training clips of each fold, which a file cannot show."
)
_ROUGH = 0.01  # share of resamples without a class, above which it is said


def score_command(file: str, *, json: bool) -> None:
    """See `mer score --help`."""
    handed_in = read_predictions(typed_path(file))
    cuts = evaluate(handed_in.results)
    if json:
        print(json_text(_facts(file, handed_in, cuts)), end="")
    else:
        print("\n".join(_lines(file, handed_in, cuts)))


def is_synthetic(handed_in: Predictions) -> bool:
    """Returns whether a file says that its clips are drawn, as a report's do."""
    word = STAMP.partition(":")[0]
    return any(stamp.startswith(word) for stamp in handed_in.stamps)


def never_true(handed_in: Predictions) -> Iterator[str]:
    """Yields what a reader must know of classes that are never true."""
    for name, rows in handed_in.never_true.items():
        yield (
            f"class {name!r} is predicted in {count(rows, 'row')} and never true: "
            "misses, and no class of UF1 or UAR. Is it meant?"
        )


def _facts(
    file: str, handed_in: Predictions, cuts: dict[str, Cut]
) -> dict[str, object]:
    everything, *corpora = cuts.values()
    return {
        "schema": 1,
        "file": file,
        "stamps": handed_in.stamps,
        "synthetic": is_synthetic(handed_in),
        "is_result": False,
        "warning": HANDED_IN,
        **_numbers(handed_in, everything),
        "per_corpus": {cut.name: _numbers(handed_in, cut) for cut in corpora},
        "random_how": FLOOR,
        "classes": handed_in.results.classes,
        "never_true": handed_in.never_true,
        "seeds": handed_in.results.seeds,
    }


def _numbers(handed_in: Predictions, cut: Cut) -> dict[str, object]:
    """Scores of a subset; `confusion` is [seeds][true][predicted]."""
    of_seeds = zip(handed_in.results.seeds, cut.per_seed, strict=True)
    return {
        **vars(cut.scores),
        "intervals": cut.intervals,
        "random": cut.random,
        "clips": cut.clips,
        "subjects": cut.subjects,
        "class_counts": cut.class_counts,
        "confusion": cut.confusion,
        "per_seed": [{"seed": seed, **vars(scores)} for seed, scores in of_seeds],
        "standard_deviation": deviation(cut),
    }


def _lines(file: str, handed_in: Predictions, cuts: dict[str, Cut]) -> list[str]:
    results, everything = handed_in.results, cuts[ALL]
    width = max(len(name) for name in (*cuts, *results.classes))
    sizes = (
        count(everything.clips, "clip"),
        count(everything.subjects, "subject"),
        f"{len(results.classes)} classes",
        count(len(results.seeds), "seed"),
    )
    over_seeds = "mean over seeds, " if len(results.seeds) > 1 else ""
    level = f"{100 * everything.intervals.level:g} %"
    lines = [file, *(f"  {stamp}" for stamp in handed_in.stamps)]
    lines += paragraph(HANDED_IN)
    lines += [
        f"  {', '.join(sizes)}; {over_seeds}{level} intervals over subjects",
        "",
        columns("", [*SCORES.values(), "random UF1"], width),
    ]
    for name, cut in cuts.items():
        cells = [scored(cut, score) for score in SCORES]
        lines.append(columns(name, [*cells, number(cut.random.uf1)], width))
    lines += ["", *paragraph(FLOOR)]
    for note in (*never_true(handed_in), *_remarks(results.classes, cuts)):
        lines += paragraph(note)
    lines += ["", *_per_seed(results.seeds, everything)]
    return [*lines, "", *_confusion(results.classes, everything, width)]


def _remarks(classes: Sequence[str], cuts: dict[str, Cut]) -> Iterator[str]:
    true = [name for name, n in zip(classes, cuts[ALL].class_counts, strict=True) if n]
    for cut in cuts.values():
        own = dict(zip(classes, cut.class_counts, strict=True))
        if absent := [name for name in true if not own[name]]:
            yield f"{cut.name} has no {', '.join(absent)}: left out of its means."
        if cut.intervals.lacking > _ROUGH:
            yield (
                f"{cut.name}: {100 * cut.intervals.lacking:.0f} % of the resamples "
                "lack a class (scored over the others); its intervals are rough."
            )


def _per_seed(seeds: Sequence[int], cut: Cut) -> Iterator[str]:
    spread = deviation(cut)
    if spread is None:
        yield f"  {ONE_SEED}"
        return
    width = max(len(str(seed)) for seed in ("seed", *seeds))
    yield columns("seed", list(SCORES.values()), width)
    for seed, scores in zip(seeds, cut.per_seed, strict=True):
        cells = [number(getattr(scores, name)) for name in SCORES]
        yield columns(str(seed), cells, width)
    cells = [number(getattr(spread, name)) for name in SCORES]
    yield columns("sd", cells, width)


def _confusion(classes: Sequence[str], cut: Cut, width: int) -> Iterator[str]:
    """Yields the confusion matrix, mean over seeds, a class in each line."""
    counts = cut.confusion.mean(axis=0)  # [K, K]
    spell = "{:.0f}" if len(cut.per_seed) == 1 else "{:.1f}"
    cells = [[spell.format(value) for value in row] for row in counts]
    wide = 2 + max(len(cell) for row in (classes, *cells) for cell in row)
    mean = "" if len(cut.per_seed) == 1 else ", mean over seeds"
    yield f"  Clips, true class by predicted class{mean}"
    for name, row in zip(("", *classes), (classes, *cells), strict=True):
        yield f"  {name:<{width}}" + "".join(f"{cell:>{wide}}" for cell in row)
