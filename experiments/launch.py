"""The command line as a script: `python experiments/launch.py run ...` is `mer run`."""

from mer_jax.cli.main import main

if __name__ == "__main__":
    main()
