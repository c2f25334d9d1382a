"""MiNet's config: every switch changes something, and the stages are the paper's."""

import dataclasses
import functools
import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from mer_jax.ensemble.rows import check_pools
from mer_jax.errors import UserError
from mer_jax.systems import minet
from mer_jax.systems.minet import MiNet
from mer_jax.train.stage import flatten
from mer_jax.train.step import train_step
from tests.models.test_torchvision import published
from tests.systems.switches import assert_same_numbers

from .clips import SWITCHES, TINY, begun, clips, stage_named

VALUES, traced = SWITCHES.values(), SWITCHES.traced
README = pathlib.Path(minet.__file__).with_name("README.md").read_text()


@pytest.mark.parametrize("field", ["interval_view", "con_norm", "grl"])
def test_a_switch_makes_another_program(field):
    """Quick stand-in for the next test, which takes minutes."""
    others = [traced(**{name: value}) for name, value in VALUES if name == field]
    assert others
    assert all(other != traced() for other in others)


@pytest.mark.slow
@pytest.mark.parametrize(("field", "value"), VALUES, ids=str)
def test_every_value_of_every_switch_takes_a_step_and_changes_something(field, value):
    assert SWITCHES.differs(field, value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes", [{"conv": "native"}, {"conv": "im2col"}, {"remat": True}], ids=str
)
def test_switches_of_speed_change_no_number(changes):
    # Adam's first step is the sign of gradients, so great steps multiply rounding.
    small = {"learning_rate": 1e-4, "encoder": "resnet18", "blocks": 1}
    told, other = SWITCHES.told(**small), SWITCHES.told(**small, **changes)
    assert_same_numbers(told, other, 1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"aug": "turn"},
        {"encoder": "vgg"},
        {"aggregate": "sum"},
        {"disc_norm": "layer"},
        {"interval_view": "all"},
        {"con_norm": "mean"},
        {"grl": "linear"},
        {"manet": "none"},
        {"macro_sampler": "shuffled"},
        {"wd_mode": "none"},
        {"precision": "float16"},
        {"conv": "fft"},
        {"frames": 6, "intervals": 3},
    ],
    ids=str,
)
def test_a_value_that_a_switch_does_not_have_is_an_error(changes):
    with pytest.raises(ValueError, match=str(next(iter(changes.values())))):
        MiNet(**changes).build(3, 6)
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} "):
        MiNet(**changes).build(3, 6)


def test_windows_are_asked_for_only_where_somebody_sees_them():
    MiNet(frames=6, lt=0.0, lsam=0.0).build(3, 6)
    MiNet(frames=6, interval_view="whole").build(3, 6)


def test_bfloat16_keeps_parameters_statistics_and_losses_in_float32():
    SWITCHES.assert_single()


def test_the_readme_names_every_field_with_its_default():
    """What a table calls `field` has its default beside it, if that is a word."""
    named = set(re.findall(r"[a-z_0-9]+", " ".join(re.findall(r"`([^`]+)`", README))))
    for field in dataclasses.fields(MiNet):
        assert field.name in named
    rows = [line.split("|") for line in README.splitlines() if line.startswith("| ")]
    words = [field for field in dataclasses.fields(MiNet) if type(field.default) is str]
    assert len(words) > 8
    for field in words:
        (row,) = (row for row in rows if f"`{field.name}`" in "|".join(row))
        assert f"`{field.default}`" in "|".join(row), field.name


# The stages.


def test_three_stages_or_two():
    told = lambda **changes: [
        (s.name, s.num_epochs, s.pools, [u.name for u in s.updates])
        for s in MiNet(**changes).build(3, 6).stages
    ]
    micro = ("micro", 50, ("",), ["minet"])
    assert told() == [
        ("macro", 50, ("macro",), ["manet"]),
        micro,
        ("align", 50, ("", "macro"), ["minet"]),
    ]
    alone = {"ls": 0.0, "lsam": 0.0, "lt": 0.0, "lcon": 0.0}
    assert told(**alone) == [micro, ("align", 50, ("",), ["minet"])]
    check_pools(MiNet(**alone).build(3, 6), ())  # needs none
    with pytest.raises(UserError, match="trains on pool 'macro'"):
        check_pools(MiNet().build(3, 6), ())


# The rows of the paper's ablation: what counts beside L_c, and who is asked.
ABLATION = {
    (): (),
    ("ls",): ("discriminator_map",),
    ("lsam", "lt"): ("discriminator_time", "interval"),
    ("ls", "lsam", "lt"): ("discriminator_map", "discriminator_time", "interval"),
    ("lcon",): (),
    ("ls", "lsam", "lt", "lcon"): (
        "discriminator_map",
        "discriminator_time",
        "interval",
    ),
}
SYMBOLS = {"ls": "L_s", "lsam": "L_sam", "lt": "L_t", "lcon": "L_con"}
ablation = pytest.mark.parametrize("terms", ABLATION, ids="+".join)


def without_all_but(terms):
    return {name: 0.0 for name in SYMBOLS if name not in terms}


@ablation
def test_a_row_of_the_ablation_has_the_discriminators_it_needs(terms):
    *_, (stage, batch, state) = SWITCHES.abstract(**without_all_but(terms))
    nets = {"minet", "head", *ABLATION[terms]} | ({"manet"} if terms else set())
    assert set(state.params) == nets
    step = functools.partial(train_step, stage)
    _, metrics = jax.eval_shape(step, state, batch)
    losses = {k.removeprefix("minet/") for k in metrics if not k.endswith("accuracy")}
    assert losses == {"loss", "L_c", *(SYMBOLS[term] for term in terms)}


@pytest.mark.slow
@ablation
def test_a_row_of_the_ablation_trains(terms):
    changes = without_all_but(terms)
    *_, numbers = SWITCHES.told(**changes)["align"]
    config = SWITCHES.changed(**changes)
    for step in numbers:
        total = sum(getattr(config, t) * step[f"minet/{SYMBOLS[t]}"] for t in terms)
        expected = step["minet/L_c"] + total
        assert step["minet/loss"] == pytest.approx(expected, rel=1e-5)
    # A begun run is that of every row: same clips, same nets, by the run's name.
    assert numbers[0]["minet/L_c"] == pytest.approx(
        SWITCHES.told()["align"][-1][0]["minet/L_c"], rel=1e-5
    )


@pytest.mark.slow
def test_a_discriminator_begins_the_same_whoever_else_is_asked():
    batch, state = begun()["align"]
    alone = stage_named("align", **without_all_but(("lt",)))
    params, _ = jax.jit(alone.init)(jax.random.key(3), batch)
    every, _ = jax.jit(stage_named("align").init)(jax.random.key(3), batch)
    same = functools.partial(jax.tree.map, np.testing.assert_array_equal)
    same(params["discriminator_time"], every["discriminator_time"])
    assert set(params) < set(every)


def test_nets_arrive_from_the_stages_that_trained_them():
    states = {name: state for name, (_, state) in begun().items()}
    macro, micro, align = (states[name].params for name in ("macro", "micro", "align"))
    same = functools.partial(jax.tree.map, np.testing.assert_array_equal)
    same(align["manet"], macro["manet"])
    same(align["minet"], micro["minet"])
    same(align["head"], micro["head"])
    kernels = [stage["head"]["fc"]["kernel"] for stage in (macro, micro)]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.1
    for net, stage in (("manet", "macro"), ("minet", "micro")):
        same(states["align"].model_state[net], states[stage].model_state[net])


def test_concat_draws_a_wider_head_anew():
    given = lambda **changes: [
        (transfer.stage, transfer.nets)
        for transfer in stage_named("align", **changes).init_from
    ]
    own, far = ("micro", {"minet": "minet"}), ("macro", {"manet": "manet"})
    assert given() == [own, ("micro", {"head": "head"}), far]
    assert given(aggregate="concat") == [own, far]
    *_, (_, _, state) = SWITCHES.abstract(aggregate="concat")
    features = 8 * TINY.width
    wide = features * (1 + TINY.intervals)
    assert state.params["head"]["fc"]["kernel"].shape == (wide, 3)


def test_who_is_tested_asks_minet_alone():
    batch, state = begun()["align"]
    system = TINY.build(3, 6)
    nets = {name: state.params[name] for name in ("minet", "head")}
    averages = {"minet": state.model_state["minet"]}
    own = {name: leaf for name, leaf in batch.items() if name != "macro"}
    logits = jax.jit(system.predict)(nets, averages, own)
    looked = jax.jit(system.stages[-1].inspect)(nets, averages, own)
    kernel, bias = (np.asarray(nets["head"]["fc"][k]) for k in ("kernel", "bias"))
    assert looked["features"].shape == (TINY.batch, 16 * TINY.width)
    np.testing.assert_allclose(
        np.asarray(looked["features"]) @ kernel + bias, logits, rtol=1e-4, atol=1e-5
    )
    assert np.ptp(logits, axis=0).max() > 1e-3


def test_macro_clips_are_shown_as_manet_sees_them():
    batch, state = begun()["align"]
    stage, same = stage_named("align"), {**state.params}
    look = jax.jit(stage.inspect_beside["macro"])
    found = look(state.params, state.model_state, batch["macro"])["features"]
    same["minet"] = same["manet"]
    averages = {"minet": state.model_state["manet"]}
    expected = jax.jit(stage.inspect)(same, averages, batch["macro"])["features"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


# Weights from elsewhere.


def begun_from(path, name, **changes):
    """The nets of a stage as they start from a file, the drawn ones left out."""
    config = SWITCHES.changed(init_weights=str(path), **changes)
    stage = next(s for s in config.build(3, 6).stages if s.name == name)
    net = {"macro": "manet", "micro": "minet"}[name]

    def start():
        params, state = stage.init(jax.random.key(0), clips(config))
        return params[net], state[net]

    return jax.jit(start)()


@pytest.mark.parametrize("name", ["macro", "micro"])
def test_a_resnet_of_torchvision_starts_both_streams(name, tmp_path):
    path = tmp_path / "resnet.safetensors"
    rng = np.random.default_rng(0)
    arrays = {k: rng.normal(size=v).astype("f4") for k, v in published().items()}
    save_file(arrays, path)
    params, state = begun_from(path, name, encoder="resnet18")
    for stream in ("spatial", "temporal"):
        kernel = params[stream]["layer3_1"]["conv2"]["kernel"]
        given = arrays["layer3.1.conv2.weight"].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(kernel, given)
        mean = state[stream]["bn1"]["mean"]
        np.testing.assert_array_equal(mean, arrays["bn1.running_mean"])
    with pytest.raises(UserError, match="does not fit"):
        begun_from(path, name)  # five plain convolutions


def test_nets_start_from_a_file_of_their_own_layout(tmp_path):
    path = tmp_path / "weights.safetensors"
    _, state = begun()["align"]
    trees = {"params": state.params, "model_state": state.model_state}
    leaves = {name: np.asarray(leaf) + 1 for name, leaf in flatten(trees).items()}
    save_file(leaves, path)
    for name, net in (("macro", "manet"), ("micro", "minet")):
        params, averages = begun_from(path, name)
        found = flatten({"params": {net: params}, "model_state": {net: averages}})
        assert len(found) == 2 * 5 * 5  # two streams of 5 convolutions and norms
        for leaf, value in found.items():
            np.testing.assert_array_equal(value, leaves[leaf], err_msg=leaf)


def test_a_file_of_weights_that_is_not_there_is_an_error_before_any_work(tmp_path):
    with pytest.raises(UserError, match="cannot read weights"):
        MiNet(init_weights=str(tmp_path / "none.safetensors")).build(3, 6)


def test_all_frames_of_a_clip_and_its_apex_are_mirrored_alike():
    still = clips(TINY) | {"rise": jnp.repeat(clips(TINY)["rise"][:, :1], 4, axis=1)}
    seen = TINY.drawn(still, jax.random.key(0))
    for frame in range(TINY.frames):
        np.testing.assert_array_equal(seen.apex, seen.clip[:, frame])
