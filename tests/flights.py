"""Drives the engine in tests: rows, programs and waves, and what to compare of them.

Programs are cached, as compiling them is what these tests spend their time on.
"""

import collections
import contextlib
import dataclasses
import functools
import importlib
import pkgutil
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import mer_jax.systems
from mer_jax.data.clips import gather_inputs
from mer_jax.data.corpora import Data
from mer_jax.data.corpus import Corpus
from mer_jax.data.frames import batch_at
from mer_jax.data.pools import (
    Pool,
    Resident,
    Scope,
    frame_arrays,
    resident_arrays,
    with_pools,
)
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.ensemble.listener import Hooks
from mer_jax.ensemble.pack import Wave
from mer_jax.ensemble.program import Layout, Program
from mer_jax.ensemble.rows import Row
from mer_jax.ensemble.runner import Flight, WaveRunner
from mer_jax.train.stage import Stage, System, SystemConfig, flatten
from mer_jax.train.step import RunState

from . import toys

PUBLISHED = [module.name for module in pkgutil.iter_modules(mer_jax.systems.__path__)]
TOYS = {"relay": toys.Relay, "duel": toys.Duel, "reel": toys.Reel}
SYSTEMS = [*PUBLISHED, *TOYS]
ALONE = Layout(devices=1)
TRACES: collections.Counter[tuple[str, str]] = collections.Counter()  # (system, stage)
COLLECTIVES = re.compile(
    r"\b(all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast"
    r"|reduce-scatter)"
)


def config(name: str) -> SystemConfig:
    """The smallest configuration of a system, published or toy."""
    if name in TOYS:
        return TOYS[name]().tiny()
    return importlib.import_module(f"mer_jax.systems.{name}").CONFIG().tiny()


@functools.cache
def row(name: str, *, x64: bool = False) -> Row:
    """A system on made clips, in float64 where `x64`, and then 21 steps a stage."""
    made = config(name)
    system = counted(made.build(len(toys.CLASSES), len(toys.SUBJECTS)))
    batch = system.stages[-1].source.batch
    draw = functools.partial(
        toys.corpus, system.features, frames=system.frames, batch=batch
    )
    corpus, others = draw(), draw(subjects=toys.OTHERS, seed=5)
    if x64:
        system = system_in_float64(system)
        corpus, others = corpus_in_float64(corpus), corpus_in_float64(others)
    return row_of(made, system, corpus, others)


def row_of(
    made: SystemConfig, system: System, corpus: Corpus, others: Corpus | None = None
) -> Row:
    """A row of a system built already; `others` are every pool its stages name.

    Where there are pools and no `others`, these are made.
    """
    protocol = Protocol(name=str(Path(__file__).with_name("toy.toml")))
    names = sorted({pool for stage in system.stages for pool in stage.pools} - {""})
    others = others or toys.corpus(system.features, subjects=toys.OTHERS, seed=5)
    data = Data(corpora=("synthetic/others",))
    pools = tuple(
        (Pool(name=name, data=data, protocol=protocol), others) for name in names
    )
    experiment = Experiment(
        name="toy",
        system=made,
        protocol=protocol,
        pools=tuple(pool for pool, _ in pools),
    )
    return Row(
        experiment=experiment,
        system=system,
        corpus=corpus,
        folds=with_pools(protocol.folds(corpus), corpus, pools),
        pools=pools,
    )


def pretrained(scope: Scope, seeds: tuple[int, ...], name: str = "relay") -> Row:
    """The relay, or another, its first stage on a pool of other people."""
    plain = row(name)
    first, *rest = plain.system.stages
    source = dataclasses.replace(first.source, pool="extra")
    stages = (dataclasses.replace(first, source=source), *rest)
    system = dataclasses.replace(plain.system, stages=stages)
    people = {"zoo/1": 9, "zoo/2": 20}
    extra = toys.corpus(system.features, frames=system.frames, subjects=people, seed=5)
    pool = Pool(name="extra", data=Data(), scope=scope)
    experiment = dataclasses.replace(
        plain.experiment, pools=(pool,), seeds=seeds, name=f"{name}-{scope}"
    )
    pools = ((pool, extra),)
    return Row(
        experiment=experiment,
        system=system,
        corpus=plain.corpus,
        folds=with_pools(plain.folds, plain.corpus, pools),
        pools=pools,
    )


def counted(system: System) -> System:
    """`system` with every trace of a stage's step counted in `TRACES`."""

    def count(stage: Stage) -> Stage:
        def prepare(*args):
            TRACES[system.name, stage.name] += 1
            return stage.prepare(*args)

        return dataclasses.replace(stage, prepare=prepare)

    return dataclasses.replace(system, stages=tuple(map(count, system.stages)))


def system_in_float64(system: System, num_epochs: int = 7) -> System:
    """`system` with float64 nets; linen makes float32 ones whatever JAX is told."""

    def cast(stage: Stage) -> Stage:
        init = lambda key, batch: in_float64(stage.init(key, batch))
        return dataclasses.replace(stage, init=init, num_epochs=num_epochs)

    return dataclasses.replace(system, stages=tuple(map(cast, system.stages)))


def corpus_in_float64(corpus: Corpus) -> Corpus:
    """`corpus` with its float features in float64."""
    return dataclasses.replace(corpus, features=in_float64(corpus.features))


def in_float64(tree: Any) -> Any:
    """The tree with its floating leaves in float64; needs `jax.enable_x64`."""
    floating = lambda x: jnp.issubdtype(x.dtype, jnp.floating)
    return jax.tree.map(lambda x: x.astype("float64") if floating(x) else x, tree)


@functools.cache
def program(name: str, layout: Layout = ALONE, *, x64: bool = False) -> Program:
    """The compiled functions of a row; with `x64` use them in `jax.enable_x64`."""
    return program_of(row(name, x64=x64), layout)


def program_of(of: Row, layout: Layout = ALONE) -> Program:
    """The program of a row."""
    return Program(of.system, of.clips, of.folds, layout)


def wave(of: Row, folds: Sequence[str], real: int | None = None) -> Wave:
    """The wave of the first seed's runs in these folds, in this order."""
    every = (*of.runs, *of.inner_runs)
    runs = {run.fold.name: run for run in reversed(every)}
    return Wave(tuple(runs[f] for f in folds), len(folds) if real is None else real)


def folds_of(of: Row, steps: int | None = None) -> list[str]:
    """Names of the folds, all of them or those with so many steps an epoch."""
    return [r.fold.name for r in of.runs if steps is None or of.steps(r) == steps]


def total_steps(of: Row, fold: str) -> int:
    """Steps of all stages of the run of a fold."""
    return next(of.total_steps(run) for run in of.runs if run.fold.name == fold)


def runner(
    of: Row, with_program: Program, folds: Sequence[str], directory: Path
) -> WaveRunner:
    """A runner of the wave of these folds."""
    return WaveRunner(with_program, of.clips, wave(of, folds), directory)


def land(
    of: Row,
    with_program: Program,
    folds: Sequence[str],
    directory: Path | None = None,
    hooks: Hooks | None = None,
) -> dict[str, np.ndarray]:
    """Trains a wave to its end and returns everything it has, by name."""
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        flight = runner(of, with_program, folds, directory).run(hooks or Hooks())
    return snapshot(flight)


def snapshot(flight: Flight) -> dict[str, np.ndarray]:
    """Everything a flight has, by name, [L, ...] on the host; not the seconds."""
    tree = flight.tree()
    del tree["seconds"]
    return host(tree)


def host(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a tree by their path, on the host."""
    keyed = lambda x: (
        isinstance(x, jax.Array) and jnp.issubdtype(x.dtype, jax.dtypes.prng_key)
    )
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(
            jax.random.key_data(x) if keyed(x) else x
        )
        for path, x in leaves
    }


def lane(stacked: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """One run of a snapshot."""
    return {name: array[number] for name, array in stacked.items()}


def differing(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> list[str]:
    """Names of the arrays that are not the same bit for bit."""
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    same = lambda x, y: x.dtype == y.dtype and x.tobytes() == y.tobytes()
    return [
        f"{name}: {a[name].size} values of {a[name].dtype} and {b[name].dtype}, up to "
        f"{np.abs(np.nan_to_num(a[name]) - np.nan_to_num(b[name])).max()} apart"
        for name in a
        if not same(a[name], b[name])
    ]


def assert_close(a: dict[str, np.ndarray], b: dict[str, np.ndarray], tolerance) -> None:
    """Checks names and values, relative to the greatest of an array where above 1."""
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for name in a:
        scale = max(1.0, np.nanmax(np.abs(a[name]), initial=0.0))
        np.testing.assert_allclose(
            a[name], b[name], rtol=0, atol=tolerance * scale, err_msg=name
        )


def enter(of: WaveRunner, stage: str, finished=None) -> RunState:
    """The state [L, ...] of a wave's runs before the first step of a stage."""
    flight = of._start()
    flight.finished = finished or {}
    of._enter(of.program.stages[stage], flight, 0)
    return flight.state


def advance(of: WaveRunner, stage: str, state: RunState, index, clips=None):
    """One step of a wave at `index` [L, B]; the state given is used up."""
    with_program = of.program
    step = with_program.step(stage, False)
    clips = with_program.clips if clips is None else clips
    remembered = with_program.remembered(stage, state)
    return step(state, rows_of(with_program, stage, index), clips, remembered)


def rows_of(of: Program, stage: str, index: Any) -> Any:
    """What one step takes at `index` [L, rows]."""
    (rows,) = of.rows(stage, np.asarray(index)[:, None])
    return rows


def batch_of(
    corpus: Corpus | Resident, index: np.ndarray, stage: Stage | None = None
) -> dict[str, Any]:
    """The batch that a step of one run sees, of all inputs of a stage."""
    if stage is not None and stage.source.of == "frames":
        batch = batch_at(corpus.frames, frame_arrays(corpus), index)
        return jax.tree.map(jnp.asarray, batch)
    clips = jax.tree.map(jnp.asarray, resident_arrays(corpus))
    inputs = {"": len(index)} if stage is None else stage.inputs
    return dict(gather_inputs(clips, jnp.asarray(index), inputs))


def with_masks(batch: dict[str, Any], like: dict[str, Any] | None) -> dict[str, Any]:
    """The batch with the masks of another, or with every row valid."""
    masked = {}
    for name, own in batch.items():
        other = None if like is None else like[name]
        if isinstance(own, dict):
            masked[name] = with_masks(own, other)
        elif name == "mask":
            masked[name] = np.ones_like(own) if other is None else other
        else:
            masked[name] = own
    return masked


def leaves_of(tree: Any) -> dict[str, np.ndarray]:
    """Parameters by "net/module/leaf", on the host."""
    return {name: np.asarray(leaf) for name, leaf in flatten(tree).items()}
