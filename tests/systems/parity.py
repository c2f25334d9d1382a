"""What tests against PyTorch's numbers share: programs in float64, arrays as probes."""

from collections.abc import Mapping

import jax
import numpy as np

from tests.systems.moext.layout import probes

# Compiling is what these tests spend their time on.
QUICK = {"xla_backend_optimization_level": 0}


def probed(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Probes [n, 4] of arrays in the order of their names."""
    return np.stack([probes(arrays[name]) for name in sorted(arrays)])


def compiled(function, *arguments):
    """The result of a function in float64, as NumPy arrays."""
    with jax.enable_x64(True):
        program = jax.jit(function).lower(*arguments).compile(QUICK)
        return jax.device_get(program(*arguments))


def assert_probed(found, expected, tolerance):
    """Compares arrays with probes [n, 4], relative to the length each has."""
    assert len(found) == len(expected)
    error = np.abs(probed(found) - expected).max(1) / np.maximum(expected[:, 3], 1e-3)
    worst = error.argmax()
    assert error[worst] <= tolerance, f"{sorted(found)[worst]}: {error[worst]:.1e}"
