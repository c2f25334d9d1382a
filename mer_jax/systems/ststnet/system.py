"""STSTNet: the shallow three-stream net, our baseline. Spec: README.md beside this.

Liong, Gan, See, Khor, Huang: Shallow Triple Stream Three-dimensional CNN
(STSTNet) for Micro-expression Recognition, FG 2019, arXiv 1902.03634.
"""

import dataclasses
from collections.abc import Mapping
from typing import Literal

import jax
import numpy as np
import optax

from mer_jax.losses import classification
from mer_jax.systems.ststnet.nets import STSTNet as Net
from mer_jax.train.gradcam import Map
from mer_jax.train.speed import speed
from mer_jax.train.stage import (
    Aux,
    Source,
    Stage,
    System,
    Update,
    gradients_of,
)
from mer_jax.typing import Order

CHUNKS: Mapping[str, tuple[int | None, ...]] = {"cpu": (16, 32, 64), "": (None,)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class STSTNet:
    """The published numbers. [P] paper, [C] its authors' code, [D] our default."""

    size: int = 28  # [P] pixels
    filters: tuple[int, ...] = (3, 5, 8)  # [P] of the three branches
    dropout: float = 0.5  # [C]
    channels: str = "bgr"  # [C] images are read by OpenCV; "rgb" is the other reading
    learning_rate: float = 5e-5  # [P] of Adam
    batch: int = 256  # [C]
    epochs: int = 800  # [C]
    order: Order = "label"  # [C] the loader walks label folders, unshuffled
    # [D] clips that the stem works on at once, None for all; speed only. "auto" is
    # what lies in the cache of a CPU; elsewhere, all.
    chunk: int | Literal["auto"] | None = speed(CHUNKS)

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system: one stage, one update, cross-entropy."""
        if self.channels not in ("bgr", "rgb"):
            raise ValueError(f"channels must be bgr or rgb, got {self.channels!r}")
        rule = CHUNKS.get(jax.default_backend(), CHUNKS[""])[0]
        chunk = rule if self.chunk == "auto" else self.chunk
        net = Net(num_classes, self.filters, self.dropout, chunk)

        def images(batch):
            return batch["flow"][..., ::-1] if self.channels == "bgr" else batch["flow"]

        def init(key, batch):
            variables = net.init(key, images(batch), batch["mask"], train=False)
            return {"net": variables["params"]}, {"net": variables["batch_stats"]}

        def loss(params, model_state, batch, key):
            logits, updated = net.apply(
                {"params": params["net"], "batch_stats": model_state["net"]},
                images(batch),
                batch["mask"],
                train=True,
                rngs={"dropout": key},
                mutable=["batch_stats"],
            )
            labels, mask = batch["label"], batch["mask"]
            hits = classification.accuracy(logits, labels, where=mask)
            return classification.cross_entropy(logits, labels, where=mask), Aux(
                {"accuracy": hits}, {"net": updated["batch_stats"]}
            )

        def predict(params, model_state, batch):
            return net.apply(
                {"params": params["net"], "batch_stats": model_state["net"]},
                images(batch),
                batch["mask"],
                train=False,
            )

        def inspect(params, model_state, batch):
            _, seen = net.apply(
                {"params": params["net"], "batch_stats": model_state["net"]},
                images(batch),
                batch["mask"],
                train=False,
                mutable=["intermediates"],
            )
            return {"features": seen["intermediates"]["features"][0]}

        train = Stage(
            name="train",
            source=Source(batch=self.batch, order=self.order),
            num_epochs=self.epochs,
            init=init,
            updates=(
                Update(
                    name="net",
                    gradients=gradients_of(loss),
                    tx=optax.adam(self.learning_rate),
                ),
            ),
            inspect=inspect,
        )
        stem = Map(module="stem", frames=lambda batch: batch["flow"][:, None])
        flow = jax.ShapeDtypeStruct((self.size, self.size, 3), np.uint8)
        return System(
            name="ststnet",
            features={"flow": flow},
            stages=(train,),
            predict=predict,
            maps={"flow": stem},
        )

    def tiny(self) -> "STSTNet":
        """Returns the system at 16 pixels, a few short epochs."""
        return dataclasses.replace(self, size=16, batch=8, epochs=2, chunk=4)
