"""MiNet and MaNet: from macro- to micro-expressions."""

from mer_jax.systems.minet.system import MiNet

CONFIG = MiNet  # what tests of every system look for

__all__ = ["CONFIG", "MiNet"]
