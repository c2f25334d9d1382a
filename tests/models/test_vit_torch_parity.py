"""vit_golden.npz, recomputed live where torch is installed."""

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.models import make_vit_golden, vit_layout


def test_make_vit_golden_reproduces_the_file():
    with np.load(vit_layout.GOLDEN) as data:
        golden = dict(data)
    made = make_vit_golden.arrays()
    assert list(made) == list(golden)
    for name, value in made.items():
        expected = golden[name]
        assert value.dtype == expected.dtype, name
        error = np.abs(value - expected).max()
        assert error <= 1e-6 * max(1.0, np.abs(expected).max()), name
