"""What the wheel holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def names(tmp_path_factory) -> set[str]:
    folder = tmp_path_factory.mktemp("wheel")
    build = ["-m", "pip", "wheel", "-q", "--no-deps", "--wheel-dir", folder, ROOT]
    subprocess.run([sys.executable, *build], check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_wheel_holds_both_packages_and_nothing_beside_them(names):
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"mer_jax", "datasets_tfds", "mer_jax-0.1.0.dist-info"}


def test_wheel_holds_every_module_and_experiment(names):
    for package in ("mer_jax", "datasets_tfds"):
        modules = (ROOT / package).rglob("*.py")
        assert {p.relative_to(ROOT).as_posix() for p in modules} <= names
    experiments = (ROOT / "experiments").glob("*.py")
    assert {f"mer_jax/experiments/{p.name}" for p in experiments} <= names


def test_wheel_holds_types_tables_citations_and_specifications(names):
    paths = [
        path.relative_to(ROOT).as_posix()
        for package in ("mer_jax", "datasets_tfds")
        for pattern in ("py.typed", "*.csv", "*.bib", "README.md")
        for path in (ROOT / package).rglob(pattern)
    ]
    assert "datasets_tfds/protocols/megc2019_cde.csv" in paths
    assert set(paths) <= names


def test_wheel_holds_no_tests_caches_or_compiled_files(names):
    unwanted = ("test", "__pycache__", ".pyc", ".npz", "/.")
    assert [n for n in names if any(u in n for u in unwanted)] == []
