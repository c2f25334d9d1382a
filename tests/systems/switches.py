"""What the switches of a config do to its stages, leaves, numbers and programs.

A test of a system makes one `Switches` and asks it; the answers are cached.
"""

import dataclasses
import functools
import re
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.train.stage import Stage, SystemConfig, flatten
from mer_jax.train.step import RunState, init_run, train_step

CLASSES = 3
STEPS = 2  # the second shows what an optimiser did in the first


class Switches:
    """The fields of a config.

    Attributes:
      tiny: the config whose fields are changed.
      batch: `(stage, config) -> batch` of a step, its last row padding.
      others: other values of the fields that are no Literal; those of the others are
        all taken.
      together: field -> what is set along with it, where it shows only then.
      apart: fields that have tests of their own, such as those of speed.
      people: in the sample.
      jit: compile steps; without, those of many values share their operations.
    """

    def __init__(
        self,
        tiny: SystemConfig,
        batch: Callable[[Stage, Any], dict[str, Any]],
        *,
        others: Mapping[str, tuple],
        together: Mapping[str, Mapping[str, Any]],
        apart: Collection[str],
        people: int = 6,
        jit: bool = True,
    ):
        self.tiny, self.batch, self.others = tiny, batch, others
        self.together, self.apart = together, apart
        self.people, self.jit = people, jit
        self.told = functools.cache(self._told)
        self.traced = functools.cache(self._traced)

    def values(self) -> list[tuple[str, Any]]:
        """[(field, value)] of every switch, the default and those `apart` left out."""
        kinds = typing.get_type_hints(type(self.tiny))
        cases = []
        for name in self.names():
            if name in self.apart:
                continue
            others = self.others.get(name) or typing.get_args(kinds[name])
            assert others, f"{name}: which other values are there?"
            default = getattr(self.tiny, name)
            cases += [(name, value) for value in others if value != default]
        return cases

    def names(self) -> list[str]:
        """All fields."""
        return [field.name for field in dataclasses.fields(self.tiny)]

    def changed(self, **changes) -> Any:
        """The config with some fields changed."""
        return dataclasses.replace(self.tiny, **changes)

    def stages(self, **changes) -> tuple[Stage, ...]:
        """Those of the config so changed."""
        return self.changed(**changes).build(CLASSES, self.people).stages

    def started(self, stage: Stage, config, finished) -> tuple[Any, RunState]:
        """An example batch and the state before the first step."""
        batch, steps = self.batch(stage, config), jnp.int32(9)
        counts = jnp.arange(1, CLASSES + 1)
        key = jax.random.key(0)
        return batch, init_run(stage, key, steps, counts, batch, finished)

    def abstract(self, **changes) -> Iterator[tuple[Stage, Any, RunState]]:
        """Every stage with its batch and the state before its first step, as shapes."""
        config, finished = self.changed(**changes), {}
        for stage in self.stages(**changes):
            start = functools.partial(self.started, stage, config, finished)
            batch, state = jax.eval_shape(start)
            yield stage, batch, state
            finished[stage.name] = zeros((state.params, state.model_state))

    def differs(self, field: str, value: Any) -> bool:
        """Whether anything can be told of a value, after two steps of every stage."""
        with_it = self.together.get(field, {})
        return self.told(**with_it, **{field: value}) != self.told(**with_it)

    def assert_single(self, **changes) -> None:
        """Checks that bfloat16 is used and what is kept from step to step is not."""
        for stage, batch, state in self.abstract(precision="bfloat16", **changes):
            step = functools.partial(train_step, stage)
            after, metrics = jax.eval_shape(step, state, batch)
            leaves = jax.tree.leaves((after.params, after.model_state, metrics))
            assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
            assert "bf16" in str(jax.make_jaxpr(step)(state, batch))

    def _told(self, **changes) -> dict[str, tuple]:
        """What can be told of a config: of its stages, its leaves, its numbers."""
        config, finished, seen = self.changed(**changes), {}, {}
        system = config.build(CLASSES, self.people)
        for stage in system.stages:
            batch, state = self.started(stage, config, finished)
            shapes = {name: leaf.shape for name, leaf in flatten(state.params).items()}
            step = functools.partial(train_step, stage)
            step, numbers = jax.jit(step) if self.jit else step, []
            for _ in range(STEPS):
                state, metrics = step(state, batch)
                numbers.append({k: float(value) for k, value in metrics.items()})
            assert np.isfinite([[*found.values()] for found in numbers]).all()
            inputs = stage.num_epochs, stage.source, stage.beside
            seen[stage.name] = inputs, shapes, numbers
            finished[stage.name] = state.params, state.model_state
        logits = system.predict(state.params, state.model_state, batch)
        assert logits.shape == (len(batch["mask"]), CLASSES)
        return seen

    def _traced(self, **changes) -> list[tuple]:
        """The programs of a config as text."""
        seen = []
        for stage, batch, state in self.abstract(**changes):
            jaxpr = jax.make_jaxpr(functools.partial(train_step, stage))(state, batch)
            program = re.sub(r" at 0x[0-9a-f]+", "", str(jaxpr))
            inputs = stage.num_epochs, stage.source, stage.beside
            seen.append((stage.name, inputs, program))
        return seen


def assert_same_numbers(told, other, tolerance: float) -> None:
    """Checks that two answers of `told` differ by rounding alone."""
    assert told.keys() == other.keys()
    for stage in told:
        own, found = (
            np.array([[*step.values()] for step in answer[stage][-1]])
            for answer in (told, other)
        )
        # Information close to 0 is a difference of numbers close to 1.
        np.testing.assert_allclose(own, found, tolerance, atol=1e-5, err_msg=stage)


def zeros(shapes):
    """Arrays of these shapes; of keys nobody asks."""
    return jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
