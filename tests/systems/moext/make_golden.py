"""Writes golden.npz: what PyTorch computes for tiny MoExt nets on random images.

    python -m tests.systems.moext.make_golden            # needs torch; from the root

Everything is computed in float64. The start and the images are not in the file: they
are drawn by `layout.start` and `layout.images`. Arrays are in PyTorch's layout. For
each case of `layout.CASES`:

    <case>/shapes           JSON: the state dict, name -> shape
    <case>/layers           JSON: every convolution, batch norm and linear layer that
                            was called, in order of its calls
    <case>/outputs          [calls, 4]: probes of what they gave
    <case>/losses           [4]: total, L_re, L_st, L_ss, in training mode
    <case>/shape, texture, anchor, motion, reconstruction
                            as float32: what the losses compared; the reconstruction
                            of the first clip's first view alone
    <case>/gradients        [parameters, 4]: probes of the gradient of the total
    <case>/stepped          [state, 4]: probes of parameters and running statistics
                            after one step of Adam with L2 in the gradient
    <case>/evaluated        [4]: probes of the reconstruction in evaluation mode
    <case>/objective/...    the same of the classifier: shapes, logits (training mode),
                            evaluated (logits), loss, gradients, stepped
"""

import json

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import torch_moext_nets as reference

from . import layout

Arrays = dict[str, np.ndarray]


def kept(model: nn.Module) -> dict[str, torch.Tensor]:
    """The state dict without counters."""
    state = model.state_dict()
    return {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}


def begun(model: nn.Module) -> nn.Module:
    """The model at its drawn start."""
    drawn = layout.start({k: tuple(v.shape) for k, v in kept(model).items()})
    state = {k: torch.from_numpy(v) for k, v in drawn.items()}
    model.double().load_state_dict(state, strict=False)
    return model


def frames(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 1, 4, 2, 3).contiguous()


def spied(model: nn.Module) -> list[tuple[str, np.ndarray]]:
    """A list that fills with the name and output of every layer called."""
    calls: list[tuple[str, np.ndarray]] = []
    layers = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d)

    def listen(name):
        return lambda module, args, out: calls.append((name, out.detach().numpy()))

    for name, module in model.named_modules():
        if isinstance(module, layers):
            module.register_forward_hook(listen(name))
    return calls


def stepped(model: nn.Module, loss: torch.Tensor) -> Arrays:
    """Gradients, and the state after one step."""
    optimizer = torch.optim.Adam(
        model.parameters(), lr=layout.LEARNING_RATE, weight_decay=layout.L2
    )
    loss.backward()
    gradients = [layout.probes(p.grad.numpy()) for p in model.parameters()]
    optimizer.step()
    state = [layout.probes(v.numpy()) for v in kept(model).values()]
    return {"gradients": np.stack(gradients), "stepped": np.stack(state)}


def shapes(model: nn.Module) -> np.ndarray:
    return np.array(json.dumps({k: tuple(v.shape) for k, v in kept(model).items()}))


def pretraining(case: str) -> Arrays:
    options = reference.Options(**layout.CASES[case])
    model = begun(reference.Pretraining(options)).train()
    calls = spied(model)
    views = frames(layout.images(case))
    total, terms, out = model.losses(views)
    names, outputs = zip(*calls, strict=True)
    out["reconstruction"] = out["reconstruction"][:1, :1]
    arrays = {
        "shapes": shapes(model),
        "layers": np.array(json.dumps(names)),
        "outputs": np.stack([layout.probes(x) for x in outputs]),
        "losses": np.array([x.item() for x in (total, *terms.values())]),
        **{k: v.detach().numpy().astype(np.float32) for k, v in out.items()},
        **stepped(model, total),
    }
    with torch.no_grad():
        found = begun(reference.Pretraining(options)).eval()(views)
    return arrays | {"evaluated": layout.probes(found["reconstruction"].numpy())}


def objective(case: str) -> Arrays:
    options = reference.Options(**layout.CASES[case])
    build = lambda: begun(reference.Objective(options, layout.CLASSES))
    pairs = frames(layout.images(case)[:, [0, 3]])
    with torch.no_grad():
        evaluated = build().eval()(pairs).numpy()
    model = build().train()
    logits = model(pairs)
    loss = functional.cross_entropy(logits, torch.arange(layout.CLIPS))
    return {
        "shapes": shapes(model),
        "logits": logits.detach().numpy(),
        "evaluated": evaluated,
        "loss": loss.detach().numpy(),
        **stepped(model, loss),
    }


def arrays() -> Arrays:
    """Everything that golden.npz holds."""
    torch.set_num_threads(1)
    out = {}
    for case in layout.CASES:
        out |= {f"{case}/{k}": v for k, v in pretraining(case).items()}
        out |= {f"{case}/objective/{k}": v for k, v in objective(case).items()}
    return out


if __name__ == "__main__":
    np.savez_compressed(layout.GOLDEN, **arrays())
    print(f"{layout.GOLDEN.name}: {layout.GOLDEN.stat().st_size} bytes")
