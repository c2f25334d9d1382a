"""What this process has of the machine: cores, memory."""

import math
import os
from pathlib import Path

import jax

# Where Linux tells what a container has: control groups of version 2, then of 1.
GROUPS = Path("/sys/fs/cgroup")
MEMORY = ("memory.max", "memory/memory.limit_in_bytes")
CORES = (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"))


def cores() -> int:
    """Returns how many cores this process may use, at least 1."""
    has_affinity = hasattr(os, "sched_getaffinity")
    found = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    for names in CORES:
        words = [word for name in names for word in _words(GROUPS / name)]
        if len(words) == 2 and all(word.isdigit() for word in words):
            found = min(found, math.ceil(int(words[0]) / int(words[1])))
    return max(1, found)


def on_cpu() -> bool:
    """Returns whether JAX computes on a CPU."""
    return jax.default_backend() == "cpu"


def memory() -> float:
    """Returns the bytes that all of a CPU's devices share, or that a device has.

    Infinite where nothing tells.
    """
    if not on_cpu():
        return (jax.devices()[0].memory_stats() or {}).get("bytes_limit", math.inf)
    limits = [word for name in MEMORY for word in _words(GROUPS / name)]
    lines = _text(Path("/proc/meminfo")).splitlines()
    free = [line.split()[1] for line in lines if line.startswith("MemAvailable")]
    known = [float(limit) for limit in limits if limit.isdigit()]
    return min(known + [1024 * float(each) for each in free], default=math.inf)


def _words(path: Path) -> list[str]:
    return _text(path).split()


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
