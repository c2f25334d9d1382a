"""Tests for mer_jax/cli/start.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mer_jax.cli.start import HUGE_PAGES

NAME, OURS = next(iter(HUGE_PAGES.items()))
TOLD = "import os, sys; from mer_jax.cli.start import in_huge_pages; in_huge_pages(); "
MODES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
linux = pytest.mark.skipif(sys.platform != "linux", reason="nothing happens here")


def python(code, *words, **own):
    """Runs code without the suite's own settings; returns its process and output."""
    environment = {k: v for k, v in os.environ.items() if k != NAME}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words],
        env={**environment, **own},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, process.communicate()[0].strip()


@linux
def test_the_process_begins_again_with_the_same_words():
    told = f"print(os.getpid(), sys.argv[1:], os.environ[{NAME!r}])"
    process, output = python(TOLD + told, "run", "a b")
    assert process.returncode == 0
    assert output == f"{process.pid} ['run', 'a b'] {OURS}"


@linux
def test_settings_of_the_user_stay():
    told = f"print(os.environ[{NAME!r}])"
    _, output = python(TOLD + told, **{NAME: "glibc.malloc.arena_max=1"})
    assert output == "glibc.malloc.arena_max=1"


@linux
def test_a_program_from_standard_input_is_not_lost():
    done = subprocess.run(
        [sys.executable, "-", "run"],
        input=TOLD + "print(sys.argv[1:]); sys.exit(3)",
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if k != NAME},
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (3, "['run']")


@pytest.mark.skipif(
    not (MODES.exists() and "[madvise]" in MODES.read_text()),
    reason="this system does not leave huge pages to the program",
)
def test_memory_comes_in_huge_pages():
    """128 MiB are 32768 pages of 4 KiB and 64 of 2 MiB."""
    told = (
        "import resource; faults = lambda: resource.getrusage(0).ru_minflt; "
        "before = faults(); room = bytearray(2**27); print(faults() - before)"
    )
    _, large = python(TOLD + told)
    _, small = python(told)
    assert int(large) < 1000 < 30000 < int(small)


def test_help_of_the_script():
    process, output = python("from mer_jax.cli.start import start; start()", "--help")
    assert process.returncode == 0
    assert "Honest, fold-parallel" in output
