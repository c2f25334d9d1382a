"""Stage `identity` of MENet: IDNet learns who is seen, by L_id alone."""

from typing import TYPE_CHECKING, Any

import optax

from mer_jax.losses import classification
from mer_jax.systems.menet import clips
from mer_jax.systems.menet.network import Network
from mer_jax.train.stage import Aux, Source, Stage, Update, gradients_of

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.menet.system import MENet


def identity(config: "MENet", net: Network) -> Stage:
    """Returns the stage.

    Args:
      config: of the system.
      net: IDNet.
    """
    apply: Any = net.apply

    def prepare(params, model_state, batch, key):
        seen = clips.drawn(
            batch["clip"], key, config.identity_size, config.aug, config.identity_input
        )
        return {**batch, "seen": seen.idnet}

    def init(key, batch):
        seen = clips.unchanged(batch["clip"], config.identity_size).idnet
        variables = net.init(key, seen, batch["mask"], train=False)
        return {"idnet": variables["params"]}, {"idnet": variables["batch_stats"]}

    def loss(params, model_state, batch, key):
        (_, logits), updated = apply(
            {"params": params["idnet"], "batch_stats": model_state["idnet"]},
            batch["seen"],
            batch["mask"],
            train=True,
            mutable=["batch_stats"],
        )
        people, mask = batch["subject"], batch["mask"]
        total = classification.cross_entropy(logits, people, where=mask)
        hits = classification.accuracy(logits, people, where=mask)
        state = {**model_state, "idnet": updated["batch_stats"]}
        return total, Aux({"accuracy": hits}, state)

    tx = optax.adam(config.learning_rate)
    return Stage(
        name="identity",
        source=Source(batch=config.batch),
        num_epochs=config.identity_epochs,
        init=init,
        updates=(Update(name="idnet", gradients=gradients_of(loss), tx=tx),),
        prepare=prepare,
    )
