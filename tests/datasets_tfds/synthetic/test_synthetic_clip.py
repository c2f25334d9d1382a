"""Tests for datasets_tfds/synthetic/performance.py and clip.py."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_tfds.synthetic.actor import cast
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.synthetic.clip import motion, render, stage
from datasets_tfds.synthetic.expressions import EMOTIONS, draw_expression
from datasets_tfds.synthetic.performance import (
    ORDINARY,
    Setting,
    draw_blinks,
    draw_course,
    draw_gaze,
    draw_head,
    draw_twitch_course,
    perform,
)

NUM_FRAMES = 16
STILL = Setting(nuisance=0, head_motion=0, sensor_noise=0)  # but for the expression


def act(actor, clip, emotion, setting):
    """A scene of 16 frames."""
    return stage(actor, perform(actor, clip, emotion, setting, num_frames=NUM_FRAMES))


def show(actor, code, setting=STILL):
    """A scene in which `actor` shows just `code`."""
    performance = perform(actor, "EP01_01", "happiness", setting, num_frames=NUM_FRAMES)
    rng = np.random.default_rng(0)
    expression = draw_expression(code, actor.identity, actor.styles, rng)
    return stage(actor, dataclasses.replace(performance, expression=expression))


def grey(frame):
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)


@given(seed=st.integers(0, 2**32 - 1), length=st.integers(5, 40), where=st.floats(0, 1))
def test_an_expression_rises_to_one_at_its_apex_and_never_beyond(seed, length, where):
    wanted = 1 + int(where * (length - 2))  # 1 .. length - 1
    for asked in (None, wanted):
        apex, course = draw_course(np.random.default_rng(seed), length, asked)
        assert len(course) == length
        if asked is None:
            assert 0.3 * length < apex < 0.65 * length
        else:
            assert apex == wanted
        assert_rises_to_one_and_falls(course, apex)


def assert_rises_to_one_and_falls(course, apex):
    assert course[0] == 0
    assert course[apex] == course.max() == pytest.approx(1)
    assert (np.diff(course[: apex + 1]) > 0).all()
    assert (np.diff(course[apex:]) < 0).all()
    assert apex == len(course) - 1 or 0 <= course[-1] <= 0.35 + 1e-9


@pytest.mark.parametrize("apex", [-1, 0, 9])
def test_an_apex_that_is_no_frame_after_the_onset_is_refused(apex):
    with pytest.raises(ValueError, match=f"one of the 9 frames; got apex {apex}"):
        draw_course(np.random.default_rng(0), 9, apex)


def test_an_unknown_emotion_is_refused_with_those_that_exist(actor):
    with pytest.raises(ValueError, match="one of .*'happiness'.* got 'joy'"):
        act(actor, "EP01_01", "joy", ORDINARY)


@given(seed=st.integers(0, 2**32 - 1), length=st.integers(2, 40))
def test_nothing_else_has_moved_in_the_onset_frame_either(seed, length):
    rng = np.random.default_rng(seed)
    assert all(path[0] == 0 for path in draw_head(rng, 1.0, length))
    assert draw_twitch_course(rng, length)[0] == 0
    assert draw_blinks(rng, 99, length)[0] == 0
    assert not draw_gaze(rng, 99, length)[0].any()


def test_the_onset_frame_shows_the_neutral_face_whatever_follows(actor):
    onsets = [
        render(act(actor, "EP01_01", emotion, ORDINARY), 0) for emotion in EMOTIONS
    ]
    for onset in onsets:
        np.testing.assert_array_equal(onset, onsets[0])
    silent = act(actor, "EP01_01", "happiness", STILL)
    size = silent.actor.portrait.picture.shape[0]
    x = (np.mgrid[:64] + 0.5) * size / 64 - 0.5
    columns, rows = np.meshgrid(x.astype(np.float32), x.astype(np.float32))
    portrait = cv2.remap(actor.portrait.picture, columns, rows, cv2.INTER_CUBIC)
    assert np.abs(render(silent, 0)[2:-2, 2:-2] - portrait[2:-2, 2:-2]).max() <= 0.51


@pytest.mark.parametrize("code", ["1+2", "4", "L12", "12", "15", "17"])
def test_pixels_change_where_the_action_units_act(code):
    actor = cast(0, "synthetic_smic/sub02", Camera.close_up(96))
    scene = show(actor, code, dataclasses.replace(STILL, strength=2))
    apex = scene.performance.apex
    moved = np.linalg.norm(motion(scene, apex), axis=-1)
    changed = np.abs(grey(render(scene, apex)) - grey(render(scene, 0)).astype(float))
    acting, resting = moved > 0.3 * moved.max(), moved < 0.02 * moved.max()
    assert changed[acting].mean() > 0.5  # grey levels
    assert changed[resting].mean() < 0.1 * changed[acting].mean()


@pytest.mark.parametrize("emotion", ["happiness", "surprise", "disgust"])
def test_optical_flow_measures_the_true_motion(emotion):
    actor = cast(0, "synthetic_casme2/sub03", Camera.close_up(128))
    setting = Setting(strength=2.0, nuisance=0)
    scene = act(actor, "EP01_01", emotion, setting)
    apex = scene.performance.apex
    truth = motion(scene, apex)
    dis = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    measured = dis.calc(grey(render(scene, 0)), grey(render(scene, apex)), None)
    acting = np.linalg.norm(truth, axis=-1) > 0.5 * np.linalg.norm(truth, axis=-1).max()
    error = np.linalg.norm(measured - truth, axis=-1)[acting].mean()
    assert error < 0.6 * np.linalg.norm(truth, axis=-1)[acting].mean()


@settings(max_examples=10, deadline=None)
@given(strength=st.floats(0.1, 3), t=st.integers(0, NUM_FRAMES - 1))
def test_motion_of_the_skin_is_linear_in_strength(actor, strength, t):
    def moved(strength):
        setting = dataclasses.replace(STILL, strength=strength)
        return motion(act(actor, "c", "surprise", setting), t)

    np.testing.assert_allclose(moved(strength), strength * moved(1.0), atol=1e-4)


def test_nuisance_leaves_the_expression_as_it_was(actor):
    calm, restless = (
        act(actor, "EP02_01", "disgust", Setting(nuisance=nuisance)).performance
        for nuisance in (0, 9)
    )
    assert calm.expression == restless.expression
    np.testing.assert_array_equal(calm.intensity, restless.intensity)
    assert len(restless.twitches) > len(calm.twitches) == 0


def test_two_clips_of_one_emotion_differ_and_so_do_two_actors(actor):
    other = cast(0, "synthetic_casme2/sub02", Camera.close_up(64))
    performances = [
        act(actor, "EP01_01", "fear", ORDINARY).performance,
        act(actor, "EP02_01", "fear", ORDINARY).performance,
        act(other, "EP01_01", "fear", ORDINARY).performance,
    ]
    assert len({p.expression.pulls for p in performances}) == 3


def test_frames_are_bytes_with_the_asked_for_noise(actor):
    scene = act(actor, "EP01_01", "anger", Setting(sensor_noise=2))
    clean = act(actor, "EP01_01", "anger", Setting(sensor_noise=0))
    frame = render(scene, 3)
    assert frame.dtype == np.uint8 and frame.shape == (64, 64, 3)
    difference = frame - render(clean, 3).astype(float)
    assert 0.5 * 2 < difference.std() < 1.5 * 2


def test_a_monochrome_camera_has_one_noise_for_all_channels():
    actor = cast(0, "synthetic_samm/sub01", Camera.close_up(48, grey=True))
    frame = render(act(actor, "EP01_01", "anger", ORDINARY), 5)
    assert (frame == frame[..., :1]).all()
