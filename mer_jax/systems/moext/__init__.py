"""MoExt: motion extraction by pre-training."""

from mer_jax.systems.moext.system import MoExt

CONFIG = MoExt  # what tests of every system look for

__all__ = ["CONFIG", "MoExt"]
