"""Gradient reversal: one minimisation for a discriminator and whom it is to mistake.

After Ganin & Lempitsky 2015 (arXiv 1409.7495), section 3.
"""

import chex
import jax
import jax.numpy as jnp

from mer_jax.typing import PyTree


def reverse_gradient(x: PyTree, strength: jax.Array | float) -> PyTree:
    r"""Returns `x`; what comes before it descends where what follows climbs.

    .. math::
      R(x) = x, \qquad \frac{\partial R}{\partial x} = -\gamma I

    A discriminator of R(x) learns to tell domains apart, by its whole gradient, while
    the net that makes x learns, gamma times as fast, to keep it from that.

    Args:
      x: pytree of float arrays.
      strength: float[], gamma, not negative; may be traced, has no gradient.

    Returns:
      `x`; its gradient keeps the dtypes.

    Raises:
      AssertionError: at trace time, if `strength` is not a scalar.

    Example:
      >>> jax.grad(lambda x: 3 * reverse_gradient(x, 0.5))(1.0).item()
      -1.5
    """
    chex.assert_rank(strength, 0)
    return _reversed(x, _single(strength))


def dann_strength(progress: jax.Array | float) -> jax.Array:
    r"""How strong the reversal is by now: nothing at first, soon nearly 1.

    .. math::
      \gamma(p) = \frac{2}{1 + e^{-10 p}} - 1

    Ganin & Lempitsky 2015, section 4: a discriminator that has yet to learn has
    nothing to say. Half of it is reached at a ninth of the way.

    Args:
      progress: float[...], p, from 0 at the first step to 1 after the last.

    Returns:
      float32[...], gamma, in [0, 1).

    Example:
      >>> [round(dann_strength(p).item(), 2) for p in (0.0, 0.11, 1.0)]
      [0.0, 0.5, 1.0]
    """
    # The same function, whose small values are no difference of two ones.
    return jnp.tanh(5 * _single(progress))


@jax.custom_vjp
def _reversed(x, strength):
    return x


def _forward(x, strength):
    return x, strength


def _backward(strength, gradient):
    turned = lambda leaf: (-strength * leaf).astype(leaf.dtype)
    return jax.tree.map(turned, gradient), None  # none for the strength


_reversed.defvjp(_forward, _backward)


def _single(x):
    """Returns `x` as float32, or as float64 if it is that."""
    x = jnp.asarray(x)
    return x.astype(jnp.promote_types(x.dtype, jnp.float32))
