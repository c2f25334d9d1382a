"""Tests for datasets_tfds/synthetic/identity.py and portrait.py."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.identity import draw_identity
from datasets_tfds.synthetic.portrait import OVERSAMPLING, draw_portrait
from datasets_tfds.synthetic.streams import stream


def close_up(face, size, grey=False):
    return draw_portrait(face, Camera.close_up(size, grey))


def identity(seed):
    return draw_identity(stream(seed, "somebody"))


def at(portrait, x, y):
    """Colours of the pixels within 0.03 face units of (x, y)."""
    size = portrait.grid.x.shape[0]
    picture = cv2.resize(portrait.picture, (size, size), interpolation=cv2.INTER_AREA)
    return picture[np.hypot(portrait.grid.x - x, portrait.grid.y - y) < 0.03]


def test_a_portrait_is_a_function_of_the_identity_alone():
    first, second = (close_up(identity(3), 48) for _ in range(2))
    np.testing.assert_array_equal(first.picture, second.picture)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_face_is_a_picture_with_dark_pupils_and_a_near_nose(seed):
    face = identity(seed)
    portrait = close_up(face, 96)
    assert portrait.picture.shape == (round(96 * OVERSAMPLING),) * 2 + (3,)
    assert np.isfinite(portrait.picture).all()
    assert portrait.picture.min() >= 0 and portrait.picture.max() <= 255
    for side in (-1, 1):
        pupil = at(portrait, side * face.eye_x, 0)
        assert pupil.mean() < at(portrait, side * 0.6, 0.42).mean()
    nearest = np.unravel_index(portrait.depth.argmax(), portrait.depth.shape)
    assert abs(portrait.grid.x[nearest]) < 0.15
    assert 0.3 < portrait.grid.y[nearest] < 0.8
    assert portrait.depth[0, 0] == 0  # the background is flat


@pytest.mark.parametrize("seed", range(3))
def test_the_same_face_is_drawn_at_every_resolution(seed):
    small, large = (close_up(identity(seed), size).picture for size in (64, 128))
    shrunk = cv2.resize(large, small.shape[:2], interpolation=cv2.INTER_AREA)
    other = close_up(identity(seed + 1), 64).picture
    same_face, other_face = (np.abs(shrunk - p).mean() for p in (small, other))
    assert same_face < 6 < other_face


def test_a_grey_portrait_is_the_luma_of_the_coloured_one():
    colour, grey = (close_up(identity(5), 48, grey=bool(g)).picture for g in (0, 1))
    assert (grey == grey[..., :1]).all()
    luma = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
    np.testing.assert_allclose(grey[..., 0], luma, atol=0.01)


def test_identities_differ_and_are_reproducible():
    people = {identity(seed) for seed in range(20)}
    assert len(people) == 20
    assert identity(7) in people
