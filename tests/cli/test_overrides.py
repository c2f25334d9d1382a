"""Tests for mer_jax/cli/overrides.py."""

import dataclasses
from typing import Literal

import pytest

from mer_jax.cli.overrides import parse_value, replace, sweep
from mer_jax.data.corpora import Data
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment
from mer_jax.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Numbers:
    rate: float = 0.1
    epochs: int = 3
    filters: tuple[int, ...] = (1, 2)
    order: Literal["label", "shuffled"] = "label"
    chunk: int | Literal["auto"] | None = None
    flip: bool = False
    init_weights: str | None = None


def experiment(**changes) -> Experiment:
    return Experiment(
        name="row",
        system=Numbers(),
        protocol=Protocol(name="p"),
        data=Data(),
        **changes,
    )


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        ("system.rate", "1e-3", 1e-3),
        ("system.rate", "2", 2.0),
        ("system.epochs", "7", 7),
        ("system.filters", "[3,5,8]", (3, 5, 8)),
        ("system.filters", "[]", ()),
        ("system.order", "shuffled", "shuffled"),
        ("system.chunk", "none", None),
        ("system.chunk", "32", 32),
        ("system.chunk", "auto", "auto"),
        ("system.chunk", "16", 16),
        ("system.flip", "True", True),
        ("system.init_weights", "../w 1.safetensors", "../w 1.safetensors"),
        ("system.init_weights", "none", None),
        ("data.release", "../some folder", "../some folder"),
        ("data.corpora", "[a/b,c]", ("a/b", "c")),
        ("data.corpora", "a/b", ("a/b",)),
        ("eval_every", "5", 5),
    ],
)
def test_a_value_is_parsed_to_its_fields_type(path, text, value):
    changed = replace(experiment(), path, text)
    for name in path.split("."):
        changed = getattr(changed, name)
    assert changed == value and type(changed) is type(value)


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("system.rate", "fast", "expected float"),
        ("system.epochs", "1.5", "expected int"),
        ("system.epochs", "true", "expected int"),
        ("system.order", "random", "expected one of label, shuffled"),
        ("system.flip", "1", "expected bool"),
        ("system.epoch", "3", "no field 'epoch'; it has: rate, epochs, filters"),
        ("nonsense", "3", "no field 'nonsense'; it has: name, system"),
        ("system", "3", "set one of its fields instead: system.rate, system.epochs"),
        ("system.rate.x", "3", "rate is a value"),
    ],
)
def test_a_wrong_assignment_says_what_was_expected(path, text, words):
    with pytest.raises(UserError) as error:
        replace(experiment(), path, text)
    assert words in str(error.value) and path in str(error.value)


def test_a_sweep_is_the_product_of_its_values_and_names_its_rows():
    rows = sweep(
        [experiment()], ["system.rate=0.1,0.2", "system.epochs=5", "system.flip=true"]
    )
    assert [r.name for r in rows] == ["row[system.rate=0.1]", "row[system.rate=0.2]"]
    assert [r.system.rate for r in rows] == [0.1, 0.2]
    assert all(r.system.epochs == 5 and r.system.flip for r in rows)


def test_commas_in_brackets_do_not_sweep():
    (row,) = sweep([experiment()], ["system.filters=[4,6]"])
    assert row.name == "row" and row.system.filters == (4, 6)
    first, second = sweep([experiment()], ["system.filters=[4,6],[1]"])
    assert (first.system.filters, second.system.filters) == ((4, 6), (1,))


@pytest.mark.parametrize("text", ["system.rate", "=3", ""])
def test_an_assignment_needs_a_field_and_a_value(text):
    with pytest.raises(UserError, match="expected field.path=value"):
        sweep([experiment()], [text])


def test_a_type_that_has_no_text_is_refused():
    with pytest.raises(UserError, match="cannot be set from text"):
        parse_value("{}", dict, "a")
