"""The command line as a script: `python experiments/launch.py run ...` is `mer run`."""

from mer_jax.cli.start import start

if __name__ == "__main__":
    start()
