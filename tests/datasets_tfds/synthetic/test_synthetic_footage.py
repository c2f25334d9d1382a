"""Tests for datasets_tfds/synthetic/camera.py, footage.py and landmarks.py."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_tfds.synthetic import landmarks
from datasets_tfds.synthetic.footage import Camera, film
from datasets_tfds.synthetic.performance import Setting

WIDE = Camera(height=120, width=160, face=56, centre=(75, 52))
CALM = Setting(nuisance=0, head_motion=0, sensor_noise=0)
RESTLESS = Setting(strength=3, nuisance=9, head_motion=3)
WHOLE = Camera(height=200, width=160, face=120, centre=(80, 76))  # head and chin
POINTS = {33, 133, 362, 263, 168, 6, 197, 195, 5, 152, 176, 334}


def shoot(camera=WIDE, **kwargs):
    wanted = {
        "seed": 0,
        "subject": "sub01",
        "clip": "EP01_01",
        "emotion": "happiness",
        "num_frames": 9,
        "apex": 4,
        **kwargs,
    }
    return film(camera=camera, **wanted)


def test_a_close_up_is_the_tight_square_crop():
    camera = Camera.close_up(128, grey=True)
    assert (camera.height, camera.width, camera.grey) == (128, 128, True)
    assert camera.face == pytest.approx(128 / 1.275)
    assert camera.centre == pytest.approx((64, 60.16))


def test_another_camera_sees_the_same_face_do_the_same():
    near = Camera.close_up(80)
    x, y = near.centre
    far = dataclasses.replace(near, height=117, width=161, centre=(x + 40, y + 20))
    setting = Setting(nuisance=2, sensor_noise=0)
    first, second = (shoot(camera, setting=setting) for camera in (near, far))
    assert first.action_units == second.action_units
    window = slice(20, 100), slice(40, 120)
    np.testing.assert_allclose(second.motion(4)[window], first.motion(4), atol=0.05)
    for number, place in first.landmarks(4).items():
        moved = np.subtract(second.landmarks(4)[number], place)
        np.testing.assert_allclose(moved, (40, 20), atol=0.02)
    stranger = shoot(far, subject="sub02", setting=setting).frame(4)[window]
    same = second.frame(4)[window]
    # Pores and strands of hair depend on the camera, all else does not.
    error, other = (
        np.abs(first.frame(4) - f.astype(int)).mean() for f in (same, stranger)
    )
    assert error < 6 < 12 < other


def test_a_face_twice_as_wide_moves_twice_as_many_pixels():
    small = dataclasses.replace(WIDE, centre=(75.25, 52.25))
    large = Camera(height=240, width=320, face=112, centre=(151, 105))
    slow, fast = (
        shoot(camera, setting=RESTLESS).motion(4) for camera in (small, large)
    )
    shrunk = cv2.resize(fast, (160, 120), interpolation=cv2.INTER_AREA)
    assert np.abs(fast).max() > 1
    np.testing.assert_allclose(shrunk, 2 * slow, atol=0.1 * np.abs(fast).max())


def test_a_frame_is_the_same_whichever_others_are_drawn():
    footage = shoot(setting=RESTLESS)
    forwards = list(footage.frames())
    assert len(forwards) == footage.num_frames == 9
    for t in (8, 0, 4):
        np.testing.assert_array_equal(shoot(setting=RESTLESS).frame(t), forwards[t])


def test_a_subject_is_drawn_once_for_many_clips():
    actors = [shoot(clip=clip).scene.actor for clip in ("EP01_01", "EP02_01")]
    assert actors[0] is actors[1]


@settings(max_examples=12, deadline=None)
@given(
    height=st.integers(17, 70),
    width=st.integers(17, 70),
    face=st.floats(8, 90),
    centre=st.tuples(st.floats(0, 0.99), st.floats(0, 0.99)),
    num_frames=st.integers(2, 40),
    where=st.floats(0, 1),
    grey=st.booleans(),
)
def test_every_camera_and_length_gives_frames(
    height, width, face, centre, num_frames, where, grey
):
    place = (centre[0] * width, centre[1] * height)
    camera = Camera(height=height, width=width, face=face, centre=place, grey=grey)
    apex = 1 + round(where * (num_frames - 2))
    footage = shoot(camera, num_frames=num_frames, apex=apex, setting=RESTLESS)
    intensity = footage.scene.performance.intensity
    assert footage.num_frames == num_frames
    assert footage.apex == apex == intensity.argmax()
    for t in {0, apex, num_frames - 1}:
        frame, motion, points = (
            footage.frame(t),
            footage.motion(t),
            footage.landmarks(t),
        )
        assert frame.shape == (height, width, 3) and frame.dtype == np.uint8
        assert motion.shape == (height, width, 2) and motion.dtype == np.float32
        assert points.keys() == POINTS
        assert np.isfinite(list(points.values())).all()
        assert not grey or (frame == frame[..., :1]).all()
    assert not footage.motion(0).any() and not footage.head_motion(0).any()


def test_a_neutral_face_moves_with_the_head_alone():
    footage = shoot(emotion="neutral", setting=Setting(nuisance=0))
    assert footage.action_units == ""
    assert footage.motion(4).any()
    np.testing.assert_array_equal(footage.motion(4), footage.head_motion(4))


def test_without_head_motion_all_motion_is_that_of_the_face():
    footage = shoot(setting=CALM)
    assert footage.motion(4).any()
    assert not footage.head_motion(4).any()


def test_the_head_moves_and_the_room_does_not():
    footage = shoot(emotion="neutral", setting=Setting(head_motion=5))
    moved = np.linalg.norm(footage.head_motion(8), axis=-1)
    assert moved[52, 75] > 0.2
    assert not moved[:, :8].any() and not moved[:, -8:].any()


@pytest.mark.parametrize("subject", ["sub01", "sub02", "sub03"])
def test_landmarks_lie_where_the_face_is_drawn(subject):
    footage = shoot(WHOLE, subject=subject, setting=RESTLESS)
    portrait = footage.scene.actor.portrait
    wanted = landmarks.on_face(portrait.face)
    for number, place in footage.landmarks(0).items():
        column, row = np.round(place).astype(int)
        x, y = portrait.grid.x[row, column], portrait.grid.y[row, column]
        pixel = 1 / portrait.grid.scale
        assert np.hypot(x - wanted[number][0], y - wanted[number][1]) < 1.2 * pixel


def test_landmarks_go_where_the_motion_takes_a_dot_of_paint():
    footage = shoot(WHOLE, setting=RESTLESS)
    rows, columns = np.mgrid[:200, :160].astype(np.float32)
    moved = footage.motion(4)
    start, end = footage.landmarks(0), footage.landmarks(4)
    ways = []
    for number, (x, y) in start.items():
        dot = np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / 1.5**2)
        source = columns - moved[..., 0], rows - moved[..., 1]
        painted = cv2.remap(dot, *source, cv2.INTER_CUBIC)
        centre = [(painted * c).sum() / painted.sum() for c in (columns, rows)]
        np.testing.assert_allclose(end[number], centre, atol=0.15)
        ways.append(np.subtract(end[number], (x, y)))
    assert np.linalg.norm(ways, axis=1).max() > 0.5


@pytest.mark.parametrize("centre", [(160, 50), (50, -1), (20, float("nan"))])
def test_a_camera_that_misses_the_face_is_refused(centre):
    with pytest.raises(
        ValueError, match="centre must be within the frame of 160 x 120"
    ):
        dataclasses.replace(WIDE, centre=centre)


def test_a_face_of_a_few_pixels_is_refused():
    with pytest.raises(ValueError, match="face must be at least 8 px wide, got 7.9"):
        dataclasses.replace(WIDE, face=7.9)


def test_a_single_frame_has_no_apex():
    with pytest.raises(ValueError, match="one of the 1 frames"):
        shoot(num_frames=1, apex=0)
