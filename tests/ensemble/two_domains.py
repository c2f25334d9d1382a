"""A row whose one stage has a further input, and features of both inputs' clips."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool, with_pools
from mer_jax.ensemble import sweep
from mer_jax.ensemble.lift import put
from mer_jax.ensemble.listener import Hooks, Listener
from mer_jax.ensemble.rows import Row
from tests import flights, toys

# One of them is in the sample, too; their clips are half as many.
POOL = {"samm/006": 8, "zoo/1": 12, "zoo/2": 10, "zoo/3": 6}
FOLDS = ("samm/006", "smic/s06")
INPUT = "others"


def codes(params, model_state, batch):
    encoder = params["encoder"]
    code = batch["apex"] @ encoder["kernel"] + encoder["bias"][None]
    return {"features": jnp.concatenate([code, batch["onset"]], axis=1)}


def negative(params, model_state, batch):
    return {"features": -codes(params, model_state, batch)["features"]}


@functools.cache
def row(scope="per_fold", inspect=codes, further=negative, pool=INPUT):
    """The duel, which sees clips of a pool beside those of the sample."""
    plain = flights.row("duel")
    (stage,) = plain.system.stages
    beside = {INPUT: dataclasses.replace(stage.beside[INPUT], pool=pool)}
    inspects = {} if further is None else {INPUT: further}
    stage = dataclasses.replace(
        stage, inspect=inspect, inspect_beside=inspects, beside=beside
    )
    system = dataclasses.replace(plain.system, stages=(stage,))
    clips = toys.corpus(system.features, subjects=POOL, seed=5)
    keys = tuple(key.replace("EP", "macro") for key in clips.keys)
    clips = dataclasses.replace(clips, keys=keys)
    protocol = plain.experiment.protocol
    pools = ((Pool(name=INPUT, data=Data(), protocol=protocol, scope=scope), clips),)
    experiment = dataclasses.replace(
        plain.experiment, pools=(pools[0][0],), seeds=(3, 7)
    )
    return Row(
        experiment=experiment,
        system=system,
        corpus=plain.corpus,
        folds=with_pools(plain.folds, plain.corpus, pools),
        pools=pools,
    )


@functools.cache
def program(layout=flights.ALONE):
    return flights.program_of(row(), layout)


def trained(with_program, scales):
    """Nets as if trained: the stage's, times a number of each lane."""
    state = with_program.abstract_state("duel")
    draw = np.random.default_rng(2)

    def lanes(x):
        one = draw.normal(size=x.shape[1:]).astype(x.dtype)
        return np.stack([scale * one for scale in scales])

    nets = jax.tree.map(lanes, (state.params, state.model_state))
    return {"duel": put(with_program.mesh, nets)}


def train(workdir, folds=FOLDS, stop=lambda: False):
    ledger = sweep.claim(workdir, [row()])
    sweep.train(
        row(),
        ledger,
        layout=flights.ALONE,
        folds=folds,
        keep_params="none",
        listener=Listener(hooks=Hooks(stop=stop)),
    )
    return ledger
