"""MiNet's parts, alone and in a step of its second stage, against PyTorch's numbers.

All in float64; one clip of padding is among the clips of either domain.
"""

import functools
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from mer_jax.losses.classification import binary_cross_entropy, cross_entropy
from mer_jax.losses.reversal import reverse_gradient
from mer_jax.losses.supervised_contrastive import (
    supervised_contrastive,
    supervised_contrastive_sum,
)
from mer_jax.systems.minet.discriminators import (
    MapDiscriminator,
    SequenceDiscriminator,
)
from mer_jax.systems.minet.intervals import Aggregate, averages, sequences
from mer_jax.systems.minet.nets import Classifier, TwoStream, fused

from . import layout

# Compiling is what these tests spend their time on.
QUICK = {"xla_backend_optimization_level": 0}
MASK = np.arange(layout.MICRO + 1) < layout.MICRO
FAR_MASK = np.arange(layout.MACRO + 1) < layout.MACRO
DEFAULTS = {
    "intervals": 3,
    "interval_view": "window",
    "aggregate": "mean",
    "disc_norm": "group",
    "con_norm": "supcon",
    "temperature": 0.07,
    **layout.WEIGHTS,
}
CONTRASTS = {"supcon": supervised_contrastive, "literal": supervised_contrastive_sum}
cases = pytest.mark.parametrize("case", layout.CASES)
steps = pytest.mark.parametrize(
    "case", ["default", "printed", pytest.param("other", marks=pytest.mark.slow)]
)


@pytest.fixture(scope="module")
def golden():
    return layout.load()


def options(case):
    return types.SimpleNamespace(**{**DEFAULTS, **layout.CASES[case]})


def nets(case):
    o = options(case)
    streams = TwoStream(width=o.width, blocks=o.blocks)
    sequence = functools.partial(
        SequenceDiscriminator, features=o.disc_features, norm=o.disc_norm
    )
    return {
        "minet": streams,
        "manet": streams,
        "aggregate": Aggregate(o.aggregate),
        "head": Classifier(layout.CLASSES),
        "discriminator_map": MapDiscriminator(o.disc_features, o.disc_norm),
        "discriminator_time": sequence(1),
        "interval": sequence(o.intervals),
    }


def started(case):
    """Parameters and running values of all nets."""
    own = layout.to_jax(layout.start(layout.load()[f"{case}/shapes"]))
    tree = unflatten_dict(own, sep="/")
    return tree["params"], tree["batch_stats"]


def padded(rows):
    """The rows and one of padding."""
    return np.concatenate([rows, np.full_like(rows[:1], 3)])


def seen(case, domain):
    return tuple(map(padded, layout.clips(case, domain)))


class Applied:
    """Nets at given parameters; remembers the model state that each leaves behind."""

    def __init__(self, case, params, batch_stats):
        self.nets, self.params = nets(case), params
        self.batch_stats, self.options = dict(batch_stats), options(case)

    def __call__(self, name, *arguments):
        variables = {"params": self.params.get(name, {})}
        variables["batch_stats"] = self.batch_stats.get(name, {})
        found, updated = self.nets[name].apply(
            variables, *arguments, mutable=["batch_stats"]
        )
        if "batch_stats" in updated:
            self.batch_stats[name] = updated["batch_stats"]
        return found

    def z(self, found):
        views = averages(found.frames, self.options.intervals)
        return fused(found.apex, self("aggregate", views))


def aligned(case, params, batch_stats):
    """The losses of a step, their weighted sum, and the model state after it."""
    run = Applied(case, params, batch_stats)
    o, strength = run.options, layout.STRENGTHS[case]
    labels, far_labels = map(padded, layout.labels())
    place = functools.partial(sequences, intervals=o.intervals, view=o.interval_view)
    own_places, far_places = map(padded, layout.positions(case))
    micro = run("minet", *seen(case, "micro"), MASK, True)
    macro = run("manet", *seen(case, "macro"), FAR_MASK, False)
    z, far_z = run.z(micro), run.z(macro)
    where = np.concatenate([MASK, FAR_MASK])
    domain = np.repeat([0, 1], [len(MASK), len(FAR_MASK)])
    l_c = cross_entropy(run("head", z), labels, where=MASK)
    joined = lambda *pair: jnp.concatenate(pair)
    maps = joined(reverse_gradient(micro.map, strength), macro.map)
    scores = run("discriminator_map", maps, where, True)
    l_s = binary_cross_entropy(scores, domain, where=where)
    far = place(macro.frames, far_places)
    own = place(micro.frames, own_places)
    told = run("interval", jax.tree.map(joined, own, far), where, True)
    each = lambda x: np.repeat(x, o.intervals)
    which = np.tile(np.arange(o.intervals), len(where))
    rows = told.reshape(-1, o.intervals)
    l_sam = cross_entropy(rows, which, where=each(where))
    turned = reverse_gradient(own, strength)
    told = run("discriminator_time", jax.tree.map(joined, turned, far), where, True)
    l_t = binary_cross_entropy(told.ravel(), each(domain), where=each(where))
    l_con = CONTRASTS[o.con_norm](
        *(z, labels, far_z, far_labels),
        temperature=o.temperature,
        where=MASK,
        other_where=FAR_MASK,
    )
    total = l_c + o.ls * l_s + o.lsam * l_sam + o.lt * l_t + o.lcon * l_con
    return total, ((l_c, l_s, l_sam, l_t, l_con, total), run.batch_stats)


def compiled(function, *arguments):
    """The result of a function in float64, as NumPy arrays."""
    with jax.enable_x64(True):
        program = jax.jit(function).lower(*arguments).compile(QUICK)
        return jax.device_get(program(*arguments))


def assert_probed(found, expected, tolerance):
    """Compares arrays with probes [n, 4], relative to the length each has."""
    assert len(found) == len(expected)
    probes = layout.probed(found)
    error = np.abs(probes - expected).max(1) / np.maximum(expected[:, 3], 1e-3)
    worst = error.argmax()
    assert error[worst] <= tolerance, f"{sorted(found)[worst]}: {error[worst]:.1e}"


@functools.cache
def passed(case):
    """MiNet's pass in both modes, and D_s of an odd map, in one program."""

    def run(params, batch_stats):
        out = {}
        for mode in layout.MODES:
            net = Applied(case, params, batch_stats)
            found = net("minet", *seen(case, "micro"), MASK, mode == "train")
            logits = net("head", net.z(found))
            out[mode] = {**found._asdict(), "logits": logits}
        net = Applied(case, params, batch_stats)
        every = np.ones(layout.ODD_MAP[0], bool)
        map = layout.odd_map(case)
        return out, net("discriminator_map", map, every, False)

    return compiled(run, *started(case))


@functools.cache
def stepped(case):
    """Losses of a step, model state after it, and the gradient of what is trained."""

    def step(params, batch_stats):
        frozen = {"manet": params["manet"]}
        trained = {name: params[name] for name in params if name != "manet"}
        loss = lambda trained: aligned(case, {**trained, **frozen}, batch_stats)
        (_, aux), gradients = jax.value_and_grad(loss, has_aux=True)(trained)
        return aux, gradients

    return compiled(step, *started(case))


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
    (losses, _), _ = stepped(case)
    np.testing.assert_allclose(losses, golden[f"{case}/losses"], rtol=1e-9)


@steps
def test_gradient_of_the_whole_loss(golden, case):
    _, gradients = stepped(case)
    found = flatten_dict({"params": gradients}, sep="/")
    assert_probed(found, golden[f"{case}/gradients"], 1e-8)


@steps
def test_running_averages_after_a_step(golden, case):
    (_, batch_stats), _ = stepped(case)
    found = flatten_dict({"batch_stats": batch_stats}, sep="/")
    assert_probed(found, golden[f"{case}/statistics"], 1e-12)


def test_manet_stands_still():
    (_, after), _ = stepped("printed")
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
