"""Stage `align`: MiNet is led to what MaNet sees, by all five losses at once.

Shapes: B micro clips, A macro clips, the micro ones first where both are together;
T frames, S sampling intervals, D features.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp

from mer_jax.losses import classification
from mer_jax.losses.reversal import dann_strength, reverse_gradient
from mer_jax.losses.supervised_contrastive import (
    supervised_contrastive,
    supervised_contrastive_sum,
)
from mer_jax.systems.minet import intervals
from mer_jax.systems.minet.network import DISCRIMINATORS, Networks
from mer_jax.systems.minet.single import adam
from mer_jax.train.stage import (
    Aux,
    Beside,
    Source,
    Stage,
    Transfer,
    Update,
    gradients_of,
)

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.minet.system import MiNet

Contrast = Literal["supcon", "literal"]
Reversal = Literal["dann", "const1"]
Teacher = Literal["frozen", "trainable"]

CONTRASTS = {"supcon": supervised_contrastive, "literal": supervised_contrastive_sum}


@dataclasses.dataclass(frozen=True)
class Alignment:
    """The stage.

    Attributes:
      config: of the system.
      nets: of the system.
    """

    config: "MiNet"
    nets: Networks

    @property
    def weights(self) -> dict[str, float]:
        """The losses that count beside L_c, by their symbols."""
        config = self.config
        weights = {
            "L_s": config.ls,
            "L_sam": config.lsam,
            "L_t": config.lt,
            "L_con": config.lcon,
        }
        return {symbol: weight for symbol, weight in weights.items() if weight}

    @property
    def judges(self) -> tuple[str, ...]:
        """The discriminators that some loss asks."""
        asked = zip(DISCRIMINATORS, ("L_s", "L_t", "L_sam"), strict=True)
        return tuple(name for name, symbol in asked if symbol in self.weights)

    def init(self, key, batch):
        """Draws what no earlier stage hands on; nets that one does are drawn, too."""
        nets, seen = self.nets, self.config.unchanged(batch)
        streams, statistics = nets.init_streams(key, seen, batch["mask"])
        found, _ = nets.find(streams, statistics, seen, batch["mask"], train=False)
        aggregate = intervals.Aggregate(nets.aggregate)
        views = intervals.averages(found.frames, nets.intervals)
        params = {"minet": streams, "aggregate": aggregate.init(key, views)}
        params["aggregate"] = params["aggregate"].get("params", {})
        state = {"minet": statistics}
        params["head"] = nets.init_head(key, nets.aggregated(params, found).shape[-1])
        if self.config.transfers:
            params["manet"], state["manet"] = streams, statistics
        places = intervals.central_positions(len(found.map))
        for number, name in enumerate(self.judges):
            shown: Any = found.map if name == "discriminator_map" else None
            shown = self.sequences(found.frames, places) if shown is None else shown
            own = jax.random.fold_in(key, number)
            made = nets.discriminator(name).init(own, shown, batch["mask"], train=False)
            params[name], state[name] = made["params"], made.get("batch_stats", {})
        return params, {name: tree for name, tree in state.items() if tree}

    def prepare(self, params, model_state, batch, key):
        """Draws what is seen of both domains, and runs MaNet if it stands still."""
        config, micro, macro, places = self.config, *jax.random.split(key, 3)
        prepared = {**batch, "seen": config.drawn(batch, micro)}
        if not config.transfers:
            return prepared
        draw = intervals.drawn_positions
        own, far = jax.random.split(places)
        prepared["place"] = draw(own, len(batch["mask"]))
        other = {**batch["macro"], "place": draw(far, len(batch["macro"]["mask"]))}
        other["seen"] = config.drawn(other, macro)
        if config.manet == "frozen":
            other["found"], _ = self.manet(params, model_state, other, train=False)
        elif config.manet != "trainable":
            raise ValueError(f"manet: frozen or trainable, got {config.manet!r}")
        return {**prepared, "macro": other}

    def manet(self, params, model_state, macro, *, train: bool):
        """Returns what MaNet finds in macro clips, and its running averages."""
        at = params["manet"], model_state["manet"]
        return self.nets.find(*at, macro["seen"], macro["mask"], train=train)

    def loss(self, params, model_state, batch, key):
        """Equation 6 of the paper; see README.md."""
        nets, mask, state = self.nets, batch["mask"], dict(model_state)
        micro, state["minet"] = nets.find(
            params["minet"], state["minet"], batch["seen"], mask, train=True
        )
        z = nets.aggregated(params, micro)
        logits = nets.classify(params["head"], z)
        own = classification.cross_entropy(logits, batch["label"], where=mask)
        hits = classification.accuracy(logits, batch["label"], where=mask)
        if not self.config.transfers:
            return own, Aux({"L_c": own, "accuracy": hits}, state)
        macro = batch["macro"].get("found")
        if macro is None:
            macro, state["manet"] = self.manet(
                params, state, batch["macro"], train=True
            )
        ask = _Ask(self, params, state)
        metrics = {"L_c": own, "accuracy": hits}
        metrics |= ask.domains(micro, macro, batch) | ask.intervals(micro, macro, batch)
        if self.config.lcon:
            metrics["L_con"] = self.contrast(params, z, macro, batch)
        total = own + sum(w * metrics[symbol] for symbol, w in self.weights.items())
        return total, Aux(metrics, ask.state)

    def contrast(self, params, z, macro, batch):
        """L_con, with macro-expressions that stand still."""
        if self.config.con_norm not in CONTRASTS:
            raise ValueError(
                f"con_norm must be supcon or literal, got {self.config.con_norm!r}"
            )
        far = self.nets.aggregated(params, jax.lax.stop_gradient(macro))
        return CONTRASTS[self.config.con_norm](
            *(z, batch["label"], far, batch["macro"]["label"]),
            temperature=self.config.temperature,
            where=batch["mask"],
            other_where=batch["macro"]["mask"],
        )

    def sequences(self, frames, places):
        """Returns V(s) for each s."""
        config = self.config
        return intervals.sequences(
            frames, places, intervals=config.intervals, view=config.interval_view
        )

    def strength(self, progress):
        """Returns gamma of the reversal."""
        if self.config.grl == "const1":
            return jnp.ones_like(progress)
        if self.config.grl != "dann":
            raise ValueError(f"grl must be dann or const1, got {self.config.grl!r}")
        return dann_strength(progress)

    def inspect(self, params, model_state, batch):
        """MiNet's z."""
        seen = self.config.unchanged(batch)
        told = self.nets.evaluated((params, model_state), seen, batch["mask"])
        return {"features": told.z}

    def inspect_macro(self, params, model_state, batch):
        """MaNet's z of macro clips, which MiNet's is to be like."""
        other = {**batch, "seen": self.config.unchanged(batch)}
        found, _ = self.manet(params, model_state, other, train=False)
        return {"features": self.nets.aggregated(params, found)}


class _Ask:
    """The discriminators, and the running averages that they leave."""

    def __init__(self, stage: Alignment, params, state):
        self.stage, self.params, self.state = stage, params, dict(state)

    def judge(self, name: str, shown, mask):
        variables = {"params": self.params[name]}
        if name in self.state:
            variables["batch_stats"] = self.state[name]
        apply: Any = self.stage.nets.discriminator(name).apply
        told, updated = apply(variables, shown, mask, True, mutable=["batch_stats"])
        if name in self.state:
            self.state[name] = updated["batch_stats"]
        return told

    def domains(self, micro, macro, batch):
        """L_s and L_t, and how often either domain is told; 1 is macro."""
        stage, macro = self.stage, jax.lax.stop_gradient(macro)
        where = _both(batch["mask"], batch["macro"]["mask"])
        domain = jnp.arange(len(where)) >= len(batch["mask"])
        strength = stage.strength(batch["progress"])
        found: dict[str, jax.Array] = {}
        if "L_s" in stage.weights:
            maps = _both(reverse_gradient(micro.map, strength), macro.map)
            told = self.judge("discriminator_map", maps, where)
            found |= _yes_or_no("L_s", told, domain, where)
        if "L_t" in stage.weights:
            own = stage.sequences(micro.frames, batch["place"])
            own = reverse_gradient(own, strength)
            far = stage.sequences(macro.frames, batch["macro"]["place"])
            told = self.judge("discriminator_time", _pairs(own, far), where)
            each = lambda x: jnp.repeat(x, told.shape[1])
            found |= _yes_or_no("L_t", told.ravel(), each(domain), each(where))
        return found

    def intervals(self, micro, macro, batch):
        """L_sam, and how often the interval is told."""
        stage = self.stage
        if "L_sam" not in stage.weights:
            return {}
        where = _both(batch["mask"], batch["macro"]["mask"])
        own = stage.sequences(micro.frames, batch["place"])
        far = stage.sequences(macro.frames, batch["macro"]["place"])
        told = self.judge("interval", _pairs(own, far), where)
        count = told.shape[1]
        rows, where = told.reshape(-1, count), jnp.repeat(where, count)
        which = jnp.arange(len(rows)) % count
        return {
            "L_sam": classification.cross_entropy(rows, which, where=where),
            "L_sam_accuracy": classification.accuracy(rows, which, where=where),
        }


def _yes_or_no(symbol: str, told, truth, where):
    truth = truth.astype(told.dtype)
    hits = ((told > 0) == (truth > 0)).astype(jnp.float32)
    return {
        symbol: classification.binary_cross_entropy(told, truth, where=where),
        f"{symbol}_accuracy": classification.masked_mean(hits, where),
    }


def _both(micro, macro):
    return jnp.concatenate([micro, macro])


def _pairs(micro, macro):
    return tuple(map(_both, micro, macro))


def align(config: "MiNet", nets: Networks) -> Stage:
    """Returns the stage.

    Args:
      config: of the system.
      nets: of the system.
    """
    stage = Alignment(config, nets)
    handed = [Transfer(stage="micro", nets={"minet": "minet"})]
    if config.aggregate != "concat":  # else the head is of another width
        handed.append(Transfer(stage="micro", nets={"head": "head"}))
    learns = ["minet", "head", "aggregate", *stage.judges]
    if config.transfers:
        handed.append(Transfer(stage="macro", nets={"manet": "manet"}))
        learns += ["manet"] if config.manet == "trainable" else []
    beside = Beside(batch=config.batch, pool="macro", draw=config.macro_sampler)
    return Stage(
        name="align",
        source=Source(batch=config.batch),
        num_epochs=config.epochs,
        beside={"macro": beside} if config.transfers else {},
        init=stage.init,
        updates=(
            Update(
                name="minet",
                gradients=gradients_of(stage.loss),
                tx=adam(config),
                trains=f"({'|'.join(learns)})/.*",
            ),
        ),
        prepare=stage.prepare,
        init_from=tuple(handed),
        inspect=stage.inspect,
        inspect_beside={"macro": stage.inspect_macro} if config.transfers else {},
    )
