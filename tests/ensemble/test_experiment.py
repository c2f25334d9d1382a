"""Tests for mer_jax/ensemble/experiment.py."""

import dataclasses
import json
import os
import string

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import (
    Experiment,
    fingerprint,
    plain,
    runs_of,
    settings,
)
from mer_jax.errors import UserError
from mer_jax.metrics.published import Published
from mer_jax.systems.ststnet import STSTNet
from tests import flights

EXPERIMENT = Experiment(name="row", system=STSTNet(), protocol=Protocol(name="cde3"))

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(string.ascii_letters),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.ascii_letters), inner, max_size=3)
    ),
    max_leaves=6,
)


def replaced(config, path, value):
    """`config` with the field at "a.b" replaced."""
    name, _, rest = path.partition(".")
    value = replaced(getattr(config, name), rest, value) if rest else value
    return dataclasses.replace(config, **{name: value})


def run_id(experiment, content="c", fold=0, seed=0):
    folds = flights.row("duel").folds
    (run,) = [
        r
        for r in runs_of(experiment, folds, content)
        if r.fold is folds[fold] and r.seed == seed
    ]
    return run.id


CHANGES = {
    "pools": (Pool(name="extra", data=Data()),),
    "name": "other",
    "protocol.name": "sde",
    "protocol.division": "5fold",
    "eval_every": 2,
    "system.size": 32,
    "system.filters": (3, 5, 9),
    "system.dropout": 0.4,
    "system.channels": "rgb",
    "system.learning_rate": 1e-4,
    "system.batch": 128,
    "system.epochs": 100,
    "system.order": "subject",
    "system.chunk": None,
    "data.corpora": ("synthetic/tiny",),
    "data.repairs": "drop",
    "data.apex": "spotted",
    "data.macro_apex": 4,
    "data.align": "moext",
    "data.crop": 224,
    "data.stabilise": True,
    "data.on_no_face": "skip",
    "data.flow": "tvl1",
    "data.flow_limit": 2.0,
}
NO_CHANGES = {
    "seeds": (0, 1),
    "published": (Published(source="p"),),
    "data.release": "/somewhere",
    "data.landmarker": "/model.task",
    "protocol.partial": True,
}


def test_every_field_is_in_one_of_the_two_lists():
    """A new field must say whether it names other results."""
    known = {*CHANGES, *NO_CHANGES}
    for prefix, config in (
        ("", EXPERIMENT),
        ("system.", STSTNet()),
        ("protocol.", EXPERIMENT.protocol),
        ("data.", Data()),
    ):
        for field in dataclasses.fields(config):
            name = prefix + field.name
            nested = any(path.startswith(name + ".") for path in known)
            assert name in known or nested, name


@pytest.mark.parametrize("path", CHANGES)
def test_a_field_that_decides_numbers_changes_the_run_id(path):
    changed = replaced(EXPERIMENT, path, CHANGES[path])
    assert changed != EXPERIMENT
    assert run_id(changed) != run_id(EXPERIMENT)
    assert settings(changed) != settings(EXPERIMENT)


@pytest.mark.parametrize("path", NO_CHANGES)
def test_a_field_that_decides_no_number_leaves_the_run_id(path):
    changed = replaced(EXPERIMENT, path, NO_CHANGES[path])
    assert changed != EXPERIMENT
    assert run_id(changed) == run_id(EXPERIMENT)


def test_clips_fold_and_seed_change_the_run_id():
    two = dataclasses.replace(EXPERIMENT, seeds=(0, 1))
    ids = {run_id(two), run_id(two, "d"), run_id(two, fold=1), run_id(two, seed=1)}
    assert len(ids) == 4


def test_the_name_of_the_config_class_counts():
    @dataclasses.dataclass(frozen=True)
    class Twin:
        name: str = "cde3"

    assert fingerprint(Twin()) != fingerprint(Protocol(name="cde3"))


@dataclasses.dataclass(frozen=True)
class Started:
    """A system's config that may name a file of weights."""

    init_weights: str | None = dataclasses.field(default=None, metadata={"file": True})


def test_a_file_counts_by_its_content_wherever_it_lies(tmp_path, monkeypatch):
    one, same, other = (tmp_path / name for name in ("a", "b", "c"))
    one.write_bytes(b"weights")
    same.write_bytes(b"weights")
    other.write_bytes(b"weighty")
    told = lambda path: plain(Started(str(path)))["init_weights"]
    # printf weights | sha256sum
    assert told(one) == told(same) == "9a129038d9a00aed"
    assert told(other) != told(one)
    assert plain(Started())["init_weights"] is None
    monkeypatch.setenv("HOME", str(tmp_path))
    assert told("~/a") == told(one)
    experiment = lambda path: dataclasses.replace(EXPERIMENT, system=Started(path))
    ids = [run_id(experiment(path)) for path in (str(one), str(same), str(other), None)]
    assert ids[0] == ids[1] and len(set(ids)) == 3
    assert str(tmp_path) not in json.dumps(settings(experiment(str(one))))


def test_a_file_that_has_changed_counts_anew_and_else_is_read_once(tmp_path):
    path = tmp_path / "w"
    path.write_bytes(b"weights")
    before = fingerprint(Started(str(path)))
    status = path.stat()
    path.write_bytes(b"weighty")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert fingerprint(Started(str(path))) != before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprint(Started(str(path))) == before  # as it was remembered


def test_a_file_that_is_not_there_is_named_with_its_field(tmp_path):
    with pytest.raises(UserError, match=r"Started\.init_weights: .*nowhere \(No such"):
        settings(dataclasses.replace(EXPERIMENT, system=Started("nowhere")))
    with pytest.raises(UserError, match="Is a directory"):
        plain(Started(str(tmp_path)))


def test_run_ids_are_known():
    # If this fails every recorded result is orphaned: nothing trained is found again.
    assert run_id(EXPERIMENT) == "86c924858589dc27"
    assert fingerprint() == "4f53cda18c2baa0c"


@given(JSON, JSON)
def test_a_fingerprint_changes_when_and_only_when_a_value_does(one, other):
    text = lambda value: json.dumps(value, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) == (text(one) == text(other))


@given(st.dictionaries(st.text(), st.integers()), st.randoms(use_true_random=False))
def test_the_order_of_a_mapping_does_not_matter(values, random):
    items = list(values.items())
    random.shuffle(items)
    assert fingerprint(values) == fingerprint(dict(items))


@given(st.lists(st.integers(), min_size=2, unique=True))
def test_the_order_of_a_sequence_does(values):
    assume(values != values[::-1])
    assert fingerprint(values) != fingerprint(values[::-1])
    assert fingerprint(tuple(values)) == fingerprint(values)


def test_plain_values_are_json_with_class_names():
    told = json.loads(json.dumps(plain(EXPERIMENT)))
    assert told["system"][""] == "STSTNet"
    assert told["system"]["filters"] == [3, 5, 8]
    assert told["protocol"] == {
        "": "Protocol",
        "name": "cde3",
        "division": "loso",
        "partial": False,
    }


def test_runs_are_every_fold_and_seed_fold_major():
    two = dataclasses.replace(EXPERIMENT, seeds=(4, 2))
    folds = flights.row("duel").folds
    runs = runs_of(two, folds, "content")
    assert [(r.fold.name, r.seed) for r in runs] == [
        (fold.name, seed) for fold in folds for seed in (4, 2)
    ]
    assert len({r.id for r in runs}) == len(runs)
    assert str(runs[0]) == f"row, fold {folds[0].name}, seed 4"


@pytest.mark.parametrize("seeds", [(0, 0), (-1,), (2**32,)])
def test_seeds_that_make_the_same_run_twice_are_refused(seeds):
    with pytest.raises(UserError, match="row: seeds must be different integers"):
        dataclasses.replace(EXPERIMENT, seeds=seeds)
