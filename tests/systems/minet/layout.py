"""What the golden comparison rests on, in NumPy alone.

The cases, the start and the clips (drawn, so no file holds them), the rule from
PyTorch's names and layout to ours, and the probes that stand for an array.
"""

import json
import pathlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tests.systems.moext.layout import start as begin
from tests.systems.moext.layout import uniform

GOLDEN = pathlib.Path(__file__).with_name("golden.npz")
MICRO, MACRO, CLASSES = 5, 6, 3  # clips of either domain
DOMAINS, MODES = ("micro", "macro"), ("train", "eval")
FEATURES = ("map", "apex", "frames")
LOSSES = ("L_c", "L_s", "L_sam", "L_t", "L_con", "total")
WEIGHTS = {"ls": 0.1, "lsam": 0.2, "lt": 0.2, "lcon": 0.1}  # [P]
ODD_MAP = (4, 7, 7)  # of discriminators alone: clips and positions; as at 224 pixels
SIZES = {"frames": 8, "width": 2, "disc_features": 16, "blocks": 1}
# The defaults; the printed readings; and, as deep as published, what remains.
CASES: dict[str, dict[str, Any]] = {
    "default": {**SIZES, "size": 48},
    "printed": {
        **SIZES,
        "size": 32,
        "intervals": 2,
        "interval_view": "whole",
        "aggregate": "concat",
        "disc_norm": "batch",
        "con_norm": "literal",
    },
    "other": {
        **SIZES,
        "size": 32,
        "blocks": 2,
        "frames": 12,
        "aggregate": "attention",
        "disc_norm": "none",
        "temperature": 0.5,
        **{"ls": 0.7, "lsam": 0.3, "lt": 1.5, "lcon": 2.0},
    },
}
STRENGTHS = {"default": 0.6, "printed": 1.0, "other": 0.25}  # of the reversal


def load() -> dict[str, Any]:
    """The arrays of `golden.npz`; its JSON texts parsed."""
    with np.load(GOLDEN) as data:
        golden: dict[str, Any] = dict(data)
    texts = [k for k, v in golden.items() if v.dtype.kind == "U"]
    return golden | {k: json.loads(str(golden[k])) for k in texts}


def clips(case: str, domain: str) -> tuple[np.ndarray, np.ndarray]:
    """Apexes [n, S, S, 3] and clips [n, T, S, S, 3] in [-1, 1)."""
    frames, size = CASES[case]["frames"], CASES[case]["size"]
    count = {"micro": MICRO, "macro": MACRO}[domain]
    drawn = 2 * uniform(f"{case} {domain}", (count, frames + 1, size, size, 3)) - 1
    return drawn[:, 0], drawn[:, 1:]


def labels() -> tuple[np.ndarray, np.ndarray]:
    """Classes of micro [MICRO] and macro [MACRO]; 2 has its positives in the latter."""
    return np.array([0, 1, 0, 2, 1]), np.array([2, 0, 0, 1, 2, 1])


def positions(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Where windows lie, [MICRO] and [MACRO] in [0, 1)."""
    micro, macro = (
        uniform(f"{case} {domain} positions", (count,))
        for domain, count in zip(DOMAINS, (MICRO, MACRO), strict=True)
    )
    return micro, macro


def odd_map(case: str) -> np.ndarray:
    """[4, 7, 7, 8 * width]: what a discriminator of maps sees at 224 pixels."""
    return 2 * uniform(f"{case} map", (*ODD_MAP, 8 * CASES[case]["width"])) - 1


def start(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """Parameters and running values by PyTorch's names, off their defaults."""
    return begin({name: tuple(shape) for name, shape in shapes.items()})


def to_jax(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names and layout to ours, "params/minet/spatial/conv1/kernel".

    Kernels [O, I, kh, kw] become [kh, kw, I, O], those of sequences, [O, I, k],
    [k, 1, I, O]; dense ones [O, I] become [I, O]. The weight of a norm is our scale.
    """
    return {own_name(name, value): to_own_axes(value) for name, value in state.items()}


def own_name(name: str, value: np.ndarray) -> str:
    """`minet.spatial.layer1.0.bn1.weight` to ours."""
    layer, leaf = name.rsplit(".", 1)
    path = re.sub(r"\.(\d)", r"_\1", layer).replace(".", "/")
    return {
        "running_mean": f"batch_stats/{path}/mean",
        "running_var": f"batch_stats/{path}/var",
        "logits": f"params/{path}/logits",
        "bias": f"params/{path}/bias",
        "weight": f"params/{path}/{'kernel' if value.ndim > 1 else 'scale'}",
    }[leaf]


def to_own_axes(value: np.ndarray) -> np.ndarray:
    """A leaf in our order of axes."""
    if value.ndim == 4:
        return value.transpose(2, 3, 1, 0)
    if value.ndim == 3:
        return value.transpose(2, 1, 0)[:, None]
    return value.T
