"""Tests for mer_jax/ensemble/checkpoint.py."""

import errno
import os
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mer_jax.ensemble import checkpoint
from mer_jax.ensemble.checkpoint import Checkpoints, Place, drop_others
from mer_jax.ensemble.lift import per_run, put, run_mesh
from mer_jax.errors import UserError
from tests import flights

PLACE = Place("tune", 3, 21)


def tree(devices=1, value=1.0):
    """Everything that a flight holds a kind of."""
    mesh = run_mesh(devices)
    params = {"net/dense/kernel": jnp.full((4, 2), value), "net/bias": jnp.zeros(4)}
    moments = jax.vmap(optax.adam(0.1).init)(params)
    return {
        "state": put(
            mesh,
            {
                "step": jnp.arange(4, dtype=jnp.int32),
                "key": jax.random.split(jax.random.key(7), 4),
                "opt_states": (moments, optax.EmptyState()),
                "empty": {},
            },
        ),
        "finished": {"pretrain": (put(mesh, params), {})},
        "metrics": {"tune": np.array([[np.nan, value]], np.float32)},
        "seconds": np.array([1.5]),
    }


def abstract(like, devices):
    sharding = per_run(run_mesh(devices))
    lay = lambda x: (
        jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
        if isinstance(x, jax.Array)
        else x
    )
    return jax.tree.map(lay, like)


@pytest.mark.parametrize(("saved", "loaded"), [(1, 1), (4, 4), (4, 1), (1, 2)])
def test_a_tree_comes_back_bitwise_on_any_number_of_devices(saved, loaded, tmp_path):
    before = tree(saved)
    with Checkpoints(tmp_path / "w") as checkpoints:
        checkpoints.save(PLACE, before, ["a", "b"], 2, {})
    with Checkpoints(tmp_path / "w") as checkpoints:
        after = checkpoints.load(PLACE, abstract(tree(loaded), loaded))
    assert jax.tree.structure(before) == jax.tree.structure(after)
    assert not flights.differing(flights.host(before), flights.host(after))
    assert len(after["state"]["step"].sharding.device_set) == loaded


def test_the_place_and_the_runs_are_beside_it(tmp_path):
    with Checkpoints(tmp_path / "w") as checkpoints:
        assert checkpoints.latest() is None
        made = {"versions": {"jax": "1"}, "lanes": 3, "formulation": {"conv": "cpu"}}
        checkpoints.save(PLACE, tree(), ["id1", "id2", "id1"], 2, made)
        place, told = checkpoints.latest()
    assert place == PLACE
    runs = {"runs": ["id1", "id2", "id1"], "real": 2}
    assert told == {"stage": "tune", "step": 3, **runs, "computed": made}


def test_what_was_computed_otherwise_is_dropped_and_its_steps_told(tmp_path):
    made = {"lanes": 3, "formulation": {"conv": "cpu"}}
    assert drop_others(tmp_path / "w", made) == 0
    with Checkpoints(tmp_path / "w") as checkpoints:
        checkpoints.save(PLACE, tree(), ["a"], 1, made)
    assert drop_others(tmp_path / "w", {**made}) == 0
    assert (tmp_path / "w").exists()
    other = {"lanes": 3, "formulation": {"conv": "im2col"}}
    assert drop_others(tmp_path / "w", other) == PLACE.order
    assert not (tmp_path / "w").exists()


def test_only_the_newest_is_kept(tmp_path):
    with Checkpoints(tmp_path / "w") as checkpoints:
        for step in (1, 2, 9):
            place = Place("tune", step, 18 + step)
            checkpoints.save(place, tree(value=step), ["a"], 1, {})
    assert [path.name for path in (tmp_path / "w").glob("*")] == ["27"]
    with Checkpoints(tmp_path / "w") as checkpoints:
        place, _ = checkpoints.latest()
        loaded = checkpoints.load(place, abstract(tree(), 1))
        assert loaded["metrics"]["tune"][0, 1] == 9


def test_a_checkpoint_cut_short_is_not_there(tmp_path):
    """As a process killed while it wrote would leave it."""
    with Checkpoints(tmp_path / "w") as checkpoints:
        checkpoints.save(Place("tune", 1, 19), tree(), ["a"], 1, {})
    shutil.copytree(tmp_path / "w" / "19", tmp_path / "w" / "20.orbax-checkpoint-tmp")
    with Checkpoints(tmp_path / "w") as checkpoints:
        assert checkpoints.latest()[0] == Place("tune", 1, 19)


@pytest.mark.parametrize("clean", [True, False])
def test_only_who_trains_the_wave_removes_what_is_half_written(tmp_path, clean):
    with Checkpoints(tmp_path / "w") as checkpoints:
        checkpoints.save(Place("tune", 1, 19), tree(), ["a"], 1, {})
    half = tmp_path / "w" / "20.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "w" / "19", half)
    with Checkpoints(tmp_path / "w", clean=clean) as checkpoints:
        assert checkpoints.latest()[0].order == 19
    assert half.exists() != clean


@pytest.mark.parametrize("asked", [True, False], ids=["asked first", "while writing"])
def test_a_full_disk_is_an_error_for_the_user_and_spares_the_one_before(
    asked, tmp_path, monkeypatch
):
    before = Place("tune", 1, 19)
    with Checkpoints(tmp_path / "w") as checkpoints:
        checkpoints.save(before, tree(), ["a"], 1, {})
        with monkeypatch.context() as patch:
            if asked:
                usage = lambda path: types.SimpleNamespace(free=1000)
                patch.setattr(checkpoint.shutil, "disk_usage", usage)
            else:

                def full(*args, **kwargs):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

                patch.setattr(checkpoints._checkpointer, "save", full)
            with pytest.raises(UserError, match=f"no room for {tmp_path / 'w'}"):
                checkpoints.save(PLACE, tree(), ["a"], 1, {})
        assert checkpoints.latest()[0] == before
        loaded = checkpoints.load(before, abstract(tree(), 1))
    assert not flights.differing(flights.host(loaded), flights.host(tree()))
