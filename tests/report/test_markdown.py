"""Tests for mer_jax/report/markdown.py."""

import dataclasses
import re

import pytest

from mer_jax.metrics import Published
from mer_jax.report import STAMP
from mer_jax.report.markdown import report_markdown

from .made import (
    POOL,
    row,
    with_clips,
    with_curves,
    with_embedding,
    with_overlays,
    with_pools,
)


def markdown(*rows):
    names = ("all", "casme2", "samm")
    confusions = {r.name: {n: f"{n}.png" for n in names} for r in rows}
    kinds = lambda r: {
        "learning": r.results,
        "clips": r.sample_clips,
        "curves": r.curves,
        "embedding": r.embedding,
    }
    pictures = {
        r.name: {kind: f"{kind}-{r.name}.png" for kind, own in kinds(r).items() if own}
        for r in rows
    }
    return report_markdown(rows, confusions, pictures)


def sections(text):
    """Heading to body."""
    parts = re.split(r"^#+ (.*)$", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_the_result_stands_beside_chance_and_the_published_number():
    one = row()
    body = sections(markdown(one))["Result"]
    score, ends = one.cuts["all"].scores.uf1, one.cuts["all"].intervals.uf1
    assert "**result**: last epoch, fixed beforehand (20)" in body
    assert f"**{score:.3f}** [{ends.low:.3f}, {ends.high:.3f}]" in body
    assert f"same rule | {one.cuts['all'].random.uf1:.3f} |" in body
    assert "Liong 2019; selection: last epoch | 0.735 | 0.761 | – |" in body
    assert "40 clips, 8 subjects, 8 folds, 3 seeds" in body


def test_selected_scores_stand_under_their_heading_only():
    one = row()
    parts = sections(markdown(one))
    rungs = one.cuts["all"].ladder[1:]
    body = parts["What selecting on the test subject would print"]
    assert body.strip().startswith("Not results.")
    for rung in rungs:
        assert f"| {rung.rule} | {rung.scores.uf1:.3f} |" in body
        assert sum(rung.rule in part for part in parts.values()) == 1


def test_every_table_of_scores_is_stamped_when_synthetic():
    synthetic = with_clips(row(synthetic=True), filmed=False)
    synthetic = with_embedding(with_curves(synthetic))
    parts = sections(markdown(synthetic, row("real")))
    synthetic = list(parts)[: list(parts).index("real")]
    unstamped = {title for title in synthetic if STAMP not in title}
    assert unstamped == {"Protocol", "Settings", "Provenance"}
    assert not any(STAMP in title for title in list(parts)[len(synthetic) :])


def test_real_rows_are_not_stamped():
    assert "SYNTHETIC" not in markdown(row())


def test_an_unfinished_experiment_is_not_called_a_result():
    text = markdown(row(missing=3))
    assert "**INCOMPLETE: 5 of 8 folds, 25 of 40 clips." in text
    assert "Result" not in sections(text)
    assert "**result**" not in text
    assert "Score, not a result" in sections(text)


def test_one_stored_epoch_is_said():
    body = sections(markdown(row(epochs=1)))[
        "What selecting on the test subject would print"
    ]
    assert "One epoch was stored (5)" in body
    assert "|" not in body


def test_rows_of_different_protocols_are_not_to_be_compared():
    warning = "compare only rows of one hash"
    assert warning not in markdown(row("a"), row("b"))
    assert warning in markdown(row("a"), row("b", hash="0000"))


def overview(*rows):
    """Row name to header to cell, and what is said below the table."""
    body = sections(markdown(*rows))["All rows"]
    header, _, *lines = (x for x in body.splitlines() if x.startswith("|"))
    cells = [[c.strip() for c in x.strip("|").split(" | ")] for x in (header, *lines)]
    table = {line[0]: dict(zip(cells[0], line, strict=True)) for line in cells[1:]}
    return table, body.split(f"{lines[-1]}\n")[1]


def test_published_numbers_of_the_whole_sample_stand_in_the_overview():
    def printing(name, *values):
        published = tuple(Published(source="paper", uf1=v) for v in values)
        return dataclasses.replace(row(name, epochs=1), published=published)

    rows = (row("a"), printing("b", 0.6), printing("c", 0.5, 0.4), printing("d", None))
    table, told = overview(*rows)
    published = [line["published UF1"] for line in table.values()]
    assert published == ["0.735", "0.600", "0.500, 0.400", "–"]  # none of a corpus
    assert "Whose the published numbers are is said below" in told
    table, told = overview(printing("b"), printing("d", None))
    assert "published UF1" not in table["`b`"] and "published" not in told


def test_a_single_row_has_no_overview():
    text = markdown(row())
    assert "All rows" not in sections(text) and "minus" not in text
    assert "Rows side by side" not in sections(text)


def test_the_conditions_are_printed():
    parts = sections(markdown(row()))
    assert "| hash | `1f3a9c2b` |" in parts["Protocol"]
    assert "| classes | negative 16, positive 16, surprise 8 |" in parts["Protocol"]
    assert "| rule | casme2/sub04/EP12_01f" in parts["Protocol"]
    assert "| system.learning_rate | 5e-05 |" in parts["Settings"]
    assert "| versions.jax | 0.10.2 |" in parts["Provenance"]
    assert "![samm](samm.png)" in parts["Confusion"]


def test_every_table_has_as_many_cells_in_every_line():
    for table in re.findall(r"(?:^\|.*\|\n)+", markdown(row("a"), row("b")), re.M):
        assert len({line.count(" | ") for line in table.splitlines()[2:]}) == 1


def test_published_numbers_of_a_corpus_stand_below_ours_of_that_corpus():
    parts = sections(markdown(row()))
    lines = parts["Per corpus"].splitlines()
    (ours,) = (i for i, line in enumerate(lines) if line.startswith("| samm |"))
    told = "| samm, published: Liong on SAMM; selection: not stated |  |  |  | 0.659 |"
    assert lines[ours + 1].startswith(told)
    assert "SAMM" not in parts["Result"]
    assert "Liong 2019" not in parts["Per corpus"]
    assert "elsewhere" not in markdown(row())  # no clip of it is scored here


def test_of_one_corpus_published_numbers_stand_beside_the_result():
    parts = sections(markdown(row(corpora=("samm",))))
    assert "Liong on SAMM; selection: not stated | 0.659 |" in parts["Result"]
    assert "Liong 2019" in parts["Result"] and "elsewhere" not in parts["Result"]


def test_pools_are_part_of_the_protocol():
    own = dataclasses.replace(
        POOL, name="second", scope="per_fold", once=(), per_fold=("a", "b")
    )
    leaky = dataclasses.replace(POOL, name="third", scope="once_all", once=())
    body = sections(markdown(with_pools(row(), POOL, own, leaky)))["Protocol"]
    first, second, third = (x for x in body.splitlines() if x.startswith("| pool |"))
    assert first == (
        "| pool | pretraining, disjoint (nobody in it is in the sample); ckplus, "
        "mmi/macro, 530 clips of 120 people; pretrain: trained once for all folds |"
    )
    assert "second, per_fold (anew in every fold: it and the sample" in second
    assert second.endswith("; a, b: trained in every fold |")
    assert "third, once_all (LEAKY: it and the whole sample" in third
    assert third.endswith("; no stage trains on it |")
    assert "pool" not in markdown(row()).replace("pooled", "")


def test_sample_clips_are_linked_with_what_must_be_said_of_them():
    one = with_clips(row())
    body = sections(markdown(one))["Sample clips"]
    assert "![sample clips](clips-ststnet_cde3.png)" in body
    assert "held out in the run that drew it (seed 2), with the nets" in body
    assert "licences of most corpora forbid publishing" in body
    assert "Grad-CAM" not in body
    assert "Grad-CAM (S" in sections(markdown(with_overlays(row())))["Sample clips"]
    drawn = sections(markdown(with_clips(row(), filmed=False)))["Sample clips"]
    assert "held out" in drawn and "licences" not in drawn
    assert "Sample clips" not in sections(markdown(row()))
    leaky = dataclasses.replace(one.protocol, leak="LEAKY: one face")
    text = markdown(dataclasses.replace(one, protocol=leaky))
    assert "of each stage. LEAKY: one face. The" in sections(text)["Sample clips"]


def test_learning_curves_are_linked_with_their_numbers_and_what_is_no_result():
    body = sections(markdown(row()))["Learning curves"]
    assert "![learning](learning-ststnet_cde3.png)" in body
    assert "[learning-ststnet_cde3.csv](learning-ststnet_cde3.csv)" in body
    assert "chosen by looking at this curve gives none" in body


def test_curves_of_training_are_linked_and_said_to_be_no_result():
    body = sections(markdown(with_curves(row())))["Training"]
    assert "![accuracies](curves-ststnet_cde3.png)" in body
    assert "never a result" in body
    assert "Training" not in sections(markdown(row()))


def test_features_of_both_domains_are_linked_with_the_run_they_are_of():
    body = sections(markdown(with_embedding(row())))["Features of both domains"]
    assert "![features](embedding-ststnet_cde3.png)" in body
    assert "of the sample and of macro, before and after" in body
    assert "(fold casme2/000, seed 2)" in body
    assert "Features of both domains" not in sections(markdown(row()))


@pytest.mark.parametrize("corpora", [("casme2",), ("casme2", "samm")])
def test_corpora_are_listed_when_there_are_several(corpora):
    several = "Per corpus" in sections(markdown(row(corpora=corpora)))
    assert several == (len(corpora) > 1)


def test_a_corpus_that_loses_classes_in_resamples_is_flagged():
    text = markdown(row(subjects=2))
    assert "[no interval]" in text
    assert "resamples lack a class" not in markdown(row())


def test_a_leaky_division_is_never_called_a_result():
    leaky = dataclasses.replace(
        row(), protocol=dataclasses.replace(row().protocol, leak="LEAKY: one face")
    )
    text = markdown(leaky)
    assert "> **LEAKY: one face. This score is not a result.**" in text
    assert "### Result" not in text and "### Score, not a result" in text


def test_a_reduced_sample_says_so_beside_the_scores():
    told = "reduced: lab 2 of 4 published clips"
    small = dataclasses.replace(
        row(), protocol=dataclasses.replace(row().protocol, reduced=told)
    )
    text = markdown(small)
    assert f", {told}. One confusion matrix" in text
    assert f"| sample | {told} |" in text
