"""Tests for mer_jax/ensemble/rebuild.py: settings make the experiment again."""

import copy
import dataclasses
import json

import pytest

import mer_jax
from mer_jax.cli import files
from mer_jax.cli.configs import configs
from mer_jax.data.corpora import Data
from mer_jax.data.pools import Pool
from mer_jax.data.protocols import Protocol
from mer_jax.ensemble.experiment import Experiment, settings
from mer_jax.ensemble.rebuild import check_rebuilt, rebuild
from mer_jax.errors import UserError
from tests.ensemble.test_experiment import EXPERIMENT, NO_CHANGES, Started, replaced

ROWS = [row for name in sorted(files.shipped()) for row in files.read(name)]
POOLED = dataclasses.replace(
    EXPERIMENT, pools=(Pool(name="p", data=Data(), protocol=Protocol(name="cde3")),)
)


def recorded(experiment):
    """Its settings, as a manifest has them."""
    return json.loads(json.dumps(settings(experiment)))


def made(told, seeds=(0,), classes=None):
    classes = configs() if classes is None else classes
    return rebuild(told, seeds=seeds, configs=classes, made_by="mer_jax 9, commit f00")


def as_recorded(experiment):
    """The experiment with what settings do not tell as `rebuild` takes it."""
    experiment = replaced(experiment, "protocol.partial", True)
    experiment = dataclasses.replace(experiment, published=())
    pools = tuple(
        replaced(pool, "protocol.partial", True) if pool.protocol else pool
        for pool in experiment.pools
    )
    return dataclasses.replace(experiment, pools=pools)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_shipped_experiment_comes_back_from_its_settings(row):
    told = recorded(row)
    rebuilt = made(told, row.seeds)
    assert rebuilt.defaults == ()
    assert rebuilt.experiment == as_recorded(row)
    assert check_rebuilt(told, rebuilt, rebuilt.experiment) == []


def test_every_system_is_found_by_its_folder():
    assert {type(row.system) for row in ROWS} <= set(configs())
    assert len(configs()) == len({kind.__qualname__ for kind in configs()}) >= 5


@pytest.mark.parametrize("path", NO_CHANGES)
def test_what_settings_do_not_tell_may_be_told(path):
    told = recorded(EXPERIMENT)
    rebuilt = made(told)
    other = replaced(rebuilt.experiment, path, NO_CHANGES[path])
    assert check_rebuilt(told, rebuilt, other) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t["system"].update({"": "os.system"}), "settings.system: class 'os"),
        (lambda t: t["pools"][0].update({"": None}), "settings.pools.0: class None is"),
        (lambda t: t["system"].update(zeal=3), "settings.system: STSTNet has no field"),
        (lambda t: t["data"].update(b=1, a=2), "settings.data: Data has no field a, b"),
        (
            lambda t: t["pools"][0]["data"].update(c=1),
            "settings.pools.0.data: Data has",
        ),
        (
            lambda t: t["protocol"].pop("name"),
            "settings.protocol: no value of name was",
        ),
    ],
)
def test_what_is_unknown_here_is_named_with_the_version_that_knows_it(change, words):
    told = recorded(POOLED)
    change(told)
    with pytest.raises(UserError) as error:
        made(told)
    text = str(error.value)
    assert words in text and "mer_jax 9, commit f00" in text
    assert f"mer_jax {mer_jax.__version__}" in text


def test_settings_of_something_else_are_no_experiment():
    with pytest.raises(UserError, match="expected an Experiment, got 'Data'"):
        made(recorded(EXPERIMENT)["data"])


def test_a_field_that_was_not_recorded_has_its_default_and_may_be_told():
    told = recorded(POOLED)
    del told["system"]["chunk"], told["pools"][0]["data"]["crop"]
    rebuilt = made(told)
    assert rebuilt.experiment == as_recorded(POOLED)
    assert set(rebuilt.defaults) == {"system.chunk", "pools.0.data.crop"}
    found = check_rebuilt(told, rebuilt, rebuilt.experiment)
    assert sorted(map(str, found)) == [
        "settings.pools.0.data.crop: there null, here 128",
        'settings.system.chunk: there null, here "auto"',
    ]
    other = replaced(rebuilt.experiment, "system.chunk", 16)
    (_, chunk) = check_rebuilt(told, rebuilt, other)
    assert chunk.here == 16


def test_another_setting_is_refused_with_both_values():
    told = recorded(EXPERIMENT)
    rebuilt = made(told)
    other = replaced(rebuilt.experiment, "system.batch", 8)
    with pytest.raises(UserError, match=r"row: .*\n  system.batch: there 256, here 8"):
        check_rebuilt(told, rebuilt, other)
    assert told == recorded(EXPERIMENT)


def test_a_file_is_asked_for_and_must_have_the_recorded_content(tmp_path):
    file, same, other = (tmp_path / name for name in ("a", "b", "c"))
    file.write_bytes(b"weights")
    same.write_bytes(b"weights")
    other.write_bytes(b"weighty")
    protocol = Protocol(name="cde3")
    started = Experiment(name="row", system=Started(str(file)), protocol=protocol)
    told = recorded(started)
    rebuilt = made(copy.deepcopy(told), classes=[Started])
    digest = told["system"]["init_weights"]
    with pytest.raises(UserError, match=f"{digest}.*--set system.init_weights=FILE"):
        check_rebuilt(told, rebuilt, rebuilt.experiment)
    at = lambda path: replaced(rebuilt.experiment, "system.init_weights", str(path))
    assert check_rebuilt(told, rebuilt, at(same)) == []
    with pytest.raises(UserError, match=f'init_weights: there "{digest}", here "'):
        check_rebuilt(told, rebuilt, at(other))
