"""MENet's nets and its second stage against the numbers PyTorch gave.

All in float64; one clip of padding is among the clips.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from mer_jax.systems.menet import MENet, clips, information
from mer_jax.train.stage import split
from mer_jax.train.step import RunState, train_step
from tests.systems.parity import QUICK, assert_probed

from . import layout

MASK = np.arange(layout.CLIPS + 1) < layout.CLIPS
LEARNS = ("menet", "critic")


def cases_but_slow(*slow):
    mark = lambda case: pytest.mark.slow if case in slow else ()
    return pytest.mark.parametrize(
        "case", [pytest.param(case, marks=mark(case)) for case in layout.CASES]
    )


deep = cases_but_slow("shallow", "other")
steps = cases_but_slow("default", "other")
nets = pytest.mark.parametrize("net", layout.NETS)


@pytest.fixture(scope="module")
def golden():
    return layout.load()


def config(case):
    return MENet(**layout.CASES[case], aug="none", batch=len(MASK))


def started(case):
    """Parameters and running values of all nets."""
    own = layout.to_jax(layout.start(layout.load()[f"{case}/shapes"]))
    tree = unflatten_dict(own, sep="/")
    return tree["params"], tree["batch_stats"]


def padded(rows):
    """The rows and one of padding."""
    return np.concatenate([rows, np.zeros_like(rows[:1])])


@functools.cache
def passed(case, name):
    """A net's pass in both modes, with what every module gave, in one program."""
    net = config(case).network(
        {"menet": layout.CLASSES, "idnet": layout.PEOPLE}[name], motion=name == "menet"
    )
    params, batch_stats = (tree[name] for tree in started(case))
    seen = padded(layout.clips(case, name))

    def run(params, batch_stats):
        variables = {"params": params, "batch_stats": batch_stats}
        return {
            mode: net.apply(
                variables,
                seen,
                MASK,
                mode == "train",
                mutable=["batch_stats", "intermediates"],
                capture_intermediates=True,
            )
            for mode in layout.MODES
        }

    with jax.enable_x64(True):
        compiled = jax.jit(run).lower(params, batch_stats).compile(QUICK)
        return jax.device_get(compiled(params, batch_stats))


@deep
@nets
@pytest.mark.parametrize("mode", layout.MODES)
def test_maps_attention_and_logits(golden, case, net, mode):
    (found, logits), updated = passed(case, net)[mode]
    group = lambda name: golden[f"{case}/{net}/{mode}/{name}"]
    seen = updated["intermediates"]["branch"]
    last = config(case).blocks - 1
    maps = [seen[f"layer{i}_{last}"]["__call__"][0] for i in layout.STAGES]
    frames = layout.CASES[case]["frames"]  # IDNet's are rows of their own
    by_clip = [x.reshape(len(MASK), frames, *x.shape[-3:])[MASK] for x in maps]
    assert_probed(
        dict(zip(map(str, layout.STAGES), by_clip, strict=True)), group("maps"), 1e-10
    )
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-10)
    close(found.attention[MASK], group("attention"))
    close(logits[MASK], group("logits"))


@deep
@nets
def test_running_averages(golden, case, net):
    _, updated = passed(case, net)["train"]
    found = flatten_dict(updated["batch_stats"], sep="/")
    assert_probed(found, golden[f"{case}/{net}/statistics"], 1e-12)


@deep
def test_scores_of_the_critic(golden, case):
    net = information.Estimator(config(case), "menet").net
    variables = {"params": started(case)[0]["critic"]}
    with jax.enable_x64(True):
        found = jax.jit(net.apply)(variables, *layout.pairs(case))
    np.testing.assert_allclose(found, golden[f"{case}/scores"], rtol=1e-12)


@functools.cache
def stepped(case):
    """The state after a step of stage `expression`, and its metrics."""
    stage = config(case).build(layout.CLASSES, layout.PEOPLE).stages[1]
    params, batch_stats = started(case)
    elsewhere = np.column_stack(
        [layout.partners(case), np.full(len(layout.partners(case)), layout.CLIPS)]
    )
    draws = iter(elsewhere)
    seen = clips.Seen(*(padded(layout.clips(case, net)) for net in layout.NETS))
    batch = {"clip": seen, "label": padded(layout.labels()), "mask": MASK}

    def step(params, batch_stats):
        state = RunState(
            step=jnp.int32(0),
            num_steps=jnp.int32(9),
            class_counts=jnp.zeros(layout.CLASSES, jnp.int32),
            key=jax.random.key(0),
            params=params,
            model_state=batch_stats,
            opt_states=tuple(
                update.tx.init(split(params, update.trains)[0])
                for update in stage.updates
            ),
        )
        return train_step(stage, state, batch)

    with pytest.MonkeyPatch.context() as patch, jax.enable_x64(True):
        patch.setattr(clips, "drawn", lambda clip, *how: clip)
        # Called in turn by every step of the critic, then by MENet's.
        patch.setattr(
            information, "derangement", lambda key, mask: jnp.array(next(draws))
        )
        compiled = jax.jit(step).lower(params, batch_stats).compile(QUICK)
        after, metrics = jax.device_get(compiled(params, batch_stats))
    assert next(draws, None) is None
    return after, metrics


@steps
def test_losses_of_a_step(golden, case):
    _, metrics = stepped(case)
    names = ("L_me", "L_div", "L_MI", "L_MI_kept")
    found = [metrics["critic/I"], *(metrics[f"menet/{name}"] for name in names)]
    expected = golden[f"{case}/losses"]
    np.testing.assert_allclose(found, expected, rtol=1e-7)
    # The comparison is of little worth where information is clamped, or not clipped.
    assert expected[3] != 0 and expected[4] < 0.9
    options = layout.CASES[case]
    total = expected[1] + options.get("div", 0.1) * expected[2]
    total += options["mi"] * expected[3]
    np.testing.assert_allclose(metrics["menet/loss"], total, rtol=1e-7)


@steps
def test_gradient_of_the_whole_loss(golden, case):
    after, _ = stepped(case)
    # The first moment is the gradient times 1 - b1.
    gradient = {k: m / (1 - 0.9) for k, m in after.opt_states[1][0].mu.items()}
    assert_probed(gradient, golden[f"{case}/gradients"], 1e-8)


@steps
def test_state_after_a_step_of_adam(golden, case):
    after, _ = stepped(case)
    trees = {"params": after.params, "batch_stats": after.model_state}
    found = {
        name: leaf
        for name, leaf in flatten_dict(trees, sep="/").items()
        if name.split("/")[1] in LEARNS
    }
    assert_probed(found, golden[f"{case}/stepped"], 1e-8)


def test_idnet_stands_still():
    after, _ = stepped("shallow")
    for tree, before in zip(
        (after.params, after.model_state), started("shallow"), strict=True
    ):
        jax.tree.map(np.testing.assert_array_equal, tree["idnet"], before["idnet"])


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
