"""Settings of every test: four host devices, strict shapes, repeatable examples."""

import os
import pathlib

import absl.flags
import hypothesis
import jax
import pytest

# Before any JAX computation. Tests compile far more than they compute.
os.environ["XLA_FLAGS"] = " ".join(
    [os.environ.get("XLA_FLAGS", ""), "--xla_backend_optimization_level=0"]
)
jax.config.update("jax_num_cpu_devices", 4)
# What one test compiles, others and the next run of them find again.
PROGRAMS = pathlib.Path(__file__).parents[1] / ".pytest_cache" / "programs"
jax.config.update("jax_compilation_cache_dir", str(PROGRAMS))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
jax.config.update("jax_numpy_rank_promotion", "raise")

# Derandomised: a failure on one machine is a failure on all of them.
hypothesis.settings.register_profile("mer", deadline=None, derandomize=True)
hypothesis.settings.load_profile("mer")


MOST_MAPS = 20_000  # of memory; Linux grants a process 65 530
MAPS = pathlib.Path("/proc/self/maps")


@pytest.fixture(autouse=True, scope="module")
def fewer_programs():
    """Forgets compiled programs once they are many: each has some maps of memory."""
    yield
    if MAPS.exists() and len(MAPS.read_bytes().splitlines()) > MOST_MAPS:
        jax.clear_caches()


def pytest_configure(config):
    absl.flags.FLAGS.mark_as_parsed()  # grain reads absl flags


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Whole files to a worker: the tests of one share compiled programs."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log) if config.option.dist == "load" else None
