"""Tests for mer_jax/report/motion.py."""

import io

import numpy as np
import pytest
from PIL import Image

from mer_jax.report.motion import STAMP, Curve, motion_png


def curve(frames=6, scale=0.1, clips=9):
    k = np.arange(frames, dtype=float)
    nothing = np.full(frames, np.nan)
    return Curve(
        clips=np.full(frames, clips) - np.arange(frames),
        magnitude=scale * k,
        magnitude_error=nothing,
        angle=np.where(k, 90.0, np.nan),
        angle_error=np.where(k, 9.0, np.nan),
    )


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


def test_a_picture_shows_both_kinds_and_what_follows(texts):
    png = motion_png(
        {"micro": curve(), "macro": curve(scale=0.3)},
        title="motion of $us",
        reach=0.4,
        frames={"pseudo-apex of MoExt": 5, "pseudo-apex here": 3},
        synthetic=False,
    )
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    assert image.shape[1] > 1.5 * image.shape[0] > 600 and image.std() > 10
    for text in (
        *("motion of $us", "micro, n = 9 to 4", "macro, n = 9 to 4"),
        *("micro, at the apex", "pseudo-apex of MoExt: 5", "pseudo-apex here: 3"),
    ):
        assert text in texts
    assert not any("SYNTHETIC" in text for text in texts)


def test_one_kind_alone_and_synthetic(texts):
    constant = curve()._replace(clips=np.full(6, 3))
    png = motion_png(
        {"macro": constant}, title="t", reach=None, frames={}, synthetic=True
    )
    assert png.startswith(b"\x89PNG")
    assert f"t\n{STAMP}" in texts and "macro, n = 3" in texts
    assert "micro, at the apex" not in texts
