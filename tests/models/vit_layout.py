"""What the golden comparison of transformers rests on, in NumPy alone.

The sizes, the start and the images (drawn, so no file holds them), and the rule from
PyTorch's names and layout to ours.
"""

import pathlib
import re
from collections.abc import Iterable, Mapping

import numpy as np

from tests.systems.moext.layout import start as begin
from tests.systems.moext.layout import uniform

GOLDEN = pathlib.Path(__file__).with_name("vit_golden.npz")
SIZES = {"patch": 4, "features": 12, "depth": 2, "heads": 3, "mlp": 24}
IMAGES = (3, 16, 20, 3)  # more columns than rows, so their order counts
OUTPUTS = {"class_token": (3, 12), "patches": (3, 20, 12), "attention": (3, 20)}


def images() -> np.ndarray:
    """[B, H, W, C] in [0, 1)."""
    return uniform("images", IMAGES)


def slopes() -> dict[str, np.ndarray]:
    """What each output is multiplied by in the sum that is differentiated."""
    return {name: 2 * uniform(name, shape) - 1 for name, shape in OUTPUTS.items()}


def start(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """Parameters by PyTorch's names, off their defaults."""
    return begin({name: tuple(shape) for name, shape in shapes.items()})


def to_jax(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names and layout to ours, "transformer/block1/in_proj/kernel".

    Kernels [O, I, kh, kw] become [kh, kw, I, O]; dense ones [O, I] become [I, O].
    The weight of a norm is our scale.
    """
    return {own_name(k, np.ndim(v)): to_own_axes(k, v) for k, v in state.items()}


def own_name(name: str, rank: int) -> str:
    """`layers.0.self_attn.in_proj_weight` to ours."""
    if name in ("class_token", "positions"):
        return f"patches/{name}"
    name = name.replace("embed.", "patches/conv.").replace("self_attn.", "")
    name = name.replace("in_proj_", "in_proj.")
    block = lambda found: f"transformer/block{int(found[1]) + 1}/"
    layer, leaf = re.sub(r"layers\.(\d+)\.", block, name).rsplit(".", 1)
    return f"{layer}/{'bias' if leaf == 'bias' else 'kernel' if rank > 1 else 'scale'}"


def to_own_axes(name: str, value: np.ndarray) -> np.ndarray:
    """A leaf in our order of axes."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    return value.T if value.ndim == 2 else value
