"""Tests for mer_jax/models/torchvision.py; values: test_weights.py, against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mer_jax.errors import UserError
from mer_jax.models.resnet import ResNet18
from mer_jax.models.torchvision import backbone

WIDTH = 2
STAGES = (
    (1, 1, 1),
    (2, 1, 2),
    (3, 2, 4),
    (4, 4, 8),
)  # number, before, after, in widths


def norm(name, width):
    leaves = ("weight", "bias", "running_mean", "running_var")
    shapes = {f"{name}.{leaf}": (width,) for leaf in leaves}
    return {**shapes, f"{name}.num_batches_tracked": ()}


def published():
    """Names and shapes of a `resnet18` of this width, as torchvision lists them."""
    w = WIDTH
    shapes = {"conv1.weight": (w, 3, 7, 7), **norm("bn1", w)}
    for stage, before, after in STAGES:
        for i, read in enumerate((before, after)):
            name = f"layer{stage}.{i}"
            shapes[f"{name}.conv1.weight"] = (after * w, read * w, 3, 3)
            shapes |= norm(f"{name}.bn1", after * w)
            shapes[f"{name}.conv2.weight"] = (after * w, after * w, 3, 3)
            shapes |= norm(f"{name}.bn2", after * w)
        if stage > 1:
            name = f"layer{stage}.0.downsample"
            shapes[f"{name}.0.weight"] = (after * w, before * w, 1, 1)
            shapes |= norm(f"{name}.1", after * w)
    return {**shapes, "fc.weight": (1000, 8 * w), "fc.bias": (1000,)}


@pytest.fixture
def state():
    rng = np.random.default_rng(0)
    return {k: rng.normal(size=v).astype("f4") for k, v in published().items()}


def test_the_published_net_has_122_arrays():
    assert len(published()) == 122


def test_every_leaf_of_the_backbone_is_given_and_no_other(state):
    params, batch_stats = backbone(state)
    net = ResNet18(WIDTH)
    images, mask = jnp.zeros((1, 32, 32, 3)), jnp.ones(1, bool)
    own = jax.eval_shape(lambda k: net.init(k, images, mask, False), jax.random.key(0))
    for found, expected in ((params, "params"), (batch_stats, "batch_stats")):
        shapes = {k: v.shape for k, v in flatten_dict(own[expected]).items()}
        assert {k: v.shape for k, v in flatten_dict(found).items()} == shapes


def test_leaves_by_name(state):
    params, batch_stats = backbone(state)
    down = params["layer2_0"]
    for name, found in {
        "conv1.weight": params["conv1"]["kernel"],
        "layer2.0.conv2.weight": down["conv2"]["kernel"],
        "layer2.0.downsample.0.weight": down["downsample_0"]["kernel"],
    }.items():
        np.testing.assert_array_equal(found.transpose(3, 2, 0, 1), state[name])
    one = state["layer2.0.downsample.1.weight"], state["layer2.0.downsample.1.bias"]
    np.testing.assert_array_equal(down["downsample_1"]["scale"], one[0])
    np.testing.assert_array_equal(down["downsample_1"]["bias"], one[1])
    running = batch_stats["layer4_1"]["bn2"]
    np.testing.assert_array_equal(running["mean"], state["layer4.1.bn2.running_mean"])
    np.testing.assert_array_equal(running["var"], state["layer4.1.bn2.running_var"])


def test_the_classifier_may_be_missing(state):
    state = {k: v for k, v in state.items() if not k.startswith("fc.")}
    assert len(flatten_dict(backbone(state)[0])) == 60


def test_another_nets_weights_are_refused_with_the_names(state):
    state["layer1.0.conv3.weight"] = state.pop("layer3.1.bn2.running_var")
    with pytest.raises(UserError) as caught:
        backbone(state)
    told = str(caught.value)
    assert "torchvision ResNet-18" in told
    assert "- layer3.1.bn2.running_var" in told and "+ layer1.0.conv3.weight" in told
