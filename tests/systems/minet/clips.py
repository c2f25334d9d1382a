"""Batches of made clips, and the nets of stages that have only begun, for tests."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.systems.minet import MiNet
from mer_jax.systems.minet.views import stored_size
from tests.systems.switches import Switches

TINY = MiNet().tiny()

# Other values of the fields that are no Literal; those of the others are all taken.
OTHERS = {
    "frames": (8,),
    "size": (32,),
    "width": (3,),
    "blocks": (1,),
    "disc_features": (16,),
    "intervals": (1, 3),
    "ls": (0.0, 1.0),
    "lsam": (0.0, 1.0),
    "lt": (0.0, 1.0),
    "lcon": (0.0, 1.0),
    "temperature": (0.5,),
    "learning_rate": (1e-3,),
    "weight_decay": (0.1,),
    "batch": (7,),
    "macro_epochs": (3,),
    "micro_epochs": (3,),
    "epochs": (3,),
}
# Set along with a switch that shows only then.
TOGETHER = {
    "blocks": {"encoder": "resnet18"},
    "intervals": {"frames": 8},
    "wd_mode": {"weight_decay": 0.1},
}
APART = {"conv", "remat", "remember", "init_weights"}  # tests of their own


def clips(config, seed=0):
    """A batch of one input, its last row padding."""
    edge, count = stored_size(config.size, config.aug), config.batch
    shape = (count, config.frames, edge, edge, 3)
    frames = np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)
    return {
        "rise": jnp.array(frames),
        "label": (jnp.arange(count, dtype=jnp.int32) + seed) % 3,
        "mask": jnp.arange(count) < count - 1,
    }


def batch(stage, config):
    """A batch of a stage."""
    own = clips(config)
    return own | {name: clips(config, seed=1) for name in stage.beside}


SWITCHES = Switches(TINY, batch, others=OTHERS, together=TOGETHER, apart=APART)


def stage_named(name, **changes):
    """A stage of the config so changed."""
    return next(stage for stage in SWITCHES.stages(**changes) if stage.name == name)


@functools.cache
def begun():
    """Stage -> batch and state before its first step, those before only begun."""
    finished, states = {}, {}
    for stage in SWITCHES.stages():
        start = functools.partial(SWITCHES.started, stage, TINY, dict(finished))
        batch, state = jax.jit(start)()
        finished[stage.name] = state.params, state.model_state
        states[stage.name] = batch, state
    return states
