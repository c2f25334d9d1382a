"""Batches of made clips and frames, and the nets of stages that have only begun."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.systems.mfvan import MFVAN
from tests.systems.switches import Switches

TINY = MFVAN().tiny()
QUICK = {"xla_backend_optimization_level": 0}  # compiles in half the time

# Other values of the fields that are no Literal; those of the others are all taken.
OTHERS = {
    "size": (32,),
    "ri": (False,),
    "scales": ((), (0,), (0, 1)),
    "width": (3,),
    "blocks": (2,),
    "patch": (4,),
    "features": (8,),
    "depth": (2,),
    "heads": (1,),
    "hidden": (12,),
    "dropout": (0.5,),
    "vit_share": (True,),
    "kappa": (1.2,),
    "mask_slope": (2.0,),
    "fusion": (12,),
    "w_ri": (0.0, 2.0),
    "w_soft": (0.0, 2.0),
    "alpha": (0.0, 2.0),
    "beta": (0.0, 1.0),
    "rho": (0.2,),
    "gamma": (0.0, 1.0),
    "learning_rate": (1e-3,),
    "weight_decay": (0.1,),
    "batch": (7,),
    "teacher_epochs": (3,),
    "removal_epochs": (3,),
    "epochs": (3,),
}
# Set along with a switch that shows only then.
TOGETHER = {
    "wd_mode": {"weight_decay": 0.1},
    "rho": {"mask_loss": "area"},
    # With one layer in half the places attention is what it was drawn as.
    "mask_slope": {"size": 32},
    "kappa": {"size": 32},
    "mask_grad": {"size": 32},
}
APART = {"conv", "remat", "precision"}  # tests of their own


def clips(config, seed=0):
    """A batch of clips, its last row padding; an apex is nearly its onset."""
    generator, count = np.random.default_rng(seed), config.batch
    shape = (2, count, config.size, config.size, 3)
    frames = generator.integers(0, 256, shape).astype(np.uint8)
    apex = np.where(generator.random(shape[1:]) < 0.9, frames[0], frames[1])
    return {
        "onset": jnp.array(frames[0]),
        "apex": jnp.array(apex),
        "label": jnp.arange(count, dtype=jnp.int32) % 3,
        "mask": jnp.arange(count) < count - 1,
    }


def batch(stage, config):
    """A batch of a stage."""
    found = clips(config)
    if stage.source.of == "frames":
        found["frame"] = found.pop("apex")
        del found["onset"]
    return found


SWITCHES = Switches(TINY, batch, others=OTHERS, together=TOGETHER, apart=APART)


def stage_named(name, **changes):
    """A stage of the config so changed."""
    return next(stage for stage in SWITCHES.stages(**changes) if stage.name == name)


@functools.cache
def begun(**changes):
    """Stage -> batch and state before its first step, those before only begun."""
    finished, states = {}, {}
    config = SWITCHES.changed(**changes)
    for stage in SWITCHES.stages(**changes):
        start = functools.partial(SWITCHES.started, stage, config, dict(finished))
        batch, state = jax.jit(start, compiler_options=QUICK)()
        finished[stage.name] = state.params, state.model_state
        states[stage.name] = batch, state
    return states
