"""Weights of a ResNet-18 in torchvision's layout, as `models.resnet` holds them."""

import re
from collections.abc import Mapping
from typing import Any

from flax.traverse_util import unflatten_dict

from mer_jax.errors import UserError

LEAVES = {
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
    "bias": ("params", "bias"),
}
LAYERS = ("conv1", "bn1", "conv2", "bn2")


def backbone(state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Converts a state dict.

    Args:
      state: `conv1.weight`, `bn1.running_mean`, `layer1.0.conv1.weight`, ... ->
        array; kernels are [O, I, kh, kw]. The classifier `fc.*` and the counters
        `*.num_batches_tracked` are ignored.

    Returns:
      The parameters and the batch statistics of `models.resnet.ResNet18`, whose
      width is that of `conv1.weight`.

    Raises:
      UserError: if names are missing or left over, as in another net's file.
    """
    ignored = re.compile(r"fc\..*|.*\.num_batches_tracked")
    given = {name for name in state if not ignored.fullmatch(name)}
    expected = set(_names())
    if given != expected:
        lines = [f"- {name}" for name in sorted(expected - given)]
        lines += [f"+ {name}" for name in sorted(given - expected)]
        raise UserError(
            "not the weights of a torchvision ResNet-18: names missing (-) or "
            "unknown (+). Give the state dict of `resnet18`:\n" + "\n".join(lines)
        )
    trees: dict[str, dict] = {"params": {}, "batch_stats": {}}
    for name in sorted(given):
        layer, leaf = name.rsplit(".", 1)
        array = state[name]
        kernel = array.ndim == 4
        own = ("params", "kernel" if kernel else "scale")
        collection, own_leaf = LEAVES.get(leaf, own)
        path = re.sub(r"\.(\d)", r"_\1", layer).split(".")
        value = array.transpose(2, 3, 1, 0) if kernel else array
        trees[collection][(*path, own_leaf)] = value
    return unflatten_dict(trees["params"]), unflatten_dict(trees["batch_stats"])


def _names() -> list[str]:
    """Returns the names of every array but the classifier's."""
    layers = ["conv1", "bn1"]
    for stage in (1, 2, 3, 4):
        for i in (0, 1):
            layers += [f"layer{stage}.{i}.{layer}" for layer in LAYERS]
        if stage > 1:
            layers += [f"layer{stage}.0.downsample.{i}" for i in (0, 1)]
    norm = ("weight", "bias", "running_mean", "running_var")
    return [
        f"{layer}.{leaf}"
        for layer in layers
        for leaf in (norm if re.search(r"bn\d$|downsample\.1$", layer) else norm[:1])
    ]
