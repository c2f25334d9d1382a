"""Tests for mer_jax/systems/mfvan/attention.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.systems.mfvan.attention import Heads, Scale, Transformers, fused
from mer_jax.train.stage import flatten

SIZES = {"features": 6, "depth": 2, "heads": 2, "hidden": 8, "dropout": 0.0}
GENERATOR = np.random.default_rng(0)
# An image and two maps, all of 4x4 patches.
IMAGES = [
    jnp.asarray(GENERATOR.normal(size=(3, 16 >> s, 16 >> s, c)), jnp.float32)
    for s, c in enumerate((3, 4, 8))
]
PATCHES = (4, 2, 1)


def found(**changes):
    """What is found at the three scales, and the parameters."""
    net = Transformers(PATCHES, **{**SIZES, **changes})
    scales, variables = net.init_with_output(jax.random.key(0), IMAGES, False)
    return net, scales, variables["params"]


def test_a_scale_is_its_kept_patches_by_their_attention():
    net, scales, params = found()
    assert len(scales) == 3
    for scale in scales:
        assert scale.attention.shape == scale.kept.shape == (3, 16)
        assert scale.token.shape == scale.local.shape == (3, 6)
        np.testing.assert_allclose(scale.attention.sum(1), 1, rtol=1e-5)
        expected = np.asarray(scale.attention) * 16 > 1
        np.testing.assert_array_equal(scale.kept, expected)
        assert expected.any(1).all() and not expected.all(1).any()


def test_what_is_dropped_has_no_part_in_the_local_feature():
    """Of one patch kept alone, the local feature is that patch's."""
    _, scales, _ = found(kappa=100.0)  # nothing passes, so the greatest stays
    _, open_, _ = found(kappa=0.0)
    for scale, whole in zip(scales, open_, strict=True):
        np.testing.assert_array_equal(scale.kept.sum(1), 1)
        at = np.asarray(scale.attention).argmax(1)
        assert np.asarray(scale.kept)[np.arange(3), at].all()
        np.testing.assert_array_equal(whole.kept, 1)
        assert np.abs(scale.local - whole.local).max() > 1e-3


def test_transformers_are_of_each_scale_or_shared():
    names = lambda params: {name.split("/")[0] for name in flatten(params)}
    every = {"patches0", "patches1", "patches2"}
    assert names(found()[2]) == every | {"scale0", "scale1", "scale2"}
    assert names(found(share=True)[2]) == every | {"all"}


@pytest.mark.parametrize("grad", ["st", "soft", "none"])
def test_the_masks_gradient_reaches_attention_in_st_and_soft(grad):
    """The gradient of the area kept, of which attention is all that is behind."""
    net, _, params = found(grad=grad)

    def area(params):
        scales = net.apply({"params": params}, IMAGES, False)
        return sum(scale.kept.mean() for scale in scales)

    slopes = flatten(jax.grad(area)(params))
    reached = any(np.abs(slope).max() > 0 for slope in slopes.values())
    assert reached == (grad != "none")


def made(count):
    """Scales of made features."""
    drawn = lambda *shape: GENERATOR.normal(size=shape).astype(np.float32)
    return tuple(Scale(drawn(3, 6), drawn(3, 6), None, None) for _ in range(count))


def test_heads_see_what_their_names_say():
    features = GENERATOR.normal(size=(3, 5)).astype(np.float32)
    scales = made(2)
    heads = Heads(4, 7)
    told, variables = heads.init_with_output(jax.random.key(0), features, scales)
    params = jax.tree.map(np.asarray, variables["params"])
    dense = lambda name, x: x @ params[name]["kernel"] + params[name]["bias"]
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    close(told.whole, dense("whole", features))
    for i, scale in enumerate(scales):
        close(told.scales[i], dense(f"scale{i}", scale.token))
        close(told.masked[i], dense(f"masked{i}", scale.local))
    everything = np.concatenate([features, *(scale.local for scale in scales)], 1)
    np.testing.assert_array_equal(fused(features, scales), everything)
    hidden = np.maximum(dense("fused_hidden", everything), 0)
    close(told.logits, dense("fused", hidden))


def test_without_a_scale_there_is_one_head():
    features = jnp.ones((3, 5))
    told, variables = Heads(4).init_with_output(jax.random.key(0), features, ())
    assert set(variables["params"]) == {"whole"}
    assert told.logits is told.whole and told.scales == told.masked == ()
