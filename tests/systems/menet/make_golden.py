"""Writes golden.npz: what PyTorch computes for tiny MENets on random clips.

    python -m tests.systems.menet.make_golden            # needs torch; from the root

Everything is computed in float64. The start and the clips are not in the file: they
are drawn by `layout.start` and `layout.clips`. Probes are of arrays in our layout, in
the order of our names. For each case of `layout.CASES`:

    <case>/shapes           JSON: the state dict, name -> shape
    <case>/scores           [6]: the critic's of `layout.pairs`
    <case>/<net>/<mode>/maps        [4, 4]: probes of the maps after layer1 .. layer4
    <case>/<net>/<mode>/attention   [B, T, P]
    <case>/<net>/<mode>/logits      [B, K]
    <case>/<net>/statistics [n, 4]: probes of the running averages after mode `train`
    <case>/losses           [5]: of a step of stage `expression`: what the critic found
                            last, L_me, L_div, L_MI, and the clipping factor
    <case>/gradients        [n, 4]: probes of MENet's gradient in that step
    <case>/stepped          [n, 4]: probes of MENet and critic after it
"""

import json

import numpy as np
import torch
from torch import nn

from benchmarks.torch_menet import Expression, Training
from benchmarks.torch_menet_nets import Options
from tests.systems.moext.layout import probes
from tests.systems.parity import probed

from . import layout

Arrays = dict[str, np.ndarray]


def kept(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict without counters."""
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def begun(case: str) -> Expression:
    """The stage at its drawn start."""
    options = Options(**layout.CASES[case])
    model = Expression(options, layout.CLASSES, layout.PEOPLE).double()
    drawn = layout.start({k: v.shape for k, v in kept(model).items()})
    state = {k: torch.from_numpy(np.asarray(v)) for k, v in drawn.items()}
    model.load_state_dict(state, strict=False)
    return model


def own(tensors: dict[str, torch.Tensor]) -> Arrays:
    """Leaves under our names, in our layout."""
    return layout.to_jax({k: v.detach().numpy() for k, v in tensors.items()})


def seen(case: str, net: str) -> torch.Tensor:
    """Clips [B, 3, T, S, S]."""
    return torch.from_numpy(layout.clips(case, net)).permute(0, 4, 1, 2, 3).contiguous()


def forward(case: str, name: str, mode: str) -> Arrays:
    """A pass of one net."""
    model = begun(case)
    net = getattr(model, name).train(mode == "train")
    maps: list[np.ndarray] = []
    for stage in layout.STAGES:
        listen = lambda module, args, out: maps.append(
            probes(out.detach().permute(0, 2, 3, 4, 1).numpy())
        )
        getattr(net.branch, f"layer{stage}").register_forward_hook(listen)
    logits, attention = net(seen(case, name))
    arrays = {
        f"{mode}/maps": np.stack(maps),
        f"{mode}/attention": attention.detach().numpy(),
        f"{mode}/logits": logits.detach().numpy(),
    }
    if mode == "train":
        state = {k: v for k, v in kept(model).items() if k.startswith(name)}
        statistics = {k: v for k, v in state.items() if "running" in k}
        arrays["statistics"] = probed(own(statistics))
    return {f"{name}/{k}": v for k, v in arrays.items()}


def step(case: str) -> Arrays:
    """A step of the stage."""
    model = begun(case).train()
    told = torch.from_numpy(layout.labels())
    partners = torch.from_numpy(layout.partners(case))
    clips = [seen(case, net) for net in layout.NETS]
    losses = Training(model).step(*clips, told, partners)
    gradients = {f"menet.{k}": p.grad for k, p in model.menet.named_parameters()}
    state = {k: v for k, v in kept(model).items() if not k.startswith("idnet")}
    return {
        "losses": np.array([x.item() for x in losses]),
        "gradients": probed(own(gradients)),
        "stepped": probed(own(state)),
    }


def of_case(case: str) -> Arrays:
    """All arrays of a case."""
    model = begun(case)
    shapes = {k: tuple(v.shape) for k, v in kept(model).items()}
    scores = model.critic(*map(torch.from_numpy, layout.pairs(case)))
    arrays = {
        "shapes": np.array(json.dumps(shapes)),
        "scores": scores.detach().numpy(),
        **step(case),
    }
    for net in layout.NETS:
        for mode in layout.MODES:
            arrays |= forward(case, net, mode)
    return arrays


def arrays() -> Arrays:
    """Everything that golden.npz holds."""
    torch.set_num_threads(1)
    cases = {case: of_case(case) for case in layout.CASES}
    return {f"{case}/{k}": v for case, found in cases.items() for k, v in found.items()}


if __name__ == "__main__":
    np.savez_compressed(layout.GOLDEN, **arrays())
    print(f"{layout.GOLDEN.name}: {layout.GOLDEN.stat().st_size} bytes")
