"""Tests for mer_jax/systems/mfvan/nets.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import im2col
from mer_jax.systems.mfvan.nets import (
    Decoder,
    Student,
    Teacher,
    TeacherEncoder,
    Transposed,
)

MASK = np.array([True, True, False])


def images(size, count=3):
    return np.random.default_rng(0).random((count, size, size, 3), np.float32)


def shapes(net, size=224):
    """Shapes of what a net returns of images, abstractly; and its parameters."""
    seen = jax.ShapeDtypeStruct((3, size, size, 3), jnp.float32)
    run = lambda x: net.init_with_output(jax.random.key(0), x, MASK, train=False)
    found, variables = jax.eval_shape(run, seen)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    return jax.tree.map(lambda x: x.shape[1:], found), count


def test_maps_at_224_pixels_are_those_of_the_spec():
    (maps, rebuilt), _ = shapes(Student())
    assert maps == ((112, 112, 64), (56, 56, 128), (14, 14, 512))
    assert rebuilt == (224, 224, 3)
    assert shapes(TeacherEncoder())[0] == (14, 14, 512)
    assert shapes(Teacher())[0] == (224, 224, 3)


def test_the_teacher_is_deep_and_the_student_shallow():
    """Millions of parameters: 11.2 of a ResNet-18, 2.8 of a decoder, 1.6 of four."""
    teacher, student = shapes(Teacher())[1], shapes(Student())[1]
    decoder = 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3) + 3
    decoder += 2 * (256 + 128 + 64)
    convolutions = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    assert student == decoder + convolutions + 2 * (64 + 128 + 256 + 512)
    assert teacher - decoder == shapes(TeacherEncoder())[1] == 11_176_512


def test_without_a_decoder_the_student_rebuilds_nothing():
    (maps, rebuilt), _ = shapes(Student(rebuilds=False), 32)
    assert rebuilt is None and maps[-1] == (2, 2, 512)


@pytest.mark.parametrize("kind", ["transposed", "resize"])
def test_images_are_in_the_unit_range_and_float32(kind):
    net = Student(2, kind, compute=Compute(jnp.bfloat16))
    (_, found), _ = net.init_with_output(jax.random.key(0), images(16), MASK, False)
    assert found.dtype == jnp.float32 and found.shape == (3, 16, 16, 3)
    assert 0 < found.min() and found.max() < 1


def test_padding_images_change_nothing():
    net, seen = Student(2), images(16)
    variables = net.init(jax.random.key(0), seen, MASK, False)
    other = np.where(MASK[:, None, None, None], seen, 0.7)
    run = lambda x: net.apply(variables, x, MASK, True, mutable=["batch_stats"])
    (first, rebuilt), state = run(seen)
    (second, again), same = run(other)
    jax.tree.map(np.testing.assert_array_equal, state, same)
    np.testing.assert_array_equal(rebuilt[:2], again[:2])
    np.testing.assert_array_equal(first.deep[:2], second.deep[:2])


def test_a_transposed_convolution_starts_with_the_variance_it_gets():
    """As He et al. have it: of unit inputs under ReLU, twice the mean square."""
    net = Transposed(64, Compute(), False)
    x = np.random.default_rng(0).normal(size=(8, 8, 8, 32)).astype(np.float32)
    found, _ = net.init_with_output(jax.random.key(0), x)
    inner = np.asarray(found)[:, 2:-2, 2:-2]
    assert np.square(inner).mean() == pytest.approx(2, rel=0.1)


@pytest.mark.parametrize("kind", ["transposed", "resize"])
def test_the_way_of_computing_changes_rounding_alone(kind):
    map = np.random.default_rng(0).normal(size=(3, 2, 2, 16)).astype(np.float32)
    variables = Decoder(2, kind).init(jax.random.key(0), map, MASK, False)
    own = Decoder(2, kind).apply(variables, map, MASK, False)
    other = Decoder(2, kind, Compute(conv=im2col)).apply(variables, map, MASK, False)
    np.testing.assert_allclose(own, other, rtol=1e-4, atol=1e-6)


def test_an_unknown_decoder_is_refused():
    with pytest.raises(ValueError, match="decoder must be transposed or resize"):
        Decoder(2, "linear").init(
            jax.random.key(0), jnp.zeros((3, 1, 1, 16)), MASK, False
        )
