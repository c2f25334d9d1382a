"""L_MI of MENet: what the features of the net that learns tell of the other's.

Shapes: B clips, T frames, D features; N pairs, B * T, or B where clips are paired.
"""

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.losses.mutual_information import (
    corrected,
    derangement,
    donsker_varadhan,
)
from mer_jax.models.blocks import EPSILON
from mer_jax.systems.menet.critic import Critic
from mer_jax.systems.menet.nets import greatest
from mer_jax.train.stage import Aux
from mer_jax.typing import Batch, Key, PyTree

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.menet.system import MENet

Pairs = Literal["frame", "clip"]
Marginals = Literal["derangement", "all"]


class Scores(NamedTuple):
    """What a critic makes of the pairs of a batch.

    Attributes:
      joint: float32[N], T of pairs that belong together.
      marginal: float32[M], of pairs that do not; of one valid clip, its own.
      valid: bool[N], False on padding.
      valid_marginal: bool[M], likewise.
    """

    joint: jax.Array
    marginal: jax.Array
    valid: jax.Array
    valid_marginal: jax.Array


@dataclasses.dataclass(frozen=True)
class Estimator:
    """The critic T_theta and the two losses it is part of.

    Attributes:
      config: of the system.
      learns: the net that learns, "menet" or "idnet".
    """

    config: "MENet"
    learns: str

    @property
    def net(self) -> Critic:
        """The critic."""
        return Critic(
            out_act=self.config.critic_act,
            inputs=self.config.critic_inputs,
            projected=self.config.critic_projected,
            hidden=self.config.critic_hidden,
        )

    def init(self, key: Key) -> tuple[PyTree, PyTree]:
        """Returns parameters and the running average, as yet of nothing."""
        one = jnp.zeros((1, 8 * self.config.width))
        params = self.net.init(key, one, one)["params"]
        return params, {"log_average": jnp.float32(-jnp.inf)}

    def ascend(self, params, model_state, batch: Batch, key: Key):
        """The critic's loss, the information it finds, negative; see `Loss`."""
        scores = self._scores(params["critic"], batch["own"], batch, key)
        value, log_average = corrected(
            scores.joint,
            scores.marginal,
            model_state["critic"]["log_average"],
            rate=self.config.critic_rate,
            where=scores.valid,
            where_marginal=scores.valid_marginal,
        )
        state = {**model_state, "critic": {"log_average": log_average}}
        return -value, Aux({"I": value}, state)

    def learned(self, own: jax.Array, critic: PyTree, batch: Batch, key: Key):
        """Returns L_MI, float32[], what the net that learns is to minimise, in nats.

        Args:
          own: float32[B, T, D], its features.
          critic: parameters, which stand still.
          batch: with "other" float32[B, T, D].
          key: key[], of the marginal pairs.
        """
        scores = self._scores(critic, own, batch, key)
        value = donsker_varadhan(
            scores.joint,
            scores.marginal,
            where=scores.valid,
            where_marginal=scores.valid_marginal,
        )
        return jnp.maximum(value, 0) if self.config.mi_clamp else value

    def _scores(self, critic, own, batch, key) -> "Scores":
        """Scores joint pairs, and marginal ones of another clip and the same moment."""
        other, mask = batch["other"], batch["mask"]
        if self.config.pairs == "clip":
            own, other = (greatest(x, 1)[:, None] for x in (own, other))
        elif self.config.pairs != "frame":
            raise ValueError(f"pairs: frame or clip, got {self.config.pairs!r}")
        if self.config.critic_norm:
            own, other = (standardised(x, mask) for x in (own, other))
        motion, person = (own, other) if self.learns == "menet" else (other, own)
        apply: Any = self.net.apply
        score = lambda *sides: apply({"params": critic}, *sides)
        valid = jnp.repeat(mask, own.shape[1])
        if self.config.marginals == "derangement":
            joint = score(person, motion).ravel()
            elsewhere = score(person[derangement(key, mask)], motion).ravel()
            return Scores(joint, elsewhere, valid, valid)
        if self.config.marginals != "all":
            raise ValueError(
                f"marginals: derangement or all, got {self.config.marginals!r}"
            )
        every = score(person[:, None], motion[None])  # [B, B, T]
        same = jnp.eye(len(mask), dtype=bool)
        pairs = mask[:, None] & mask[None] & (~same | (mask.sum() < 2))
        return Scores(
            joint=jnp.einsum("bbt->bt", every).ravel(),
            marginal=every.ravel(),
            valid=valid,
            valid_marginal=jnp.repeat(pairs.ravel(), own.shape[1]),
        )


def standardised(x: jax.Array, mask: jax.Array) -> jax.Array:
    """Returns features less their mean, over their deviation, in the valid clips.

    A net could else hide from the critic by making differences small, which costs its
    own linear head nothing.

    Args:
      x: float32[B, T, D].
      mask: bool[B].
    """
    valid = jnp.broadcast_to(mask[:, None, None], x.shape)
    mean = x.mean((0, 1), keepdims=True, where=valid)
    variance = jnp.square(x - mean).mean((0, 1), keepdims=True, where=valid)
    return jnp.where(valid, (x - mean) * jax.lax.rsqrt(variance + EPSILON), 0)
