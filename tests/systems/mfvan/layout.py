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
CLIPS, CLASSES = 4, 3
MODES = ("train", "eval")
PARTS = ("token", "local", "attention", "kept")  # of what is found at a scale
# Of every stage: nets that learn, and losses.
LEARNS = {
    "teacher": ("teacher",),
    "identity_removal": ("teacher", "student"),
    "classify": ("student", "residual", "transformers", "heads"),
}
REMOVAL = ("L_student", "L_soft")
LOSSES = {
    "teacher": ("L_pre", "loss"),
    "identity_removal": ("L_teacher", *REMOVAL, "loss"),
    "classify": ("L_g", "L_sc", "L_mask", *REMOVAL, "L_RI", "loss"),
}
SIZES = {
    "size": 32,
    "width": 2,
    "patch": 8,
    "features": 6,
    "depth": 2,
    "heads": 2,
    "hidden": 8,
    "fusion": 8,
    "blocks": 1,
    "dropout": 0.0,
}
# The defaults; the other readings, as deep as published; and without the removal.
CASES: dict[str, dict[str, Any]] = {
    "default": SIZES,
    "other": {
        **SIZES,
        "blocks": 2,
        "heads": 3,
        "ri_feature": "residual",
        "scales": (2, 0, 1),
        "decoder": "resize",
        "vit_share": True,
        "kappa": 1.1,
        "mask_slope": 3.0,
        "mask_loss": "consistency",
        "class_weights": "none",
        **{"w_ri": 0.7, "w_soft": 0.4, "alpha": 0.6, "beta": 1.5},
    },
    "plain": {
        **SIZES,
        "ri": False,
        "scales": (0,),
        "mask_grad": "soft",
        "mask_loss": "area",
        "rho": 0.3,
        "gamma": 0.0,
    },
}


def stages(case: str) -> tuple[str, ...]:
    """The stages of a case."""
    return tuple(LEARNS) if CASES[case].get("ri", True) else ("classify",)


def scales(case: str) -> int:
    """How many a case has."""
    return len(CASES[case].get("scales", (0, 1, 2)))


def losses(case: str, stage: str) -> tuple[str, ...]:
    """The losses of a stage."""
    removed = CASES[case].get("ri", True)
    return tuple(k for k in LOSSES[stage] if removed or k not in (*REMOVAL, "L_RI"))


def load() -> dict[str, Any]:
    """The arrays of `golden.npz`; its JSON texts parsed."""
    with np.load(GOLDEN) as data:
        golden: dict[str, Any] = dict(data)
    texts = [k for k, v in golden.items() if v.dtype.kind == "U"]
    return golden | {k: json.loads(str(golden[k])) for k in texts}


def clips(case: str) -> tuple[np.ndarray, np.ndarray]:
    """Apexes and onsets, [CLIPS, S, S, 3] in [0, 1)."""
    size = CASES[case]["size"]
    drawn = uniform(f"{case} clips", (2, CLIPS, size, size, 3))
    return drawn[0], drawn[1]


def labels() -> np.ndarray:
    """[CLIPS] classes."""
    return np.array([0, 2, 1, 2])


def class_counts() -> np.ndarray:
    """[CLASSES], of a sample that is not this batch."""
    return np.array([6, 2, 3])


def start(shapes: Mapping[str, Iterable[int]]) -> dict[str, np.ndarray]:
    """Parameters and running values by PyTorch's names, off their defaults."""
    return begin({name: tuple(shape) for name, shape in shapes.items()})


def to_jax(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """PyTorch's names and layout to ours, "params/student/encoder/conv1/kernel".

    Kernels [O, I, kh, kw] become [kh, kw, I, O], those of transposed convolutions,
    [I, O, 4, 4], too; dense ones [O, I] become [I, O]. The weight of a norm is our
    scale.
    """
    return {own_name(k, value): to_own_axes(k, value) for k, value in state.items()}


def own_name(name: str, value: np.ndarray) -> str:
    """`transformers.scale0.block1.self_attn.in_proj_weight` to ours."""
    name = name.replace("self_attn.", "").replace("in_proj_", "in_proj.")
    layer, leaf = name.rsplit(".", 1)
    path = re.sub(r"\.(\d)", r"_\1", layer).replace(".", "/")
    return {
        "running_mean": f"batch_stats/{path}/mean",
        "running_var": f"batch_stats/{path}/var",
        "class_token": f"params/{path}/class_token",
        "positions": f"params/{path}/positions",
        "bias": f"params/{path}/bias",
        "weight": f"params/{path}/{'kernel' if value.ndim > 1 else 'scale'}",
    }[leaf]


def to_own_axes(name: str, value: np.ndarray) -> np.ndarray:
    """A leaf, by PyTorch's name, in our order of axes."""
    if value.ndim == 4:
        transposed = "decoder" in name and value.shape[-1] == 4
        return value.transpose(2, 3, *((0, 1) if transposed else (1, 0)))
    return value.T if value.ndim == 2 else value
