"""Tests for mer_jax/report/pictures.py."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from mer_jax.report import STAMP
from mer_jax.report.pictures import confusion_png

from .made import row


@pytest.fixture
def texts(monkeypatch):
    """What is written on the next picture."""
    from matplotlib.text import Text

    seen = []
    draw = Text.draw
    monkeypatch.setattr(
        Text, "draw", lambda self, *a: (seen.append(self.get_text()), draw(self, *a))
    )
    return seen


def test_a_picture_shows_counts_and_percentages(texts):
    one = row(seeds=1)
    png = confusion_png(one, one.cuts["all"])
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert image.shape[0] > 500
    assert image.std() > 10
    (matrix,) = one.cuts["all"].confusion
    assert f"{matrix[0, 0]}\n{100 * matrix[0, 0] / matrix[0].sum():.0f} %" in texts
    assert "negative\nn = 16" in texts
    assert any(text.startswith("ststnet_cde3: all corpora\nUF1 0.") for text in texts)


def test_counts_of_several_seeds_are_means(texts):
    one = row()
    confusion_png(one, one.cuts["samm"])
    mean = one.cuts["samm"].confusion.mean(axis=0)[1, 1]
    assert any(text.startswith(f"{mean:.1f}\n") for text in texts)
    assert any("ststnet_cde3: samm" in t and "means of 3 seeds" in t for t in texts)


@pytest.mark.parametrize("synthetic", [True, False])
def test_a_picture_is_stamped_if_and_only_if_synthetic(texts, synthetic):
    one = row(synthetic=synthetic)
    confusion_png(one, one.cuts["all"])
    assert any(STAMP in text for text in texts) == synthetic


def test_a_picture_of_an_unfinished_experiment_says_so(texts):
    one = row(missing=3)
    confusion_png(one, one.cuts["all"])
    assert any("INCOMPLETE: 5 of 8 folds" in text for text in texts)


def test_names_are_not_read_as_formulas(texts):
    one = row("a$_b$[x=$1$]" + 20 * " long")
    assert confusion_png(one, one.cuts["all"])
    assert any("a$_b$[x=$1$] long" in text for text in texts)


def test_drawing_does_not_start_pyplot():
    before = "matplotlib.pyplot" in sys.modules
    confusion_png(row(), row().cuts["all"])
    assert ("matplotlib.pyplot" in sys.modules) == before
