"""Tests for mer_jax/models/patches.py."""

import jax
import numpy as np
import pytest

from mer_jax.models.patches import windows

IMAGES = np.random.default_rng(0).normal(size=(2, 5, 7, 3)).astype(np.float32)


def patches(images, size, padding):
    """Square windows at stride 1."""
    return windows(images, (size, size), (1, 1), [(padding, padding)] * 2)


def naive(images, size, padding):
    """One window at a time."""
    p = padding
    padded = np.pad(images, ((0, 0), (p, p), (p, p), (0, 0)))
    _, height, width, _ = padded.shape
    rows = [
        [
            padded[:, i : i + size, j : j + size].reshape(len(images), -1)
            for j in range(width - size + 1)
        ]
        for i in range(height - size + 1)
    ]
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_windows_are_flattened_by_rows_columns_and_channels(size, padding):
    found = patches(IMAGES, size, padding)
    np.testing.assert_array_equal(found, naive(IMAGES, size, padding))


@pytest.mark.parametrize("padding", [0, 2])
def test_a_product_with_a_reshaped_kernel_is_the_convolution(padding):
    kernel = np.random.default_rng(1).normal(size=(3, 3, 3, 4)).astype(np.float32)
    found = patches(IMAGES, 3, padding) @ kernel.reshape(-1, 4)
    expected = jax.lax.conv_general_dilated(
        IMAGES,
        kernel,
        (1, 1),
        [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_type_of_the_images_is_kept():
    assert patches(IMAGES.astype(np.float16), 3, 1).dtype == np.float16
    assert patches(np.ones((1, 4, 4, 1), np.uint8), 2, 0).dtype == np.uint8
