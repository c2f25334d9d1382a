"""Who may import whom: what keeps a system from seeing devices, and the engine papers.

Every file is parsed, so an import inside a function counts like one at the top.
"""

import ast
import dataclasses
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mer_jax.data.corpus import Corpus

ROOT = Path(__file__).parents[1]
BASE = {"typing", "errors"}

# Package or module of mer_jax -> the others it may import. Itself is understood.
ALLOWED = {
    "typing": set(),
    "errors": set(),
    "rng": {"typing"},
    "files": {"errors"},
    "losses": BASE,
    "models": BASE,
    "metrics": {"errors"},
    "preprocess": {*BASE, "files"},
    "data": {*BASE, "rng", "files", "preprocess"},
    "train": {*BASE, "rng"},
    "systems": {*BASE, "losses", "models", "train"},
    "ensemble": {*BASE, "rng", "files", "train", "data", "metrics"},
    "report": {"errors", "files", "metrics"},
    "cli": {*BASE, "files", "data", "ensemble", "metrics", "report", "train"},
}
# Installed package -> the only places that may import it.
ONLY = {
    "tensorflow_datasets": ("mer_jax/data", "datasets_tfds"),
    "grain": ("mer_jax/data", "datasets_tfds"),
    "mediapipe": ("mer_jax/preprocess",),
    "orbax": ("mer_jax/ensemble/checkpoint.py",),
    "matplotlib": ("mer_jax/report",),
    "sklearn": ("mer_jax/report",),
    "threadpoolctl": ("mer_jax/report",),
    "safetensors": ("mer_jax/models/weights.py", "mer_jax/ensemble/export.py"),
    "tyro": ("mer_jax/cli",),
    "rich": ("mer_jax/cli",),
    "cv2": ("mer_jax/preprocess", "datasets_tfds", "benchmarks"),
    "torch": ("benchmarks",),
    "tensorflow": (),
    "scipy": ("mer_jax/metrics/permutation.py", "experiments/mfvan_attention.py"),
}
# Packages that use nothing but these: what runs where JAX is not, or the other way.
NOTHING_BUT = {
    "metrics": {"numpy", "scipy"},
    "losses": {"jax", "chex"},
    "models": {"jax", "flax", "safetensors"},
    "train": {"jax", "flax", "optax"},
    "rng": {"jax", "numpy"},
    "errors": set(),
    "files": set(),
}
LIGHT = ("train", "systems", "ensemble", "metrics", "losses", "models")
HEAVY = (
    *("tensorflow_datasets", "grain", "mediapipe", "cv2", "tyro", "matplotlib"),
    "sklearn",
)


def files(*folders):
    return [p for folder in folders for p in sorted((ROOT / folder).rglob("*.py"))]


SHIPPED = files("mer_jax", "datasets_tfds", "experiments")
every_file = pytest.mark.parametrize(
    "path", [*SHIPPED, *files("benchmarks")], ids=lambda p: str(p.relative_to(ROOT))
)


@functools.cache
def imports(path):
    """Every module a file imports, in full: "mer_jax.train.stage"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def part(module):
    """ "mer_jax.train.stage" -> "train"; None for what is not mer_jax's."""
    names = module.split(".")
    return names[1] if names[0] == "mer_jax" and len(names) > 1 else None


def own_part(path):
    relative = path.relative_to(ROOT).with_suffix("")
    return part(".".join(relative.parts))


def test_every_part_of_the_package_has_a_place():
    parts = {own_part(p) for p in files("mer_jax")} - {"__init__"}
    assert parts <= set(ALLOWED), "a new package: give it its place in ALLOWED"


@every_file
def test_imports_follow_the_layers(path):
    wanted = {part(module) for module in imports(path)} - {None, "__version__"}
    if path.is_relative_to(ROOT / "datasets_tfds"):
        assert not wanted, "builders stand alone"
    elif (own := own_part(path)) not in (None, "__init__"):
        assert wanted - {own} <= ALLOWED[own]


def test_no_system_imports_another():
    systems = ROOT / "mer_jax" / "systems"
    for folder in (p for p in systems.iterdir() if p.is_dir()):
        for path in folder.rglob("*.py"):
            for module in imports(path):
                if part(module) == "systems":
                    assert module.split(".")[2] == folder.name, f"{path}: {module}"


@every_file
def test_outside_packages_stay_where_they_belong(path):
    place = path.relative_to(ROOT)
    for module in imports(path):
        package = module.split(".")[0]
        allowed = ONLY.get(package)
        assert allowed is None or any(place.is_relative_to(a) for a in allowed), module


@pytest.mark.parametrize("name", NOTHING_BUT)
def test_some_packages_need_next_to_nothing(name):
    for path in files("mer_jax"):
        if own_part(path) == name:
            packages = {module.split(".")[0] for module in imports(path)}
            outside = packages - set(sys.stdlib_module_names) - {"mer_jax"}
            assert outside <= NOTHING_BUT[name], path


def names_in(folder):
    return sorted(
        p.name for p in (ROOT / folder).iterdir() if (p / "__init__.py").exists()
    )


def test_only_its_own_folder_and_experiments_name_a_system():
    """Papers may be cited anywhere; "moext" is the name of an alignment, too."""
    either = "|".join(names_in("mer_jax/systems"))
    names = re.compile(rf"[\"'`/]({either})[\"'`/]|systems\.({either})")
    assert names.search('if system == "moext":')
    assert names.search("from mer_jax.systems.ststnet import STSTNet")
    for path in files("mer_jax"):
        if own_part(path) not in ("systems", "preprocess"):
            lines = path.read_text().splitlines()
            assert not [
                x for x in lines if names.search(x) and "align" not in x.lower()
            ]


def test_neither_the_engine_nor_the_command_line_names_a_corpus():
    fields = {field.name for field in dataclasses.fields(Corpus)}  # "synthetic" is one
    for corpus in names_in("datasets_tfds"):
        end = "/" if corpus in fields else "[\"'`/]"
        names = re.compile(rf"[\"'`]{corpus}{end}|datasets_tfds\.{corpus}")
        assert names.search(f'corpora=("{corpus}/tiny",)')
        for path in files("mer_jax"):
            if own_part(path) not in ("data", "preprocess"):
                assert not names.search(path.read_text()), path


def test_the_run_axis_is_made_in_one_place():
    lifting = re.compile(r"\b(vmap|pmap|shard_map)\(")
    lift = ROOT / "mer_jax" / "ensemble" / "lift.py"
    assert len(lifting.findall(lift.read_text())) >= 3
    for path in files("mer_jax"):
        found = set(lifting.findall(path.read_text()))
        # A loss may map over its own axes; nobody else maps over runs.
        allowed = (
            {"vmap"} if own_part(path) in ("losses", "models", "systems") else set()
        )
        assert path == lift or found <= allowed, path


def test_randomness_is_made_from_names_in_one_place():
    making = re.compile(
        r"random\.(key|PRNGKey|default_rng|Generator|RandomState|seed)\(|\bhash\("
    )
    places = [ROOT / "mer_jax" / "rng.py", ROOT / "mer_jax" / "metrics" / "_random.py"]
    assert all(making.search(path.read_text()) for path in places)
    for path in files("mer_jax"):
        assert path in places or not making.search(path.read_text()), path


def test_no_file_is_longer_than_300_lines():
    long = {p: n for p in SHIPPED if (n := len(p.read_text().splitlines())) > 300}
    assert not long


def run_without(blocked, code):
    """Runs code in a process where some packages are as if not installed."""
    wall = (
        "import sys\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked!r}:\n"
        "            raise ModuleNotFoundError(name, name=name)\n"
        "sys.meta_path.insert(0, Wall())\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", wall + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def import_all(*names):
    return (
        "import importlib, pkgutil\n"
        f"for name in {names!r}:\n"
        "    package = importlib.import_module(f'mer_jax.{name}')\n"
        "    found = pkgutil.walk_packages(package.__path__, package.__name__ + '.')\n"
        "    for module in found:\n"
        "        importlib.import_module(module.name)\n"
        "        print(module.name)\n"
    )


def test_training_needs_none_of_the_packages_for_data_and_reports():
    done = run_without(HEAVY, import_all(*LIGHT))
    assert done.returncode == 0, done.stderr
    for name in ("ensemble.sweep", "systems.ststnet.system", "metrics.scores"):
        assert f"mer_jax.{name}" in done.stdout.split()


def test_the_wall_stands():
    done = run_without(HEAVY, "import cv2")
    assert done.returncode == 1 and "ModuleNotFoundError: cv2" in done.stderr


def test_metrics_need_no_jax():
    done = run_without(("jax", "jaxlib", "flax"), import_all("metrics"))
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_else():
    code = "import mer_jax\nassert not {'jax', 'numpy'} & set(sys.modules)"
    done = run_without((), code)
    assert done.returncode == 0, done.stderr
