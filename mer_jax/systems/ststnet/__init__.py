"""STSTNet, the baseline system."""

from mer_jax.systems.ststnet.system import STSTNet

CONFIG = STSTNet  # what tests of every system look for

__all__ = ["CONFIG", "STSTNet"]
