"""MoExt's nets against the numbers PyTorch gave, and what the spec says of them."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict

from mer_jax.losses.classification import cross_entropy
from mer_jax.models.blocks import Compute
from mer_jax.models.decoder import Decoder
from mer_jax.systems.moext.loss import pretraining_loss
from mer_jax.systems.moext.nets import (
    Motion,
    Objective,
    Pretraining,
    Projection,
)
from mer_jax.systems.moext.separator import Separator

from . import layout

NATIVE = Compute()
TX = optax.chain(optax.add_decayed_weights(layout.L2), optax.adam(layout.LEARNING_RATE))
# Compiling is what these tests spend their time on.
QUICK = {"xla_backend_optimization_level": 0}


@pytest.fixture(scope="module")
def golden():
    return layout.load()


def build(
    *,
    size,
    width=64,
    branch_cb=1,
    branch_fc=1,
    branch_pool="gap",
    motion_block="dense",
    upsample="nearest",
    recon_out="relu",
    projection="mlp",
    input_norm="unit",
    compute=NATIVE,
    recon_views="first",
    lst_anchor_sg=False,
    **of_the_loss,
):
    """The nets of a case of `layout.CASES`: of pre-training, and the classifier."""
    branch = (branch_cb, branch_fc, branch_pool, input_norm)
    motion = Motion(motion_block, compute)
    pretraining = Pretraining(
        Separator(width, *branch, compute=compute),
        motion,
        Decoder(size, width, upsample, recon_out, compute),
        Projection(projection, 2 * width),
        recon_views,
        lst_anchor_sg,
    )
    separator = Separator(width, *branch, texture=False, compute=compute)
    return pretraining, Objective(separator, motion, layout.CLASSES)


def of_the_loss(options):
    names = ("eps", "a1", "a2", "lst_neg")
    return {k: v for k, v in options.items() if k in names}


def precision(x64):
    return jax.enable_x64(True) if x64 else contextlib.nullcontext()


def padded(clips, dtype):
    """The clips and one row of padding, and their mask."""
    filled = np.concatenate([clips, np.zeros_like(clips[:1])]).astype(dtype)
    return filled, np.arange(len(filled)) < len(clips)


@functools.cache
def measured(case, *, x64, compute=NATIVE):
    """A training step of pre-training with a row of padding, in one program."""
    shapes = layout.load()[f"{case}/shapes"]
    net, _ = build(**layout.CASES[case], compute=compute)
    dtype = np.float64 if x64 else np.float32
    variables = layout.to_jax(layout.start(shapes), dtype)
    views, mask = padded(layout.images(case), dtype)

    def step(variables, views, mask):
        def loss(params):
            out, updated = net.apply(
                {**variables, "params": params},
                views,
                mask,
                train=True,
                mutable=["batch_stats", "intermediates"],
                capture_intermediates=True,
            )
            fields = of_the_loss(layout.CASES[case])
            total, terms = pretraining_loss(out, views, mask, **fields)
            return total, (terms, out, updated)

        params = variables["params"]
        (total, rest), grads = jax.value_and_grad(loss, has_aux=True)(params)
        change, _ = TX.update(grads, TX.init(params), params)
        return total, rest, grads, optax.apply_updates(params, change)

    with precision(x64):
        compiled = jax.jit(step).lower(variables, views, mask).compile(QUICK)
        return jax.device_get(compiled(variables, views, mask))


def value_and_gradients(options, shapes, images):
    """Total, terms and gradients of pre-training, in float64; for the live test."""
    net, _ = build(**options)
    variables = layout.to_jax(layout.start(shapes), np.float64)
    mask = np.ones(len(images), bool)

    def loss(params):
        out, _ = net.apply(
            {**variables, "params": params},
            images,
            mask,
            train=True,
            mutable=["batch_stats"],
        )
        return pretraining_loss(out, images, mask, **of_the_loss(options))

    with jax.enable_x64(True):
        run = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=QUICK)
        (total, terms), gradients = jax.device_get(run(variables["params"]))
    return total, terms, gradients


def assert_probed(found, expected, names, tolerance):
    """Compares probes [n, 4] relative to the length each array has."""
    found = np.stack([layout.probes(x) for x in found])
    error = np.abs(found - expected).max(1) / np.maximum(expected[:, 3], 1e-3)
    worst = error.argmax()
    assert error[worst] <= tolerance, f"{names[worst]}: {error[worst]:.1e}"


def in_torch_layout(params, batch_stats, shapes):
    """Our leaves by PyTorch's names and in its layout."""
    ours = flatten_dict({"params": params, "batch_stats": batch_stats}, sep="/")
    out = {}
    for name, shape in shapes.items():
        layer, leaf = name.rsplit(".", 1)
        own = {
            "running_mean": "batch_stats/{}/mean",
            "running_var": "batch_stats/{}/var",
            "bias": "params/{}/bias",
            "weight": "params/{}/kernel" if len(shape) > 1 else "params/{}/scale",
        }[leaf].format(layout.own_name(layer))
        if own in ours:
            out[name] = layout.to_torch_axes(name, ours.pop(own), shape)
    assert not ours
    return out


def valid(x):
    """The rows of an output that are not padding, channels before rows and columns."""
    x = x if x.ndim == 1 else x[: len(x) * layout.CLIPS // (layout.CLIPS + 1)]
    return np.moveaxis(x, -1, 1) if x.ndim == 4 else x


# Parity.

# Of an array's length. With 3 clips in a batch float32 is ill-conditioned: PyTorch's
# own is off by 4e-4 in the last layers and by 1e-2 in some gradients.
TOLERANCE = {True: 1e-9, False: 5e-3}
cases = pytest.mark.parametrize(
    ("case", "x64"),
    [
        ("default", True),
        pytest.param("default", False, marks=pytest.mark.slow),
        pytest.param("other", True, marks=pytest.mark.slow),
    ],
)


@cases
def test_every_layer_gives_what_pytorchs_does(golden, case, x64):
    _, (_, _, updated), *_ = measured(case, x64=x64)
    calls = flatten_dict(updated["intermediates"], sep="/")
    outputs = {name: iter(calls[name]) for name in calls}
    names = golden[f"{case}/layers"]
    own = [f"{layout.own_name(name)}/__call__" for name in names]
    found = [valid(next(outputs[name])) for name in own]
    assert_probed(found, golden[f"{case}/outputs"], names, TOLERANCE[x64])


@cases
def test_losses_and_what_they_compare(golden, case, x64):
    total, (terms, out, _), *_ = measured(case, x64=x64)
    found = [total, terms["L_re"], terms["L_st"], terms["L_ss"]]
    tolerance = 1e-12 if x64 else 1e-3
    np.testing.assert_allclose(found, golden[f"{case}/losses"], rtol=tolerance)
    close = functools.partial(
        np.testing.assert_allclose, rtol=0, atol=2e-6 if x64 else 1e-2
    )
    for name in ("shape", "texture", "motion"):
        close(
            getattr(out, name)[: layout.CLIPS], golden[f"{case}/{name}"], err_msg=name
        )
    close(out.anchor, golden[f"{case}/anchor"])
    image = np.moveaxis(out.reconstruction[:1, :1], -1, 2)
    close(image, golden[f"{case}/reconstruction"])


@cases
def test_gradients_and_one_step_of_adam_with_l2(golden, case, x64):
    shapes = golden[f"{case}/shapes"]
    _, (_, _, updated), grads, params = measured(case, x64=x64)
    names = [name for name in shapes if "running" not in name]
    ours = in_torch_layout(grads, {}, shapes)
    found = [ours[name] for name in names]
    tolerance = 1e-8 if x64 else 5e-2
    assert_probed(found, golden[f"{case}/gradients"], names, tolerance)
    state = in_torch_layout(params, updated["batch_stats"], shapes)
    found = [state[name] for name in shapes]
    tolerance = 1e-9 if x64 else 1e-3
    assert_probed(found, golden[f"{case}/stepped"], list(shapes), tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("case", layout.CASES)
def test_reconstructions_in_evaluation(golden, case):
    net, _ = build(**layout.CASES[case])
    variables = layout.to_jax(layout.start(golden[f"{case}/shapes"]), np.float64)
    views, mask = padded(layout.images(case), np.float64)
    run = lambda variables: net.apply(variables, views, mask, train=False)
    with jax.enable_x64(True):
        found = jax.jit(run)(variables).reconstruction
    image = np.moveaxis(found[: layout.CLIPS], -1, 2)
    expected = golden[f"{case}/evaluated"][None]
    assert_probed([image], expected, ["reconstruction"], 1e-9)


@functools.cache
def classified(case, *, train, compute=NATIVE):
    """Logits, in training mode also loss, gradients and state of one step; float64."""
    shapes = layout.load()[f"{case}/objective/shapes"]
    _, net = build(**layout.CASES[case], compute=compute)
    variables = layout.to_jax(layout.start(shapes), np.float64)
    frames, mask = padded(layout.images(case)[:, [0, 3]], np.float64)
    labels = np.arange(len(frames)) % layout.CLIPS

    def evaluate(variables, frames):
        return net.apply(variables, frames, mask, train=False).logits

    def step(variables, frames):
        def loss(params):
            all_of = {**variables, "params": params}
            out, updated = net.apply(
                all_of, frames, mask, train=True, mutable=["batch_stats"]
            )
            return cross_entropy(out.logits, labels, where=mask), (out.logits, updated)

        params = variables["params"]
        (value, rest), grads = jax.value_and_grad(loss, has_aux=True)(params)
        change, _ = TX.update(grads, TX.init(params), params)
        return value, rest, grads, optax.apply_updates(params, change)

    with jax.enable_x64(True):
        program = jax.jit(step if train else evaluate)
        compiled = program.lower(variables, frames).compile(QUICK)
        return jax.device_get(compiled(variables, frames))


@pytest.mark.parametrize("case", layout.CASES)
def test_logits_in_evaluation(golden, case):
    found = classified(case, train=False)[: layout.CLIPS]
    expected = golden[f"{case}/objective/evaluated"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("case", layout.CASES)
def test_one_step_of_the_classifier(golden, case):
    group = lambda name: golden[f"{case}/objective/{name}"]
    value, (logits, updated), grads, params = classified(case, train=True)
    np.testing.assert_allclose(value, group("loss"), rtol=1e-12)
    np.testing.assert_allclose(logits[: layout.CLIPS], group("logits"), rtol=1e-9)
    shapes = group("shapes")
    names = [name for name in shapes if "running" not in name]
    ours = in_torch_layout(grads, {}, shapes)
    assert_probed([ours[n] for n in names], group("gradients"), names, 1e-8)
    state = in_torch_layout(params, updated["batch_stats"], shapes)
    assert_probed([state[n] for n in shapes], group("stepped"), list(shapes), 1e-9)


# What the spec says.


def outline(**switches):
    """Variables and outputs of both nets, as shapes, at 224 pixels by default."""
    sizes = {"size": 224, **switches}
    pretraining, objective = build(**sizes)
    views = jax.ShapeDtypeStruct((2, 6, sizes["size"], sizes["size"], 3), np.float32)
    mask = np.ones(2, bool)

    def run(key, views):
        return (
            pretraining.init_with_output(key, views, mask, train=False),
            objective.init_with_output(key, views[:, ::3], mask, train=False),
        )

    return jax.eval_shape(run, jax.random.key(0), views)


def parameters(variables):
    """Number of parameters of each top-level module."""
    return {
        name: sum(leaf.size for leaf in jax.tree.leaves(tree))
        for name, tree in variables["params"].items()
    }


BACKBONE = 11_176_512
BRANCH = 2 * 9 * 512**2 + 4 * 512 + 512**2 + 512


def test_modules_shapes_and_counts_at_224_pixels():
    (found, variables), (classified, of_objective) = outline()
    assert found.shape.shape == found.texture.shape == (2, 6, 128)
    assert found.anchor.shape == (128,)
    assert found.motion.shape == (2, 1, 512)
    assert found.reconstruction.shape == (2, 1, 224, 224, 3)
    assert classified.logits.shape == (2, 3) and classified.motion.shape == (2, 512)
    counts = parameters(variables)
    assert set(variables["params"]["separator"]) == {"backbone", "shape", "texture"}
    assert counts == {
        "separator": BACKBONE + 2 * BRANCH,
        "motion": (512 + 512 + 1024 + 512) * 512 + 4 * 2 * 512,
        "projection": 512 * 512 + 512 + 512 * 128 + 128,
        "decoder": 13_452_643,
    }
    assert sum(counts.values()) == pytest.approx(36.2e6, abs=5e4)
    assert set(of_objective["params"]["separator"]) == {"backbone", "shape"}
    counts = parameters(of_objective)
    assert sum(counts.values()) == pytest.approx(17.5e6, abs=5e4)
    assert counts["head"] == 513 * 3


@pytest.mark.parametrize(
    ("switches", "pretraining", "objective"),
    [
        ({"motion_block": "conv3x3"}, 46.7e6, 28.0e6),
        ({"motion_block": "conv3x3", "branch_pool": "flatten"}, 71.9e6, None),
    ],
)
def test_counts_of_the_specs_other_readings(switches, pretraining, objective):
    (_, variables), (_, of_objective) = outline(**switches)
    total = lambda v: sum(parameters(v).values())
    assert total(variables) == pytest.approx(pretraining, abs=5e4)
    if objective:
        assert total(of_objective) == pytest.approx(objective, abs=5e4)


@pytest.mark.parametrize(
    ("switches", "module", "change"),
    [
        ({"branch_cb": 2}, "separator", 2 * (2 * 9 * 512**2 + 4 * 512)),
        ({"branch_fc": 2}, "separator", 2 * (512**2 + 512)),
        ({"motion_block": "absdiff"}, "motion", None),
        ({"projection": "linear"}, "projection", -(512**2 + 512)),
        ({"projection": "identity"}, "projection", None),
    ],
)
def test_a_switch_changes_the_parameters_of_its_module_alone(switches, module, change):
    (_, plain), _ = outline()
    (found, variables), _ = outline(**switches)
    before, after = parameters(plain), parameters(variables)
    if change is None:
        assert module not in after
    else:
        assert after.pop(module) == before[module] + change
    assert after == {k: v for k, v in before.items() if k != module}
    width = 512 if switches.get("projection") == "identity" else 128
    assert found.shape.shape == (2, 6, width) and found.anchor.shape == (width,)


@pytest.mark.parametrize("size", [16, 48, 112, 160])
def test_other_sizes_give_images_of_theirs(size):
    (found, variables), _ = outline(size=size, width=4, recon_views="all")
    assert found.reconstruction.shape == (2, 3, size, size, 3)
    assert found.motion.shape == (2, 3, 32)
    (_, whole), _ = outline(width=4)
    assert parameters(variables) == parameters(whole)


@pytest.mark.parametrize(
    "wrong",
    [
        {"branch_pool": "max"},
        {"motion_block": "conv"},
        {"projection": "mpl"},
        {"input_norm": "imagnet"},
        {"recon_views": "one"},
        {"recon_out": "tanh"},
        {"upsample": "cubic"},
    ],
)
def test_unknown_switches_are_refused_by_value(wrong):
    (value,) = wrong.values()
    with pytest.raises(ValueError, match=f"got '{value}'"):
        outline(size=16, width=4, **wrong)


def test_half_precision_leaves_everything_single_but_the_maps():
    half = Compute(jnp.bfloat16, remat=True)
    net, _ = build(size=16, width=4, compute=half)
    views = jax.ShapeDtypeStruct((2, 6, 16, 16, 3), np.float32)
    mask = np.ones(2, bool)

    def run(key, views):
        variables = net.init(key, views, mask, train=False)
        collections = ["batch_stats", "intermediates"]
        kept = lambda module, _: module.name in ("layer4_1", "row8", "fc1", "out")

        def loss(params):
            out, updated = net.apply(
                {**variables, "params": params},
                views,
                mask,
                train=True,
                mutable=collections,
                capture_intermediates=kept,
            )
            total, terms = pretraining_loss(out, views, mask)
            return total, (terms, out, updated)

        return variables, jax.value_and_grad(loss, has_aux=True)(variables["params"])

    variables, ((total, (terms, out, updated)), grads) = jax.eval_shape(
        run, jax.random.key(0), views
    )
    single = variables, total, terms, out, updated["batch_stats"], grads
    assert {leaf.dtype for leaf in jax.tree.leaves(single)} == {np.dtype("float32")}
    maps = {
        name.split("/")[-2]: values[0].dtype
        for name, values in flatten_dict(updated["intermediates"], sep="/").items()
        if not name.startswith("projection")
    }
    assert maps.pop("fc1") == np.float32
    assert maps == dict.fromkeys(("layer4_1", "row8", "out"), jnp.bfloat16)


# Properties of the motion, the projection and the anchor.


def motion(kind, onset, apex):
    net, mask = Motion(kind), np.ones(len(onset), bool)
    run = lambda key, *x: net.init_with_output(key, *x, mask, train=False)[0]
    return jax.jit(run)(jax.random.key(0), onset, apex)


def test_equal_frames_have_no_difference():
    same = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    assert not np.asarray(motion("absdiff", same, same)).any()
    other = same[::-1]
    expected = np.abs(other - same)
    np.testing.assert_array_equal(motion("absdiff", same, other), expected)


def test_the_first_block_sees_the_difference_and_the_second_the_apex_too():
    rng = np.random.default_rng(0)
    onset, apex = rng.normal(size=(2, 4, 8)).astype(np.float32)
    shift = np.float32(0.5)
    moved = motion("dense", onset, apex), motion("dense", onset + shift, apex + shift)
    assert np.abs(moved[0] - moved[1]).max() > 1e-3  # through the apex alone


@pytest.mark.parametrize("kind", ["identity", "linear", "mlp"])
def test_projections_have_length_one_and_zero_stays_zero(kind):
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype(np.float32)
    x[0, 0] = 0
    net, raw = Projection(kind, 4), Projection(kind, 4, unit=False)

    @jax.jit
    def run(key, x):
        variables = net.init(key, x)
        gradient = jax.grad(lambda x: net.apply(variables, x).sum())(x)
        return net.apply(variables, x), raw.apply(variables, x), gradient

    found, free, gradient = run(jax.random.key(0), x)
    lengths = np.linalg.norm(found, axis=-1)
    np.testing.assert_allclose(lengths.ravel(), [0, *[1] * 5], rtol=1e-5)
    assert np.ptp(np.linalg.norm(free, axis=-1)) > 0.1
    assert np.isfinite(gradient).all()
