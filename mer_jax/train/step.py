"""One training step of one run: the loop's body, written without a run axis."""

import dataclasses
import re
from collections.abc import Mapping

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.traverse_util import unflatten_dict

from mer_jax import rng
from mer_jax.train.stage import Stage, Transfer, flatten, merge, split
from mer_jax.typing import Batch, Key, Metrics, ModelState, Params, PyTree

Finished = Mapping[str, tuple[Params, ModelState]]  # stage name -> its last nets


@flax.struct.dataclass
class RunState:
    """All that a run carries from step to step. Arrays only.

    Attributes:
      step: int32[], steps taken in this stage.
      num_steps: int32[], steps this run takes in this stage.
      class_counts: int32[K], clips of each class that the stage's source trains on in
        this run; 0 where they have no labels.
      key: key[], constant in a stage; folded, never advanced.
      params: nets' parameters.
      model_state: what the nets change without a gradient (BN averages).
      opt_states: one per update.
    """

    step: jax.Array
    num_steps: jax.Array
    class_counts: jax.Array
    key: jax.Array
    params: PyTree
    model_state: PyTree
    opt_states: tuple[PyTree, ...]


def init_run(
    stage: Stage,
    key: Key,
    num_steps: jax.Array,
    class_counts: jax.Array,
    batch: Batch,
    finished: Finished,
) -> RunState:
    """Returns the state before the first step of `stage`.

    Args:
      stage: the stage.
      key: key[], the run's key; the stage's name is folded in here.
      num_steps: int32[].
      class_counts: int32[K], see `RunState`.
      batch: an example batch; only shapes and dtypes matter.
      finished: nets at the end of the earlier stages.

    Raises:
      ValueError: if a transfer does not fit, with the leaves missing or extra.
    """
    key = rng.fold_in(key, stage.name)
    params, model_state = stage.init(rng.fold_in(key, "init"), batch)
    for transfer in stage.init_from:
        if transfer.stage not in finished:
            raise ValueError(
                f"stage {stage.name!r} starts from {transfer.stage!r}, which is not "
                f"among the stages before it: {list(finished)}"
            )
        source_params, source_state = finished[transfer.stage]
        for target, source in transfer.nets.items():
            params = _adopt(params, target, source_params, source, transfer)
            if target in model_state:
                model_state = _adopt(
                    model_state, target, source_state, source, transfer
                )
    # As `merge` returns it after a step: a net without parameters has no entry.
    params = unflatten_dict(flatten(params), sep="/")
    # Optimisers see the transferred values: their state comes last.
    opt_states = tuple(u.tx.init(split(params, u.trains)[0]) for u in stage.updates)
    state = RunState(
        step=jnp.int32(0),
        num_steps=num_steps,
        class_counts=class_counts,
        key=key,
        params=params,
        model_state=model_state,
        opt_states=opt_states,
    )
    return jax.tree.map(_strong, state)


def _strong(x: jax.Array) -> jax.Array:
    """Makes `jnp.full(shape, 0.5)` as `x + 0.5` is; else step 2 would be compiled."""
    return x.astype(x.dtype) if getattr(x, "weak_type", False) else x


def _adopt(
    tree: PyTree, target: str, source_tree: PyTree, source: str, transfer: Transfer
) -> PyTree:
    """Returns `tree` with net `target` replaced by `source_tree[source]`."""
    what = f"net {target!r} cannot start from {source!r} of stage {transfer.stage!r}"
    if target not in tree or source not in source_tree:
        here, there = sorted(tree), sorted(source_tree)
        raise ValueError(f"{what}: nets here {here}, there {there}")
    ours = flatten({target: tree[target]})
    arriving = {
        target + name.removeprefix(source): leaf
        for name, leaf in flatten({source: source_tree[source]}).items()
    }
    dropped = lambda name: name not in ours and re.fullmatch(transfer.drop, name)
    theirs = {name: leaf for name, leaf in arriving.items() if not dropped(name)}
    kept = {k for k in ours if re.fullmatch(transfer.keep_init, k)}
    missing, extra = ours.keys() - theirs.keys() - kept, theirs.keys() - ours.keys()
    lines = [f"- {k}" for k in sorted(missing)] + [f"+ {k}" for k in sorted(extra)]
    for k in sorted(ours.keys() & theirs.keys() - kept):
        if ours[k].shape != theirs[k].shape:
            lines.append(f"! {k}: {ours[k].shape} here, {theirs[k].shape} there")
    if lines:
        raise ValueError(
            f"{what}: leaves missing (-), unknown (+) or of another shape (!):\n"
            + "\n".join(lines)
        )
    leaves = {k: ours[k] if k in kept else theirs[k] for k in ours}
    return {**tree, **unflatten_dict(leaves, sep="/")}


def train_step(stage: Stage, state: RunState, batch: Batch) -> tuple[RunState, Metrics]:
    """Applies every update of `stage` once. Pure; sees one run.

    Args:
      stage: the stage.
      state: before the step.
      batch: feature -> [B, ...], with "label" int32[B] and "mask" bool[B], False
        on padding rows, whose features are 0. Losses find "progress" float32[] and
        "class_counts" int32[K] in it, too.

    Returns:
      The next state, and scalar metrics by "<update>/<name>".
    """
    key = rng.fold_in(state.key, state.step)
    # In [0, 1): for schedules inside a loss, such as gradient reversal's.
    known = {"progress": state.step / state.num_steps}
    batch = {**batch, **known, "class_counts": state.class_counts}
    params, model_state = state.params, state.model_state
    metrics: dict[str, jax.Array] = {}
    batch = stage.prepare(params, model_state, batch, rng.fold_in(key, 0))
    opt_states = []
    for i, update in enumerate(stage.updates):
        opt_state = state.opt_states[i]
        for r in range(update.repeat):
            trained, frozen = split(params, update.trains)
            grads, aux = update.gradients(
                trained, frozen, model_state, batch, rng.fold_in(key, i + 1, r)
            )
            delta, opt_state = update.tx.update(grads, opt_state, trained)
            params = merge(optax.apply_updates(trained, delta), frozen)
            model_state = aux.model_state
        opt_states.append(opt_state)
        metrics |= {f"{update.name}/{k}": v for k, v in aux.metrics.items()}
    return dataclasses.replace(
        state,
        step=state.step + 1,
        params=params,
        model_state=model_state,
        opt_states=tuple(opt_states),
    ), metrics


def train_step_or_wait(
    stage: Stage, state: RunState, batch: Batch
) -> tuple[RunState, Metrics]:
    """`train_step`, except that a batch of padding alone changes nothing.

    Runs of unequal length share a wave this way. It costs a full step, so the
    runner uses it only where lengths do differ.
    """
    stepped, metrics = train_step(stage, state, batch)
    running = batch["mask"].any()
    keep = lambda new, old: jnp.where(running, new, old)
    metrics = jax.tree.map(lambda m: jnp.where(running, m, 0.0), metrics)
    return jax.tree.map(keep, stepped, state), metrics
