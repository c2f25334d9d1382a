"""MiNet's parts, and a step of its stage `align`, against the numbers PyTorch gave.

All in float64; one clip of padding is among the clips of either domain.
"""

import functools

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from mer_jax.systems.minet import MiNet, intervals
from mer_jax.systems.minet.views import Seen
from mer_jax.train.stage import flatten, split
from tests.systems.parity import assert_probed, compiled

from . import layout

MASK = np.arange(layout.MICRO + 1) < layout.MICRO
FAR_MASK = np.arange(layout.MACRO + 1) < layout.MACRO
cases = pytest.mark.parametrize("case", layout.CASES)
steps = pytest.mark.parametrize(
    "case", ["default", "printed", pytest.param("other", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def golden():
    return layout.load()


def config(case):
    """Of the printed readings one is that the reversal is of full strength."""
    grl = "const1" if layout.STRENGTHS[case] == 1 else "dann"
    return MiNet(**layout.CASES[case], aug="none", grl=grl)


def started(case):
    """Parameters and running values of all nets."""
    own = layout.to_jax(layout.start(layout.load()[f"{case}/shapes"]))
    tree = unflatten_dict(own, sep="/")
    return tree["params"], tree["batch_stats"]


def padded(rows):
    """The rows and one of padding."""
    return np.concatenate([rows, np.full_like(rows[:1], 3)])


def seen(case, domain):
    return Seen(*map(padded, layout.clips(case, domain)))


@functools.cache
def passed(case):
    """MiNet's pass in both modes, and D_s of an odd map, in one program."""
    nets, micro = config(case).networks(layout.CLASSES), seen(case, "micro")
    every = np.ones(layout.ODD_MAP[0], bool)

    def run(params, batch_stats):
        out, own = {}, (params["minet"], batch_stats["minet"])
        for mode in layout.MODES:
            found, _ = nets.find(*own, micro, MASK, train=mode == "train")
            logits = nets.classify(params["head"], nets.aggregated(params, found))
            out[mode] = {**found._asdict(), "logits": logits}
        name = "discriminator_map"
        variables = {"params": params[name], "batch_stats": batch_stats.get(name, {})}
        judge = nets.discriminator(name).apply
        return out, judge(variables, layout.odd_map(case), every, False)

    return compiled(run, *started(case))


@functools.cache
def stepped(case):
    """Gradients of a step of the stage, its metrics and the model state after it."""
    stage = config(case).build(layout.CLASSES, 0).stages[-1]
    (update,) = stage.updates
    labels, far_labels = map(padded, layout.labels())
    macro = {"rise": seen(case, "macro"), "label": far_labels, "mask": FAR_MASK}
    batch = {"rise": seen(case, "micro"), "label": labels, "mask": MASK, "macro": macro}
    places = iter(map(padded, layout.positions(case)))
    # Where the reversal is so strong, if it is not always.
    with np.errstate(divide="ignore"):
        batch["progress"] = np.arctanh(layout.STRENGTHS[case]) / 5

    def step(params, batch_stats):
        key = jax.random.key(0)
        prepared = stage.prepare(params, batch_stats, batch, key)
        leaves = split(params, update.trains)
        return update.gradients(*leaves, batch_stats, prepared, key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MiNet, "drawn", lambda self, batch, key: batch["rise"])
        # Called for MiNet's clips, then for MaNet's.
        patch.setattr(intervals, "drawn_positions", lambda key, clips: next(places))
        gradients, aux = compiled(step, *started(case))
    assert next(places, None) is None
    metrics = aux.metrics
    assert metrics["L_c"].dtype == np.float64
    losses = [metrics[name] for name in layout.LOSSES[:-1]] + [metrics["loss"]]
    return losses, gradients, aux.model_state


@cases
@pytest.mark.parametrize("mode", layout.MODES)
def test_features_and_logits(golden, case, mode):
    found = passed(case)[0][mode]
    for name in (*layout.FEATURES, "logits"):
        expected = golden[f"{case}/{mode}/{name}"]
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(found[name][MASK], expected, rtol=0, atol=1e-10)


@cases
def test_a_discriminator_of_a_map_of_odd_edges(golden, case):
    expected = golden[f"{case}/odd_map"]
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(passed(case)[1], expected, rtol=1e-12)


@steps
def test_losses_of_a_step(golden, case):
    losses, _, _ = stepped(case)
    np.testing.assert_allclose(losses, golden[f"{case}/losses"], rtol=1e-9)


@steps
def test_gradient_of_the_whole_loss(golden, case):
    _, gradients, _ = stepped(case)
    assert_probed(gradients, golden[f"{case}/gradients"], 1e-8)


@steps
def test_running_averages_after_a_step(golden, case):
    _, _, model_state = stepped(case)
    assert_probed(flatten(model_state), golden[f"{case}/statistics"], 1e-12)


def test_manet_stands_still():
    _, _, after = stepped("printed")
    jax.tree.map(
        np.testing.assert_array_equal, after["manet"], started("printed")[1]["manet"]
    )


@pytest.mark.slow
def test_make_golden_reproduces_the_file():
    pytest.importorskip("torch")
    from . import make_golden

    with np.load(layout.GOLDEN) as data:
        golden = dict(data)
    made = make_golden.arrays()
    assert list(made) == list(golden)
    for name, value in made.items():
        expected = golden[name]
        assert value.dtype == expected.dtype, name
        if value.dtype.kind == "U":
            assert value == expected
            continue
        error, scale = np.abs(value - expected).max(), np.abs(expected).max()
        assert error <= 1e-8 * max(1, scale), f"{name}: {error:.1e} of {scale:.1e}"


@pytest.mark.slow
def test_the_step_that_is_timed_is_the_same(golden):
    pytest.importorskip("torch")
    from benchmarks.torch_minet import Quick

    from . import make_golden

    for name, value in make_golden.step("default", Quick).items():
        expected = golden[f"default/{name}"]
        np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9)
