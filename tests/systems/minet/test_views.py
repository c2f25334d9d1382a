"""Tests for mer_jax/systems/minet/views.py."""

import functools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings

from mer_jax.models.images import by_imagenet
from mer_jax.systems.minet.views import (
    Pose,
    drawn,
    drawn_pose,
    posed,
    stored_size,
    unchanged,
)

B, T, STORED, SIZE = 12, 3, 16, 14
KEY = jax.random.key(3)
KINDS = ("rmic", "flip", "none")
QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time
turn = jax.jit(posed, static_argnums=2, compiler_options=QUICK)
draw = jax.jit(drawn, static_argnames=("size", "aug"), compiler_options=QUICK)


def clips(seed=0, frames=T, size=STORED):
    """The apex is the last frame."""
    shape = (B, frames, size, size, 3)
    clip = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    return clip[:, -1], clip


def colours(frames):
    return np.asarray(by_imagenet(jnp.float32(frames) / 255))


def pose(mirror=False, degrees=0.0, edge=1.0, top=0.5, left=0.5, count=1):
    every = lambda value: jnp.full(count, value, jnp.float32)
    numbers = map(every, (degrees, edge, top, left))
    return Pose(jnp.full(count, mirror), *numbers)


def test_frames_are_stored_so_much_larger():
    assert stored_size(224, "rmic") == 256 and stored_size(112, "rmic") == 128
    assert stored_size(32, "rmic") == 37
    assert stored_size(224, "flip") == stored_size(224, "none") == 224


# Evaluation.


def test_evaluation_sees_the_very_pixels_of_the_middle():
    apex, clip = clips()
    seen = unchanged(apex, clip, size=SIZE, aug="rmic")
    assert seen.apex.shape == (B, SIZE, SIZE, 3)
    assert seen.clip.shape == (B, T, SIZE, SIZE, 3)
    assert seen.apex.dtype == seen.clip.dtype == jnp.float32
    middle = slice(1, 15)
    np.testing.assert_array_equal(seen.apex, colours(apex[:, middle, middle]))
    np.testing.assert_array_equal(seen.clip, colours(clip[:, :, middle, middle]))


@pytest.mark.parametrize("aug", ["flip", "none"])
def test_evaluation_of_others_sees_all(aug):
    apex, clip = clips()
    seen = unchanged(apex, clip, size=STORED, aug=aug)
    np.testing.assert_array_equal(seen.apex, colours(apex))
    np.testing.assert_array_equal(seen.clip, colours(clip))


# Training.


@pytest.mark.parametrize("aug", KINDS)
def test_apex_and_frames_are_turned_alike(aug):
    apex, clip = clips()
    seen = draw(apex, clip, KEY, size=STORED, aug=aug)
    np.testing.assert_array_equal(seen.apex, seen.clip[:, -1])
    still = np.repeat(clip[:, :1], T, axis=1)
    seen = draw(still[:, 0], still, KEY, size=STORED, aug=aug)
    assert not np.any(np.ptp(seen.clip, axis=1))


def test_a_flip_mirrors_half_of_the_clips():
    apex, clip = clips()
    seen = draw(apex, clip, KEY, size=STORED, aug="flip")
    plain = colours(clip)
    mirrored = plain[:, :, :, ::-1]
    as_is = [np.array_equal(a, b) for a, b in zip(seen.clip, plain, strict=True)]
    turned = [np.array_equal(a, b) for a, b in zip(seen.clip, mirrored, strict=True)]
    assert all(a != b for a, b in zip(as_is, turned, strict=True))
    assert 2 < sum(turned) < B - 2


def test_none_is_as_evaluation():
    apex, clip = clips()
    seen = draw(apex, clip, KEY, size=STORED, aug="none")
    np.testing.assert_array_equal(seen.clip, colours(clip))


def test_every_clip_is_drawn_for_itself_and_by_the_key():
    apex, clip = clips()
    apex, clip = (np.repeat(x[:1], B, axis=0) for x in (apex, clip))
    call = functools.partial(draw, apex, clip, size=SIZE, aug="rmic")
    seen, again, other = call(KEY), call(KEY), call(jax.random.key(4))
    np.testing.assert_array_equal(seen.clip, again.clip)
    assert np.abs(seen.clip - other.clip).max() > 0.1
    for i in range(B):
        for j in range(i):
            assert np.abs(seen.apex[i] - seen.apex[j]).max() > 0.1


def test_draws_cover_their_ranges():
    found = drawn_pose(KEY, 2000)
    shares = [
        np.asarray(found.degrees + 10) / 20,
        (np.square(found.edge) - 0.7) / 0.3,
        found.top,
        found.left,
    ]
    for share in shares:
        counts, _ = np.histogram(share, 10, (0, 1))
        assert counts.min() > 140 and counts.sum() >= 1999  # one may round to 1
    assert 900 < found.mirror.sum() < 1100
    every = np.stack([*shares, np.float32(found.mirror)])
    apart = np.corrcoef(every) - np.eye(5)
    assert np.abs(apart).max() < 0.1  # none depends on another


# Poses.


def ramp(size):
    """[1, 1, E, E, 2]: every pixel's row and column, which bilinear looks keep."""
    return np.stack(np.mgrid[:size, :size], axis=-1)[None, None].astype(np.float32)


def test_as_it_is_a_clip_keeps_its_bits():
    frames = np.float32(clips()[1])
    found = turn(frames, pose(count=B), STORED)
    np.testing.assert_array_equal(found, frames)


@pytest.mark.parametrize("degrees", [-10.0, 7.3])
def test_a_rotation_is_scipys(degrees):
    frames = np.float32(clips()[1][:1]) / 255
    found = turn(frames, pose(degrees=degrees), STORED)[0]
    for frame, turned in zip(frames[0], np.asarray(found), strict=True):
        expected = scipy.ndimage.rotate(
            frame, degrees, order=1, reshape=False, mode="nearest"
        )
        np.testing.assert_allclose(turned, expected, atol=1e-5)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (1, 0), (0.5, 1), (0.5, 0.5)])
def test_a_crop_of_whole_pixels_is_a_slice(top, left):
    frames = np.float32(clips()[1][:1])
    found = turn(frames, pose(edge=12 / 16, top=top, left=left), 12)
    y, x = int(4 * top), int(4 * left)
    expected = frames[:, :, y : y + 12, x : x + 12]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_a_crop_is_resized_about_the_middles_of_pixels():
    found = np.asarray(turn(ramp(16), pose(edge=0.75, top=0, left=1), 6))[0, 0]
    # 12 pixels seen as 6: each between two, from the first row and the fifth column.
    np.testing.assert_allclose(found[:, 0, 0], [0.5, 2.5, 4.5, 6.5, 8.5, 10.5])
    np.testing.assert_allclose(found[0, :, 1], [4.5, 6.5, 8.5, 10.5, 12.5, 14.5])


@settings(max_examples=20)
@given(
    st.floats(-10, 10),
    st.floats(0.84, 1),
    st.floats(0, 1),
    st.floats(0, 1),
    st.sampled_from([7, 14, 20]),
)
def test_a_pose_rotates_then_crops_then_mirrors(degrees, edge, top, left, size):
    count, middle = 40, 19.5
    found = turn(ramp(count), pose(False, degrees, edge, top, left), size)[0, 0]
    step, room = count * edge / size, count * (1 - edge)
    y, x = (
        start * room + (np.arange(size) + 0.5) * step - 0.5 - middle
        for start in (top, left)
    )
    turned = np.exp(1j * np.deg2rad(degrees)) * (x[None] + 1j * y[:, None])
    rows, columns = (
        np.clip(part + middle, 0, count - 1) for part in (turned.imag, turned.real)
    )
    np.testing.assert_allclose(found[..., 0], rows, atol=1e-3)
    np.testing.assert_allclose(found[..., 1], columns, atol=1e-3)
    mirrored = turn(ramp(count), pose(True, degrees, edge, top, left), size)[0, 0]
    np.testing.assert_allclose(mirrored, found[:, ::-1], atol=1e-4)


def test_what_is_drawn_stays_within_the_frame_but_for_its_corners():
    count = 100
    found = drawn_pose(KEY, count)
    upright = found._replace(degrees=jnp.zeros(count))
    frames = np.repeat(ramp(32), count, axis=0)
    seen = np.asarray(turn(frames, upright, 28))
    assert seen.min() >= 0 and seen.max() <= 31
    # Of an upright square no edge is repeated.
    assert (np.diff(seen[:, 0, :, 0, 0], axis=1) > 0.9).all()


def test_one_lane_of_many_draws_what_it_draws_alone():
    keys = jax.random.split(KEY, 2)
    lanes = [clips(seed) for seed in (0, 1)]
    stacked = [np.stack(x) for x in zip(*lanes, strict=True)]
    call = functools.partial(drawn, size=SIZE, aug="rmic")
    together = jax.jit(jax.vmap(call), compiler_options=QUICK)(*stacked, keys)
    for i in range(2):
        alone = draw(*lanes[i], keys[i], size=SIZE, aug="rmic")
        for lane, own in zip(together, alone, strict=True):
            np.testing.assert_allclose(lane[i], own, atol=1e-5)


@pytest.mark.parametrize("call", [unchanged, functools.partial(drawn, key=KEY)])
def test_other_sizes_and_augmentations_are_refused(call):
    apex, clip = clips()
    with pytest.raises(ValueError, match="rmic, flip or none, got 'rotate'"):
        call(apex, clip, size=SIZE, aug="rotate")
    for aug in ("flip", "none"):
        with pytest.raises(ValueError, match="frames are of 16 pixels, not size=14"):
            call(apex, clip, size=SIZE, aug=aug)
