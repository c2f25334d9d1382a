"""The stages of MENet in which one net learns while the other stands still.

A critic learns what the features of both tell of one another; the net that learns
minimises its own loss and the critic's estimate. Stage 2, 3 and 4 of the paper differ
in who learns and in what it is told: the expression, or the person.

Shapes: B clips, T frames, D features.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from mer_jax.losses import classification
from mer_jax.losses.attention import map_similarity
from mer_jax.losses.mutual_information import clip_to
from mer_jax.systems.menet import clips
from mer_jax.systems.menet.information import Estimator
from mer_jax.systems.menet.nets import Found, pair_features
from mer_jax.systems.menet.network import Network, evaluated
from mer_jax.train.stage import (
    Aux,
    Source,
    Stage,
    Transfer,
    Update,
    flatten,
    gradients_of,
    merge,
)

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.menet.system import MENet

Clipping = Literal["features", "parameters", "none"]
TOLD = {"menet": "label", "idnet": "subject"}  # what a net learns to tell
SYMBOL = {"menet": "L_me", "idnet": "L_id"}


class Forward(NamedTuple):
    """The learning net's one forward pass of a step, for critic and net alike.

    Attributes:
      found: Conv_4's map and the attention.
      pull: from gradients of `found` to the gradient of the branch's parameters.
      statistics: the running averages that the pass leaves.
    """

    found: Found
    pull: Any
    statistics: Any


@dataclasses.dataclass(frozen=True)
class Decoupling:
    """One such stage.

    Attributes:
      config: of the system.
      nets: "menet" and "idnet".
      learns: which of them.
    """

    config: "MENet"
    nets: Mapping[str, Network]
    learns: str

    @property
    def still(self) -> str:
        """The net that stands still."""
        return "idnet" if self.learns == "menet" else "menet"

    @property
    def names(self) -> tuple[str, ...]:
        """The nets of the stage, without the critic."""
        return (self.learns, self.still) if self.config.mi else (self.learns,)

    @property
    def estimator(self) -> Estimator:
        """What finds and what unlearns information."""
        return Estimator(self.config, self.learns)

    def init(self, key, batch):
        """Draws the nets that no earlier stage hands on."""
        seen = clips.unchanged(batch["clip"], self.config.identity_size)
        params, model_state = {}, {}
        # MENet begins alike with and without the others.
        keys = dict(zip(TOLD, jax.random.split(key), strict=True))
        for name in self.names:
            variables = self.nets[name].init(
                keys[name], getattr(seen, name), batch["mask"], train=False
            )
            params[name] = variables["params"]
            model_state[name] = variables["batch_stats"]
        if self.config.mi:
            critic = self.estimator.init(jax.random.fold_in(key, 2))
            params["critic"], model_state["critic"] = critic
        return params, model_state

    def prepare(self, params, model_state, batch, key):
        """Runs both nets, once per step."""
        config, name = self.config, self.learns
        seen = clips.drawn(
            batch["clip"], key, config.identity_size, config.aug, config.identity_input
        )
        apply: Any = self.nets[name].apply

        def forward(branch):
            variables = {
                "params": {**params[name], "branch": branch},
                "batch_stats": model_state[name],
            }
            own, mask = getattr(seen, name), batch["mask"]
            return apply(
                variables, own, mask, True, mutable=["batch_stats"], method="found"
            )

        found, pull, updated = jax.vjp(forward, params[name]["branch"], has_aux=True)
        passed = Forward(found, pull, updated["batch_stats"])
        if not config.mi:
            return {**batch, "forward": passed}
        still = params[self.still], model_state[self.still]
        frames = getattr(seen, self.still)
        far = evaluated(self.nets[self.still], still, frames, batch["mask"])
        return {
            **batch,
            "forward": passed,
            "own": pair_features(found.map),
            "other": pair_features(far.found.map),
        }

    def descend(self, trained, frozen, model_state, batch, key):
        """The gradient of the net that learns: own loss, L_div and L_MI."""
        config, name, forward = self.config, self.learns, batch["forward"]
        params = merge(trained, frozen)
        apply: Any = self.nets[name].apply

        def told(head, map):
            variables = {"params": {**params[name], "head": head}}
            logits = apply(variables, map, method="logits")
            labels, mask = batch[TOLD[name]], batch["mask"]
            loss = classification.cross_entropy(logits, labels, where=mask)
            return loss, classification.accuracy(logits, labels, where=mask)

        def alike(maps):
            return map_similarity(
                maps,
                kind=config.div_sim,
                detach_first=config.div_detach_first,
                where=batch["mask"],
            )

        head, map = params[name]["head"], forward.found.map
        slope = jax.value_and_grad(told, argnums=(0, 1), has_aux=True)
        (own, hits), (of_head, of_map) = slope(head, map)
        terms, total = {SYMBOL[name]: own, "accuracy": hits}, own
        of_attention = jax.tree.map(jnp.zeros_like, forward.found.attention)
        if name == "menet" and forward.found.attention is not None and config.div:
            terms["L_div"], of_attention = jax.value_and_grad(alike)(
                forward.found.attention
            )
            of_attention = config.div * of_attention
            total = total + config.div * terms["L_div"]
        if config.mi:
            unlearn = lambda map: self.estimator.learned(
                pair_features(map), params["critic"], batch, key
            )
            terms["L_MI"], push = jax.value_and_grad(unlearn)(map)
            push, total = config.mi * push, total + config.mi * terms["L_MI"]
            of_branch, terms["L_MI_kept"] = self.clipped(
                forward, of_map, of_attention, push
            )
        else:
            (of_branch,) = forward.pull(Found(of_map, of_attention))
        grads = flatten({name: {"branch": of_branch, "head": of_head}})
        state = {**model_state, name: forward.statistics}
        return grads, Aux({"loss": total, **terms}, state)

    def clipped(self, forward: Forward, of_map, of_attention, push):
        """The branch's gradient with that of L_MI no longer than the task's.

        Returns:
          The gradient, and the factor by which that of L_MI was shortened.
        """
        kind, kept = self.config.mi_clip, jnp.float32(1)
        if kind == "parameters":  # two backward passes
            (task,) = forward.pull(Found(of_map, of_attention))
            nothing = jax.tree.map(jnp.zeros_like, of_attention)
            (unlearned,) = forward.pull(Found(push, nothing))
            unlearned, kept = clip_to(unlearned, task)
            return jax.tree.map(jnp.add, task, unlearned), kept
        if kind == "features":  # where both meet: one backward pass
            push, kept = clip_to(push, of_map)
        elif kind != "none":
            raise ValueError(f"mi_clip: features, parameters or none, got {kind!r}")
        (both,) = forward.pull(Found(of_map + push, of_attention))
        return both, kept

    def inspect(self, params, model_state, batch):
        """Features and attention of the net that learns."""
        name = self.learns
        seen = getattr(clips.unchanged(batch["clip"], self.config.identity_size), name)
        at = params[name], model_state[name]
        found = evaluated(self.nets[name], at, seen, batch["mask"])
        shown = {"features": found.features, "frames": clips.strip(seen)}
        if (maps := found.found.attention) is not None:
            shown["attention"] = pictures(maps, found.found.map.shape[2:4])
        return shown


def pictures(maps: jax.Array, edges: Sequence[int]) -> jax.Array:
    """Returns the attention of every frame beside the next, 1 at a frame's greatest.

    Args:
      maps: float[B, T, h * w].
      edges: h and w.

    Returns:
      float[B, h, T * w].
    """
    maps = maps / maps.max(-1, keepdims=True)
    return clips.strip(maps.reshape(*maps.shape[:2], *edges))


def decoupled(
    config: "MENet",
    nets: Mapping[str, Network],
    name: str,
    learns: str,
    num_epochs: int,
    after: str,
) -> Stage:
    """Returns a stage.

    Args:
      config: of the system.
      nets: "menet" and "idnet".
      name: of the stage.
      learns: which net does.
      num_epochs: for how long.
      after: the stage whose nets it goes on with; none if empty.
    """
    stage = Decoupling(config, nets, learns)
    descent = Update(
        name=learns,
        gradients=stage.descend,
        tx=optax.adam(config.learning_rate),
        trains=f"{learns}/.*",
    )
    updates: tuple[Update, ...] = (descent,)
    if config.mi:
        ascent = Update(
            name="critic",
            gradients=gradients_of(stage.estimator.ascend),
            tx=optax.adam(config.critic_learning_rate),
            trains="critic/.*",
            repeat=config.num_critic,
        )
        updates = (ascent, descent)
    return Stage(
        name=name,
        source=Source(batch=config.batch),
        num_epochs=num_epochs,
        init=stage.init,
        updates=updates,
        prepare=stage.prepare,
        init_from=_started(config, after),
        inspect=stage.inspect,
    )


def _started(config: "MENet", after: str) -> tuple[Transfer, ...]:
    if not after:
        return ()
    nets = ["idnet"]
    if after != "identity":
        nets += ["menet", "critic"] if config.critic_carry else ["menet"]
    return (Transfer(stage=after, nets={net: net for net in nets}),)
