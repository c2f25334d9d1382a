"""Tests for mer_jax/systems/ststnet/system.py: every number of the config counts."""

import dataclasses
import functools

import jax
import numpy as np
import pytest

from mer_jax.data.schedule import schedule
from mer_jax.systems.ststnet import STSTNet
from mer_jax.train.stage import flatten
from tests import flights, toys

CONFIG = STSTNet(size=16, batch=8, epochs=2, chunk=4, learning_rate=1e-3)
OTHER = {
    "size": 20,
    "filters": (3, 5, 7),
    "dropout": 0.25,
    "channels": "rgb",
    "learning_rate": 2e-3,
    "batch": 6,
    "epochs": 3,
    "order": "shuffled",
    "chunk": 2,
}


@functools.cache
def corpus(size):
    spec = jax.ShapeDtypeStruct((size, size, 3), np.uint8)
    return toys.corpus({"flow": spec})


def batch(config):
    return flights.batch_of(corpus(config.size), np.arange(8))


@functools.cache
def nets(config=CONFIG):
    stage = config.build(3, 6).stages[0]
    return jax.jit(stage.init)(jax.random.key(1), batch(config))


@functools.cache
def loss(config):
    """The training loss as a jitted function of nets, batch and key."""
    (update,) = config.build(3, 6).stages[0].updates

    def loss(params, model_state, batch, key):
        _, aux = update.gradients(flatten(params), {}, model_state, batch, key)
        return aux.metrics["loss"]

    return jax.jit(loss)


# What may be observed of a system, as a function of its config.


def shapes(config):
    init = config.build(3, 6).stages[0].init
    leaves = flatten(jax.eval_shape(init, jax.random.key(1), batch(config))[0])
    return {name: leaf.shape for name, leaf in leaves.items()}


def clips_of_steps(config):
    (stage,) = config.build(3, 6).stages
    clips = corpus(config.size)
    return schedule(
        np.arange(3, 24),
        keys=clips.keys,
        labels=clips.labels,
        batch=stage.source.batch,
        order=stage.source.order,
        num_epochs=stage.num_epochs,
        words=("protocol", "fold", stage.name, 0),
    ).tolist()


def step_of_optimiser(config):
    (update,) = config.build(3, 6).stages[0].updates
    ones = {"x": np.ones(1, np.float32)}
    return float(update.tx.update(ones, update.tx.init(ones), ones)[0]["x"][0])


def program(config):
    return str(jax.make_jaxpr(loss(config))(*nets(), batch(config), jax.random.key(2)))


OBSERVED = {
    "size": shapes,
    "filters": shapes,
    "dropout": program,
    "channels": program,
    "learning_rate": step_of_optimiser,
    "batch": clips_of_steps,
    "epochs": clips_of_steps,
    "order": clips_of_steps,
    "chunk": program,
}


def test_every_field_has_another_value_to_try():
    fields = {field.name for field in dataclasses.fields(STSTNet)}
    assert set(OTHER) == set(OBSERVED) == fields
    for name, value in OTHER.items():
        assert getattr(CONFIG, name) != value


@pytest.mark.parametrize("name", OTHER)
def test_another_value_changes_what_the_system_does(name):
    other = dataclasses.replace(CONFIG, **{name: OTHER[name]})
    observe = OBSERVED[name]
    assert observe(CONFIG) == observe(CONFIG)
    assert observe(CONFIG) != observe(other)


def test_the_chunk_changes_nothing_but_the_program():
    """And that only by rounding: test_nets.py has the numbers of several chunks."""
    other = dataclasses.replace(CONFIG, chunk=OTHER["chunk"])
    assert step_of_optimiser(other) == step_of_optimiser(CONFIG)
    assert (shapes(other), clips_of_steps(other)) == (
        shapes(CONFIG),
        clips_of_steps(CONFIG),
    )


def test_features_are_what_the_dense_layer_reads():
    system = CONFIG.build(3, 6)
    params, model_state = nets()
    seen = system.stages[-1].inspect(params, model_state, batch(CONFIG))["features"]
    logits = system.predict(params, model_state, batch(CONFIG))
    head = jax.device_get(params["net"]["head"])
    assert seen.std(0).max() > 0
    np.testing.assert_allclose(
        np.asarray(seen) @ head["kernel"] + head["bias"], logits, rtol=1e-5, atol=1e-5
    )


def test_the_published_numbers():
    assert dataclasses.asdict(STSTNet()) == {
        "size": 28,
        "filters": (3, 5, 8),
        "dropout": 0.5,
        "channels": "bgr",
        "learning_rate": 5e-5,
        "batch": 256,
        "epochs": 800,
        "order": "label",
        "chunk": "auto",
    }
    (stage,) = STSTNet().build(3, 6).stages
    assert (stage.source.batch, stage.source.order, stage.num_epochs) == (
        256,
        "label",
        800,
    )
    assert STSTNet().build(3, 6).features["flow"].shape == (28, 28, 3)


def test_tiny_is_small_and_otherwise_the_same():
    tiny = STSTNet().tiny()
    assert tiny.size <= 16 and tiny.epochs <= 2
    kept = ("filters", "dropout", "channels", "learning_rate", "order")
    assert all(getattr(tiny, name) == getattr(STSTNet(), name) for name in kept)


# Channels and dropout.


def test_rgb_reads_the_channels_as_stored_and_bgr_the_other_way_round():
    rows, other = batch(CONFIG), dataclasses.replace(CONFIG, channels="rgb")
    bgr, rgb = (jax.jit(config.build(3, 6).predict) for config in (CONFIG, other))
    flipped = {**rows, "flow": rows["flow"][..., ::-1]}
    expected = bgr(*nets(), rows)
    np.testing.assert_allclose(rgb(*nets(), flipped), expected, rtol=1e-5, atol=1e-5)
    assert np.abs(rgb(*nets(), rows) - expected).max() > 1e-2


def test_other_channel_orders_are_refused():
    with pytest.raises(ValueError, match="bgr or rgb, got 'grb'"):
        dataclasses.replace(CONFIG, channels="grb").build(3, 6)


def test_dropout_draws_by_the_key_in_training_and_never_in_evaluation():
    without, rows = dataclasses.replace(CONFIG, dropout=0.0), batch(CONFIG)
    keys = [jax.random.key(seed) for seed in (0, 0, 1)]
    with_dropout = [float(loss(CONFIG)(*nets(), rows, key)) for key in keys]
    assert with_dropout[0] == with_dropout[1] != with_dropout[2]
    same = [float(loss(without)(*nets(), rows, key)) for key in keys]
    assert same[0] == same[2] != with_dropout[0]
    np.testing.assert_array_equal(
        *(jax.jit(c.build(3, 6).predict)(*nets(), rows) for c in (CONFIG, without))
    )


def test_a_head_has_as_many_outputs_as_there_are_classes():
    five = CONFIG.build(5, 6)
    told = jax.eval_shape(
        lambda key, rows: five.predict(*five.stages[0].init(key, rows), rows),
        jax.random.key(1),
        batch(CONFIG),
    )
    assert told.shape == (8, 5) and five.name == "ststnet"
