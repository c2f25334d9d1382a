"""Tests for mer_jax/data/frames.py."""

import threading

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data.clips import gather
from mer_jax.data.frames import Frames, batch_at, joined, streamed

GENERATOR = np.random.default_rng(0)
PIXELS = GENERATOR.integers(0, 256, (7, 2, 2, 3), np.uint8)
OWNER = np.array([0, 0, 0, 2, 2, 3, 5], np.int32)
PARTS = PIXELS[:3], PIXELS[3:4], PIXELS[4:]
FRAMES = Frames(OWNER, PARTS, "made")
KNOWN = {
    "label": np.array([1, 1, 1, 0, 0, 2, -1], np.int32),
    "subject": np.array([4, 4, 4, 0, 0, 9, -1], np.int32),
}
STEPS = np.array([[[0, 6, -1], [3, 3, 5]], [[-1, -1, -1], [1, 2, 4]]] * 6, np.int32)


def test_frames_are_counted_through_all_parts():
    assert len(FRAMES) == 7 and FRAMES.shape == (2, 2, 3)
    assert FRAMES.num_bytes == PIXELS.nbytes
    for position, pixels in enumerate(PIXELS):
        np.testing.assert_array_equal(FRAMES[position], pixels)
    with pytest.raises(IndexError, match="after the last of 7"):
        FRAMES[7]


@given(st.sets(st.integers(0, 6)))
def test_the_frames_of_clips_are_those_they_own_and_no_others(clips):
    found = FRAMES.of(np.array(sorted(clips), int))
    assert found.tolist() == [i for i, own in enumerate(OWNER) if own in clips]


def test_joined_frames_belong_to_clips_that_are_counted_through():
    both = joined([FRAMES, None, FRAMES], [6, 100, 6])
    assert both.owner.tolist() == [*OWNER, *(106 + OWNER)]
    assert both.owner.dtype == np.int32
    np.testing.assert_array_equal(both[7 + 4], PIXELS[4])
    assert joined([None, None], [6, 6]) is None


rows = st.lists(st.integers(-1, 6), min_size=1, max_size=5)


@given(rows)
def test_a_batch_of_the_host_is_the_one_that_a_device_gathers(index):
    index = np.array(index, np.int32)
    found = batch_at(FRAMES, KNOWN, index)
    expected = gather({"frame": jnp.asarray(PIXELS), **KNOWN}, index)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("start", [0, 1, 7, len(STEPS)])
def test_a_stream_is_the_batches_of_its_steps_from_any_of_them_on(start):
    batches = list(streamed(FRAMES, KNOWN, STEPS[start:]))
    assert len(batches) == len(STEPS) - start
    for index, batch in zip(STEPS[start:], batches, strict=True):
        assert batch["frame"].shape == (2, 3, 2, 2, 3)
        for name, array in batch_at(FRAMES, KNOWN, index).items():
            np.testing.assert_array_equal(batch[name], array)


def test_a_stream_that_is_closed_leaves_no_thread():
    before = set(threading.enumerate())
    stream = streamed(FRAMES, KNOWN, STEPS)
    next(stream)
    readers = set(threading.enumerate()) - before
    assert readers
    stream.close()
    for thread in readers:
        thread.join(timeout=10)
        assert not thread.is_alive()
