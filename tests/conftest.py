"""Settings of every test: four host devices, strict shapes."""

import absl.flags
import jax

jax.config.update("jax_num_cpu_devices", 4)  # before any JAX computation
jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config):
    absl.flags.FLAGS.mark_as_parsed()  # grain reads absl flags
