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
CLIPS, CLASSES, PEOPLE = 4, 3, 5
NETS, MODES = ("menet", "idnet"), ("train", "eval")
STAGES = (1, 2, 3, 4)  # those of a net whose last maps are compared
SIZES = {
    "size": 32,
    "identity_size": 32,
    "frames": 3,
    "width": 2,
    "critic_projected": 8,
    "critic_hidden": 6,
}
RATES = {"learning_rate": 1e-2, "critic_learning_rate": 1e-2}
# L_MI weighs so much that its gradient is clipped.
HEAVY = {**SIZES, **RATES, "num_critic": 3, "mi": 1e3}
# The default, whose critic finds something; half as deep, which compiles in half the
# time, with a critic that finds less than nothing; and every switch at another value.
CASES: dict[str, dict[str, Any]] = {
    "default": HEAVY,
    "shallow": {**HEAVY, "blocks": 1, "num_critic": 2, "mi_clamp": False},
    "other": {
        **SIZES,
        "frames": 5,
        "blocks": 1,
        "learning_rate": 1e-3,
        "critic_learning_rate": 1e-2,
        "num_critic": 2,
        "div": 3.0,
        "mi": 100.0,
        "input_norm": "unit",
        "dao_apply": "gate",
        "dao_groups": 3,
        "pool": "max_mean",
        "critic_inputs": "native1024",
        "critic_act": "none",
        "critic_rate": 0.3,
        "div_sim": "cosine",
        "div_detach_first": False,
        "pairs": "clip",
        "mi_clamp": False,
        "mi_clip": "parameters",
    },
}


def load() -> dict[str, Any]:
    """The arrays of `golden.npz`; its JSON texts parsed."""
    with np.load(GOLDEN) as data:
        golden: dict[str, Any] = dict(data)
    texts = [k for k, v in golden.items() if v.dtype.kind == "U"]
    return golden | {k: json.loads(str(golden[k])) for k in texts}


def clips(case: str, net: str) -> np.ndarray:
    """[CLIPS, T, S, S, 3] in [0, 1), what a net sees; each net something else.

    Each clip is brighter than the one before, or the critic could not tell them apart.
    """
    frames, size = CASES[case]["frames"], CASES[case]["size"]
    drawn = uniform(f"{case} {net}", (CLIPS, frames, size, size, 3))
    return drawn * np.linspace(0.25, 1, CLIPS)[:, None, None, None, None]


def pairs(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Features [6, 8 * width] of each side, for the critic alone."""
    shape = (6, 8 * CASES[case]["width"])
    return uniform(f"{case} identity", shape), uniform(f"{case} motion", shape)


def partners(case: str) -> np.ndarray:
    """[num_critic + 1, CLIPS]: marginal pairs of every estimate of a step."""
    count = CASES[case]["num_critic"] + 1
    return np.stack([np.roll(np.arange(CLIPS), 1 + i % 3) for i in range(count)])


def labels() -> np.ndarray:
    """[CLIPS] expressions."""
    return np.arange(CLIPS) % CLASSES


def start(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """Parameters and running values by PyTorch's names, off their defaults.

    The critic's average is as yet of nothing, and its scores begin above the bend of
    their leaky ReLU, so that it finds something.
    """
    state = begin({name: tuple(shape) for name, shape in shapes.items()})
    of_critic = {"critic.log_average": -np.inf, "critic.fc2.bias": np.array([3.0])}
    return state | {name: np.asarray(value) for name, value in of_critic.items()}


def to_jax(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names and layout to ours, "params/menet/branch/conv0/kernel".

    Kernels [O, I, kt, kh, kw] become [kt, kh, kw, I, O], IDNet's without time; dense
    ones [O, I] become [I, O]. The weight of a batch norm is our scale. What each
    branch of the attention has lies along our first axis.
    """
    out: dict[str, np.ndarray] = {}
    branches: dict[str, list[np.ndarray]] = {}
    for name, value in state.items():
        layer, leaf = name.rsplit(".", 1)
        of_branch = re.fullmatch(r"(.*attention\.\w+)\.\d", layer)
        own = own_leaf(of_branch[1] if of_branch else layer, leaf, value)
        array = to_own_axes(name, value)
        if of_branch:  # in the order of their numbers
            branches.setdefault(own, []).append(array)
        else:
            out[own] = array
    return out | {name: np.stack(arrays) for name, arrays in branches.items()}


def own_leaf(layer: str, leaf: str, value: np.ndarray) -> str:
    """`menet.branch.layer1.0.bn1`, `weight` to ours."""
    path = re.sub(r"\.(\d)", r"_\1", layer).replace(".", "/")
    if layer.endswith(("pointwise", "mixing")):
        return f"params/{path}"
    return {
        "running_mean": f"batch_stats/{path}/mean",
        "running_var": f"batch_stats/{path}/var",
        "log_average": f"batch_stats/{path}/log_average",
        "bias": f"params/{path}/bias",
        "weight": f"params/{path}/{'kernel' if value.ndim > 1 else 'scale'}",
    }[leaf]


def to_own_axes(name: str, value: np.ndarray) -> np.ndarray:
    """A leaf, by PyTorch's name, in our order of axes."""
    if ".pointwise." in name:
        return value.reshape(-1, 1)
    if value.ndim == 5:
        kernel = value.transpose(2, 3, 4, 1, 0)
        return kernel[0] if name.startswith("idnet") else kernel
    return value.T
