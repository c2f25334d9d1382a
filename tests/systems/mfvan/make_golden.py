"""Writes golden.npz: what PyTorch computes for tiny MFVANs on random clips.

    python -m tests.systems.mfvan.make_golden            # needs torch; from the root

Everything is computed in float64. The start and the clips are not in the file: they
are drawn by `layout.start` and `layout.clips`. Probes are of arrays in our layout, in
the order of our names. For each case of `layout.CASES`:

    <case>/shapes           JSON: the state dict, name -> shape
    <case>/<mode>/maps      [3, 4]: probes of the maps that are classified
    <case>/<mode>/rebuilt   [1, 4]: probes of the student's onset; none without `ri`
    <case>/<mode>/token     [scales, B, F]
    <case>/<mode>/local     [scales, B, F]
    <case>/<mode>/attention [scales, B, N]
    <case>/<mode>/kept      [scales, B, N]
    <case>/<mode>/logits    [2 + 2 * scales, B, K]: y, p_g, p_s and those of the masks
    <case>/<stage>/losses       [n]: of a step, in the order of `layout.losses`
    <case>/<stage>/gradients    [n, 4]: probes of the gradient of their sum
    <case>/<stage>/statistics   [n, 4]: probes of the running averages after the step
"""

import json

import numpy as np
import torch
from torch import nn

from benchmarks.torch_mfvan import MFVAN
from benchmarks.torch_mfvan_nets import Options
from tests.systems.moext.layout import probes
from tests.systems.parity import probed

from . import layout

Arrays = dict[str, np.ndarray]


def kept(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict without counters."""
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def begun(case: str) -> MFVAN:
    """All nets at their drawn start."""
    model = MFVAN(Options(**layout.CASES[case]), layout.CLASSES).double()
    drawn = layout.start({k: v.shape for k, v in kept(model).items()})
    state = {k: torch.from_numpy(np.asarray(v)) for k, v in drawn.items()}
    model.load_state_dict(state, strict=False)
    return model


def own(tensors: dict[str, torch.Tensor]) -> Arrays:
    """Leaves under our names, in our layout."""
    return layout.to_jax({k: v.detach().numpy() for k, v in tensors.items()})


def seen(case: str) -> list[torch.Tensor]:
    """Apexes and onsets, channels before rows."""
    arrays = layout.clips(case)
    return [torch.from_numpy(x).movedim(-1, 1).contiguous() for x in arrays]


def forward(case: str, mode: str) -> Arrays:
    """A pass of all nets but the teacher."""
    model = begun(case).train(mode == "train")
    maps, rebuilt, scales = model.found(seen(case)[0])
    y, whole, by_scale, by_mask = model.told(maps, scales)
    rows = lambda x: probes(x.detach().movedim(1, -1).numpy())
    arrays = {"maps": np.stack([rows(map) for map in maps])}
    if rebuilt is not None:
        arrays["rebuilt"] = rows(rebuilt)[None]
    for name, parts in zip(layout.PARTS, zip(*scales, strict=True), strict=True):
        arrays[name] = torch.stack(parts).detach().numpy()
    logits = torch.stack([y, whole, *by_scale, *by_mask])
    arrays["logits"] = logits.detach().numpy()
    return {f"{mode}/{k}": v for k, v in arrays.items()}


def step(case: str, stage: str) -> Arrays:
    """Losses and gradients of a stage."""
    model = begun(case)
    model.begin(stage)
    apex, onset = seen(case)
    told = map(torch.from_numpy, (layout.labels(), layout.class_counts()))
    images = (apex,) if stage == "teacher" else (apex, onset)
    more = told if stage == "classify" else ()
    losses = getattr(model, f"{stage}_losses")(*images, *more)
    assert set(losses) == set(layout.losses(case, stage))
    losses["loss"].backward()
    leaves = {k: p for k, p in model.named_parameters() if p.requires_grad}
    unused = {k for k, p in leaves.items() if p.grad is None}
    assert all(k.startswith("heads.masked") for k in unused)  # none but by `mask_loss`
    none = torch.zeros_like
    gradients = {k: none(p) if k in unused else p.grad for k, p in leaves.items()}
    nets = layout.LEARNS[stage]
    state = {k: v for k, v in kept(model).items() if k.split(".")[0] in nets}
    statistics = {k: v for k, v in state.items() if "running" in k}
    arrays = {
        "losses": np.array([losses[k].item() for k in layout.losses(case, stage)]),
        "gradients": probed(own(gradients)),
        "statistics": probed(own(statistics)),
    }
    return {f"{stage}/{k}": v for k, v in arrays.items()}


def of_case(case: str) -> Arrays:
    """All arrays of a case."""
    shapes = {k: tuple(v.shape) for k, v in kept(begun(case)).items()}
    arrays = {"shapes": np.array(json.dumps(shapes))}
    for mode in layout.MODES:
        arrays |= forward(case, mode)
    for stage in layout.stages(case):
        arrays |= step(case, stage)
    return arrays


def arrays() -> Arrays:
    """Everything that golden.npz holds."""
    torch.set_num_threads(1)
    cases = {case: of_case(case) for case in layout.CASES}
    return {f"{case}/{k}": v for case, found in cases.items() for k, v in found.items()}


if __name__ == "__main__":
    np.savez_compressed(layout.GOLDEN, **arrays())
    print(f"{layout.GOLDEN.name}: {layout.GOLDEN.stat().st_size} bytes")
