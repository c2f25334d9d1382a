"""Tests for mer_jax/systems/moext/views.py."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from mer_jax.models.posing import posed
from mer_jax.systems.moext.views import (
    GRID,
    drawn_pose,
    grid_pose,
    three_views,
)

SIZE = 16
KEY = jax.random.key(3)
KINDS = ("grid", "online_uniform", "off")
QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time
three = jax.jit(three_views, compiler_options=QUICK)
turn = jax.jit(posed, compiler_options=QUICK)


def clips(count=10, seed=0):
    shape = (count, 2, SIZE, SIZE, 3)
    return np.random.default_rng(seed).random(shape, np.float32)


# Poses.


def test_the_grid_is_mirror_times_five_angles():
    assert len(set(GRID)) == 10
    assert {degrees for _, degrees in GRID} == {-10, -5, 0, 5, 10}
    found = grid_pose(jnp.arange(10))
    assert list(zip(*map(np.asarray, found), strict=True)) == list(GRID)


def test_the_first_cell_is_the_clip_itself_bit_for_bit():
    frames = clips()
    found = turn(frames, grid_pose(jnp.zeros(10, int)))
    np.testing.assert_array_equal(found, frames)


def test_onset_and_apex_are_turned_alike():
    frames = clips()
    frames[:, 1] = frames[:, 0]
    for kind in KINDS:
        found = np.asarray(turn(frames, drawn_pose(KEY, 10, kind)))
        np.testing.assert_array_equal(found[:, 0], found[:, 1])


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from(KINDS))
def test_poses_stay_in_their_range_and_pixels_in_theirs(seed, kind):
    found = drawn_pose(jax.random.key(seed), 10, kind)
    assert found.mirror.dtype == bool and found.degrees.dtype == jnp.float32
    assert np.abs(found.degrees).max() <= 10
    if kind != "online_uniform":
        cells = set(zip(*map(np.asarray, found), strict=True))
        assert cells <= (set(GRID) if kind == "grid" else {GRID[0]})
    turned = np.asarray(turn(clips(), found))
    assert turned.min() >= 0 and turned.max() <= 1


def test_draws_cover_the_grid_and_the_interval():
    found = drawn_pose(KEY, 1000, "grid")
    cells = list(zip(*map(np.asarray, found), strict=True))
    counts = [cells.count(cell) for cell in GRID]
    assert min(counts) > 60 and sum(counts) == 1000
    found = drawn_pose(KEY, 1000, "online_uniform")
    counts, _ = np.histogram(found.degrees, 10, (-10, 10))
    assert counts.min() > 60
    assert 400 < found.mirror.sum() < 600
    turned = np.asarray(found.degrees)[np.asarray(found.mirror)]
    assert abs(turned.mean()) < 1  # the angle does not depend on the mirror


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="'grdi'"):
        drawn_pose(KEY, 1, "grdi")


# Views.


def split(found):
    """Views [B, 6, ...] as onset's and apex's, [B, 3, ...] each."""
    return np.asarray(found[:, :3]), np.asarray(found[:, 3:])


def kinds_of(found, frames):
    """Which operation made the second and third view of each clip's onset."""
    onset, _ = split(found)
    out = []
    for clip, frame in zip(onset, frames[:, 0], strict=True):
        names = []
        for view in clip[1:]:
            linear = np.corrcoef(view.ravel(), frame.ravel())[0, 1] > 0.9999
            grey = np.ptp(view, axis=-1).max() < 1e-6
            names.append("grey" if grey else "contrast" if linear else "noise")
        out.append(tuple(names))
    return out


def muted(count=60):
    """Clips away from 0 and 1, so that nothing is clipped."""
    return 0.4 + 0.2 * clips(count)


def test_the_first_view_is_the_clip_itself():
    frames = muted()
    found = np.asarray(three(frames, KEY))
    assert found.shape == (60, 6, SIZE, SIZE, 3)
    np.testing.assert_array_equal(found[:, 0], frames[:, 0])
    np.testing.assert_array_equal(found[:, 3], frames[:, 1])


def test_two_of_three_operations_are_drawn_per_clip_equally_often():
    frames = muted()
    kinds = kinds_of(three(frames, KEY), frames)
    pairs = {("contrast", "grey"), ("noise", "grey"), ("noise", "contrast")}
    assert set(kinds) == pairs
    assert min(kinds.count(pair) for pair in pairs) >= 10
    other = kinds_of(three(frames, jax.random.key(4)), frames)
    assert other != kinds


def test_operations_and_strengths_are_those_of_the_clip():
    frames = muted()
    kinds = kinds_of(three(frames, KEY), frames)
    onset, apex = split(three(frames, KEY))
    strengths = []
    for i, names in enumerate(kinds):
        for view, name in enumerate(names, start=1):
            before, after = (
                frames[i].astype(np.float64),
                np.stack([onset[i, view], apex[i, view]]).astype(np.float64),
            )
            if name == "contrast":
                mean = before[0].mean()
                slopes = (after - mean) / (before - mean + 1e-12)
                slope = np.median(slopes)
                expected = mean + slope * (before - mean)
                np.testing.assert_allclose(after, expected, atol=1e-5)
                strengths.append(slope)
            elif name == "grey":
                luma = before @ np.array([0.299, 0.587, 0.114])
                expected = np.repeat(luma[..., None], 3, axis=-1)
                np.testing.assert_allclose(after, expected, atol=1e-6)
            else:
                apart = after - before
                np.testing.assert_allclose(apart.std((1, 2, 3)), 0.03, rtol=0.15)
                assert np.abs(np.corrcoef(*apart.reshape(2, -1))[0, 1]) < 0.15
    assert 1.2 <= min(strengths) < 1.3 and 1.7 < max(strengths) <= 1.8


def test_a_motionless_clip_stays_motionless_but_for_noise():
    frames = muted()
    frames[:, 1] = frames[:, 0]
    onset, apex = split(three(frames, KEY))
    for i, names in enumerate(kinds_of(three(frames, KEY), frames)):
        for view, name in enumerate(names, start=1):
            same = np.array_equal(onset[i, view], apex[i, view])
            assert same == (name != "noise")


def test_views_stay_in_the_unit_range():
    found = np.asarray(three(muted() * 3 - 1, KEY))
    assert found.min() >= 0 and found.max() <= 1
    assert (found[:, 1:3] == 0).any() and (found[:, 1:3] == 1).any()


def test_one_lane_of_many_draws_what_it_draws_alone():
    keys = jax.random.split(KEY, 2)
    frames = np.stack([muted(), muted()[::-1]])
    together = jax.jit(jax.vmap(three_views), compiler_options=QUICK)(frames, keys)
    for own, f, k in zip(together, frames, keys, strict=True):
        np.testing.assert_allclose(own, three(f, k), atol=1e-6)
