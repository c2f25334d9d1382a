"""Tests for mer_jax/ensemble/flops.py."""

import jax
import jax.numpy as jnp
import pytest

from mer_jax.ensemble.flops import count

A, B = jax.ShapeDtypeStruct((3, 4), "f4"), jax.ShapeDtypeStruct((4, 5), "f4")
PRODUCT = 2 * 3 * 4 * 5


def test_a_matrix_product_counts_two_per_multiply_add():
    assert count(lambda a, b: a @ b, A, B) == PRODUCT


def test_elementwise_work_is_left_out():
    assert count(lambda a, b: jnp.tanh(a @ b) + 1.0, A, B) == PRODUCT


def test_the_body_of_a_loop_counts_as_often_as_it_runs():
    def looped(a, b):
        return jax.lax.map(lambda row: (row + 1.0) @ b, a)  # 3 rows

    assert count(looped, A, B) == PRODUCT


def test_inner_functions_count():
    inner = jax.jit(jax.checkpoint(lambda a, b: a @ b))
    assert count(lambda a, b: inner(a, b) + inner(a + 1.0, b), A, B) == 2 * PRODUCT


def test_a_batch_axis_multiplies():
    stacked = jax.ShapeDtypeStruct((7, 3, 4), "f4")
    assert count(jax.vmap(lambda a, b: a @ b, (0, None)), stacked, B) == 7 * PRODUCT


def test_the_gradient_of_a_product_with_respect_to_both_costs_two_more():
    loss = lambda a, b: (a @ b).sum()
    # The value itself is dead code for the gradients of a sum, but is traced.
    assert count(jax.grad(loss, argnums=(0, 1)), A, B) == 3 * PRODUCT


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_counts_its_window_and_the_channels_of_its_group(groups):
    image = jax.ShapeDtypeStruct((2, 8, 8, 4), "f4")
    kernel = jax.ShapeDtypeStruct((3, 3, 4 // groups, 6), "f4")

    def conv(image, kernel):
        return jax.lax.conv_general_dilated(
            image,
            kernel,
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=groups,
        )

    assert count(conv, image, kernel) == 2 * (2 * 6 * 6 * 6) * 3 * 3 * 4 // groups
