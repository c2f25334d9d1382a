"""MENet and IDNet: motion decoupled from identity by mutual information."""

from mer_jax.systems.menet.system import MENet

CONFIG = MENet  # what tests of every system look for

__all__ = ["CONFIG", "MENet"]
