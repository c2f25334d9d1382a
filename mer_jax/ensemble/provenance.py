"""What made a result: versions, commit, machine, layout."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import mer_jax
from mer_jax.ensemble.program import Program

_VERSIONS = ("jax", "jaxlib", "flax", "optax", "numpy")


def provenance(program: Program) -> dict[str, Any]:
    """Returns what ran a program and where: versions, commit, host, devices."""
    return {**computed(program), "commit": _commit(), "host": platform.node()}


def computed(program: Program) -> dict[str, Any]:
    """Returns what the bits of a result depend on beside the run and our code."""
    device = program.mesh.devices.flat[0]
    return {
        "versions": {
            "mer_jax": mer_jax.__version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _VERSIONS},
        },
        "backend": device.platform,
        "device": device.device_kind,
        "devices": program.mesh.size,
        "lanes": program.layout.lanes,
        "spmd": program.layout.spmd,
        "formulation": dict(program.layout.formulation),
        "xla flags": os.environ.get("XLA_FLAGS", ""),
        **({"frames": program.feed.way} if program.feed.frames else {}),
    }


def _commit() -> str | None:
    """Returns the checkout's commit, "+" where it was changed; None if installed."""
    root = Path(mer_jax.__file__).parents[1]
    if not (root / ".git").exists():
        return None
    git = lambda *words: subprocess.run(
        ["git", "-C", root, *words], capture_output=True, text=True, check=False
    ).stdout.strip()
    return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
