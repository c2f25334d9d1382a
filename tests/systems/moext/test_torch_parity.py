"""golden.npz and the nets, recomputed live where torch is installed."""

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import torch_moext_nets as reference  # noqa: E402
from mer_jax.models.resnet import ResNet18  # noqa: E402
from mer_jax.models.torchvision import backbone  # noqa: E402

from . import layout, make_golden, test_nets  # noqa: E402


def test_make_golden_reproduces_the_file():
    with np.load(layout.GOLDEN) as data:
        golden = dict(data)
    made = make_golden.arrays()
    assert list(made) == list(golden)
    for name, value in made.items():
        expected = golden[name]
        assert value.dtype == expected.dtype, name
        if value.dtype.kind == "U":
            assert value == expected
            continue
        tolerance = 1e-6 if value.dtype == np.float32 else 1e-9
        scale = max(1.0, np.abs(expected).max())
        error = np.abs(value - expected).max()
        assert error <= tolerance * scale, f"{name}: {error:.1e} of {scale:.1e}"


def drawn_resnet(width):
    """PyTorch's at its own start, with the statistics of a batch."""
    torch.manual_seed(0)
    model = reference.ResNet18(width).train()
    for module in model.modules():
        module.momentum = 1.0
    with torch.no_grad():
        model(torch.rand(8, 3, 112, 112))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("size", [224, 112])
def test_features_of_converted_weights_are_pytorchs(size):
    model = drawn_resnet(64)
    counters = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    state = {k: v.numpy() for k, v in {**model.state_dict(), **counters}.items()}
    params, batch_stats = backbone(state)
    images = np.random.default_rng(0).random((2, size, size, 3), np.float32)
    with torch.no_grad():
        expected = model.eval()(make_golden.frames(images[None])[0]).numpy()
    run = jax.jit(lambda v, x: ResNet18().apply(v, x, np.ones(2, bool), False))
    found = run({"params": params, "batch_stats": batch_stats}, images)
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), expected, rtol=0, atol=1e-4)


SWITCHES = [
    {},
    {"branch_cb": 2},
    {"branch_fc": 2},
    {"branch_pool": "flatten", "size": 48},
    {"motion_block": "conv3x3"},
    {"motion_block": "absdiff"},
    {"upsample": "bilinear"},
    {"recon_out": "sigmoid"},
    {"recon_out": "linear"},
    {"recon_views": "all"},
    {"projection": "linear"},
    {"projection": "identity"},
    {"input_norm": "imagenet"},
    {"lst_neg": "anchor"},
    {"lst_anchor_sg": True},
    {"eps": 0.5},
    {"a1": 0.0},
    {"a2": 0.0},
    {"size": 96},
]


@pytest.mark.slow
@pytest.mark.parametrize("switches", SWITCHES, ids=str)
def test_losses_and_gradients_under_every_switch(switches):
    options = {"size": 16, "width": 4, **switches}
    model = make_golden.begun(reference.Pretraining(reference.Options(**options)))
    layout.CASES["live"] = options
    images = layout.images("live")
    total, terms, _ = model.train().losses(make_golden.frames(images))
    total.backward()
    gradients = {k: p.grad for k, p in model.named_parameters()}
    shapes = {k: tuple(v.shape) for k, v in make_golden.kept(model).items()}
    value, our_terms, ours = test_nets.value_and_gradients(options, shapes, images)
    np.testing.assert_allclose(value, total.item(), rtol=1e-10)
    for name, term in terms.items():
        np.testing.assert_allclose(our_terms[name], term.item(), rtol=1e-9)
    ours = test_nets.in_torch_layout(ours, {}, shapes)
    for name, expected in gradients.items():
        expected = np.zeros_like(ours[name]) if expected is None else expected.numpy()
        apart = np.linalg.norm(ours[name] - expected)
        assert apart <= 1e-7 * max(np.linalg.norm(expected), 1e-3), name
