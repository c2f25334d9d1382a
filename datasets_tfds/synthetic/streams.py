"""Randomness by name: a draw depends on who asks for it, never on who asked before."""

import hashlib

import numpy as np


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """The generator of one named thing.

    Args:
        seed: of the whole corpus, >= 0.
        *path: names from the large to the small, e.g. `subject, "EP01_01", "head"`.
            Joined by '/', so that a path may also come as one string.

    Returns:
        A fresh generator, the same for the same arguments in every process:
        Python's own `hash` is salted per process and is never used.
    """
    name = "/".join(map(str, path))
    digest = hashlib.sha256(name.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:16], "little")])
