"""The stages `macro` and `micro`: one net learns one domain's expressions, by L_c."""

from typing import TYPE_CHECKING, Literal

from mer_jax.losses import classification
from mer_jax.models.weights import Weights, adopt
from mer_jax.systems.minet.network import Networks
from mer_jax.train.optimizers import optimizer
from mer_jax.train.stage import (
    Aux,
    Source,
    Stage,
    Transfer,
    Update,
    gradients_of,
)
from mer_jax.typing import PyTree

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.minet.system import MiNet

Begin = Literal["own", "manet"]

NET = {"macro": "manet", "micro": "minet"}
POOL = {"macro": "macro", "micro": ""}


def single(
    config: "MiNet",
    nets: Networks,
    domain: Literal["macro", "micro"],
    weights: Weights | None,
) -> Stage:
    """Returns the stage.

    Args:
      config: of the system.
      nets: of the system.
      domain: whose net learns; the stage is called like it.
      weights: laid over the initial values; of a ResNet-18, over both streams.
    """
    net = NET[domain]

    def init(key, batch):
        seen = config.unchanged(batch)
        streams, statistics = nets.init_streams(key, seen, batch["mask"])
        head = nets.init_head(key, 2 * 8 * config.width)
        params: PyTree = {net: streams, "head": head}
        state: PyTree = {net: statistics}
        if weights is None:
            return params, state
        if not weights.of_resnet:
            return adopt(weights, params, state)
        for stream in ("spatial", "temporal"):
            params, state = adopt(weights, params, state, backbone=f"{net}/{stream}")
        return params, state

    def prepare(params, model_state, batch, key):
        return {**batch, "seen": config.drawn(batch, key)}

    def loss(params, model_state, batch, key):
        labels, mask = batch["label"], batch["mask"]
        found, statistics = nets.find(
            params[net], model_state[net], batch["seen"], mask, train=True
        )
        logits = nets.classify(params["head"], nets.whole(found))
        total = classification.cross_entropy(logits, labels, where=mask)
        hits = classification.accuracy(logits, labels, where=mask)
        return total, Aux({"accuracy": hits}, {**model_state, net: statistics})

    begins: tuple[Transfer, ...] = ()
    if domain == "micro" and config.minet_init == "manet":
        begins = (Transfer(stage="macro", nets={"minet": "manet", "head": "head"}),)
    return Stage(
        name=domain,
        source=Source(batch=config.batch, pool=POOL[domain]),
        num_epochs=getattr(config, f"{domain}_epochs"),
        init=init,
        updates=(Update(name=net, gradients=gradients_of(loss), tx=adam(config)),),
        prepare=prepare,
        init_from=begins,
    )


def adam(config: "MiNet"):
    """Returns the optimiser of every stage."""
    return optimizer(
        "adam",
        config.learning_rate,
        weight_decay=config.weight_decay,
        wd_mode=config.wd_mode,
    )
