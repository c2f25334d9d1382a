"""Tests for mer_jax/models/images.py."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings

from mer_jax.models.images import by_imagenet, sampled, unit_range

look = jax.jit(sampled)


def clip(frames=2, height=5, width=7):
    shape = (frames, height, width, 3)
    return np.random.default_rng(0).random(shape, np.float32)


def grid(height, width):
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return rows, columns


def test_bytes_become_the_unit_range_and_floats_stay():
    found = unit_range(np.array([0, 51, 255], np.uint8))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, [0, 0.2, 1], rtol=1e-6)
    single = np.array([0.3], np.float32)
    assert unit_range(single) is single


def test_standardised_colours():
    images = np.stack([np.full((2, 2, 3), v, np.float32) for v in (0.0, 0.485, 1.0)])
    found = by_imagenet(images)
    assert found.shape == images.shape and found.dtype == jnp.float32
    assert not np.any(found[1, ..., 0])
    np.testing.assert_allclose(found[2, 0, 0], [2.2489, 2.4286, 2.64], rtol=1e-4)
    as_clips = by_imagenet(images[None])[0]
    np.testing.assert_array_equal(as_clips, found)


def test_whole_numbers_give_the_very_pixels():
    frames = clip()
    rows, columns = grid(5, 7)
    np.testing.assert_array_equal(look(frames, rows, columns), frames)
    found = look(frames, 4 - rows[:3, :2], columns[:3, :2])
    np.testing.assert_array_equal(found, frames[:, 4:1:-1, :2])


@settings(max_examples=20)
@given(st.integers(0, 99))
def test_places_between_pixels_and_beyond_the_edge_are_scipys(seed):
    frames = clip()
    rows, columns = np.random.default_rng(seed).uniform(-3, 9, (2, 4, 6))
    found = look(frames, np.float32(rows), np.float32(columns))
    assert found.shape == (2, 4, 6, 3)
    for frame, seen in zip(frames, np.asarray(found), strict=True):
        for channel in range(3):
            expected = scipy.ndimage.map_coordinates(
                frame[..., channel], [rows, columns], order=1, mode="nearest"
            )
            np.testing.assert_allclose(seen[..., channel], expected, atol=1e-5)


def test_one_pixel_is_seen_everywhere():
    frames = clip(1, 1, 1)
    rows, columns = grid(3, 3)
    found = look(frames, rows - 1, columns)
    np.testing.assert_array_equal(found, np.broadcast_to(frames, (1, 3, 3, 3)))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
def test_the_type_of_pixels_stays(dtype):
    found = look(jnp.asarray(clip(), dtype), *grid(2, 2))
    assert found.dtype == dtype
