"""Randomness from names: the only file that makes keys and generators.

A key is folded, never advanced, so a checkpoint needs no random state and any
step can be run again alone. Names, not positions: adding a subject to a corpus
changes the random numbers of no other fold.
"""

import zlib

import jax
import numpy as np


def fold_in(key: jax.Array, *words: str | int | jax.Array) -> jax.Array:
    """Folds names and numbers into a key, one after the other.

    Args:
      key: key[].
      *words: strings (by their CRC-32, as `hash` is salted per process) or
        non-negative integers, traced or not.

    Returns:
      key[], a function of `key` and the words in order.
    """
    for word in words:
        number = zlib.crc32(word.encode()) if isinstance(word, str) else word
        key = jax.random.fold_in(key, number)
    return key


def run_key(*, seed: int, protocol: str, fold: str) -> jax.Array:
    """Returns the key[] of one run.

    The configuration is deliberately not part of it: ablations of one system
    share initial values and batches (common random numbers).
    """
    # threefry: the only implementation whose draws do not change under vmap.
    return fold_in(jax.random.key(seed, impl="threefry2x32"), protocol, fold)


def generator(*words: str | int) -> np.random.Generator:
    """Returns a NumPy generator that is a pure function of the words."""
    entropy = [zlib.crc32(w.encode()) if isinstance(w, str) else w for w in words]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
