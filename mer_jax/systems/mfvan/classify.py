"""Stage `classify`: the student, the transformers and their heads, by all losses."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from mer_jax.losses import classification, masks
from mer_jax.models.blocks import at_least_single
from mer_jax.models.images import unit_range
from mer_jax.systems.mfvan.attention import Heads, Scale, Told, Transformers, fused
from mer_jax.systems.mfvan.nets import Maps, Student, StudentEncoder, Teacher
from mer_jax.systems.mfvan.rebuild import (
    begun,
    removal,
    run,
    student_losses,
    with_pair,
)
from mer_jax.train.stage import Aux, Source, Stage, Transfer, Update, gradients_of

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.mfvan.system import MFVAN

MaskLoss = Literal["cls", "consistency", "area"]
NETS = ("student", "residual", "transformers", "heads")  # all that this stage trains


class Found(NamedTuple):
    """What the nets make of apexes.

    Attributes:
      told: by the heads.
      features: float32[B, D + F * scales], [g; u of every scale].
      scales: what the transformers found.
      rebuilt: float32[B, S, S, 3], the student's onset, or None.
    """

    told: Told
    features: jax.Array
    scales: Sequence[Scale]
    rebuilt: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Classification:
    """The stage.

    Attributes:
      config: of the system.
      teacher, student, residual, transformers, heads: the nets.
    """

    config: "MFVAN"
    teacher: Teacher
    student: Student
    residual: StudentEncoder
    transformers: Transformers
    heads: Heads

    @property
    def taught(self) -> bool:
        """Whether the teacher's onset is a target still."""
        return self.config.ri and bool(self.config.w_ri and self.config.w_soft)

    def init(self, key, batch):
        """Draws all nets, those that an earlier stage hands on, too."""
        apex, mask = unit_range(batch["apex"]), batch["mask"]
        keys = iter(jax.random.split(key, 5))
        params, state = begun(self.student, "student", next(keys), apex, mask)
        if self.config.ri_feature == "residual":
            own = begun(self.residual, "residual", next(keys), apex, mask)
            params, state = params | own[0], state | own[1]
        if self.taught:
            own = begun(self.teacher, "teacher", next(keys), apex, mask)
            params, state = params | own[0], state | own[1]
        maps, image, _, _ = self._maps(params, state, apex, mask, train=False)
        if self.config.scales:
            images = self._images(image, maps)
            told, drawn = self.transformers.init_with_output(
                {"params": next(keys)}, images, False
            )
            params["transformers"] = drawn["params"]
        else:
            told = ()
        made = self.heads.init(next(keys), maps.deep.mean((1, 2)), told)
        return params | {"heads": made["params"]}, state

    def prepare(self, params, model_state, batch, key):
        """Turns the clips; the teacher, which stands still, rebuilds their onsets."""
        batch = with_pair(self.config, batch, key)
        if not self.taught:
            return batch
        at = params["teacher"], model_state["teacher"]
        mask = batch["mask"]
        soft, _ = run(self.teacher, *at, batch["seen_apex"], mask, train=False)
        return {**batch, "soft": soft}

    def found(self, params, state, apex, mask, *, train: bool, key=None):
        """Returns what the nets make of apexes, and the model state afterwards.

        Args:
          params: of all nets.
          state: their running averages.
          apex: float[B, S, S, 3].
          mask: bool[B].
          train: by the statistics of the batch, with dropout.
          key: of dropout.
        """
        maps, image, rebuilt, state = self._maps(params, state, apex, mask, train=train)
        scales: Sequence[Scale] = ()
        if self.config.scales:
            apply: Any = self.transformers.apply
            rngs = {"dropout": key} if train else {}
            variables = {"params": params["transformers"]}
            scales = apply(variables, self._images(image, maps), train, rngs=rngs)
        features = at_least_single(maps.deep).mean((1, 2))
        judge: Any = self.heads.apply
        told = judge({"params": params["heads"]}, features, scales)
        return Found(told, fused(features, scales), scales, rebuilt), state

    def _maps(self, params, state, apex, mask, *, train: bool):
        """Returns the maps, the image they are of, the student's onset, the state."""
        at = params["student"], state["student"]
        (maps, rebuilt), own = run(self.student, *at, apex, mask, train=train)
        state = {**state, "student": own}
        if self.config.ri_feature == "encoder":
            return maps, apex, rebuilt, state
        image = jnp.abs(apex - rebuilt)
        at = params["residual"], state["residual"]
        maps, own = run(self.residual, *at, image, mask, train=train)
        return maps, image, rebuilt, {**state, "residual": own}

    def _images(self, image: jax.Array, maps: Maps) -> list[jax.Array]:
        every = (image, maps.first, maps.second)
        return [every[scale] for scale in self.config.scales]

    def loss(self, params, model_state, batch, key):
        """L = L_RI + L_g + alpha L_sc + beta L_mask; see README.md."""
        config, mask = self.config, batch["mask"]
        found, state = self.found(
            params, model_state, batch["seen_apex"], mask, train=True, key=key
        )
        metrics = self._judged(found, batch)
        total = metrics["L_g"]
        if config.scales:
            total = total + config.alpha * metrics["L_sc"]
            total = total + config.beta * metrics["L_mask"]
        if config.ri and config.w_ri:
            told = student_losses(
                found.rebuilt, batch["seen_onset"], mask, soft=batch.get("soft")
            )
            metrics |= {**told, "L_RI": removal(config, told)}
            total = total + config.w_ri * metrics["L_RI"]
        return total, Aux(metrics, state)

    def _judged(self, found: Found, batch):
        """Returns L_g, L_sc and L_mask, how often clips are told rightly, the area."""
        told, labels, mask = found.told, batch["label"], batch["mask"]
        focal = lambda logits: classification.focal(
            logits,
            labels,
            gamma=self.config.gamma,
            class_weights=self._class_weights(batch),
            where=mask,
        )
        hits = classification.accuracy(told.logits, labels, where=mask)
        metrics = {"accuracy": hits, "L_g": focal(told.whole)}
        if not found.scales:
            return metrics
        mean = lambda values: jnp.stack(values).mean()
        metrics["L_g"] += focal(told.logits)
        metrics["L_sc"] = mean([focal(logits) for logits in told.scales])
        metrics["L_mask"] = mean(self._mask_losses(found, focal, mask))
        kept = [s.kept.mean(1) for s in found.scales]
        metrics["kept"] = mean([classification.masked_mean(k, mask) for k in kept])
        return metrics

    def _mask_losses(self, found: Found, focal, mask) -> list[jax.Array]:
        told, kind = found.told, self.config.mask_loss
        if kind == "cls":
            return [focal(logits) for logits in told.masked]
        if kind == "consistency":
            pairs = zip(told.scales, told.masked, strict=True)
            return [masks.consistency(*pair, where=mask) for pair in pairs]
        return [
            masks.kept_area(s.kept, self.config.rho, where=mask) for s in found.scales
        ]

    def _class_weights(self, batch) -> jax.Array | None:
        if self.config.class_weights == "none":
            return None
        return classification.inverse_frequency(batch["class_counts"])

    def predict(self, params, model_state, batch):
        """Returns the fused logits; of a clip the apex is all that is seen."""
        apex, mask = unit_range(batch["apex"]), batch["mask"]
        return self.found(params, model_state, apex, mask, train=False)[0].told.logits

    def inspect(self, params, model_state, batch):
        """[g; u], and per scale the apex with what was dropped of it darkened."""
        apex, mask = unit_range(batch["apex"]), batch["mask"]
        found, _ = self.found(params, model_state, apex, mask, train=False)
        shown = {"apex": apex}
        for scale, seen in zip(self.config.scales, found.scales, strict=True):
            grid = self.config.size // self.config.patch
            kept = spread(seen.kept.reshape(-1, grid, grid), self.config.patch)
            shown[f"kept_{scale}"] = apex * (0.15 + 0.85 * kept[..., None])
            shown[f"attention_{scale}"] = seen.kept * seen.attention
        return {"features": found.features, **shown}


def spread(grid: jax.Array, edge: int) -> jax.Array:
    """Returns [B, h * edge, w * edge]: every value of [B, h, w] as a square."""
    return jnp.repeat(jnp.repeat(grid, edge, axis=1), edge, axis=2)


def classify(stage: Classification) -> Stage:
    """Returns the stage; where identity is not removed it starts anew.

    Args:
      stage: its nets and losses.
    """
    config = stage.config
    handed = ("student", "teacher") if stage.taught else ("student",)
    begins = Transfer(stage="identity_removal", nets={name: name for name in handed})
    kept = tuple(f"kept_{scale}" for scale in config.scales)
    return Stage(
        name="classify",
        source=Source(batch=config.batch),
        num_epochs=config.epochs,
        init=stage.init,
        updates=(
            Update(
                name="all",
                gradients=gradients_of(stage.loss),
                tx=config.adam(),
                trains=f"({'|'.join(NETS)})/.*",
            ),
        ),
        prepare=stage.prepare,
        init_from=(begins,) if config.ri else (),
        inspect=stage.inspect,
        shows=("apex", *kept),
    )
