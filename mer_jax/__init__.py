"""Micro-expression recognition in JAX, every leave-one-subject-out fold in parallel.

Nothing is imported here: `import mer_jax` costs no JAX start-up.
"""

__version__ = "0.1.0"
