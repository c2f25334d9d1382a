"""Tests for mer_jax/report/embedding.py."""

import dataclasses
import io
import sys

import numpy as np
import pytest
from PIL import Image

from mer_jax.report import STAMP
from mer_jax.report.embedding import embedding_png, t_sne
from mer_jax.report.figures import COLOURS

from .made import row, with_embedding


@pytest.fixture
def quick(monkeypatch):
    """Features are laid out by their first two numbers."""
    monkeypatch.setattr("mer_jax.report.embedding.t_sne", lambda x: x[:, :2])


def draw(one):
    return embedding_png(one, one.embedding)


def points(axes):
    """What is drawn: places, colours, outlines; in the order of drawing."""
    return [
        (np.asarray(own.get_offsets()), own.get_facecolors(), own.get_linewidths()[0])
        for own in axes.collections
    ]


def test_domains_that_are_apart_are_drawn_apart_and_alike_ones_among_each_other():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 8))
    domain = np.arange(60) % 2 == 0
    for gap, apart in ((0, False), (20, True)):
        places = t_sne(features + gap * domain[:, None])
        distance = np.linalg.norm(places[:, None] - places, axis=2)
        np.fill_diagonal(distance, np.inf)
        alike = (domain[distance.argmin(axis=1)] == domain).mean()
        assert (alike == 1) == apart and alike < 0.8 + apart


def test_the_layout_is_the_same_every_time():
    features = np.random.default_rng(0).normal(size=(12, 5))
    np.testing.assert_array_equal(t_sne(features), t_sne(features.copy()))


@pytest.mark.parametrize("shape", [(2, 5), (4, 3), (5, 1)])
def test_few_clips_and_few_features_can_be_laid_out(shape):
    features = np.random.default_rng(0).normal(size=shape)
    for values in (features, np.ones(shape)):  # of which all are alike, too
        places = t_sne(values)
        assert places.shape == (shape[0], 2) and np.isfinite(places).all()


def test_colour_is_the_class_and_held_out_clips_are_outlined(drawn, quick):
    one = with_embedding(row())
    image = np.asarray(Image.open(io.BytesIO(draw(one))).convert("RGB"))
    assert image.shape[1] > 1.2 * image.shape[0] > 800 and image.std() > 10
    from matplotlib.colors import to_rgba_array

    (figure,) = drawn
    assert [axes.get_title() for axes in figure.axes] == [
        "before the last stage",
        "after the last stage",
    ]
    for axes, when in zip(figure.axes, ("before", "after"), strict=True):
        others, held_out, *macro = points(axes)
        for name, (plain, outlined) in (
            ("the sample", (others, held_out)),
            ("macro", macro),
        ):
            own = one.embedding.domains[name]
            places, colours = getattr(own, when)[:, :2], np.array(COLOURS)[own.labels]
            for chosen, found in ((~own.held_out, plain), (own.held_out, outlined)):
                np.testing.assert_array_equal(found[0], places[chosen])
                if chosen.any():
                    expected = to_rgba_array(colours[chosen])
                    np.testing.assert_array_equal(found[1], expected)
        assert len(held_out[0]) == 5 and not len(macro[1][0])
        assert held_out[2] > 1 > others[2]


def legend(figure):
    (found,) = figure.legends
    return [text.get_text() for text in found.get_texts()]


def test_the_legend_names_classes_domains_and_outlines(drawn, quick):
    one = with_embedding(row())
    draw(one)
    assert legend(drawn[0]) == [
        *("negative", "positive", "surprise"),
        *("the sample, 40 clips", "macro, 60 clips", "held out"),
    ]
    own, macro = one.embedding.domains.values()
    macro = dataclasses.replace(macro, labels=np.full(60, -1))
    domains = {"the sample": own, "macro": macro}
    embedding = dataclasses.replace(one.embedding, domains=domains)
    draw(dataclasses.replace(one, embedding=embedding))
    assert legend(drawn[1])[2:4] == ["surprise", "no label"]
    markers = [
        own.get_paths()[0].vertices.shape for own in drawn[1].axes[0].collections
    ]
    assert markers[0] == markers[1] != markers[2]  # a circle, and a triangle


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_picture_is_stamped_if_and_only_if_synthetic(drawn, quick, synthetic):
    draw(with_embedding(row(synthetic=synthetic)))
    told = drawn[0].get_suptitle()
    assert (STAMP in told) == synthetic
    assert "t-SNE of features, fold casme2/000, seed 2" in told
    draw(with_embedding(row(missing=3)))
    assert "INCOMPLETE: 5 of 8 folds" in drawn[1].get_suptitle()


def test_neither_titles_nor_legend_lie_on_the_panels(drawn, quick):
    draw(with_embedding(row("a_long_name[system.learning_rate=0.001]" * 3)))
    (figure,) = drawn
    figure.canvas.draw()
    boxes = [axes.get_window_extent() for axes in figure.axes]
    boxes += [axes.title.get_window_extent() for axes in figure.axes]
    boxes += [figure._suptitle.get_window_extent()]
    boxes += [figure.legends[0].get_window_extent()]
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            assert not one.overlaps(other)


def test_names_are_not_read_as_formulas(drawn, quick):
    assert draw(with_embedding(row("a$_b$[x=$1$]"))).startswith(b"\x89PNG")
    assert drawn[0].get_suptitle().startswith("a$_b$[x=$1$]\n")


def test_drawing_does_not_start_pyplot(quick):
    before = "matplotlib.pyplot" in sys.modules
    draw(with_embedding(row()))
    assert ("matplotlib.pyplot" in sys.modules) == before
