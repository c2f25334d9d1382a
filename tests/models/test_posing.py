"""Tests for mer_jax/models/posing.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from mer_jax.models.posing import Pose, drawn_turn, posed

SIZE = 16
turn = jax.jit(posed, compiler_options={"xla_backend_optimization_level": 0})


def clips(count, height=SIZE, width=SIZE):
    shape = (count, 2, height, width, 3)
    return np.random.default_rng(0).random(shape, np.float32)


def pose(mirror, degrees):
    return Pose(jnp.array(mirror), jnp.array(degrees, jnp.float32))


def test_mirrored_pixels_are_the_very_pixels():
    frames = clips(2)
    found = turn(frames, pose([True, False], [0, 0]))
    np.testing.assert_array_equal(found[0], frames[0, ..., ::-1, :])
    np.testing.assert_array_equal(found[1], frames[1])


@pytest.mark.parametrize("degrees", [-10.0, -5.0, 5.0, 7.3, 10.0])
@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("shape", [(16, 16), (15, 20)])
def test_a_rotation_is_scipys(degrees, mirror, shape):
    frames = clips(1, height=shape[0], width=shape[1])
    found = turn(frames, pose([mirror], [degrees]))[0]
    for frame, turned in zip(frames[0], np.asarray(found), strict=True):
        frame = frame[:, ::-1] if mirror else frame
        expected = scipy.ndimage.rotate(
            frame, degrees, order=1, reshape=False, mode="nearest"
        )
        np.testing.assert_allclose(turned, expected, atol=1e-5)


def test_turns_are_of_either_kind_and_of_every_angle():
    found = drawn_turn(jax.random.key(3), 1000)
    assert 0.4 < found.mirror.mean() < 0.6
    shares, _ = np.histogram(found.degrees, bins=4, range=(-10, 10))
    assert shares.sum() == 1000 and shares.min() > 200
