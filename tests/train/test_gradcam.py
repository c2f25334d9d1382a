"""Tests for mer_jax/train/gradcam.py: equations 1 and 2, by hand and by differences."""

import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.train.gradcam import Map, grad_cam, overlays

CLASSES, CHANNELS = 3, 5
IMAGES = np.random.default_rng(0).normal(size=(4, 6, 8, 2)).astype(np.float32)
CLIPS = np.random.default_rng(1).normal(size=(3, 2, 6, 8, 2)).astype(np.float32)


class Body(nn.Module):
    """Convolution, ReLU: the map, and, if asked for, what is no map beside it."""

    beside: bool = False

    @nn.compact
    def __call__(self, x):
        size = (1,) * (x.ndim - 4) + (3, 3)
        x = nn.relu(nn.Conv(CHANNELS, size, name="conv")(x))
        return {"a_map": x, "beside": x[0, 0]} if self.beside else x


class Net(nn.Module):
    """Body, mean over positions, dense; of clips every frame has dense weights."""

    beside: bool = False
    folded: bool = True
    remat: bool = False
    hidden: bool = False

    @nn.compact
    def __call__(self, x):
        clips = len(x)
        if x.ndim == 5 and self.folded:
            x = x.reshape(-1, *x.shape[2:])
        body = nn.remat(Body) if self.remat else Body
        x = Outer(body(self.beside, parent=None), name="outer")(x)
        x = x["a_map"] if self.beside else x
        x = x + self.param("shift", nn.initializers.zeros, (CHANNELS,)).reshape(
            (1,) * (x.ndim - 1) + (CHANNELS,)
        )
        x = x.mean((-3, -2)).reshape(clips, -1)
        x = jnp.tanh(3 * nn.Dense(7, name="hidden")(x)) if self.hidden else x
        return nn.Dense(CLASSES, name="head")(x)


class Outer(nn.Module):
    """What a rematerialised module is inside of."""

    body: nn.Module

    def __call__(self, x):
        return self.body(x)


def made(x=IMAGES, seed=0, **fields):
    """A net's parameters, and its `predict` of `x` by parameters."""
    net = Net(**fields)
    variables = net.init(jax.random.key(seed), jnp.asarray(x))
    return variables["params"], lambda params: net.apply({"params": params}, x)


def cam_of(x=IMAGES, module="outer", seed=0, classes=None, **fields):
    params, predict = made(x, seed, **fields)
    logits, found = grad_cam(lambda: predict(params), [module], classes=classes)
    return params, np.asarray(logits), np.asarray(found[module])


def map_by_hand(params, x):
    """Convolution and ReLU of images [N, H, W, C], term by term in float64."""
    kernel, bias = (
        np.asarray(params["outer"]["body"]["conv"][name], np.float64)
        for name in ("kernel", "bias")
    )
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    height, width = x.shape[1:3]
    out = np.zeros((*x.shape[:3], CHANNELS))
    for i in range(3):
        for j in range(3):
            out += padded[:, i : i + height, j : j + width] @ kernel[i, j]
    return np.maximum(out + bias, 0)


def over_greatest(cam):
    return cam / cam.max((1, 2, 3), keepdims=True)


# The equations.


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("chosen", [None, (0, 1, 2, 0)])
def test_before_a_mean_and_a_dense_layer_weights_are_those_of_the_layer(seed, chosen):
    """alpha_c = w_ck / (h w), so that the CAM is ReLU(A w_k), whatever h w is."""
    classes = None if chosen is None else jnp.array(chosen)
    params, logits, cam = cam_of(seed=seed, classes=classes)
    map, head = map_by_hand(params, IMAGES), params["head"]
    weights = np.asarray(head["kernel"], np.float64)
    own = map.mean((1, 2)) @ weights + np.asarray(head["bias"])
    np.testing.assert_allclose(logits, own, atol=1e-5)
    number = own.argmax(-1) if chosen is None else np.array(chosen)
    by_hand = np.maximum((map * weights.T[number][:, None, None]).sum(-1), 0)
    np.testing.assert_allclose(cam, over_greatest(by_hand[:, None]), atol=1e-5)
    assert cam.max() == 1 and cam.min() == 0


@pytest.mark.parametrize("folded", [True, False])
def test_every_frame_has_weights_of_its_own(folded):
    params, logits, cam = cam_of(CLIPS, folded=folded)
    kernel = np.asarray(params["outer"]["body"]["conv"]["kernel"])
    if not folded:
        params["outer"]["body"]["conv"]["kernel"] = kernel[0]
    frames = CLIPS.reshape(-1, *CLIPS.shape[2:])
    map = map_by_hand(params, frames).reshape(*CLIPS.shape[:4], CHANNELS)
    weights = np.asarray(params["head"]["kernel"]).reshape(2, CHANNELS, CLASSES)
    own = np.moveaxis(weights[:, :, logits.argmax(-1)], 2, 0)[:, :, None, None]
    by_hand = np.maximum((map * own).sum(-1), 0)
    np.testing.assert_allclose(cam, over_greatest(by_hand), atol=1e-5)


@pytest.mark.parametrize(
    ("module", "fields"),
    [
        ("outer", {}),
        ("outer", {"remat": True}),
        ("outer/a_map", {"beside": True}),
    ],
)
def test_weights_are_slopes_by_differences_in_a_net_that_is_not_linear(module, fields):
    """The mean slope of a channel is that of a shift of the channel, over h w."""
    with jax.enable_x64(True):
        images, step = IMAGES.astype(np.float64), 1e-5
        params, predict = made(images, hidden=True, **fields)
        params = jax.tree.map(lambda leaf: leaf.astype("float64"), params)
        told = lambda shift: predict({**params, "shift": jnp.array(shift)})
        number = np.asarray(told(np.zeros(CHANNELS))).argmax(-1)
        weights = np.zeros((len(images), CHANNELS))
        for c, unit in enumerate(step * np.eye(CHANNELS)):
            slope = np.asarray(told(unit) - told(-unit)) / (2 * step)
            weights[:, c] = slope[range(len(images)), number]
        map = map_by_hand(params, images)
        by_hand = np.maximum((map * weights[:, None, None]).sum(-1), 0)
        _, cams = grad_cam(lambda: predict(params), [module])
        found = cams[module]
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, over_greatest(by_hand[:, None]), atol=1e-8)
    assert (by_hand.max((1, 2)) > 0).all()


def test_before_the_relu_silent_positions_count_as_zeros_in_the_mean():
    params, logits, cam = cam_of(module="outer/body/conv")
    map = map_by_hand(params, IMAGES)
    weights = np.asarray(params["head"]["kernel"]).T[logits.argmax(-1)]
    weights = weights[:, None, None] * (map > 0).mean((1, 2), keepdims=True)
    raw = map - map_by_hand(negative(params), IMAGES)
    assert raw.min() < 0
    by_hand = np.maximum((raw * weights).sum(-1), 0)
    np.testing.assert_allclose(cam, over_greatest(by_hand[:, None]), atol=1e-5)


def negative(params):
    body = {"conv": jax.tree.map(jnp.negative, params["outer"]["body"]["conv"])}
    return {**params, "outer": {"body": body}}


class Brightest(nn.Module):
    """The logit of class k is the brightest spot of channel k."""

    @nn.compact
    def __call__(self, x):
        return nn.Conv(CLASSES, (3, 3), use_bias=False, name="around")(x).max((1, 2))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 2))
def test_a_bright_patch_that_alone_decides_is_where_it_is_greatest(row, column, label):
    images = np.zeros((1, 16, 16, CLASSES), np.float32)
    images[0, row : row + 4, column : column + 4, label] = 1
    images[0, ..., (label + 1) % CLASSES] = 0.01  # everywhere, of another class
    kernel = np.tile(np.eye(CLASSES, dtype=np.float32), (3, 3, 1, 1)) / 9
    variables = {"params": {"around": {"kernel": kernel}}}
    logits, cams = grad_cam(lambda: Brightest().apply(variables, images), ["around"])
    assert logits.argmax() == label
    cam = np.array(cams["around"][0, 0])
    inside = cam[row : row + 4, column : column + 4].copy()
    cam[row - 1 if row else 0 : row + 5, column - 1 if column else 0 : column + 5] = 0
    assert inside.max() == 1 and not cam.any()


# What must not happen.


def test_where_nothing_speaks_for_the_class_it_is_zero_and_no_number_is_missing():
    params, predict = made()
    silent = {**params, "head": jax.tree.map(jnp.zeros_like, params["head"])}
    against = {**params, "head": {**params["head"], "kernel": -jnp.ones((5, 3))}}
    for nets in (silent, against):
        _, cams = grad_cam(lambda nets=nets: predict(nets), ["outer"])
        np.testing.assert_array_equal(cams["outer"], np.zeros((4, 1, 6, 8)))


def test_logits_are_those_of_predict_bitwise():
    params, predict = made(hidden=True)
    logits, _ = grad_cam(lambda: predict(params), ["outer", "outer/body/conv"])
    assert np.asarray(logits).tobytes() == np.asarray(predict(params)).tobytes()


def test_zeros_keep_their_sign():
    class Signs(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.Conv(2, (1, 1), name="conv")(x) * 0
            return jnp.arctan2(jnp.zeros_like(x), Same(name="same")(x))[:, 0, 0]

    x = jnp.array([1.0, -1.0]).reshape(2, 1, 1, 1)
    variables = {
        "params": {"conv": {"kernel": jnp.ones((1, 1, 1, 2)), "bias": jnp.zeros(2)}}
    }
    logits, _ = grad_cam(lambda: Signs().apply(variables, x), ["same"])
    np.testing.assert_allclose(logits, [[0, 0], [np.pi, np.pi]], rtol=1e-6)


class Same(nn.Module):
    def __call__(self, x):
        return x


def test_compiled_and_over_lanes_it_is_the_same():
    params, predict = made(hidden=True)
    lanes = [jax.tree.map(lambda x, k=k: k * x, params) for k in (1.0, -0.5, 2.0)]
    one = lambda params: grad_cam(lambda: predict(params), ["outer"])
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *lanes)
    logits, cams = jax.jit(jax.vmap(one))(stacked)
    for lane, own in enumerate(lanes):
        alone, cam = one(own)
        np.testing.assert_allclose(logits[lane], alone, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(cams["outer"][lane], cam["outer"], atol=1e-5)
    assert not np.allclose(cams["outer"][0], cams["outer"][1], atol=0.01)


def test_asked_again_of_the_same_function_it_finds_the_same():
    params, predict = made()
    told = lambda: predict(params)
    first, again = (grad_cam(told, ["outer"])[1]["outer"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


class Twice(nn.Module):
    """A net inside of another, after what is called twice."""

    @nn.compact
    def __call__(self, x):
        same = Same(name="twice")
        return Net(beside=True, name="net")(same(same(x)))


@pytest.mark.parametrize("module", ["outre", "net/head", "twice", "", "net/outer"])
def test_what_gives_no_map_is_an_error_that_names_what_does(module):
    net = Twice()
    variables = net.init(jax.random.key(0), IMAGES)
    with pytest.raises(ValueError, match=f"no modules \\['{module}'\\]") as error:
        grad_cam(lambda: net.apply(variables, IMAGES), [module, "net/outer/a_map"])
    named = str(error.value).split("\n  ")[1:]
    assert named == [f"net/outer/{n}" for n in ("a_map", "body/a_map", "body/conv")]


# Laid over frames.


def look(maps, x, batch=None, seed=0):
    params, predict = made(x, seed)
    system = types.SimpleNamespace(
        maps=maps, predict=lambda params, model_state, batch: predict(params)
    )
    _, cams = grad_cam(lambda: predict(params), ["outer"])
    return np.asarray(cams["outer"]), overlays(system, params, {}, batch)


def test_a_frame_is_the_one_named_or_the_one_that_says_most():
    names = {"first": 0, "second": 1, "most": None}
    cam, drawn = look({n: Map(module="outer", at=at) for n, at in names.items()}, CLIPS)
    most = cam.sum((2, 3)).argmax(1)
    assert len(set(most.tolist())) == 2  # not of all clips the same
    np.testing.assert_array_equal(drawn["first"], cam[:, 0])
    np.testing.assert_array_equal(drawn["second"], cam[:, 1])
    np.testing.assert_array_equal(drawn["most"], cam[range(3), most])


def test_a_cam_lies_over_its_frame_in_grey():
    generator = np.random.default_rng(3)
    frames = generator.integers(40, 90, (3, 2, 12, 16, 3)).astype(np.uint8)
    frames[2] = 7  # of one grey
    one = Map(module="outer", frames=lambda batch: batch["frames"], at=1)
    cam, drawn = look({"one": one}, CLIPS, {"frames": jnp.asarray(frames)})
    assert drawn["one"].shape == (3, 12, 16, 2)
    grey = frames.astype(np.float64).mean(-1)
    low, high = grey[:2].min((1, 2, 3)), grey[:2].max((1, 2, 3))
    by_hand = (grey[:2, 1] - low[:, None, None]) / (high - low)[:, None, None]
    np.testing.assert_allclose(drawn["one"][:2, ..., 0], by_hand, atol=1e-5)
    np.testing.assert_array_equal(drawn["one"][2, ..., 0], np.zeros((12, 16)))
    # Twice the size: a pixel lies a quarter of a step from the nearer position.
    over, own = np.asarray(drawn["one"][..., 1]), cam[:, 1]
    mixed = np.kron(own, np.ones((1, 2, 2)))
    rows = 0.75 * mixed[:, 1:-1] + 0.25 * mixed[:, shifted(12)]
    mixed = np.concatenate([mixed[:, :1], rows, mixed[:, -1:]], axis=1)
    columns = 0.75 * mixed[..., 1:-1] + 0.25 * mixed[..., shifted(16)]
    mixed = np.concatenate([mixed[..., :1], columns, mixed[..., -1:]], axis=2)
    np.testing.assert_allclose(over, mixed, atol=1e-5)


def shifted(size):
    """The other of the two neighbours, of all pixels but the first and the last."""
    return [i + (1 if i % 2 else -1) for i in range(1, size - 1)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"at": 2}, "'outer' has 2 frames, none at 2"),
        ({"at": -1}, "'outer' has 2 frames, none at -1"),
        ({"frames": lambda batch: CLIPS[:, :1]}, r"2 frames of 3 clips.*\[3, 1\]"),
    ],
)
def test_frames_that_are_not_there_are_an_error(wrong, message):
    with pytest.raises(ValueError, match=message):
        look({"one": Map(module="outer", **wrong)}, CLIPS)
