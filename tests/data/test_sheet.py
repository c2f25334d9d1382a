"""Tests for mer_jax/data/sheet.py: which frames of a clip are drawn, and what above."""

import io

import numpy as np
import pytest
from PIL import Image

from mer_jax.data import sheet
from mer_jax.data.prepared import prepare
from mer_jax.errors import UserError
from mer_jax.preprocess.crops import Crops
from mer_jax.preprocess.sheet import LEAST
from tests.data import releases


def png(level):
    return releases.png(np.full((300, 300, 3), level, np.uint8))


FRAMES = [png(level) for level in (10, 20, 30)]


def reading(apex, source="annotated"):
    return {"emotion": "joy", "onset_index": 0, "apex_index": apex} | {
        "apex_source": source
    }


def clip(**changes):
    return {
        "key": "a/b/c",
        "synthetic": False,
        "annotated": reading(1),
        "repaired": reading(2),
    } | changes


@pytest.fixture
def drawn(monkeypatch):
    """The arguments of every strip drawn."""
    calls = []

    def strip(caption, onset, apex, *, mark):
        calls.append((caption, onset, apex, mark))
        return np.zeros((8, LEAST, 3), np.uint8)

    monkeypatch.setattr(sheet, "strip", strip)
    return calls


def test_the_mended_apex_is_drawn(drawn):
    sheet.strip_of(clip(), FRAMES, mark="no apex")
    ((caption, onset, apex, mark),) = drawn
    assert (caption, mark) == ("a/b/c  joy", "no apex")
    assert onset.max() == 10 and apex.max() == 30
    unmended = clip()
    del unmended["repaired"]
    sheet.strip_of(unmended, FRAMES)
    assert drawn[1][2].max() == 20


def test_a_twin_is_stamped(drawn):
    sheet.strip_of(clip(synthetic=True), FRAMES)
    assert drawn[0][0] == "SYNTHETIC  a/b/c  joy"


def test_a_still_is_drawn_once(drawn):
    sheet.strip_of(clip(repaired=reading(0, "still")), FRAMES)
    assert drawn[0][2] is None


def test_crops_are_drawn_instead(drawn):
    crops = Crops(
        np.arange(2 * 16 * 16 * 3, dtype=np.uint8).reshape(2, 16, 16, 3), "found"
    )
    sheet.strip_of(clip(), [], crops)
    assert (drawn[0][1] == crops.frames[0]).all()
    assert (drawn[0][2] == crops.frames[1]).all()


def test_a_prepared_corpus_has_a_clip_of_each_subject(tmp_path, drawn):
    release = releases.write(tmp_path / "r", subjects=3, synthetic=True)
    own = prepare("custom", str(release), cache=tmp_path, progress=lambda *_: None)
    shown = Image.open(io.BytesIO(sheet.sheet_of(own)))
    assert shown.format == "PNG"
    captions = [caption for caption, *_ in drawn]
    assert captions == [f"SYNTHETIC  custom/p{n}/c0  happiness" for n in range(3)]


def test_a_corpus_without_frames_has_none(tmp_path):
    class Flow:
        name, stored = "flows", ("flow",)

    with pytest.raises(UserError, match="flows stores no frames"):
        sheet.sheet_of(Flow())
