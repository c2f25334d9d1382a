"""Tests for mer_jax/ensemble/lift.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.ensemble.lift import RUN, lift, per_run, put, replicate, run_mesh
from mer_jax.errors import UserError
from tests import flights

SPMD = ("shard_map", "pmap")
LAYOUTS = ((1, 1), (1, 3), (4, 1), (2, 2))
IMAGES = np.random.default_rng(0).normal(size=(3, 6, 6, 2)).astype(np.float32)


def convolve(kernel, images):
    """Of one run: the gradient of a convolution of shared images."""
    loss = lambda kernel: jnp.square(
        jax.lax.conv_general_dilated(
            images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
    ).sum()
    return {"moved": kernel - 0.1 * jax.grad(loss)(kernel)}


def kernels(count):
    return np.random.default_rng(1).normal(size=(count, 3, 3, 2, 4)).astype(np.float32)


def lifted(devices, lanes, spmd="shard_map", fn=convolve, **more):
    mesh = run_mesh(devices)
    return mesh, lift(fn, mesh, lanes=lanes, shared=("images",), spmd=spmd, **more)


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize(("devices", "lanes"), LAYOUTS)
def test_every_run_gets_what_it_would_get_alone(devices, lanes, spmd):
    mesh, fn = lifted(devices, lanes, spmd)
    stacked = kernels(devices * lanes)
    out = fn(put(mesh, stacked), replicate(mesh, IMAGES))["moved"]
    assert out.shape == stacked.shape
    for own, kernel in zip(np.asarray(out), stacked, strict=True):
        expected = jax.jit(convolve)(kernel, IMAGES)["moved"]
        np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-4)


def convolve_some(kernel, index, images):
    """Of one run: the same, on images of its own; over lanes, a grouped convolution."""
    return convolve(kernel, images[index])


def some(count):
    return np.arange(2 * count).reshape(count, 2) % 3


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize(("devices", "lanes"), LAYOUTS)
def test_no_collective_even_where_a_convolution_is_grouped(devices, lanes, spmd):
    mesh, fn = lifted(devices, lanes, spmd, convolve_some)
    runs = put(mesh, (kernels(devices * lanes), some(devices * lanes)))
    text = fn.lower(*runs, replicate(mesh, IMAGES)).compile().as_text()
    assert not flights.COLLECTIVES.findall(text)
    assert "convolution" in text


@pytest.mark.parametrize(("devices", "lanes"), LAYOUTS)
def test_the_twins_give_the_same_bits(devices, lanes):
    results = []
    for spmd in SPMD:
        mesh, fn = lifted(devices, lanes, spmd, convolve_some)
        runs = put(mesh, (kernels(devices * lanes), some(devices * lanes)))
        results.append(fn(*runs, replicate(mesh, IMAGES))["moved"])
    np.testing.assert_array_equal(*results)


def test_neighbours_and_the_place_among_them_change_no_bit():
    mesh, fn = lifted(2, 2, fn=convolve_some)
    stacked, index, images = kernels(4), some(4), replicate(mesh, IMAGES)
    expected = np.asarray(fn(*put(mesh, (stacked, index)), images)["moved"])
    for order in ([0, 0, 0, 0], [3, 0, 2, 1], [1, 2, 3, 0]):
        found = fn(*put(mesh, (stacked[order], index[order])), images)["moved"]
        np.testing.assert_array_equal(found, expected[order])


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize(("devices", "lanes"), LAYOUTS)
def test_one_lane_is_the_program_of_the_run_alone(devices, lanes, spmd):
    """No vmap, not even over one: it rounds otherwise, and is slow."""
    kinds = []

    def spy(kernel, index, images):
        kinds.append(type(kernel).__name__)
        return convolve_some(kernel, index, images)

    _, fn = lifted(devices, lanes, spmd, spy)
    jax.eval_shape(fn, kernels(devices * lanes), some(devices * lanes), IMAGES)
    assert ("BatchTracer" in kinds) == (lanes > 1), kinds


def test_one_lane_gives_the_bits_of_the_run_alone():
    alone = jax.jit(convolve)(kernels(1)[0], IMAGES)["moved"]
    together = lifted(1, 1)[1](kernels(1), IMAGES)["moved"][0]
    np.testing.assert_array_equal(alone, together)


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize("lanes", [1, 2])
def test_an_argument_without_leaves_does_not_shift_the_others(lanes, spmd):
    """As many leaves as arguments, one of them empty: `finished` of a first stage."""

    def fn(key, steps, finished, images):
        assert not finished and images["a"].shape == (3, 2)
        return key + steps + images["a"].sum() + images["b"]

    mesh, fn = lifted(2, lanes, spmd, fn)
    count = 2 * lanes
    images = {"a": np.ones((3, 2), np.float32), "b": np.float32(100)}
    out = fn(*put(mesh, (np.arange(count), np.ones(count))), {}, images)
    np.testing.assert_array_equal(out, np.arange(count) + 107)


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize("lanes", [1, 2])
def test_a_donated_argument_is_used_up(lanes, spmd):
    mesh, fn = lifted(2, lanes, spmd, donate=("kernel",))
    stacked, images = put(mesh, kernels(2 * lanes)), replicate(mesh, IMAGES)
    fn(stacked, images)
    assert stacked.is_deleted() and not images.is_deleted()


@pytest.mark.parametrize("spmd", SPMD)
@pytest.mark.parametrize("lanes", [1, 2])
def test_results_lie_where_the_next_call_wants_them(lanes, spmd):
    mesh, fn = lifted(2, lanes, spmd)
    images = replicate(mesh, IMAGES)
    with jax.transfer_guard("disallow"):
        out = fn(put(mesh, kernels(2 * lanes)), images)["moved"]
        out = fn(out, images)["moved"]
    shards = {shard.device: shard.data.shape[0] for shard in out.addressable_shards}
    assert shards == dict.fromkeys(mesh.devices.flat, lanes)


def test_typed_keys_are_lifted_like_other_arrays():
    mesh, fn = lifted(2, 2, fn=lambda key: jax.random.fold_in(key, 1))
    keys = jax.random.split(jax.random.key(0), 4)
    out = fn(put(mesh, keys))
    expected = [jax.random.key_data(jax.random.fold_in(key, 1)) for key in keys]
    np.testing.assert_array_equal(jax.random.key_data(out), np.stack(expected))


def test_an_unknown_twin_is_refused():
    with pytest.raises(UserError, match="must be shard_map or pmap, got 'jit'"):
        lifted(1, 1, "jit")


def test_a_mesh_has_one_axis_of_as_many_devices_as_asked():
    assert run_mesh().size == 4 and run_mesh(3).size == 3
    assert run_mesh(2).axis_names == (RUN,)
    assert list(run_mesh(2).devices.flat) == jax.devices()[:2]


@pytest.mark.parametrize("count", [0, -1, 5])
def test_more_devices_than_there_are_is_an_error_for_the_user(count):
    with pytest.raises(
        UserError, match=rf"--devices {count}: .*has 4 cpu.*1 to 4.*JAX_NUM"
    ):
        run_mesh(count)


def test_put_shards_runs_and_replicate_does_not():
    mesh = run_mesh(4)
    runs, clips = put(mesh, np.zeros((8, 2))), replicate(mesh, np.zeros((8, 2)))
    assert runs.sharding == per_run(mesh)
    assert {s.data.shape for s in runs.addressable_shards} == {(2, 2)}
    assert {s.data.shape for s in clips.addressable_shards} == {(8, 2)}
