"""kill -9 and Ctrl-C lose nothing but the steps since the last checkpoint."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

WORDS = (
    *("run", "ststnet_demo", "--set", "data.corpora=synthetic/tiny"),
    *("--set", "system.epochs=150", "--set", "system.batch=8"),
    *("--folds", "synthetic_smic/sub01,synthetic_samm/sub02"),
    *("--checkpoint-every", "0.3"),
)


def start(cache, tmp_path, workdir):
    return subprocess.Popen(
        [sys.executable, "-m", "mer_jax.cli.main", *WORDS, "--workdir", workdir],
        cwd=tmp_path,
        env={**os.environ, "MER_CACHE": str(cache)},
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process) -> int:
    process.communicate()  # closes the pipes too
    return process.returncode


def logits(workdir) -> dict[str, np.ndarray]:
    paths = sorted(workdir.glob("runs/*/*.npz"))
    return {path.stem: np.load(path)["logits"] for path in paths}


def wait_for_checkpoint(workdir, process):
    while not list(workdir.glob("waves/*/*/state")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_killed_at_three_random_moments_the_logits_are_bitwise_the_same(
    cache, tmp_path, seed
):
    assert finish(start(cache, tmp_path, "whole")) == 0
    moments, kills = random.Random(seed), 0
    for _ in range(3):
        process = start(cache, tmp_path, "killed")
        wait_for_checkpoint(tmp_path / "killed", process)
        time.sleep(moments.uniform(0.0, 0.5))
        process.kill()
        kills += finish(process) == -signal.SIGKILL
    assert kills >= 2  # a fast machine may finish before the third
    assert finish(start(cache, tmp_path, "killed")) == 0
    expected, found = logits(tmp_path / "whole"), logits(tmp_path / "killed")
    assert len(expected) == 2 and expected.keys() == found.keys()
    for run, values in expected.items():
        np.testing.assert_array_equal(values, found[run])


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_first_and_says_that_the_command_continues(
    cache, tmp_path, number
):
    process = start(cache, tmp_path, "w")
    wait_for_checkpoint(tmp_path / "w", process)
    process.send_signal(number)
    _, messages = process.communicate()
    assert process.returncode == 130
    assert "The same command continues" in messages and "Traceback" not in messages
    assert finish(start(cache, tmp_path, "w")) == 0
