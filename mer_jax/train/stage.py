"""What a system is: a tuple of stages; a stage: a tuple of updates.

An update is the gradients of something, with respect to the leaves it trains,
handed to an optimiser. Nothing here knows which systems exist, how many runs
there are, or on what device they live.
"""

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import optax
from flax.traverse_util import flatten_dict, unflatten_dict

from mer_jax.train.gradcam import Map
from mer_jax.typing import Batch, Draw, Key, Metrics, ModelState, Of, Order, Params

Leaves = Mapping[str, jax.Array]  # "net/module/leaf" -> array


class Aux(NamedTuple):
    """What a loss returns beside its value: scalars, and the new model state."""

    metrics: Metrics
    model_state: ModelState


class Loss(Protocol):
    """`(params, model_state, batch, key) -> (scalar, Aux)`, pure."""

    def __call__(
        self, params: Params, model_state: ModelState, batch: Batch, key: Key, /
    ) -> tuple[jax.Array, Aux]:
        """Returns the scalar to minimise, and what else the step needs."""
        ...


class Gradients(Protocol):
    """Gradients of one update with respect to the leaves it trains."""

    def __call__(
        self,
        trained: Leaves,
        frozen: Leaves,
        model_state: ModelState,
        batch: Batch,
        key: Key,
        /,
    ) -> tuple[Leaves, Aux]:
        """Returns the gradient of every trained leaf, and what else the step needs."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Update:
    """One optimiser step inside a training step.

    Attributes:
      name: prefix of its metrics, unique in the stage.
      gradients: usually `gradients_of(loss)`.
      tx: the optimiser of the leaves in `trains`.
      trains: regex, full-matched on "net/module/leaf". What it does not match is
        not differentiated, has no optimiser slot and cannot decay.
      repeat: inner steps on the same batch, each with fresh randomness.
    """

    name: str
    gradients: Gradients
    tx: optax.GradientTransformation
    trains: str = ".*"
    repeat: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Transfer:
    """Starts `nets` (target -> source name) from the end of an earlier stage.

    Every leaf of a target must exist in its source and the other way round, except
    those named here; otherwise `init_run` raises.

    Attributes:
      stage: an earlier one.
      nets: target -> source name.
      keep_init: regex, full-matched on "target/module/leaf": what stays as `init`
        made it.
      drop: the same for what the source alone has, such as a branch of no more use.
    """

    stage: str
    nets: Mapping[str, str]
    keep_init: str = r"(?!)"  # matches nothing
    drop: str = r"(?!)"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Source:
    """How a stage draws its batches.

    Attributes:
      batch: rows per step; the ragged last batch of an epoch is kept, masked.
      pool: of which clips: "", the fold's own; or the name of a pool that the
        experiment has beside its sample, e.g. for pre-training.
      order: "shuffled" anew every epoch; "subject", by clip key; "label", by
        class, then file name, as loaders that walk label folders do.
      labelled: whether the stage asks for the clips' labels, which a pool may lack.
      of: a row is a clip, or a frame: "frame" in place of `System.features`. An epoch
        is then a pass over all frames, onset to offset, of the same clips.
    """

    batch: int
    order: Order = "shuffled"
    pool: str = ""
    labelled: bool = True
    of: Of = "clips"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Beside:
    """A second input of every step: other clips, beside those of the `Source`.

    Attributes:
      batch: clips per step; a step of training has exactly so many.
      pool: of which clips, as in `Source`.
      draw: "random", pass after pass over the pool, each in another order;
        "class_matched", for each clip of the source one of its class, drawn anew
        every time, or of any class where the pool has none of it. Both need no
        epoch of their own.
      labelled: see `Source`.
    """

    batch: int
    pool: str
    draw: Draw = "random"
    labelled: bool = True


Look = Callable[[Params, ModelState, Batch], Mapping[str, jax.Array]]


def _unchanged(params: Params, model_state: ModelState, batch: Batch, key: Key):
    return batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stage:
    """A loop of training steps with one set of nets, losses and optimisers.

    Attributes:
      name: unique in the system; folded into the stage's random key.
      source: where batches come from.
      num_epochs: passes over the fold's training clips.
      init: `(key, batch) -> (params, model_state)`, both by net name.
      updates: applied in this order, each step.
      prepare: `(params, model_state, batch, key) -> batch`, once per step before
        the updates: augmentation, features of frozen nets.
      beside: further inputs by name; a batch has each, a batch itself, under it.
      remember: of further inputs by name, `(params, model_state, batch) ->
        {name: [B, ...]}`: what nets that stand still make of a clip, the same in every
        step. It is computed once, as the stage begins, of all clips the input may
        have; a step's batch has it under the input's name as "remembered".
      init_from: nets that start from an earlier stage instead of from `init`.
      inspect: optional, `(params, model_state, batch) -> {name: [B, ...]}` in
        evaluation mode: features, attention maps, reconstructions. Probes and
        reports use only this and `System.predict`. In the last stage "features",
        float[B, D], is what is probed for identity (`ensemble/probing.py`).
      inspect_beside: the same of the clips of further inputs, by the input's name; what
        is called "features" there is to be alike that of `inspect`, and is compared.
      shows: names among `inspect`'s that are pictures, float[B, H, W] or
        [B, H, W, 3] in [0, 1], in the order in which the report draws them.
    """

    name: str
    source: Source
    num_epochs: int
    init: Callable[[Key, Batch], tuple[Params, ModelState]]
    updates: tuple[Update, ...]
    prepare: Callable[[Params, ModelState, Batch, Key], Batch] = _unchanged
    beside: Mapping[str, Beside] = dataclasses.field(default_factory=dict)
    remember: Mapping[str, Look] = dataclasses.field(default_factory=dict)
    init_from: tuple[Transfer, ...] = ()
    inspect: Look | None = None
    inspect_beside: Mapping[str, Look] = dataclasses.field(default_factory=dict)
    shows: tuple[str, ...] = ()

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools it trains on, '' being the fold's own clips."""
        return (self.source.pool, *(beside.pool for beside in self.beside.values()))

    @property
    def inputs(self) -> dict[str, int]:
        """How many clips of which input a step has: the source's, called '', first."""
        own = {"": self.source.batch}
        return own | {name: beside.batch for name, beside in self.beside.items()}

    @property
    def rows(self) -> int:
        """Clips of a step, of all inputs."""
        return sum(self.inputs.values())


@dataclasses.dataclass(frozen=True, kw_only=True)
class System:
    """A whole method, from first stage to prediction.

    Attributes:
      name: lower case, the folder's name.
      features: what it reads of every clip, name -> shape and dtype of one clip
        (no batch axis). The data layer provides exactly these.
      stages: trained in this order.
      predict: `(params, model_state, batch) -> logits [B, K]` with the nets of the
        last stage, in evaluation mode.
      maps: of these nets, by name: what reports look at by Grad-CAM.
      frames: shape and dtype of one frame, for stages whose source is of frames.
      caveat: what is said beside every score, '' if nothing need be.
    """

    name: str
    features: Mapping[str, jax.ShapeDtypeStruct]
    stages: tuple[Stage, ...]
    predict: Callable[[Params, ModelState, Batch], jax.Array]
    maps: Mapping[str, Map] = dataclasses.field(default_factory=dict)
    frames: jax.ShapeDtypeStruct | None = None
    caveat: str = ""

    def __post_init__(self):
        """Checks that names tell the stages apart, and the updates of each."""
        _check_unique("stages", self)
        for stage in self.stages:
            _check_unique("updates", stage)
            if stage.source.of == "frames" and (self.frames is None or stage.beside):
                raise ValueError(
                    f"stage {stage.name!r} trains on frames: its system must have "
                    "`frames`, and it has no inputs beside them"
                )


def _check_unique(what: str, holder: "System | Stage") -> None:
    names = [part.name for part in getattr(holder, what)]
    if len(set(names)) < len(names):
        raise ValueError(f"{what} of {holder.name!r} need different names, got {names}")


class SystemConfig(Protocol):
    """The frozen dataclass of a system: its numbers, each tagged by its source."""

    def build(self, num_classes: int, num_subjects: int) -> System:
        """Returns the system these numbers describe.

        Args:
          num_classes: K.
          num_subjects: people in the sample, for nets that tell them apart.
        """
        ...

    def tiny(self) -> "SystemConfig":
        """Returns a variant of at most 32 pixels, as cheap to compile as can be."""
        ...


def gradients_of(loss: Loss) -> Gradients:
    """Returns the `Gradients` of a loss; the loss's value joins the metrics."""

    def gradients(trained, frozen, model_state, batch, key):
        def objective(trained):
            return loss(merge(trained, frozen), model_state, batch, key)

        (value, aux), grads = jax.value_and_grad(objective, has_aux=True)(trained)
        return grads, aux._replace(metrics={"loss": value, **aux.metrics})

    return gradients


def flatten(params: Params) -> dict[str, Any]:
    """Returns the leaves by "net/module/leaf"."""
    return flatten_dict(dict(params), sep="/")


def merge(trained: Leaves, frozen: Leaves) -> Params:
    """Inverse of `split`."""
    return unflatten_dict({**frozen, **trained}, sep="/")


def split(params: Params, pattern: str) -> tuple[Leaves, Leaves]:
    """Splits parameters into the leaves `pattern` full-matches and the others.

    Raises:
      ValueError: if nothing matches, as a typo would silently freeze a net.
    """
    leaves = flatten(params)
    trained = {k: v for k, v in leaves.items() if re.fullmatch(pattern, k)}
    if not trained:
        names = "\n  ".join(sorted(leaves))
        raise ValueError(f"trains={pattern!r} matches none of:\n  {names}")
    return trained, {k: v for k, v in leaves.items() if k not in trained}
