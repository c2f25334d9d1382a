"""Tests for mer_jax/report/curves.py."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from mer_jax.metrics.curves import over_runs
from mer_jax.report import STAMP
from mer_jax.report.curves import accuracies, curves_png

from .made import row, with_curves


def shown(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_a_stage_is_a_panel_and_an_accuracy_a_line_within_its_band(drawn):
    one = with_curves(row())
    image = np.asarray(Image.open(io.BytesIO(curves_png(one))).convert("RGB"))
    assert image.shape[1] > 2 * image.shape[0] > 600 and image.std() > 10
    panels = shown(drawn[0])
    titles = [axes.get_title() for axes in panels]
    assert titles == ["pretrain, 4 runs", "learn, 4 runs", "align, 4 runs"]
    (axes,) = panels[2:]
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["net/L_s_accuracy", "net/L_t_accuracy", "net/accuracy"]
    for line, band, name in zip(axes.lines, axes.collections, names, strict=True):
        curve = one.curves["align"][name]
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 10))
        np.testing.assert_array_equal(line.get_ydata(), curve.mean)
        edge = band.get_paths()[0].vertices
        assert edge[:, 1].min() == curve.least.min()
        assert edge[:, 1].max() == curve.greatest.max()
    assert "net/loss" not in names


def test_stages_without_an_accuracy_have_no_panel(drawn):
    one = with_curves(row())
    curves = {"dull": {"net/loss": over_runs([np.ones(9)])}, **one.curves}
    one = dataclasses.replace(one, curves=curves)
    assert list(accuracies(one)) == ["pretrain", "learn", "align"]
    curves_png(one)
    assert len(shown(drawn[0])) == 3
    assert accuracies(row()) == {}


@pytest.mark.parametrize(("stages", "across"), [(1, 1), (2, 2), (3, 3), (4, 2)])
def test_panels_are_at_most_three_beside_one_another(drawn, stages, across):
    curves_png(with_curves(row(), stages=stages))
    (figure,) = drawn
    assert len(shown(figure)) == stages
    assert figure.axes[0].get_gridspec().ncols == across


def test_a_single_epoch_of_a_single_run_can_be_drawn(drawn):
    curves_png(with_curves(row(), stages=1, epochs=1, runs=1))
    (axes,) = shown(drawn[0])
    assert axes.get_title() == "pretrain, 1 run" and axes.lines[0].get_marker() == "o"
    curves_png(with_curves(row(), stages=1, epochs=200))
    assert shown(drawn[1])[0].lines[0].get_marker() == ""


def test_more_metrics_than_colours_are_told_apart(drawn):
    curve = over_runs([np.linspace(0, 1, 5)])
    own = {f"net/{number}_accuracy": curve for number in range(14)}
    curves_png(dataclasses.replace(row(), curves={"all": own}))
    (axes,) = shown(drawn[0])
    styles = {(line.get_color(), line.get_linestyle()) for line in axes.lines}
    assert len(styles) == len(axes.lines) == 14


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_picture_is_stamped_if_and_only_if_synthetic(drawn, synthetic):
    curves_png(with_curves(row(synthetic=synthetic)))
    told = drawn[0].get_suptitle()
    assert (STAMP in told) == synthetic and "not results" in told
    curves_png(with_curves(row(missing=3)))
    assert "INCOMPLETE: 5 of 8 folds" in drawn[1].get_suptitle()


def test_names_are_not_read_as_formulas(drawn):
    png = curves_png(with_curves(row("a$_b$[x=$1$]" + 20 * " long"), stages=1))
    assert png.startswith(b"\x89PNG")
    first, *_ = drawn[0].get_suptitle().splitlines()
    assert first.startswith("a$_b$[x=$1$] long") and len(first) < 60
