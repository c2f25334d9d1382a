"""Tests for mer_jax/report/learning.py."""

import csv
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from mer_jax.metrics.curves import over_runs
from mer_jax.report import STAMP
from mer_jax.report.figures import styles
from mer_jax.report.learning import learning_png, learning_records
from mer_jax.report.tables import learning_csv

from .made import row, with_curves, with_inner
from .test_curves import shown

BAR = "bar: 95 % interval over subjects"


def marks(axes):
    """What the legend calls them -> epoch and UF1, of single points."""
    found = {}
    for line in axes.lines:
        x, y = line.get_xdata(), line.get_ydata()
        if len(x) == 1 and not line.get_label().startswith("_"):
            found[line.get_label()] = (x[0], y[0])
    return found


def edges(axes):
    """The least and the greatest of each band."""
    paths = [band.get_paths()[0].vertices[:, 1] for band in axes.collections]
    return [(path.min(), path.max()) for path in paths]


def table(one):
    """Name of a curve -> its lines."""
    found = {}
    for line in csv.DictReader(io.StringIO(learning_csv(one))):
        found.setdefault(line["curve"], []).append(line)
    return found


def test_uf1_is_drawn_with_the_band_of_its_seeds_and_the_result_is_marked(drawn):
    one = row(epochs=6)
    image = np.asarray(Image.open(io.BytesIO(learning_png(one))).convert("RGB"))
    assert min(image.shape[:2]) > 500 and image.std() > 10
    (axes,) = shown(drawn[0])
    assert axes.get_title() == f"mean over 3 seeds, band: least to greatest\n{BAR}"
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), one.results.epochs)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), one.learning.mean)
    assert edges(axes) == [(one.learning.low.min(), one.learning.high.max())]
    cut = one.cuts["all"]
    assert marks(axes) == {"result: last epoch": (30, cut.scores.uf1)}
    (bar,) = (line for line in axes.lines[1:] if list(line.get_xdata()) == [30, 30])
    ends = cut.intervals.uf1
    assert list(bar.get_ydata()) == [ends.low, ends.high]
    assert "only marked points are results" in drawn[0].get_suptitle()


def test_of_one_seed_the_band_is_over_subjects(drawn):
    learning_png(row(seeds=1))
    (axes,) = shown(drawn[0])
    assert axes.get_title() == "one seed, band: 95 % interval over subjects"
    learning_png(row(seeds=1, subjects=1))
    assert shown(drawn[1])[0].get_title() == "one seed, band: none, of one subject"


def test_inner_validation_is_marked_at_the_median_of_its_epochs(drawn):
    one = with_inner(row())
    learning_png(one)
    epoch, score = marks(shown(drawn[0])[0])["result: inner validation"]
    assert epoch == np.median(one.results.inner_epochs)
    assert score == one.cuts["all"].inner.scores.uf1


@pytest.mark.parametrize("leak", ["", "LEAKY: one face"])
def test_what_is_no_result_is_not_called_one(drawn, leak):
    one = row(missing=0 if leak else 3)
    one = dataclasses.replace(
        one, protocol=dataclasses.replace(one.protocol, leak=leak)
    )
    learning_png(one)
    told = drawn[0].get_suptitle()
    assert "no point is a result" in told and one.warning in told
    assert list(marks(shown(drawn[0])[0])) == ["not a result: last epoch"]
    assert {record["is_result"] for record in learning_records(one)} == {False}


def test_every_stage_has_a_panel_of_what_it_minimises(drawn):
    one = with_curves(row(), runs=7)
    both = {"net/loss": over_runs([np.ones(3)]), "critic/loss": over_runs([np.ones(3)])}
    one = dataclasses.replace(
        one, curves={**one.curves, "two": both, "dull": {"net/kept": both["net/loss"]}}
    )
    learning_png(one)
    _, *panels, two = shown(drawn[0])
    assert [axes.get_title() for axes in panels] == [
        f"{stage}, median of 7 runs\nband: middle 80 % of runs"
        for stage in ("pretrain", "learn", "align")
    ]
    for axes, own in zip(panels, one.curves.values(), strict=False):
        (line,), curve = axes.lines, own["net/loss"]
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 10))
        np.testing.assert_array_equal(line.get_ydata(), curve.median)
        assert edges(axes) == [(curve.low.min(), curve.high.max())]
        assert axes.get_legend() is None
    assert two.get_title() == "two, median of 1 run\nband: none, of one run"
    names = [text.get_text() for text in two.get_legend().get_texts()]
    assert names == ["net/loss", "critic/loss"]
    looks = {(line.get_color(), line.get_linestyle()) for line in two.lines}
    assert len({color for color, _ in looks}) == len({dash for _, dash in looks}) == 2
    assert "losses are of clips that train" in drawn[0].get_suptitle()


def test_neighbouring_styles_differ_without_colours_and_all_with_them():
    found = [(style["color"], style["ls"]) for style in styles()]
    assert len(set(found)) == len(found) == 18
    dashes = [dash for _, dash in found[:6]]
    assert all(one != other for one, other in zip(dashes, dashes[1:], strict=False))


@pytest.mark.parametrize("synthetic", [True, False])
def test_picture_and_table_are_stamped_if_and_only_if_synthetic(drawn, synthetic):
    one = row(synthetic=synthetic)
    learning_png(one)
    assert (STAMP in drawn[0].get_suptitle()) == synthetic
    stamps = {line["stamp"] for lines in table(one).values() for line in lines}
    assert stamps == {STAMP if synthetic else ""}


def test_the_table_has_the_numbers_of_the_picture():
    one = with_inner(with_curves(row(), stages=2))
    found = table(one)
    marked = ["uf1, last epoch", "uf1, inner validation"]
    assert list(found) == ["uf1", "pretrain/net/loss", "learn/net/loss", *marked]
    loss = one.curves["learn"]["net/loss"]
    for name, epochs, *columns in (
        ("uf1", one.results.epochs, *one.learning[1:4]),
        ("learn/net/loss", range(1, 10), loss.median, loss.low, loss.high),
    ):
        assert [int(line["epoch"]) for line in found[name]] == list(epochs)
        for column, values in zip(("value", "low", "high"), columns, strict=True):
            got = [float(line[column]) for line in found[name]]
            np.testing.assert_allclose(got, values, rtol=0, atol=1e-6)
        assert {line["is_result"] for line in found[name]} == {"false"}
    assert found["uf1"][0]["value_is"] == "mean over 3 seeds"
    assert found["uf1"][0]["band_is"] == "least to greatest"
    (last,), (inner,) = (found[name] for name in marked)
    assert last["is_result"] == inner["is_result"] == "true"
    for line, rung in ((last, 0), (inner, 1)):
        rung = one.cuts["all"].ladder[rung]
        expected = [rung.scores.uf1, rung.intervals.uf1.low, rung.intervals.uf1.high]
        got = [float(line[column]) for column in ("value", "low", "high")]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6)
    assert last["epoch"] == "20"
    assert float(inner["epoch"]) == np.median(one.results.inner_epochs)


def test_a_single_epoch_and_odd_names_can_be_drawn(drawn):
    one = with_curves(row("a$_b$[x=$1$]", epochs=1), stages=1, epochs=1)
    assert learning_png(one).startswith(b"\x89PNG")
    uf1, loss = shown(drawn[0])
    assert list(marks(uf1)) == ["result: last epoch"]
    (band,) = loss.collections
    assert band.get_linewidth()[0] > 0  # else nobody sees it
    assert drawn[0].get_suptitle().startswith("a$_b$[x=$1$]")
