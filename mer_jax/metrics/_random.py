"""Generators from names, as `mer_jax.rng` makes them, without importing JAX."""

import zlib

import numpy as np


def generator(name: str, seed: int) -> np.random.Generator:
    """Returns a generator that is a pure function of the name and the seed."""
    entropy = np.random.SeedSequence([zlib.crc32(name.encode()), seed])
    return np.random.Generator(np.random.Philox(entropy))
