"""Weights from a file: read, checked, and laid over freshly initialised nets.

One format, `.safetensors`, in one of two layouts, told apart by the names in it: ours,
"params/<net>/<module>/<leaf>" and "model_state/<net>/...", as `mer export` writes it;
and the state dict of torchvision's ResNet-18, "conv1.weight", "bn1.running_mean", ...
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.traverse_util import flatten_dict

from mer_jax.errors import UserError
from mer_jax.models import torchvision
from mer_jax.typing import ModelState, Params

OURS = ("params/", "model_state/")
_EXPECTED = (
    "Expected a whole .safetensors file in float32: one that `mer export` wrote, or "
    "the state dict of torchvision's resnet18 by safetensors.torch.save_file"
)


class Weights(NamedTuple):
    """The arrays of a file.

    Attributes:
      path: of the file, for messages.
      leaves: "params/<module>/<leaf>", "model_state/..." -> array on the host; behind
        the collection comes the net, or nothing in `of_resnet`.
      of_resnet: they are the leaves of one ResNet-18.
    """

    path: Path
    leaves: Mapping[str, Any]
    of_resnet: bool


def read(path: str | Path) -> Weights:
    """Returns the weights in a `.safetensors` file of either layout.

    Args:
      path: of the file; "~" is the user's home.

    Raises:
      UserError: for a file that is missing, broken, or of another format or layout.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = Path(path).expanduser()
    try:
        arrays = load(path.read_bytes())
    except (OSError, SafetensorError, KeyError) as error:  # KeyError: of a dtype
        raise UserError(
            f"cannot read weights from {path} ({error}). {_EXPECTED}"
        ) from error
    if arrays and all(name.startswith(OURS) for name in arrays):
        return Weights(path, arrays, of_resnet=False)
    if "conv1.weight" not in arrays:
        names = ", ".join(sorted(arrays)[:5])
        raise UserError(
            f"{path}: neither layout, {len(arrays)} arrays: {names}. {_EXPECTED}"
        )
    try:
        params, batch_stats = torchvision.backbone(arrays)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    trees = {"params": params, "model_state": batch_stats}
    return Weights(path, flatten_dict(trees, sep="/"), of_resnet=True)


def adopt(
    weights: Weights,
    params: Params,
    model_state: ModelState,
    *,
    backbone: str | None = None,
    drop: str = r"(?!)",
) -> tuple[Params, ModelState]:
    """Returns the trees with every leaf that `weights` has in place of theirs.

    A net that the trees alone have stays, one that the file alone has is ignored; in
    one that both have every leaf must fit. Of a ResNet-18 that holds of the backbone.
    The trees may be traced: of them only shapes and dtypes are looked at.

    Args:
      weights: from `read`.
      params: by net name, as a stage's `init` makes them.
      model_state: by net name.
      backbone: where a ResNet-18 lies, e.g. "encoder/backbone"; None if nowhere.
      drop: regex, full-matched on "net/module/leaf": what the file alone may have,
        such as a branch of no more use.

    Raises:
      UserError: if nothing is shared, or leaves do not fit, with their names.
    """
    trees = {"params": params, "model_state": model_state}
    here = {_name(p): leaf for p, leaf in jax.tree_util.tree_leaves_with_path(trees)}
    given = _fitting(weights, here, backbone, drop)

    def replaced(path, leaf):
        name = _name(path)
        return jnp.asarray(given[name], leaf.dtype) if name in given else leaf

    trees = jax.tree_util.tree_map_with_path(replaced, trees)
    return trees["params"], trees["model_state"]


def _name(path: tuple) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def _fitting(
    weights: Weights, here: Mapping[str, Any], backbone: str | None, drop: str
) -> dict[str, Any]:
    """Returns the file's leaves, by their names here, that replace ours."""
    there, depth = _placed(weights, backbone)
    start = lambda name: "/".join(name.split("/")[1 : depth + 1])
    starts = [{start(name) for name in names} for names in (here, there)]
    shared = starts[0] & starts[1]
    if not shared:
        raise UserError(
            f"{weights.path}: nothing in it starts any net, there {sorted(starts[1])}, "
            f"here {sorted(starts[0])}. Give weights of nets like these"
        )
    fixed = {name: leaf for name, leaf in here.items() if start(name) in shared}
    dropped = lambda name: re.fullmatch(drop, name.partition("/")[2])
    given = {
        name: leaf
        for name, leaf in there.items()
        if start(name) in shared and (name in fixed or not dropped(name))
    }
    _check(weights.path, fixed, given)
    return given


def _placed(weights: Weights, backbone: str | None) -> tuple[Mapping[str, Any], int]:
    """Returns the leaves by their names here, and how many parts name what must fit.

    That is a net, or, where the leaves are a ResNet-18's, the backbone.
    """
    if not weights.of_resnet:
        return weights.leaves, 1
    if backbone is None:
        raise UserError(
            f"{weights.path} has a ResNet-18, which is no part of these nets. Give a "
            "file that `mer export` wrote of nets like these"
        )
    put = lambda name: name.replace("/", f"/{backbone}/", 1)
    placed = {put(name): leaf for name, leaf in weights.leaves.items()}
    return placed, 1 + backbone.count("/")


def _check(path: Path, here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Raises if names, shapes or kinds of numbers differ."""
    lines = [f"- {name}" for name in sorted(here.keys() - there.keys())]
    lines += [f"+ {name}" for name in sorted(there.keys() - here.keys())]
    kind = lambda x: (x.shape, jnp.issubdtype(x.dtype, jnp.floating))
    for name in sorted(here.keys() & there.keys()):
        if kind(here[name]) != kind(there[name]):
            ours, theirs = (f"{x[name].dtype}{[*x[name].shape]}" for x in (here, there))
            lines.append(f"! {name}: {ours} here, {theirs} there")
    if lines:
        raise UserError(
            f"{path} does not fit: leaves missing there (-), unknown here (+) or of "
            "another shape or kind (!). Give weights of nets like these, or set the "
            "fields that shape the nets as they were:\n" + "\n".join(lines)
        )
