"""Stage `align`: MiNet is led to what MaNet sees, by all five losses at once."""

import dataclasses
from typing import TYPE_CHECKING, Literal

import jax

from mer_jax.losses import classification
from mer_jax.losses.supervised_contrastive import (
    supervised_contrastive,
    supervised_contrastive_sum,
)
from mer_jax.systems.minet import intervals
from mer_jax.systems.minet.judges import Judges
from mer_jax.systems.minet.nets import Found
from mer_jax.systems.minet.network import Networks
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
    def judges(self) -> Judges:
        """The discriminators that some loss asks."""
        return Judges(self.config, self.nets)

    @property
    def teacher_learns(self) -> bool:
        """Whether MaNet's stream of frames, all that L_sam sees of it, goes on."""
        return self.config.manet == "trainable" and bool(self.config.lsam)

    @property
    def learns(self) -> tuple[str, ...]:
        """Names of what is trained, nets or parts of them."""
        further = ("manet/temporal",) if self.teacher_learns else ()
        return ("minet", "head", "aggregate", *self.judges.names, *further)

    def init(self, key, batch):
        """Draws what no earlier stage hands on; nets that one does are drawn, too."""
        nets, seen = self.nets, self.config.unchanged(batch)
        streams, statistics = nets.init_streams(key, seen, batch["mask"])
        found, _ = nets.find(streams, statistics, seen, batch["mask"], train=False)
        params, state = self.judges.init(key, found, batch["mask"])
        params |= {"minet": streams, "aggregate": nets.init_aggregate(key, found)}
        state["minet"] = statistics
        params["head"] = nets.init_head(key, nets.aggregated(params, found).shape[-1])
        if self.config.transfers:
            params["manet"], state["manet"] = streams, statistics
        return params, state

    def prepare(self, params, model_state, batch, key):
        """Draws what is seen of both domains; MaNet finds its features as it stands."""
        config, macro = self.config, batch.get("macro")
        for_micro, for_macro, for_places = jax.random.split(key, 3)
        batch = {**batch, "seen": config.drawn(batch, for_micro)}
        if macro is None:
            return batch
        own, far = jax.random.split(for_places)
        batch["place"] = intervals.drawn_positions(own, len(batch["mask"]))
        macro = {
            **macro,
            "seen": config.drawn(macro, for_macro),
            "place": intervals.drawn_positions(far, len(macro["mask"])),
        }
        if "remembered" in macro:
            macro["found"] = Found(**macro["remembered"])
        else:
            macro["found"], _ = self.manet(params, model_state, macro, train=False)
        return {**batch, "macro": macro}

    @property
    def remembers(self) -> bool:
        """Whether MaNet finds the same in a clip, whenever it looks."""
        config = self.config
        always = config.aug == "none" and not self.teacher_learns
        return config.remember and config.transfers and always

    def find_macro(self, params, model_state, batch):
        """What MaNet finds in macro clips, as they are."""
        macro = {**batch, "seen": self.config.unchanged(batch)}
        found, _ = self.manet(params, model_state, macro, train=False)
        return found._asdict()

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
        total = classification.cross_entropy(logits, batch["label"], where=mask)
        hits = classification.accuracy(logits, batch["label"], where=mask)
        metrics = {"L_c": total, "accuracy": hits}
        if self.config.transfers:
            macro, state = self.taught(params, state, batch["macro"])
            told, state = self.judges.losses((params, state), micro, macro, batch)
            metrics |= told
            if self.config.lcon:
                metrics["L_con"] = self.contrast(params, z, macro, batch)
        for symbol, weight in self.config.weights.items():
            total = total + weight * metrics[symbol]
        return total, Aux(metrics, state)

    def taught(self, params, state, macro):
        """Returns what MaNet finds, its frames as it learns if it does; the state."""
        found = macro["found"]
        if not self.teacher_learns:
            return found, state
        own, statistics = self.manet(params, state, macro, train=True)
        goes_on = {**state["manet"], "temporal": statistics["temporal"]}
        return found._replace(frames=own.frames), {**state, "manet": goes_on}

    def contrast(self, params, z, macro, batch):
        """L_con, with macro-expressions that stand still."""
        far = self.nets.aggregated(params, jax.lax.stop_gradient(macro))
        return CONTRASTS[self.config.con_norm](
            *(z, batch["label"], far, batch["macro"]["label"]),
            temperature=self.config.temperature,
            where=batch["mask"],
            other_where=batch["macro"]["mask"],
        )

    def inspect(self, params, model_state, batch):
        """MiNet's z."""
        seen = self.config.unchanged(batch)
        told = self.nets.evaluated((params, model_state), seen, batch["mask"])
        return {"features": told.z}

    def inspect_macro(self, params, model_state, batch):
        """MaNet's z of macro clips, which MiNet's is to be like."""
        found = Found(**self.find_macro(params, model_state, batch))
        return {"features": self.nets.aggregated(params, found)}


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
    if config.transfers:
        handed.append(Transfer(stage="macro", nets={"manet": "manet"}))
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
                trains=f"({'|'.join(stage.learns)})/.*",
            ),
        ),
        prepare=stage.prepare,
        remember={"macro": stage.find_macro} if stage.remembers else {},
        init_from=tuple(handed),
        inspect=stage.inspect,
        inspect_beside={"macro": stage.inspect_macro} if config.transfers else {},
    )
