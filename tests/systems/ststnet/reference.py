"""STSTNet in float64 NumPy: the forward pass, written from the definition.

Independent of PyTorch and JAX. Arrays are in PyTorch's layout and under PyTorch's
names (`conv1.weight` [O, I, kh, kw], `bn1.running_var` [O], `fc.weight` [3, 400]),
which are those of the authors' weight files and of `golden.npz`; `to_jax` states the
permutation to our own layout, once, for every test.

Shapes: B clips, C channels, H W image, K classes.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

GOLDEN = pathlib.Path(__file__).with_name("golden.npz")
EPSILON = 1e-5  # added to the variance
MOMENTUM = 0.1  # share of the new batch in the running statistics


def load() -> dict[str, np.ndarray]:
    """The arrays of `golden.npz`; the names are explained in make_golden.py."""
    with np.load(GOLDEN) as data:
        return dict(data)


def group(
    golden: Mapping[str, np.ndarray], name: str, *, x64: bool = False
) -> dict[str, np.ndarray]:
    """The arrays `name/...` without that prefix, of one precision.

    With `x64` those stored as `name/..._f64`, again without the suffix.
    """
    return {
        key.removeprefix(f"{name}/").removesuffix("_f64"): value
        for key, value in golden.items()
        if key.startswith(f"{name}/") and key.endswith("_f64") == x64
    }


def conv(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Cross-correlation `[B, I, H, W]` -> `[B, O, H+2, W+2]`, 3x3, two zeros around."""
    x = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
    out = np.einsum("bihwyx,oiyx->bohw", windows, weight, optimize=True)
    return out + bias[:, None, None]


def batch_norm(
    x: np.ndarray, state: Mapping[str, np.ndarray], name: str, valid: np.ndarray | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Normalises `[B, C, H, W]` per channel.

    Args:
        x: the input.
        state: holds weight, bias, running_mean and running_var under `name.`.
        name: of the layer.
        valid: bool `[B]`, the rows whose statistics are taken, or None in evaluation
            mode, where the running statistics are used.

    Returns:
        The output, of all rows, and the running statistics after it. As in PyTorch,
        the batch is divided by the biased variance while the unbiased one (n - 1,
        n = valid rows * H * W) enters the running variance.
    """
    mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    running = {f"{name}.running_mean": mean, f"{name}.running_var": var}
    if valid is not None:
        rows = x[valid]
        count = rows.size // rows.shape[1]
        mean, var = rows.mean(axis=(0, 2, 3)), rows.var(axis=(0, 2, 3))
        batch = {"mean": mean, "var": var * count / (count - 1)}
        for leaf, value in batch.items():
            old = running[f"{name}.running_{leaf}"]
            new = (1 - MOMENTUM) * old + MOMENTUM * value
            running[f"{name}.running_{leaf}"] = new
    scale = state[f"{name}.weight"] / np.sqrt(var + EPSILON)
    centred = x - mean[:, None, None]
    return centred * scale[:, None, None] + state[f"{name}.bias"][
        :, None, None
    ], running


def max_pool(x: np.ndarray) -> np.ndarray:
    """Windows of 3, stride 3, one row and column of -inf around: 30 -> 10.

    The windows start at -1, 2, ..., 26 and end at 28: row and column 29 are not seen.
    """
    b, c, h, w = x.shape
    x = np.pad(x, ((0, 0), (0, 0), (1, 0), (1, 0)), constant_values=-np.inf)
    rows, columns = (h + 1) // 3, (w + 1) // 3
    x = x[:, :, : 3 * rows, : 3 * columns]
    return x.reshape(b, c, rows, 3, columns, 3).max(axis=(3, 5))


def mean_pool(x: np.ndarray) -> np.ndarray:
    """Windows of 2, stride 2: 10 -> 5."""
    b, c, h, w = x.shape
    return x.reshape(b, c, h // 2, 2, w // 2, 2).mean(axis=(3, 5))


def forward(
    state: Mapping[str, np.ndarray],
    images: np.ndarray,
    *,
    train: bool = False,
    valid: np.ndarray | None = None,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Logits of the network, dropout off.

    Args:
        state: parameters and running statistics; cast to float64.
        images: uint8 `[B, 28, 28, 3]` RGB, as decoded; the network reads BGR.
        train: batch statistics instead of running ones.
        valid: bool `[B]`, false for rows that only fill the batch: they enter no
            statistic. Only with `train`; all rows when None.

    Returns:
        Logits `[B, 3]` (those of invalid rows mean nothing) and the running
        statistics afterwards, unchanged without `train`.
    """
    state = {name: value.astype(np.float64) for name, value in state.items()}
    if train and valid is None:
        valid = np.ones(len(images), bool)
    x = images[..., ::-1].astype(np.float64).transpose(0, 3, 1, 2)
    features, running = [], {}
    for i in streams(state):
        h = conv(x, state[f"conv{i}.weight"], state[f"conv{i}.bias"])
        h = np.maximum(h, 0.0)
        h, statistics = batch_norm(h, state, f"bn{i}", valid if train else None)
        features.append(max_pool(h))
        running |= statistics
    h = mean_pool(np.concatenate(features, axis=1))
    logits = h.reshape(len(h), -1) @ state["fc.weight"].T + state["fc.bias"]
    return logits, running


def cross_entropy(
    logits: np.ndarray, labels: np.ndarray, valid: np.ndarray | None = None
) -> float:
    """Mean of -log softmax at the label, over the valid rows."""
    valid = np.ones(len(logits), bool) if valid is None else valid
    logits, labels = logits[valid], labels[valid]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    return float((log_sum - shifted[np.arange(len(labels)), labels]).mean())


def streams(state: Mapping[str, np.ndarray]) -> list[int]:
    """Numbers of the convolutions in `state`: [1, 2, 3], or [1] when fused."""
    return [i for i in (1, 2, 3) if f"conv{i}.weight" in state]


def to_jax(state: Mapping[str, np.ndarray]) -> dict[str, dict]:
    """PyTorch's names and layout to those of `mer_jax.systems.ststnet`.

    Accepts parameters, parameters with running statistics, or gradients: anything
    that `group` returns. Dtypes are kept.

    ======================  ==================  =======================================
    torch                   jax                 permutation
    ======================  ==================  =======================================
    conv{1,2,3}.weight      conv/kernel         [O,I,kh,kw] -> [kh,kw,I,O], transpose
    [3|5|8, 3, 3, 3]        [3, 3, 3, 16]       (2,3,1,0), then the streams side by
                                                side on O: 0-2, 3-7, 8-15
    conv{1,2,3}.bias        conv/bias [16]      concatenated in that order
    bn{1,2,3}.weight, bias  bn/scale, bn/bias   concatenated in that order
    bn{1,2,3}.running_mean  batch_stats of bn:  concatenated in that order
    and running_var         mean, var [16]
    fc.weight [3, 400]      dense/kernel        [K,C*5*5] -> [K,C,H,W] -> [H,W,C,K],
                            [400, 3]            transpose (2,3,1,0), -> [5*5*C, K]: the
                                                features are flattened HWC, not CHW
    fc.bias                 dense/bias [3]      none
    ======================  ==================  =======================================

    The input axis I of the convolution is not permuted: it stays blue, green, red,
    because both networks convolve BGR images (ours flips the corpus's RGB first).
    Kernels are not flipped: both frameworks compute a cross-correlation.

    Returns:
        `{"params": {"conv", "bn", "dense"}}`, and `"batch_stats": {"bn"}` where
        `state` holds running statistics.
    """

    def joined(layer: str, leaf: str) -> np.ndarray:
        return np.concatenate([state[f"{layer}{i}.{leaf}"] for i in streams(state)])

    fc = state["fc.weight"].reshape(3, -1, 5, 5)
    params = {
        "conv": {
            "kernel": joined("conv", "weight").transpose(2, 3, 1, 0),
            "bias": joined("conv", "bias"),
        },
        "bn": {"scale": joined("bn", "weight"), "bias": joined("bn", "bias")},
        "dense": {
            "kernel": fc.transpose(2, 3, 1, 0).reshape(-1, 3),
            "bias": state["fc.bias"],
        },
    }
    if "bn1.running_mean" not in state:
        return {"params": params}
    statistics = {
        "mean": joined("bn", "running_mean"),
        "var": joined("bn", "running_var"),
    }
    return {"params": params, "batch_stats": {"bn": statistics}}
