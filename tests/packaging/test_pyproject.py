"""What is declared is what is imported, bounded at both ends, and pinned.

No __init__.py here: with tests/ on the path, a package of this folder's name would
hide the library `packaging`, which pytest needs.
"""

import ast
import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SHIPPED = ("mer_jax", "datasets_tfds", "experiments")
REPOSITORY_ONLY = ("tests", "benchmarks")
CONSTRAINTS = sorted((ROOT / "constraints").glob("*.txt"))

# tensorflow-datasets 4.9.10 imports it without declaring it.
FOR_OTHERS = {"importlib-resources"}
# Called as commands or plugins, never imported.
TOOLS = {"mypy", "pre-commit", "pytest-xdist", "ruff"}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """Returns "etils" of "etils[epath]>=1.9,<2"."""
    return normalised(re.match(r"[\w.-]+", requirement).group())


def declared(requirements: list[str]) -> set[str]:
    return {name_of(r) for r in requirements}


def extras() -> list[str]:
    return [r for group in PROJECT["optional-dependencies"].values() for r in group]


def imported(*folders: str) -> set[str]:
    """Returns the distributions that the code of `folders` imports anywhere."""
    files = [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]
    modules = {name for p in files for name in top_modules(p)}
    own = {
        *SHIPPED,
        *REPOSITORY_ONLY,
        *(p.stem for p in (ROOT / "tests").rglob("*.py")),
    }
    third_party = modules - own - set(sys.stdlib_module_names)
    providers = importlib.metadata.packages_distributions()
    return {normalised(providers.get(m, [m])[0]) for m in third_party}


def top_modules(path: Path) -> set[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.append(node.module)
    return {name.partition(".")[0] for name in names}


def test_dependencies_are_exactly_what_the_shipped_code_imports():
    assert declared(PROJECT["dependencies"]) - FOR_OTHERS == imported(*SHIPPED)


def test_tests_and_benchmarks_import_only_what_is_declared():
    known = declared(PROJECT["dependencies"] + extras())
    assert imported(*REPOSITORY_ONLY) <= known


def test_every_extra_is_imported_or_a_tool():
    used = imported(*REPOSITORY_ONLY) | TOOLS
    assert declared(extras()) <= used


@pytest.mark.parametrize("requirement", PROJECT["dependencies"] + extras(), ids=name_of)
def test_requirement_is_bounded_below_and_above(requirement):
    assert re.fullmatch(r"[\w.-]+(\[[\w,]+\])?>=[\d.]+,<[\d.]+", requirement)


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda p: p.stem)
def test_constraints_hold_versions_and_nothing_else(path):
    lines = [x for x in path.read_text().splitlines() if not x.startswith("#")]
    # Above all no registry address, no option, no path, no editable install.
    assert [x for x in lines if not re.fullmatch(r"[\w.-]+==[\w.+]+", x)] == []


@pytest.mark.parametrize("path", CONSTRAINTS, ids=lambda p: p.stem)
def test_constraints_pin_every_dependency_of_make_test(path):
    pinned = {normalised(x.partition("==")[0]) for x in path.read_text().splitlines()}
    development = PROJECT["optional-dependencies"]["dev"]
    assert declared(PROJECT["dependencies"] + development) <= pinned


def test_there_are_constraints_for_the_oldest_python_and_for_newer_ones():
    assert [p.stem for p in CONSTRAINTS] == ["py311", "py312"]
    assert PROJECT["requires-python"] == ">=3.11"
