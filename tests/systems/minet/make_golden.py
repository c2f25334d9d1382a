"""Writes golden.npz: what PyTorch computes for tiny MiNets on random clips.

    python -m tests.systems.minet.make_golden            # needs torch; from the root

Everything is computed in float64. The start and the clips are not in the file: they
are drawn by `layout.start` and `layout.clips`. Probes are of arrays in our layout, in
the order of our names. For each case of `layout.CASES`:

    <case>/shapes           JSON: the state dict, name -> shape
    <case>/<mode>/map       [MICRO, h, w, D]: the streams of MiNet, of all micro clips
    <case>/<mode>/apex      [MICRO, D]
    <case>/<mode>/frames    [MICRO, T, D]
    <case>/<mode>/logits    [MICRO, K]
    <case>/odd_map          [4]: logits of D_s in evaluation mode, of `layout.odd_map`
    <case>/losses           [6]: of a step, in the order of `layout.LOSSES`
    <case>/gradients        [n, 4]: probes of the gradient of their sum
    <case>/statistics       [n, 4]: probes of the running averages after the step
"""

import json

import numpy as np
import torch
from torch import nn

from benchmarks.torch_minet_nets import Align, Options
from tests.systems.parity import probed

from . import layout

Arrays = dict[str, np.ndarray]


def kept(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict without counters."""
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def begun(case: str, kind: type[Align] = Align) -> Align:
    """The stage at its drawn start."""
    model = kind(Options(**layout.CASES[case]), layout.CLASSES).double()
    drawn = layout.start({k: v.shape for k, v in kept(model).items()})
    state = {k: torch.from_numpy(np.asarray(v)) for k, v in drawn.items()}
    model.load_state_dict(state, strict=False)
    return model


def own(tensors: dict[str, torch.Tensor]) -> Arrays:
    """Leaves under our names, in our layout."""
    return layout.to_jax({k: v.detach().numpy() for k, v in tensors.items()})


def seen(case: str, domain: str) -> tuple[torch.Tensor, ...]:
    """Apexes and clips, channels before rows."""
    arrays = layout.clips(case, domain)
    return tuple(torch.from_numpy(x).movedim(-1, -3).contiguous() for x in arrays)


def forward(case: str, mode: str) -> Arrays:
    """A pass of MiNet."""
    model = begun(case).train(mode == "train")
    map, apex, frames = model.minet(*seen(case, "micro"))
    logits = model.head(model.fused(apex, frames))
    arrays = {"map": map.movedim(1, -1), "apex": apex, "frames": frames}
    arrays["logits"] = logits
    return {f"{mode}/{k}": v.detach().numpy() for k, v in arrays.items()}


def odd_map(case: str) -> np.ndarray:
    """A pass of D_s alone."""
    net = begun(case).eval().discriminator_map
    map = torch.from_numpy(layout.odd_map(case)).movedim(-1, 1)
    return net(map).detach().numpy()


def step(case: str, kind: type[Align] = Align) -> Arrays:
    """Losses and gradients."""
    model = begun(case, kind).train()
    pair = lambda arrays: tuple(map(torch.from_numpy, arrays))
    losses = model.losses(
        *(seen(case, domain) for domain in layout.DOMAINS),
        pair(layout.labels()),
        pair(layout.positions(case)),
        layout.STRENGTHS[case],
    )
    losses[-1].backward()
    learning = {k: p for k, p in model.named_parameters() if p.requires_grad}
    gradients = {k: p.grad for k, p in learning.items() if p.grad is not None}
    assert len(gradients) == len(learning)
    statistics = {k: v for k, v in kept(model).items() if "running" in k}
    return {
        "losses": np.array([x.item() for x in losses]),
        "gradients": probed(own(gradients)),
        "statistics": probed(own(statistics)),
    }


def of_case(case: str) -> Arrays:
    """All arrays of a case."""
    shapes = {k: tuple(v.shape) for k, v in kept(begun(case)).items()}
    arrays = {"shapes": np.array(json.dumps(shapes)), "odd_map": odd_map(case)}
    for mode in layout.MODES:
        arrays |= forward(case, mode)
    return arrays | step(case)


def arrays() -> Arrays:
    """Everything that golden.npz holds."""
    torch.set_num_threads(1)
    cases = {case: of_case(case) for case in layout.CASES}
    return {f"{case}/{k}": v for case, found in cases.items() for k, v in found.items()}


if __name__ == "__main__":
    np.savez_compressed(layout.GOLDEN, **arrays())
    print(f"{layout.GOLDEN.name}: {layout.GOLDEN.stat().st_size} bytes")
