"""Tests for blinks and gaze: datasets_tfds/synthetic/eyes.py, portrait.py and on."""

import dataclasses

import cv2
import numpy as np
import pytest

from datasets_tfds.synthetic.actor import cast
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.eyes import STRAIGHT, Look
from datasets_tfds.synthetic.footage import film
from datasets_tfds.synthetic.performance import (
    Setting,
    draw_blinks,
    draw_course,
    draw_gaze,
)

CAMERA = Camera(height=90, width=120, face=76, centre=(58, 40))
LOOKS = [
    Look(0.5),
    Look(1.0),
    Look(0, 0.03, 0),
    Look(0, -0.03, 0.02),
    Look(1, 0.04, 0.02),
]


@pytest.fixture(scope="module", params=["sub01", "sub02", "sub03", "sub04"])
def portrait(request):
    return cast(0, request.param, CAMERA).portrait


def around(portrait, side):
    """Mask of the picture: one eye, corner to corner."""
    height, width = portrait.picture.shape[:2]
    x, y = (cv2.resize(f, (width, height)) for f in (portrait.grid.x, portrait.grid.y))
    return np.hypot((x - side * portrait.face.eye_x) / 2, y) < 0.08


def test_open_eyes_that_look_ahead_are_those_of_the_portrait(portrait):
    assert portrait.looking(STRAIGHT) is portrait.picture
    anew = portrait.looking(Look(closure=1e-12))
    np.testing.assert_allclose(anew, portrait.picture, atol=0.01)  # grey levels


@pytest.mark.parametrize("look", LOOKS)
def test_lids_and_irises_change_the_eyes_and_nothing_else(portrait, look):
    changed = np.abs(portrait.looking(look) - portrait.picture).max(-1)
    eyes = around(portrait, -1) | around(portrait, 1)
    assert changed[eyes].mean() > 3
    core = np.zeros(changed.shape, bool)
    core[portrait.eyes.place][portrait.eyes.core] = True
    assert not changed[~core].any()
    rim = core & (cv2.erode(core.astype(np.uint8), np.ones((3, 3))) == 0)
    assert changed[rim].max() < 0.1  # no seam
    scale = 1.5 * CAMERA.scale
    assert core.sum() < 1.8 * scale * 0.75 * scale


def test_a_closing_lid_hides_the_eye_bit_by_bit(portrait):
    eye = around(portrait, 1)
    closed = portrait.looking(Look(1.0))[eye]
    visible = [
        np.abs(portrait.looking(Look(closure))[eye] - closed).mean()
        for closure in (0.0, 0.4, 0.6, 0.8, 1.0)
    ]
    assert (np.diff(visible) < 0).all()
    assert visible[0] > 10  # grey levels
    gaze = portrait.looking(Look(1.0, 0.03, 0.0))[eye]
    np.testing.assert_allclose(gaze, closed, atol=8)  # nothing shines through


@pytest.mark.parametrize("side", [-1, 1])
def test_both_irises_go_where_the_gaze_goes(portrait, side):
    def darkness(look):
        """Centre of what is dark between the lids, picture pixels."""
        eye = around(portrait, side)
        rows, columns = np.nonzero(eye)
        weight = np.clip(110 - portrait.looking(look)[eye].mean(-1), 0, None) ** 2
        return (weight * columns).sum() / weight.sum()

    left, ahead, right = (darkness(Look(x=x)) for x in (-0.03, 0, 0.03))
    assert left < ahead - 0.2 < ahead + 0.2 < right


def shoot(nuisance, clip):
    return film(
        seed=0,
        subject="sub01",
        clip=clip,
        emotion="disgust",
        camera=CAMERA,
        num_frames=16,
        setting=Setting(nuisance=nuisance),
    ).scene.performance


def test_without_nuisance_nobody_blinks_or_looks_away():
    for i in range(30):
        performance = shoot(0, f"EP{i:02d}_01")
        assert all(performance.look(t) == STRAIGHT for t in range(16))


def test_blinks_leave_everything_else_as_it_was():
    calm, restless = (shoot(nuisance, "EP01_01") for nuisance in (0, 60))
    assert restless.closure.max() > 0.5 and np.abs(restless.gaze).max() > 0.005
    for part in ("intensity", "twitch_course", "head"):
        for a, b in zip(getattr(calm, part), getattr(restless, part), strict=True):
            np.testing.assert_array_equal(a, b)


def test_few_clips_are_blinked_at_their_apex():
    closed, away = [], []
    for seed in range(3000):
        rng = np.random.default_rng(seed)
        apex, _ = draw_course(rng, 16)
        closed.append(draw_blinks(rng, 2.0, 16)[apex])
        away.append(np.abs(draw_gaze(rng, 2.0, 16)[apex]).max())
    closed, away = np.array(closed), np.array(away)
    assert 0.02 < (closed > 0.1).mean() < 0.08
    assert (closed > 0.95).any() and ((closed > 0.2) & (closed < 0.8)).any()
    assert closed.max() <= 1
    assert 0.08 < (away > 0.003).mean() < 0.30
    assert np.percentile(away, 99.9) < 0.08  # 4 mm of an eyeball: 25 degrees


def test_a_blink_changes_no_pixel_far_from_the_eyes():
    setting = Setting(nuisance=60, sensor_noise=0, head_motion=0)
    footage = film(
        seed=0,
        subject="sub01",
        clip="EP01_01",
        emotion="neutral",
        camera=CAMERA,
        num_frames=16,
        setting=setting,
    )
    scene, t = footage.scene, int(footage.scene.performance.closure.argmax())
    awake = dataclasses.replace(
        scene.performance,
        closure=np.zeros(16),
        gaze=np.zeros((16, 2)),
    )
    open_eyes = dataclasses.replace(
        footage, scene=dataclasses.replace(scene, performance=awake)
    )
    changed = (footage.frame(t) != open_eyes.frame(t)).any(-1)
    x, y = CAMERA.axes()
    assert changed.sum() > 50
    assert (np.abs(x) < 0.9)[:, np.nonzero(changed)[1]].all()
    assert (np.abs(y) < 0.4)[np.nonzero(changed)[0]].all()
