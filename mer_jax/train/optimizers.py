"""Optimisers as PyTorch has them, which is what the papers name."""

from typing import Literal

import optax

WeightDecay = Literal["l2", "decoupled"]
Optimizer = Literal["adam", "sgd"]


def optimizer(
    kind: Optimizer,
    learning_rate: float,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
    wd_mode: WeightDecay = "l2",
) -> optax.GradientTransformation:
    """Returns Adam or SGD with weight decay.

    "Adam with weight decay" in papers is PyTorch's `Adam(weight_decay=w)`: w times
    the parameter is added to the gradient, before the moments are taken.

    Args:
      kind: "adam" or "sgd".
      learning_rate: constant.
      momentum: of SGD; of Adam, beta_1.
      weight_decay: of all leaves trained, batch norm and biases included.
      wd_mode: "l2" as above; "decoupled" as in AdamW, outside the moments.

    Raises:
      ValueError: for another kind or mode.
    """
    if kind == "adam":
        scale = optax.scale_by_adam(b1=momentum)
    elif kind == "sgd":
        scale = optax.trace(decay=momentum)
    else:
        raise ValueError(f"optimizer must be adam or sgd, got {kind!r}")
    decay = optax.add_decayed_weights(weight_decay) if weight_decay else None
    if wd_mode == "l2":
        order = (decay, scale)
    elif wd_mode == "decoupled":
        order = (scale, decay)
    else:
        raise ValueError(f"wd_mode must be l2 or decoupled, got {wd_mode!r}")
    steps = [step for step in order if step is not None]
    return optax.chain(*steps, optax.scale_by_learning_rate(learning_rate))
