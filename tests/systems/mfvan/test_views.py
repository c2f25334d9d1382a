"""Tests for mer_jax/systems/mfvan/views.py."""

import jax
import numpy as np
import pytest

from mer_jax.systems.mfvan.views import drawn

KEY = jax.random.key(1)
FRAMES = np.random.default_rng(0).integers(0, 256, (20, 2, 12, 12, 3)).astype(np.uint8)
UNIT = FRAMES.astype(np.float32) / 255


@pytest.mark.parametrize("aug", ["turn", "flip", "none"])
def test_frames_of_a_clip_are_turned_alike(aug):
    twice = np.repeat(FRAMES[:, :1], 2, axis=1)
    found = np.asarray(drawn(twice, KEY, aug))
    assert found.shape == FRAMES.shape and found.dtype == np.float32
    np.testing.assert_array_equal(found[:, 0], found[:, 1])
    assert found.min() >= 0 and found.max() <= 1


def test_none_is_the_very_pixels():
    np.testing.assert_array_equal(drawn(FRAMES, KEY, "none"), UNIT)


def test_flip_mirrors_some_clips_and_leaves_the_others():
    found = np.asarray(drawn(FRAMES, KEY, "flip"))
    mirrored = (found == UNIT[:, :, :, ::-1]).all((1, 2, 3, 4))
    same = (found == UNIT).all((1, 2, 3, 4))
    np.testing.assert_array_equal(mirrored, ~same)
    assert 4 <= mirrored.sum() <= 16


def test_turn_moves_every_clip_otherwise():
    wedge = np.zeros((20, 1, 12, 12, 3), np.uint8)
    wedge[:, :, :4, :6] = 255
    found = np.asarray(drawn(wedge, KEY, "turn")).reshape(20, -1)
    assert len(np.unique(found, axis=0)) == 20


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="aug must be turn, flip or none"):
        drawn(FRAMES, KEY, "crop")
