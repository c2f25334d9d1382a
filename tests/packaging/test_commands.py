"""One set of commands: what README.md promises is what CI runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def recipe(target: str) -> str:
    """Returns the commands of a Makefile target."""
    makefile = (ROOT / "Makefile").read_text()
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert found, f"the Makefile has no target {target!r}"
    return found.group(1)


def test_readme_and_ci_run_the_same_tests():
    assert "make test" in (ROOT / "README.md").read_text()
    assert re.search(r"^make test\b", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert recipe("test").strip() == "$(BIN)/python -m pytest -n auto"


def test_readme_names_the_demo_of_the_makefile():
    assert "make demo" in (ROOT / "README.md").read_text()
    assert (ROOT / "experiments" / "ststnet_demo.py").is_file()
    assert "mer run ststnet_demo" in recipe("demo")


@pytest.mark.parametrize("target", ["demo", "test", "slow", "lint", "wheel"])
def test_target_sets_itself_up(target):
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(rf"^{target}: setup\b", makefile, re.MULTILINE)


@pytest.mark.parametrize("script", ["run", "wheel", "pins"])
def test_script_stops_at_the_first_error(script):
    path = ROOT / ".ci" / script
    assert "set -euo pipefail" in path.read_text()
    assert path.stat().st_mode & 0o111, f"{path.name} is not executable"
    subprocess.run(["bash", "-n", path], check=True)


@pytest.mark.slow
def test_hooks_refuse_a_large_file_and_mend_the_end_of_a_small_one(tmp_path):
    git = lambda *words: subprocess.run(["git", *words], cwd=tmp_path, check=True)
    git("init", "-q")
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    (tmp_path / "frames.bin").write_bytes(bytes(600_000))
    (tmp_path / "fine.bin").write_bytes(bytes(500_000))
    (tmp_path / "note.txt").write_text("one \ntwo\t\n\n\n")
    git("add", "-A")

    def hook(name):
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", name]
        result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        return result.returncode, result.stdout

    code, text = hook("large-files")
    assert code == 1
    assert "frames.bin" in text and "fine.bin" not in text
    assert "corpora are never committed" in text
    hook("trailing-whitespace")
    hook("end-of-file")
    assert (tmp_path / "note.txt").read_text() == "one\ntwo\n"
