"""Floating-point operations of a function, counted from its jaxpr."""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.extend import core


def count(fn: Callable, *args: Any) -> int:
    """Returns the multiply-adds, times two, of all matrix products and convolutions.

    XLA's own count takes the body of a loop once, however often it runs; this one
    multiplies. Elementwise work is left out.

    Args:
      fn: traceable.
      *args: arrays or `jax.ShapeDtypeStruct`s.
    """
    return _jaxpr(jax.make_jaxpr(fn)(*args).jaxpr)


def _jaxpr(jaxpr: core.Jaxpr) -> int:
    return sum(_equation(equation) for equation in jaxpr.eqns)


def _equation(equation) -> int:
    name, params = equation.primitive.name, equation.params
    out = equation.outvars[0].aval.shape if equation.outvars else ()
    if name == "dot_general":
        (contract, _), _ = params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return 2 * math.prod(out) * math.prod(shape[d] for d in contract)
    if name == "conv_general_dilated":
        kernel = equation.invars[1].aval.shape
        filters = kernel[params["dimension_numbers"].rhs_spec[0]]
        per_output = math.prod(kernel) // filters // params["batch_group_count"]
        return 2 * math.prod(out) * per_output
    inner = [_jaxpr(j) for value in params.values() for j in _jaxprs_in(value)]
    if name == "cond":
        return max(inner, default=0)
    return params.get("length", 1) * sum(inner) if name == "scan" else sum(inner)


def _jaxprs_in(value: Any) -> list[core.Jaxpr]:
    """Returns the jaxprs a primitive's parameter holds."""
    if isinstance(value, core.ClosedJaxpr):
        return [value.jaxpr]
    if isinstance(value, core.Jaxpr):
        return [value]
    if isinstance(value, tuple | list):
        return [jaxpr for item in value for jaxpr in _jaxprs_in(item)]
    return []
