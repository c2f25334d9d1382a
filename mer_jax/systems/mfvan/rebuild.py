"""Stages `teacher` and `identity_removal`: frames rebuilt, then onsets of apexes."""

from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from mer_jax.losses.reconstruction import squared_error
from mer_jax.models.images import unit_range
from mer_jax.systems.mfvan.nets import Student, Teacher
from mer_jax.systems.mfvan.views import drawn
from mer_jax.train.stage import Aux, Source, Stage, Transfer, Update, gradients_of

if TYPE_CHECKING:  # it uses this module
    from mer_jax.systems.mfvan.system import MFVAN

FACES = "faces"  # of the experiment: whom a teacher sees that is trained once


def run(net: Any, params, statistics, images, mask, *, train: bool):
    """Runs a net.

    Args:
      net: `Teacher` or `Student`.
      params: its parameters.
      statistics: its running averages.
      images: float[B, S, S, 3].
      mask: bool[B].
      train: by the statistics of the batch.

    Returns:
      What it finds, and the running averages afterwards.
    """
    variables = {"params": params, "batch_stats": statistics}
    if not train:
        return net.apply(variables, images, mask, False), statistics
    found, updated = net.apply(variables, images, mask, True, mutable=["batch_stats"])
    return found, updated["batch_stats"]


def begun(net: Any, name: str, key, images, mask):
    """Draws a net: ({name: parameters}, {name: running averages})."""
    variables = net.init(key, images, mask, train=False)
    return {name: variables["params"]}, {name: variables["batch_stats"]}


def teacher(config: "MFVAN", net: Teacher) -> Stage:
    """Returns the stage of L_pre: all frames of clips, rebuilt by the teacher.

    Args:
      config: of the system.
      net: the teacher.
    """

    def init(key, batch):
        return begun(net, "teacher", key, unit_range(batch["frame"]), batch["mask"])

    def prepare(params, model_state, batch, key):
        seen = drawn(batch["frame"][:, None], key, config.aug)
        return {**batch, "seen": seen[:, 0]}

    def loss(params, model_state, batch, key):
        at = params["teacher"], model_state["teacher"]
        rebuilt, statistics = run(net, *at, batch["seen"], batch["mask"], train=True)
        total = squared_error(rebuilt, batch["seen"], where=batch["mask"])
        return total, Aux({"L_pre": total}, {"teacher": statistics})

    pool = FACES if config.teacher_scope == "once" else ""
    return Stage(
        name="teacher",
        source=Source(batch=config.batch, pool=pool, of="frames", labelled=False),
        num_epochs=config.teacher_epochs,
        init=init,
        updates=(_update(config, loss),),
        prepare=prepare,
    )


def identity_removal(config: "MFVAN", teacher: Teacher, student: Student) -> Stage:
    """Returns the stage of L_RI: both rebuild the onset of the apex, at once.

    Args:
      config: of the system.
      teacher: as stage `teacher` left it.
      student: drawn.
    """

    def init(key, batch):
        apex, mask = unit_range(batch["apex"]), batch["mask"]
        for_teacher, for_student = jax.random.split(key)
        params, state = begun(teacher, "teacher", for_teacher, apex, mask)
        own, averages = begun(student, "student", for_student, apex, mask)
        return params | own, state | averages

    def prepare(params, model_state, batch, key):
        return with_pair(config, batch, key)

    def loss(params, model_state, batch, key):
        apex, onset, mask = batch["seen_apex"], batch["seen_onset"], batch["mask"]
        at = lambda name: (params[name], model_state[name])
        soft, of_teacher = run(teacher, *at("teacher"), apex, mask, train=True)
        (_, own), of_student = run(student, *at("student"), apex, mask, train=True)
        metrics = {
            "L_teacher": squared_error(soft, onset, where=mask),
            **student_losses(own, onset, mask, soft=jax.lax.stop_gradient(soft)),
        }
        total = metrics["L_teacher"] + removal(config, metrics)
        return total, Aux(metrics, {"teacher": of_teacher, "student": of_student})

    def inspect(params, model_state, batch):
        apex, mask = unit_range(batch["apex"]), batch["mask"]
        at = lambda name: (params[name], model_state[name])
        soft, _ = run(teacher, *at("teacher"), apex, mask, train=False)
        (_, own), _ = run(student, *at("student"), apex, mask, train=False)
        return {"by_teacher": soft, "by_student": own}

    return Stage(
        name="identity_removal",
        source=Source(batch=config.batch, labelled=False),
        num_epochs=config.removal_epochs,
        init=init,
        updates=(_update(config, loss),),
        prepare=prepare,
        init_from=(Transfer(stage="teacher", nets={"teacher": "teacher"}),),
        inspect=inspect,
        shows=("by_teacher", "by_student"),
    )


def with_pair(config: "MFVAN", batch, key):
    """Returns the batch with apex and onset, float32[B, S, S, 3], turned alike."""
    frames = jnp.stack([batch["apex"], batch["onset"]], axis=1)
    apex, onset = jnp.moveaxis(drawn(frames, key, config.aug), 1, 0)
    return {**batch, "seen_apex": apex, "seen_onset": onset}


def student_losses(rebuilt, onset, mask, *, soft=None) -> dict[str, jax.Array]:
    """Returns how far the student's onset is from the true one, and the teacher's."""
    losses = {"L_student": squared_error(rebuilt, onset, where=mask)}
    if soft is not None:
        losses["L_soft"] = squared_error(rebuilt, soft, where=mask)
    return losses


def removal(config: "MFVAN", losses) -> jax.Array:
    """Returns the student's part of L_RI, of `student_losses`."""
    return losses["L_student"] + config.w_soft * losses.get("L_soft", 0.0)


def _update(config: "MFVAN", loss) -> Update:
    return Update(name="all", gradients=gradients_of(loss), tx=config.adam())
