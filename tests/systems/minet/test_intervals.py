"""Tests for mer_jax/systems/minet/intervals.py."""

import functools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from mer_jax.systems.minet.intervals import (
    Aggregate,
    averages,
    central_positions,
    drawn_positions,
    sequences,
    spacings,
    window_length,
)

B, T, D = 3, 16, 2
FRAMES = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
SIZES = st.sampled_from([(4, 1), (4, 2), (8, 2), (12, 2), (16, 3), (12, 1), (32, 4)])
numbers = functools.partial(np.arange, dtype=np.float32)


def numbered(frames, clips=1):
    """Features that are the number of their frame."""
    return np.broadcast_to(numbers(frames)[None, :, None], (clips, frames, 1))


def test_spacings_double():
    assert spacings(1) == (1,)
    assert spacings(4) == (1, 2, 4, 8)


# Means.


@pytest.mark.parametrize("intervals", [1, 3])
def test_averages_are_over_every_sth_frame_from_the_first(intervals):
    found = averages(FRAMES, intervals)
    assert found.shape == (B, intervals, D)
    for i in range(intervals):
        seen = [FRAMES[:, t] for t in range(0, T, 2**i)]
        np.testing.assert_allclose(found[:, i], np.mean(seen, axis=0), atol=1e-6)


def test_averages_of_few_frames():
    found = averages(numbered(3), 3)
    np.testing.assert_allclose(found[0, :, 0], [1, (0 + 2) / 2, 0])


def aggregated(kind, views, logits=None):
    net = Aggregate(kind)
    variables = net.init(jax.random.key(0), views)
    if logits is not None:
        variables = {"params": {"logits": np.float32(logits)}}
    return net.apply(variables, views), variables


def test_aggregates():
    views = averages(FRAMES, 3)
    mean, nothing = aggregated("mean", views)
    assert not nothing
    np.testing.assert_allclose(mean, views.mean(1), rtol=1e-6)
    beside, nothing = aggregated("concat", views)
    assert not nothing and beside.shape == (B, 3 * D)
    np.testing.assert_array_equal(beside[:, D : 2 * D], views[:, 1])
    attended, variables = aggregated("attention", views)
    assert variables["params"]["logits"].shape == (3,)
    np.testing.assert_allclose(attended, mean, atol=1e-6)  # to begin with
    attended, _ = aggregated("attention", views, np.log([1, 2, 5]))
    expected = (views * np.float32([0.125, 0.25, 0.625])[:, None][None]).sum(1)
    np.testing.assert_allclose(attended, expected, rtol=1e-5)


def test_the_weights_of_attention_learn():
    views = averages(FRAMES, 3)
    net = Aggregate("attention")
    loss = lambda logits: net.apply({"params": {"logits": logits}}, views)[:, 0].sum()
    slope = jax.grad(loss)(jnp.zeros(3))
    totals = views[:, :, 0].sum(0)
    np.testing.assert_allclose(slope, (totals - totals.mean()) / 3, atol=1e-6)


def test_another_aggregate_is_refused():
    with pytest.raises(ValueError, match="mean, concat or attention, got 'sum'"):
        aggregated("sum", averages(FRAMES, 2))


# Windows.


@settings(max_examples=30)
@given(SIZES, st.floats(0, 1, exclude_max=True, width=32))
def test_windows_are_every_sth_frame_and_stay_within_the_clip(size, position):
    frames, intervals = size
    found = sequences(
        numbered(frames),
        np.float32([position]),
        intervals=intervals,
        view="window",
    )
    assert len(found) == intervals
    for s, window in zip(spacings(intervals), found, strict=True):
        assert window.shape == (1, frames // 2 ** (intervals - 1), 1)
        seen = np.asarray(window[0, :, 0])
        assert set(np.diff(seen)) == {s}
        assert 0 <= seen[0] and seen[-1] < frames


def test_windows_of_evaluation_lie_in_the_middle():
    found = sequences(numbered(16), central_positions(1), intervals=3, view="window")
    windows = [np.asarray(window[0, :, 0]).astype(int).tolist() for window in found]
    assert windows == [[6, 7, 8, 9], [5, 7, 9, 11], [2, 6, 10, 14]]


def test_every_admissible_start_is_drawn_equally_often():
    count = 3000
    positions = drawn_positions(jax.random.key(0), count)
    assert positions.shape == (count,) and positions.dtype == jnp.float32
    found = sequences(numbered(16, count), positions, intervals=3, view="window")
    for window, places in zip(found, (13, 10, 4), strict=True):
        starts = np.bincount(np.asarray(window[:, 0, 0]).astype(int))
        assert len(starts) == places
        expected = count / places
        assert np.abs(starts - expected).max() < 5 * np.sqrt(expected)
    # One draw places all windows of a clip alike.
    share = [window[:, 0, 0] / p for window, p in zip(found, (12, 9, 3), strict=True)]
    assert np.corrcoef(np.stack(share))[0, 2] > 0.9


def test_clips_are_placed_apart_and_by_the_key():
    one, other = (drawn_positions(jax.random.key(i), 50) for i in (0, 1))
    assert len(set(np.asarray(one).tolist())) == 50
    assert np.abs(one - other).max() > 0.1
    np.testing.assert_array_equal(one, drawn_positions(jax.random.key(0), 50))


def test_whole_sequences_are_as_printed():
    positions = drawn_positions(jax.random.key(0), B)
    found = sequences(FRAMES, positions, intervals=3, view="whole")
    for s, sequence in zip((1, 2, 4), found, strict=True):
        np.testing.assert_array_equal(sequence, FRAMES[:, ::s])
    short = sequences(numbered(5), positions[:1], intervals=3, view="whole")
    assert [x.shape[1] for x in short] == [5, 3, 2]


def test_windows_of_a_still_clip_do_not_tell_the_interval():
    """They are the same bits for every s; whole sequences differ in length."""
    still = np.broadcast_to(FRAMES[:, :1], FRAMES.shape)
    positions = drawn_positions(jax.random.key(0), B)
    first, *others = sequences(still, positions, intervals=3, view="window")
    for other in others:
        np.testing.assert_array_equal(first, other)
    whole = sequences(still, positions, intervals=3, view="whole")
    assert len({x.shape for x in whole}) == 3


def test_gradients_reach_the_frames_that_are_seen():
    def total(frames):
        found = sequences(frames, positions, intervals=2, view="window")
        return sum(window.sum() for window in found)

    positions = np.zeros(B, np.float32)
    slope = jax.jit(jax.grad(total))(FRAMES[:, :8])
    # Windows 0 1 2 3 and 0 2 4 6.
    expected = np.float32([2, 1, 2, 1, 1, 0, 1, 0])
    np.testing.assert_array_equal(slope[0, :, 0], expected)


def test_places_beyond_the_clip_give_some_frames():
    seen = sequences(numbered(8), np.float32([3]), intervals=2, view="window")
    assert set(np.ravel(seen)) <= set(range(8))


def test_one_lane_of_many_sees_what_it_sees_alone():
    keys = jax.random.split(jax.random.key(0), 2)
    clips = np.stack([FRAMES, 2 * FRAMES])

    def seen(frames, key):
        return sequences(frames, drawn_positions(key, B), intervals=3, view="window")

    together = jax.jit(jax.vmap(seen))(clips, keys)
    for i in range(2):
        alone = seen(clips[i], keys[i])
        for lane, own in zip(together, alone, strict=True):
            np.testing.assert_array_equal(lane[i], own)


@pytest.mark.parametrize(
    ("frames", "intervals", "least"), [(10, 3, 8), (4, 3, 8), (1, 1, 2), (6, 3, 8)]
)
def test_windows_need_enough_frames(frames, intervals, least):
    with pytest.raises(ValueError, match=f"at least {least}.*got {frames}$"):
        window_length(frames, intervals)
    with pytest.raises(ValueError, match="frames must be a multiple"):
        sequences(numbered(frames), np.zeros(1), intervals=intervals, view="window")


def test_another_view_is_refused():
    with pytest.raises(ValueError, match="window or whole, got 'all'"):
        sequences(FRAMES, np.zeros(B), intervals=2, view="all")
