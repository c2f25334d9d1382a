"""The corpora that have a builder in `datasets_tfds`, found by their folders.

Builders are imported when asked for, so the engine and the systems work where
`tensorflow_datasets` is not installed.
"""

import importlib
import pkgutil
from importlib.util import find_spec
from typing import Any

from mer_jax.errors import UserError


def names() -> list[str]:
    """Returns the corpora that have a builder."""
    import datasets_tfds

    return [m.name for m in pkgutil.iter_modules(datasets_tfds.__path__) if m.ispkg]


def twins() -> list[str]:
    """Returns the corpora of which a synthetic twin can be written."""
    return [n for n in names() if find_spec(f"datasets_tfds.{n}.fake_release")]


def builder_class(name: str) -> Any:
    """Returns the builder of "corpus" or "corpus/config".

    Raises:
      UserError: for a corpus or config that is not there, with those that are.
    """
    corpus, _, config = name.partition("/")
    module = f"datasets_tfds.{corpus}.{corpus}_dataset_builder"
    try:
        found = importlib.import_module(module).Builder
    except ModuleNotFoundError as error:
        if error.name not in (f"datasets_tfds.{corpus}", module):
            raise
        raise UserError(
            f"no corpus {corpus!r}; there are: {', '.join(names())}"
        ) from None
    configs = [c.name for c in found.BUILDER_CONFIGS]
    if config and config not in configs:
        raise UserError(f"{corpus!r} has no config {config!r}; it has: {configs}")
    return found


def full_name(name: str) -> str:
    """Returns "corpus/config", the default config where none is named."""
    corpus, _, config = name.partition("/")
    default = builder_class(name).BUILDER_CONFIGS[0].name
    return f"{corpus}/{config or default}"
