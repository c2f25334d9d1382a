"""The systems of mer_jax, found by their folders: nothing here names one."""

import importlib
import pkgutil


def configs() -> list[type]:
    """Returns the dataclass of numbers of every system."""
    package = importlib.import_module("mer_jax.systems")
    names = [m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg]
    return [importlib.import_module(f"mer_jax.systems.{n}").CONFIG for n in names]
