import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets_tfds.synthetic.footage import Camera, film
from datasets_tfds.synthetic.performance import Setting
from mer_jax.preprocess.align import crop_transform, warp
from mer_jax.preprocess.flow import grey, optical_flow
from mer_jax.preprocess.stabilise import face_oval, steady, way_back

SIZE = 96


def textured(seed=0, size=SIZE):
    noise = np.random.default_rng(seed).normal(size=(size, size, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)


def a_similarity(angle, scale, x, y):
    """About the centre of a crop."""
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    turn, centre = np.array([[c, -s], [s, c]]), np.full(2, (SIZE - 1) / 2)
    return np.hstack([turn, (centre - turn @ centre + [x, y])[:, None]])


def moved(frame, matrix):
    border = cv2.BORDER_REFLECT
    size = frame.shape[1::-1]
    return cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_CUBIC, borderMode=border)


def far(a, b):
    """Mean distance (px) of where two transforms put the face."""
    y, x = np.nonzero(face_oval(SIZE, SIZE))
    place = np.stack([x, y, np.ones_like(x)])
    return np.linalg.norm((a - b) @ place, axis=0).mean()


def undone(matrix):
    return np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]


@settings(max_examples=25)
@given(
    motion=st.builds(
        a_similarity,
        st.floats(-0.03, 0.03),
        st.floats(0.98, 1.02),
        st.floats(-3, 3),
        st.floats(-3, 3),
    )
)
def test_a_motion_of_the_whole_head_is_undone(motion):
    onset = textured()
    assert far(way_back(onset, moved(onset, motion)), undone(motion)) < 0.1


def test_a_head_that_rests_is_left_alone():
    onset = textured()
    np.testing.assert_allclose(way_back(onset, onset), np.eye(2, 3), atol=1e-6)
    np.testing.assert_array_equal(steady(onset, onset, np.eye(2, 3)), onset)
    flat = np.full_like(onset, 90)
    np.testing.assert_array_equal(steady(flat, flat, np.eye(2, 3)), flat)


def test_skin_that_moves_by_itself_is_outvoted():
    onset, motion = textured(), a_similarity(0.01, 1, 1.2, -0.6)
    y, x = np.mgrid[:SIZE, :SIZE]
    cheek = 2 * np.exp(-((x - 60) ** 2 + (y - 56) ** 2) / 2 / 7**2)
    pulled = cv2.remap(
        onset,
        (x - cheek).astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_CUBIC,
    )
    back = way_back(onset, moved(pulled, motion))
    assert far(back, undone(motion)) < 0.12
    # What is left shows the cheek and nothing else.
    flow = optical_flow(grey(onset), grey(moved(moved(pulled, motion), back)))
    assert flow[54:59, 58:63, 0].mean() > 0.7
    assert np.abs(flow[25:40, 25:40]).mean() < 0.2


def test_background_that_stands_still_has_no_vote():
    onset, motion = textured(), a_similarity(0, 1, 2, 0)
    inside = face_oval(SIZE, SIZE)[..., None]
    frame = np.where(inside, moved(onset, motion), onset)
    assert far(way_back(onset, frame), undone(motion)) < 0.25
    assert 0.3 < inside.mean() < 0.5


def test_a_frame_is_resampled_once():
    """Exactly what one warp by the composed transform gives, not two warps."""
    frame = textured(1, 200)
    transform = np.array([[0.7, 0, -10.3], [0, 0.7, -9.7]])
    onset = warp(frame, transform, SIZE)
    shifted = moved(frame, np.float32([[1, 0, 1.6], [0, 1, -0.8]]))
    found = steady(onset, shifted, transform)
    back = way_back(onset, warp(shifted, transform, SIZE))
    twice = warp(warp(shifted, transform, SIZE), back, SIZE)
    inner = (slice(8, -8), slice(8, -8))
    once = np.abs(found.astype(float) - onset)[inner].mean()
    assert once < np.abs(twice.astype(float) - onset)[inner].mean()
    assert (
        once < np.abs(warp(shifted, transform, SIZE).astype(float) - onset).mean() / 3
    )


@pytest.mark.parametrize("subject", range(4))
def test_a_drawn_head_sways_less(subject):
    clip = film(
        seed=2,
        subject=f"sub{subject}",
        clip="neutral",
        emotion="neutral",
        camera=Camera(height=180, width=240, face=90, centre=(120, 80)),
        num_frames=10,
        setting=Setting(head_motion=3, nuisance=0),
    )
    points = np.zeros((478, 2))
    for number, place in clip.landmarks(0).items():
        points[number] = place
    transform = crop_transform(points, "template", SIZE)
    onset = warp(clip.frame(0), transform, SIZE)
    frame = clip.frame(9)
    motion = [
        np.linalg.norm(optical_flow(grey(onset), grey(crop)), axis=-1)
        for crop in (warp(frame, transform, SIZE), steady(onset, frame, transform))
    ]
    plain, left = (m[face_oval(SIZE, SIZE)].mean() for m in motion)
    assert left < 0.6 * plain
