"""All nets of MiNet by name, and what they make of clips.

Shapes: B clips, T frames, D = 8 * width features (512), Z features of z (1024),
S sampling intervals, K classes.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.models.blocks import Compute
from mer_jax.systems.minet.discriminators import (
    MapDiscriminator,
    Norm,
    SequenceDiscriminator,
)
from mer_jax.systems.minet.intervals import Aggregate, Aggregation, averages
from mer_jax.systems.minet.nets import Classifier, Encoder, Found, TwoStream, fused
from mer_jax.systems.minet.views import Seen
from mer_jax.typing import Key, PyTree

DISCRIMINATORS = ("discriminator_map", "discriminator_time", "interval")


class Told(NamedTuple):
    """What a net makes of clips in evaluation mode.

    Attributes:
      z: float32[B, Z].
      logits: float32[B, K].
    """

    z: jax.Array
    logits: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Networks:
    """The nets, as the fields of `MiNet` describe them."""

    num_classes: int
    width: int
    blocks: int
    encoder: Encoder
    aggregate: Aggregation
    intervals: int
    disc_features: int
    disc_norm: Norm
    compute: Compute

    @property
    def streams(self) -> TwoStream:
        """The two streams of MiNet, or of MaNet."""
        return TwoStream(self.width, self.blocks, self.encoder, self.compute)

    @property
    def head(self) -> Classifier:
        """C_e."""
        return Classifier(self.num_classes)

    def discriminator(self, name: str) -> MapDiscriminator | SequenceDiscriminator:
        """Returns D_s, D_t or C_s, by its name in `DISCRIMINATORS`."""
        more: dict[str, Any] = {
            "features": self.disc_features,
            "norm": self.disc_norm,
            "compute": dataclasses.replace(self.compute, remat=False),
        }
        if name == "discriminator_map":
            return MapDiscriminator(**more)
        outputs = self.intervals if name == "interval" else 1
        return SequenceDiscriminator(outputs=outputs, **more)

    def find(self, params, statistics, seen: Seen, mask, *, train: bool):
        """Runs the streams.

        Args:
          params: of the streams.
          statistics: their running averages.
          seen: clips.
          mask: bool[B].
          train: by the statistics of the batch.

        Returns:
          `Found`, and the running averages afterwards.
        """
        variables = {"params": params, "batch_stats": statistics}
        apply: Any = self.streams.apply
        if not train:
            return apply(variables, *seen, mask, False), statistics
        found, updated = apply(variables, *seen, mask, True, mutable=["batch_stats"])
        return found, updated["batch_stats"]

    def whole(self, found: Found) -> jax.Array:
        """Returns z before `align`, float32[B, 2 * D]: v is the mean of all frames."""
        return fused(found.apex, averages(found.frames, 1)[:, 0])

    def aggregated(self, params: PyTree, found: Found) -> jax.Array:
        """Returns z in `align`, float32[B, Z]: v from all sampling intervals.

        Args:
          params: of all nets; "aggregate" is among them if it has any.
          found: of clips.
        """
        views = averages(found.frames, self.intervals)
        variables = {"params": params.get("aggregate", {})}
        apply: Any = Aggregate(self.aggregate).apply
        return fused(found.apex, apply(variables, views))

    def classify(self, params: PyTree, z: jax.Array) -> jax.Array:
        """Returns logits, float32[B, K], of z by the head's parameters."""
        apply: Any = self.head.apply
        return apply({"params": params}, z)

    def evaluated(self, at: tuple[PyTree, PyTree], seen: Seen, mask) -> Told:
        """Runs MiNet as `align` leaves it, by its running averages.

        Args:
          at: parameters and model state, of all nets.
          seen: clips.
          mask: bool[B].
        """
        params, state = at
        found, _ = self.find(params["minet"], state["minet"], seen, mask, train=False)
        z = self.aggregated(params, found)
        return Told(z, self.classify(params["head"], z))

    def init_streams(self, key: Key, seen: Seen, mask) -> tuple[PyTree, PyTree]:
        """Returns parameters and running averages of one net's streams."""
        variables = self.streams.init(key, *seen, mask, train=False)
        return variables["params"], variables.get("batch_stats", {})

    def init_aggregate(self, key: Key, found: Found) -> PyTree:
        """Returns parameters of what makes v of all intervals, often none."""
        views = averages(found.frames, self.intervals)
        return Aggregate(self.aggregate).init(key, views).get("params", {})

    def init_head(self, key: Key, features: int) -> PyTree:
        """Returns parameters of a head of so many features."""
        return self.head.init(key, jnp.zeros((1, features)))["params"]
