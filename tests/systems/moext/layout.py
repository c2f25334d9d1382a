"""What the golden comparison rests on, in NumPy alone.

The cases, the start (drawn from raw bits of a counter, so no file holds it), the rule
from PyTorch's layout to ours, and probes: numbers that stand for an array.
"""

import json
import math
import pathlib
import re
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

GOLDEN = pathlib.Path(__file__).with_name("golden.npz")
CLIPS, VIEWS, CLASSES = 3, 6, 3
LEARNING_RATE, L2 = 1e-4, 1e-4
# The default, and every switch at another value, at a size whose 8x8 map is pooled
# to 7x7 as at 224.
CASES: dict[str, dict[str, Any]] = {
    "default": {"size": 16, "width": 4},
    "other": {
        "size": 56,
        "width": 4,
        "branch_cb": 2,
        "branch_fc": 2,
        "branch_pool": "flatten",
        "motion_block": "conv3x3",
        "upsample": "bilinear",
        "recon_out": "sigmoid",
        "recon_views": "all",
        "projection": "linear",
        "input_norm": "imagenet",
        "lst_neg": "anchor",
        "lst_anchor_sg": True,
        "eps": 0.4,
        "a1": 0.7,
        "a2": 0.3,
    },
}


def load() -> dict[str, Any]:
    """The arrays of `golden.npz`; its JSON texts parsed."""
    with np.load(GOLDEN) as data:
        golden: dict[str, Any] = dict(data)
    texts = [k for k, v in golden.items() if v.dtype.kind == "U"]
    return golden | {k: json.loads(str(golden[k])) for k in texts}


def uniform(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float64 in [0, 1), multiples of 2**-20: exact in every precision used."""
    raw = np.random.Philox(key=zlib.crc32(name.encode())).random_raw(
        int(np.prod(shape))
    )
    return ((raw >> np.uint64(44)).astype(np.float64) * 2.0**-20).reshape(shape)


def images(case: str) -> np.ndarray:
    """[CLIPS, VIEWS, H, W, 3] in [0, 1); clip 0 has two equal onset views."""
    size = CASES[case]["size"]
    views = uniform(f"{case} images", (CLIPS, VIEWS, size, size, 3))
    views[0, 1] = views[0, 0]
    return views


def start(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Parameters and running statistics by PyTorch's names, off their defaults."""
    return {name: _leaf(name, tuple(shape)) for name, shape in shapes.items()}


def _leaf(name: str, shape: tuple[int, ...]) -> np.ndarray:
    u = uniform(name, shape)
    if name.endswith("running_var"):
        return 0.5 + u
    if len(shape) > 1:  # of He's size
        bound = 2.0 ** np.round(np.log2(np.sqrt(6 / np.prod(shape[1:]))))
        return (2 * u - 1) * bound
    if name.endswith("weight"):
        return 0.5 + u
    return u if name == "decoder.out.bias" else (u - 0.5) / 2


def to_jax(state: Mapping[str, np.ndarray], dtype=np.float32) -> dict[str, dict]:
    """PyTorch's names and layout to `{"params": ..., "batch_stats": ...}` of ours.

    Kernels [O, I, kh, kw] become [kh, kw, I, O]; dense ones [O, I] become [I, O], and
    where they read a flattened map its order goes from CHW to HWC. The weight of a
    batch norm is our scale.
    """
    out: dict[str, dict] = {"params": {}, "batch_stats": {}}
    for name, value in state.items():
        layer, leaf = name.rsplit(".", 1)
        collection, own = {
            "running_mean": ("batch_stats", "mean"),
            "running_var": ("batch_stats", "var"),
            "bias": ("params", "bias"),
            "weight": ("params", "kernel" if value.ndim > 1 else "scale"),
        }[leaf]
        node = out[collection]
        for part in own_name(layer).split("/"):
            node = node.setdefault(part, {})
        node[own] = to_own_axes(name, value).astype(dtype)
    return out


def own_name(layer: str) -> str:
    """`separator.backbone.layer1.0.conv1` -> `separator/backbone/layer1_0/conv1`."""
    return re.sub(r"\.(\d)", r"_\1", layer).replace(".", "/")


def to_own_axes(name: str, value: np.ndarray) -> np.ndarray:
    """A weight, by PyTorch's name, in our order of axes."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if value.ndim == 2:
        maps = value.reshape(len(value), -1, *_map(name, value.shape))
        return maps.transpose(2, 3, 1, 0).reshape(value.shape[::-1])
    return value


def to_torch_axes(name: str, value: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The inverse of `to_own_axes`; `shape` is PyTorch's."""
    if len(shape) == 4:
        return value.transpose(3, 2, 0, 1)
    if len(shape) == 2:
        maps = value.reshape(*_map(name, shape), -1, shape[0])
        return maps.transpose(3, 2, 0, 1).reshape(shape)
    return value


def _map(name: str, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width of the map that a dense layer reads flattened."""
    edge = math.isqrt(shape[1] // shape[0]) if name.endswith("fc1.weight") else 1
    return edge, edge


def probes(array: np.ndarray) -> np.ndarray:
    """Three random projections and the length of an array."""
    flat = np.asarray(array, np.float64).ravel()
    directions = uniform("directions", (3, flat.size)) - 0.5
    return np.array([*(directions @ flat), np.linalg.norm(flat)])
