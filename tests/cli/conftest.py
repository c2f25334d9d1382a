"""The command line, called in this process, with a cache that tests share."""

import dataclasses
import shutil
import sys

import pytest

from mer_jax.cli import main


@dataclasses.dataclass
class Done:
    """What a finished command left."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A cache of this test process: packaging the tiny corpus takes a second."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def mer(cache, tmp_path, monkeypatch, capsys):
    """Runs `mer` in `tmp_path` and returns what it left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MER_CACHE", str(cache))

    def call(*words, check=True):
        monkeypatch.setattr(sys, "argv", ["mer", *map(str, words)])
        code = 0
        try:
            main.main()
        except SystemExit as stop:
            code = stop.code or 0
        done = Done(code, *capsys.readouterr())
        assert not (check and code), done.stderr
        return done

    return call


@pytest.fixture(scope="session")
def trained(cache, tmp_path_factory):
    """A workdir in which the smoke run of the demo is done; copy, never write."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MER_CACHE", str(cache))
        words = ["run", "ststnet_demo", "--smoke", "--devices", "1"]
        patch.setattr(sys, "argv", ["mer", *words, "--workdir", str(folder / "w")])
        main.main()
    return folder / "w"


@pytest.fixture
def workdir(trained, tmp_path):
    """A copy of `trained`, named w in `tmp_path`."""
    return shutil.copytree(trained, tmp_path / "w")
