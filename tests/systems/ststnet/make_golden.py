"""Writes golden.npz: what PyTorch computes for STSTNet on random images.

    python -m tests.systems.ststnet.make_golden          # needs torch; from the root

No licensed data: the images come from a counter-based generator. Dropout is off
throughout; everything else is the network and optimiser of
benchmarks/torch_ststnet.py (three streams, Adam 5e-5, eps 1e-8). Batch norm starts
from drawn scales (one of them negative), offsets and statistics instead of 1, 0, 0,
1, so that a permutation error shows.

Names in the file. `*` stands for the names of PyTorch's state dict (conv1.weight,
conv1.bias, bn1.weight, bn1.bias, bn1.running_mean, bn1.running_var, ..., fc.bias;
without bn*.num_batches_tracked, which a fixed momentum does not use), in PyTorch's
layout. Every result is stored as computed in float32 and, with the suffix `_f64`,
in float64 from the same (exactly representable) start.

    images              uint8 [19, 28, 28, 3], RGB
    labels              int32 [19]
    initial/*           float32 parameters and running statistics: the start of
                        everything below
    eval/logits         evaluation mode, images[:12]
    train/logits        training mode (batch statistics), images[:12], with
    train/loss          the mean cross entropy, and
    train/bn*.running_* the statistics after that one forward pass
    gradient/*          of train/loss in every parameter
    short/...           as train/..., on images[12:] alone: what a batch of 12 with 5
                        rows of filling must give
    adam1/*, adam5/*    parameters and statistics after 1 and 5 steps on images[:12]
    adam5/losses        [5], before each step
    ragged/*            after 2 epochs of the two batches images[:12] and images[12:]
    ragged/losses       [4]
    ragged/logits       evaluation mode afterwards, images[:12]
    init/*              [bound, smallest, largest, mean, standard deviation] of the
                        default initialisation of each parameter over `INIT_DRAWS`
                        fresh networks. The bound is exact: weight and bias of a
                        convolution or linear layer are uniform in
                        +-1/sqrt(fan_in), fan_in 27 and 400 (kaiming_uniform with
                        a = sqrt(5)); batch norm starts at scale 1, offset 0.
"""

import numpy as np
import torch
from torch.nn import functional

from benchmarks.torch_ststnet import TorchSTSTNet, to_input

from . import reference

BATCH = 12  # rows of the full batch; the other 7 images are the ragged one
LEARNING_RATE = 5e-5
SEED = 190203634
INIT_DRAWS = 400


def draw_images() -> tuple[np.ndarray, np.ndarray]:
    """19 images and labels.

    Noise, then images made of flat 7x7 and 4x4 tiles (equal values in one pooling
    window, as smooth flow has them), and one flat image per batch.
    """
    rng = np.random.Generator(np.random.Philox(SEED))

    def tiled(count: int, side: int) -> np.ndarray:
        n = 28 // side
        tiles = rng.integers(0, 256, (count, n, n, 3), np.uint8)
        return tiles.repeat(side, axis=1).repeat(side, axis=2)

    def batch(noise: int, coarse: int, fine: int) -> list[np.ndarray]:
        return [tiled(noise, 1), tiled(coarse, 7), tiled(fine, 4), tiled(1, 28)]

    images = np.concatenate(batch(6, 3, 2) + batch(3, 2, 1))
    labels = np.concatenate([np.arange(12) % 3, [2, 0, 0, 1, 2, 0, 1]])
    return images, labels.astype(np.int32)


def draw_initial() -> dict[str, np.ndarray]:
    """float32 default initialisation, with batch norm drawn off its defaults."""
    torch.manual_seed(SEED)
    state = TorchSTSTNet().state_dict()
    rng = np.random.Generator(np.random.Philox(SEED + 1))
    # Of the size that conv + ReLU gives on noise in 0..255.
    ranges = {
        "weight": (0.5, 1.5),
        "bias": (-0.5, 0.5),
        "running_mean": (0.0, 60.0),
        "running_var": (500.0, 5000.0),
    }
    initial = {}
    for name, value in state.items():
        layer, leaf = name.split(".")
        if leaf == "num_batches_tracked":
            continue
        initial[name] = value.numpy()
        if layer.startswith("bn"):
            initial[name] = rng.uniform(*ranges[leaf], value.shape).astype(np.float32)
    initial["bn3.weight"][2] *= -1
    return initial


def build(initial: dict[str, np.ndarray], dtype: torch.dtype) -> TorchSTSTNet:
    """The network at `initial`, without dropout."""
    model = TorchSTSTNet(dropout=0.0).to(dtype)
    state = {name: torch.from_numpy(value) for name, value in initial.items()}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return model


def snapshot(model: TorchSTSTNet) -> dict[str, np.ndarray]:
    """A copy of the parameters and running statistics."""
    return {
        name: value.numpy().copy()
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def train_steps(
    model: TorchSTSTNet, batches: list[tuple[torch.Tensor, torch.Tensor]]
) -> np.ndarray:
    """One Adam step per batch; the losses before each."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, eps=1e-8)
    model.train()
    losses = []
    for x, y in batches:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return np.array(losses)


def compute(
    images: np.ndarray,
    labels: np.ndarray,
    initial: dict[str, np.ndarray],
    dtype: torch.dtype,
) -> dict[str, np.ndarray]:
    """Every result of the list above in one precision."""
    x, y = to_input(images).to(dtype), torch.from_numpy(labels).long()
    full, short = (x[:BATCH], y[:BATCH]), (x[BATCH:], y[BATCH:])
    out = {}

    def put(name: str, values: dict[str, np.ndarray]) -> None:
        out.update({f"{name}/{leaf}": value for leaf, value in values.items()})

    def evaluate(model: TorchSTSTNet) -> np.ndarray:
        with torch.no_grad():
            return model.eval()(full[0]).numpy()

    out["eval/logits"] = evaluate(build(initial, dtype))
    for name, batch in {"train": full, "short": short}.items():
        model = build(initial, dtype).train()
        logits = model(batch[0])
        loss = functional.cross_entropy(logits, batch[1])
        put(name, {"logits": logits.detach().numpy(), "loss": loss.detach().numpy()})
        put(name, {k: v for k, v in snapshot(model).items() if "running" in k})
        if name == "train":
            loss.backward()
            gradients = {k: p.grad.numpy() for k, p in model.named_parameters()}
            put("gradient", gradients)

    model = build(initial, dtype)
    train_steps(model, [full])
    put("adam1", snapshot(model))
    model = build(initial, dtype)
    losses = train_steps(model, [full] * 5)
    put("adam5", {**snapshot(model), "losses": losses})
    model = build(initial, dtype)
    losses = train_steps(model, [full, short] * 2)
    put("ragged", {**snapshot(model), "losses": losses, "logits": evaluate(model)})
    return out


def init_statistics() -> dict[str, np.ndarray]:
    """Bound and moments of PyTorch's default initialisation, per parameter."""
    torch.manual_seed(SEED)
    draws: dict[str, list[np.ndarray]] = {}
    for _ in range(INIT_DRAWS):
        for name, value in TorchSTSTNet().named_parameters():
            if not name.startswith("bn"):
                draws.setdefault(name, []).append(value.detach().numpy())
    out = {}
    for name, values in draws.items():
        fan_in = 400 if name.startswith("fc") else 27
        v = np.stack(values).astype(np.float64)
        moments = [fan_in**-0.5, v.min(), v.max(), v.mean(), v.std()]
        out[f"init/{name}"] = np.array(moments)
    return out


def arrays() -> dict[str, np.ndarray]:
    """Everything that golden.npz holds."""
    torch.set_num_threads(1)
    images, labels = draw_images()
    initial = draw_initial()
    out = {"images": images, "labels": labels}
    out |= {f"initial/{name}": value for name, value in initial.items()}
    single = compute(images, labels, initial, torch.float32)
    double = compute(images, labels, initial, torch.float64)
    out |= {name: value.astype(np.float32) for name, value in single.items()}
    out |= {f"{name}_f64": value for name, value in double.items()}
    return out | init_statistics()


if __name__ == "__main__":
    np.savez_compressed(reference.GOLDEN, **arrays())
    print(f"{reference.GOLDEN.name}: {reference.GOLDEN.stat().st_size} bytes")
