"""Experiment files: finding them, and what is in them."""

import importlib.util
from pathlib import Path

import mer_jax
from mer_jax.ensemble.experiment import Experiment
from mer_jax.errors import UserError


def shipped() -> dict[str, Path]:
    """Returns the experiments that come with mer_jax, by name."""
    package = Path(mer_jax.__file__).parent
    # In a checkout they lie beside the package, in a wheel inside it.
    folders = (package / "experiments", package.parent / "experiments")
    paths = [p for f in folders for p in sorted(f.glob("*.py"))]
    return {p.stem: p for p in paths if "def get(" in p.read_text()}


def find(name: str) -> Path:
    """Returns the file of an experiment given by path or by name.

    Raises:
      UserError: if there is none, with those there are.
    """
    path = Path(name)
    if path.is_file():
        return path
    known = shipped()
    if path.stem in known and path.suffix in ("", ".py"):
        return known[path.stem]
    raise UserError(
        f"no experiment {name!r}: neither a file nor one of "
        f"{', '.join(sorted(known)) or '(none shipped)'}"
    )


def read(name: str) -> list[Experiment]:
    """Returns the rows of an experiment file.

    Raises:
      UserError: if its `get()` is missing or returns something else.
    """
    path = find(name)
    spec = importlib.util.spec_from_file_location(f"experiment_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "get", None)):
        raise UserError(f"{path} has no function get(); see experiments/ for examples")
    rows = module.get()
    rows = [rows] if isinstance(rows, Experiment) else list(rows)
    wrong = [type(r).__name__ for r in rows if not isinstance(r, Experiment)]
    if wrong or not rows:
        raise UserError(
            f"{path}: get() must return an Experiment or a tuple of them, got {wrong}"
        )
    return rows
