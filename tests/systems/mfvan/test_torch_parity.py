"""MFVAN's nets, and a step of each of its stages, against the numbers PyTorch gave.

All in float64, but for the soft-max of JAX's attention, which is in float32 whatever
it is given; one clip of padding is among the clips.
"""

import functools

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from mer_jax.systems.mfvan import MFVAN
from mer_jax.train.stage import flatten, split
from tests.systems.parity import assert_probed, compiled

from . import layout

MASK = np.arange(layout.CLIPS + 1) < layout.CLIPS


CLOSE = 2e-6  # behind transformers
TOLERANCES = {"teacher": 1e-8, "identity_removal": 1e-8, "classify": CLOSE}
QUICKLY = ("eval", "identity_removal", "classify")  # of the default case


def each(name, of):
    """Every case with what it has of a kind."""
    rows = [(case, value) for case in layout.CASES for value in of(case)]
    quick = lambda case, value: case == "default" and value in QUICKLY
    marks = [() if quick(*row) else pytest.mark.slow for row in rows]
    params = [pytest.param(*row, marks=m) for row, m in zip(rows, marks, strict=True)]
    return pytest.mark.parametrize(("case", name), params)


modes = each("mode", lambda case: layout.MODES)
stages = each("stage", layout.stages)


@pytest.fixture(scope="module")
def golden():
    return layout.load()


def config(case):
    return MFVAN(**layout.CASES[case], aug="none", batch=len(MASK))


def started(case):
    """Parameters and running values of all nets."""
    own = layout.to_jax(layout.start(layout.load()[f"{case}/shapes"]))
    tree = unflatten_dict(own, sep="/")
    return tree["params"], tree["batch_stats"]


def padded(rows):
    """The rows and one of padding."""
    return np.concatenate([rows, np.full_like(rows[:1], 2)])


def batch(case, stage):
    """What a step of the stage sees."""
    apex, onset = map(padded, layout.clips(case))
    if stage == "teacher":
        return {"frame": apex, "mask": MASK}
    return {
        "apex": apex,
        "onset": onset,
        "label": padded(layout.labels()),
        "mask": MASK,
        "class_counts": layout.class_counts(),
    }


@functools.cache
def passed(case, mode):
    """What all nets but the teacher find, and the maps that are classified."""
    nets, apex = config(case).classification(layout.CLASSES), layout.clips(case)[0]
    seen, train = (padded(apex), MASK), mode == "train"

    def run(params, state):
        key = jax.random.key(0)
        maps, *_ = nets._maps(params, state, *seen, train=train)
        return nets.found(params, state, *seen, train=train, key=key)[0], maps

    return compiled(run, *started(case))


@functools.cache
def stepped(case, name):
    """Gradients of a step of the stage, its metrics and the model state after it."""
    built = config(case).build(layout.CLASSES, 0).stages
    (stage,) = (stage for stage in built if stage.name == name)
    (update,) = stage.updates

    def step(params, state):
        key = jax.random.key(0)
        prepared = stage.prepare(params, state, batch(case, name), key)
        leaves = split(params, update.trains)
        return update.gradients(*leaves, state, prepared, key)

    nets = layout.LEARNS[name]
    if name == "classify":
        nets = (*nets, "teacher")
    held = [{k: v for k, v in tree.items() if k in nets} for tree in started(case)]
    gradients, aux = compiled(step, *held)
    assert aux.metrics["loss"].dtype == np.float64
    return gradients, aux.metrics, aux.model_state


@modes
def test_what_is_found_at_every_scale(golden, case, mode):
    found, _ = passed(case, mode)
    for name in layout.PARTS:
        expected = golden[f"{case}/{mode}/{name}"]
        assert np.ptp(expected) > 0.03
        ours = np.stack([getattr(scale, name)[MASK] for scale in found.scales])
        np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE, err_msg=name)


@modes
def test_logits(golden, case, mode):
    told = passed(case, mode)[0].told
    ours = np.stack([told.logits, told.whole, *told.scales, *told.masked])[:, MASK]
    expected = golden[f"{case}/{mode}/logits"]
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(ours, expected, rtol=0, atol=CLOSE)


@modes
def test_maps_and_the_onset_rebuilt(golden, case, mode):
    found, maps = passed(case, mode)
    close = lambda images, expected: assert_probed(
        {str(i): image[MASK] for i, image in enumerate(images)}, expected, 1e-10
    )
    close(maps, golden[f"{case}/{mode}/maps"])
    assert (found.rebuilt is not None) == config(case).ri
    if config(case).ri:
        close([found.rebuilt], golden[f"{case}/{mode}/rebuilt"])


@stages
def test_losses_of_a_step(golden, case, stage):
    metrics = stepped(case, stage)[1]
    ours = [metrics[name] for name in layout.losses(case, stage)]
    expected = golden[f"{case}/{stage}/losses"]
    np.testing.assert_allclose(ours, expected, rtol=TOLERANCES[stage])
    assert set(metrics) - set(layout.losses(case, stage)) <= {"accuracy", "kept"}


@stages
def test_gradient_of_the_whole_loss(golden, case, stage):
    gradients = stepped(case, stage)[0]
    assert_probed(gradients, golden[f"{case}/{stage}/gradients"], TOLERANCES[stage])


@stages
def test_running_averages_after_a_step(golden, case, stage):
    after = flatten(stepped(case, stage)[2])
    own = {k: v for k, v in after.items() if k.split("/")[0] in layout.LEARNS[stage]}
    assert_probed(own, golden[f"{case}/{stage}/statistics"], 1e-12)


def test_the_teacher_stands_still_while_clips_are_classified():
    before = started("default")[1]["teacher"]
    after = stepped("default", "classify")[2]["teacher"]
    jax.tree.map(np.testing.assert_array_equal, after, before)


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
