"""Stage `objective` of MoExt: the class of the motion, everything fine-tuned."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from mer_jax.losses import classification
from mer_jax.models.weights import Weights
from mer_jax.systems.moext import nets, views
from mer_jax.train.stage import Aux, Source, Stage, Transfer

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.moext.system import MoExt

TEXTURE = "separator/texture/.*"  # dropped after pre-training


def classifier(config: "MoExt", num_classes: int) -> nets.Objective:
    """Returns the net: no texture branch, no decoder, no projection."""
    separator = config.separator(texture=False)
    return nets.Objective(
        separator, config.motion(), num_classes, config.head, config.dropout
    )


def objective(
    config: "MoExt", num_classes: int, weights: Weights | None = None
) -> Stage:
    """Returns the stage; it starts from `pretrain`, or where that is left out, anew.

    Args:
      config: of the system.
      num_classes: K.
      weights: laid over the initial values.
    """
    net = classifier(config, num_classes)
    apply: Any = net.apply

    def prepare(params, model_state, batch, key):
        return {**batch, "frames": config.posed(views.pair(batch), key, "objective")}

    def loss(params, model_state, batch, key):
        found, updated = apply(
            {"params": params, "batch_stats": model_state},
            batch["frames"],
            batch["mask"],
            train=True,
            rngs={"dropout": key},
            mutable=["batch_stats"],
        )
        labels, mask = batch["label"], batch["mask"]
        hits = classification.accuracy(found.logits, labels, where=mask)
        total = classification.cross_entropy(found.logits, labels, where=mask)
        return total, Aux({"accuracy": hits}, updated["batch_stats"])

    def inspect(params, model_state, batch):
        variables = {"params": params, "batch_stats": model_state}
        onset, apex = jnp.moveaxis(views.pair(batch), 1, 0)

        def lengths(apex):
            frames = jnp.stack([onset, apex], axis=1)
            motion = apply(variables, frames, batch["mask"], train=False).motion
            return jnp.sqrt(jnp.square(motion).sum(-1) + 1e-12).sum(), motion

        slope, motion = jax.grad(lengths, has_aux=True)(apex)
        return {"saliency": strength(slope), "features": motion}

    return Stage(
        name="objective",
        source=Source(batch=config.batch),
        num_epochs=config.epochs * config.passes("objective"),
        init=config.init(net, weights),
        updates=(config.update(loss),),
        prepare=prepare,
        init_from=(_started(config),) if config.pretrain else (),
        inspect=inspect,
        shows=("saliency",),
    )


def _started(config: "MoExt") -> Transfer:
    kept = ["separator"]
    if config.motion_block in ("dense", "conv3x3"):  # the others have no leaves
        kept.append("motion")
    return Transfer(
        stage="pretrain",
        nets={name: name for name in kept},
        drop=TEXTURE,
    )


def strength(slope: jax.Array) -> jax.Array:
    """Returns the size of a gradient at every pixel, 1 at the greatest of a clip.

    Args:
      slope: float[B, H, W, 3].

    Returns:
      float[B, H, W] in [0, 1].
    """
    size = jnp.abs(slope).sum(-1)
    return size / jnp.maximum(size.max((1, 2), keepdims=True), 1e-12)
