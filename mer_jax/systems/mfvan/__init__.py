"""MFVAN: multi-scale masked attention without identity, a reconstruction."""

from mer_jax.systems.mfvan.system import MFVAN

CONFIG = MFVAN  # what tests of every system look for

__all__ = ["CONFIG", "MFVAN"]
