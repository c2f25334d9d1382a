"""Tests for mer_jax/ensemble/machine.py."""

import math
import os

import pytest

from mer_jax.ensemble import machine


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """An empty folder of control groups, and 64 cores."""
    monkeypatch.setattr(machine, "GROUPS", tmp_path)
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda _: set(range(64)), raising=False
    )
    return tmp_path


def test_here_there_are_cores_and_memory():
    assert 1 <= machine.cores() <= (os.cpu_count() or 1)
    assert machine.on_cpu() and machine.memory() > 1e8


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 64),
        ({"cpu.max": "max 100000"}, 64),
        ({"cpu.max": "200000 100000"}, 2),
        ({"cpu.max": "150000 100000"}, 2),
        ({"cpu.max": "10000 100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64),
        ({"cpu/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_period_us": "100000"}, 4),
    ],
)
def test_a_container_may_have_fewer_cores(groups, files, cores):
    (groups / "cpu").mkdir()
    for name, text in files.items():
        (groups / name).write_text(text + "\n")
    assert machine.cores() == cores


def test_a_container_may_have_less_memory(groups):
    free = machine.memory()
    for text, least in (("max", free / 2), (str(10**8), 1e8)):
        (groups / "memory.max").write_text(text)
        assert least <= machine.memory() <= (1e8 if text.isdigit() else 2 * free)


def test_where_nothing_tells_memory_is_infinite(groups, monkeypatch):
    monkeypatch.setattr(machine, "_text", lambda path: "")
    assert machine.memory() == math.inf
