"""Tests for mer_jax/report/blocks.py."""

from mer_jax.report.blocks import flatten


def test_settings_are_flattened_and_long_lists_summarised():
    tree = {
        "system": {"name": "ststnet", "rates": (0.1, 0.2)},
        "wall_seconds": {f"run{i}": float(i) for i in range(1, 12)},
        "steps": list(range(9)),
    }
    assert flatten(tree) == {
        "system.name": "ststnet",
        "system.rates": "0.1, 0.2",
        "wall_seconds": "11 values: median 6, 1 to 11, sum 66",
        "steps": "9 values: median 4, 0 to 8, sum 36",
    }
