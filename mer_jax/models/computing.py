"""How a system's fields `precision`, `conv` and `remat` become a `Compute`."""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from mer_jax.models.blocks import Compute
from mer_jax.models.convolution import Convolution, for_cpu, im2col

Precision = Literal["float32", "bfloat16"]
Convolve = Literal["auto", "native", "cpu", "im2col"]

# By backend, of the rest "": the values that a trial takes turns with; see `speed`.
TRIED: Mapping[str, tuple[Convolve, ...]] = {
    "cpu": ("cpu", "im2col"),
    "": ("native", "im2col"),
}
PRECISIONS: Mapping[str, Any] = {"float32": None, "bfloat16": jnp.bfloat16}
CONVOLUTIONS: Mapping[str, Convolution] = {
    "native": jax.lax.conv_general_dilated,
    "cpu": for_cpu,
    "im2col": im2col,
}


def computing(
    precision: Precision, conv: Convolve = "auto", *, remat: bool = False
) -> Compute:
    """Returns how convolutions are computed.

    Args:
      precision: of convolutions and activations.
      conv: "auto" is "cpu" on a CPU, else "native".
      remat: see `Compute`.

    Raises:
      ValueError: for a value that is not among these.
    """
    if conv == "auto":
        conv = "cpu" if jax.default_backend() == "cpu" else "native"
    if conv not in CONVOLUTIONS:
        raise ValueError(f"conv: auto or one of {[*CONVOLUTIONS]}, got {conv!r}")
    if precision not in PRECISIONS:
        raise ValueError(f"precision: one of {[*PRECISIONS]}, got {precision!r}")
    return Compute(PRECISIONS[precision], CONVOLUTIONS[conv], remat)
