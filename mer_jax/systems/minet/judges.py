"""L_s, L_t and L_sam: what D_s, D_t and C_s say of both domains at once.

Shapes: B micro clips, A macro clips, the micro ones first where both are together;
S sampling intervals.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from mer_jax.losses import classification
from mer_jax.losses.reversal import dann_strength, reverse_gradient
from mer_jax.systems.minet import intervals
from mer_jax.systems.minet.nets import Found
from mer_jax.systems.minet.network import DISCRIMINATORS, Networks
from mer_jax.typing import Batch, Key, Metrics, ModelState, Params, PyTree

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.minet.system import MiNet

Reversal = Literal["dann", "const1"]


@dataclasses.dataclass(frozen=True)
class Judges:
    """Those of D_s, D_t and C_s that some loss asks.

    Attributes:
      config: of the system.
      nets: of the system.
    """

    config: "MiNet"
    nets: Networks

    @property
    def names(self) -> tuple[str, ...]:
        """Their names; a weight of 0 asks nobody."""
        weights = (self.config.ls, self.config.lt, self.config.lsam)
        asked = zip(DISCRIMINATORS, weights, strict=True)
        return tuple(name for name, weight in asked if weight)

    def init(self, key: Key, found: Found, mask: jax.Array) -> tuple[PyTree, PyTree]:
        """Draws their parameters, and running averages of those that have any."""
        params, state = {}, {}
        places = intervals.central_positions(len(mask))
        for number, name in enumerate(DISCRIMINATORS):
            if name not in self.names:
                continue
            shown: Any = found.map
            if name != "discriminator_map":
                shown = self._sequences(found, places)
            own = jax.random.fold_in(key, number)  # whoever else is asked
            made = self.nets.discriminator(name).init(own, shown, mask, train=False)
            params[name] = made["params"]
            if "batch_stats" in made:
                state[name] = made["batch_stats"]
        return params, state

    def losses(
        self,
        nets: tuple[Params, ModelState],
        micro: Found,
        macro: Found,
        batch: Batch,
    ) -> tuple[Metrics, dict[str, PyTree]]:
        """Returns L_s, L_t and L_sam with how often each is right, and the state.

        Args:
          nets: parameters and model state, of all nets.
          micro: what MiNet found in B clips.
          macro: what MaNet found in A clips.
          batch: "mask" and "place", where windows lie, of either domain; "progress".
        """
        params, state = nets[0], dict(nets[1])
        metrics: dict[str, jax.Array] = {}
        where = _both(batch["mask"], batch["macro"]["mask"])
        for name in self.names:
            shown = self._shown(name, micro, macro, batch)
            variables = {"params": params[name]}
            if name in state:
                variables["batch_stats"] = state[name]
            apply: Any = self.nets.discriminator(name).apply
            told, updated = apply(variables, shown, where, True, mutable="batch_stats")
            if name in state:
                state[name] = updated["batch_stats"]
            if name == "interval":
                metrics |= _of_intervals(told, where)
            else:
                symbol = "L_s" if name == "discriminator_map" else "L_t"
                metrics |= _of_domains(symbol, told, len(batch["mask"]), where)
        return metrics, state

    def strength(self, progress: jax.Array) -> jax.Array:
        """Returns gamma of the reversal."""
        constant = self.config.grl == "const1"
        return jnp.ones_like(progress) if constant else dann_strength(progress)

    def _shown(self, name: str, micro: Found, macro: Found, batch: Batch):
        """Returns what a discriminator sees of both domains.

        C_s is helped by the nets. Of domains MiNet is to tell nothing, by the reversed
        gradient, and MaNet is not asked.
        """
        if name != "interval":
            micro = reverse_gradient(micro, self.strength(batch["progress"]))
            macro = jax.lax.stop_gradient(macro)
        if name == "discriminator_map":
            return _both(micro.map, macro.map)
        own = self._sequences(micro, batch["place"])
        return tuple(map(_both, own, self._sequences(macro, batch["macro"]["place"])))

    def _sequences(self, found: Found, places: jax.Array) -> tuple[jax.Array, ...]:
        """Returns V(s) for each s."""
        return intervals.sequences(
            found.frames,
            places,
            intervals=self.config.intervals,
            view=self.config.interval_view,
        )


def _of_domains(symbol: str, told: jax.Array, micro: int, where: jax.Array) -> Metrics:
    """Returns the loss of [B + A, ...] scores, of which the first `micro` are 0."""
    scores = told.ravel()
    each = lambda clips: jnp.repeat(clips, scores.size // len(where))
    truth, where = each(jnp.arange(len(where)) >= micro), each(where)
    hits = ((scores > 0) == truth).astype(jnp.float32)
    return {
        symbol: classification.binary_cross_entropy(scores, truth, where=where),
        f"{symbol}_accuracy": classification.masked_mean(hits, where),
    }


def _of_intervals(told: jax.Array, where: jax.Array) -> Metrics:
    """Returns the loss of [B + A, S, S] logits, sequence s being of interval s."""
    count = told.shape[-1]
    rows, where = told.reshape(-1, count), jnp.repeat(where, count)
    truth = jnp.arange(len(rows)) % count
    return {
        "L_sam": classification.cross_entropy(rows, truth, where=where),
        "L_sam_accuracy": classification.accuracy(rows, truth, where=where),
    }


def _both(micro: jax.Array, macro: jax.Array) -> jax.Array:
    return jnp.concatenate([micro, macro])
