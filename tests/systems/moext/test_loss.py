"""Tests for mer_jax/systems/moext/loss.py."""

import jax
import numpy as np
import pytest

from mer_jax.losses import contrastive
from mer_jax.systems.moext import loss
from mer_jax.systems.moext.nets import Pretrained

MASK = np.array([True, True, False])
pretraining_loss = jax.jit(
    loss.pretraining_loss, static_argnames=("eps", "a1", "a2", "lst_neg")
)


@pytest.fixture
def given():
    rng = np.random.default_rng(0)
    drawn = lambda *shape: rng.random(shape, np.float32)
    found = Pretrained(
        shape=drawn(3, 6, 5),
        texture=drawn(3, 6, 5),
        anchor=drawn(5),
        reconstruction=drawn(3, 1, 4, 4, 3),
        motion=drawn(3, 1, 5),
    )
    return found, drawn(3, 6, 4, 4, 3)


def test_the_total_is_the_weighted_sum(given):
    found, views = given
    total, terms = pretraining_loss(found, views, MASK, a1=0.25, a2=3.0)
    assert set(terms) == {"L_re", "L_st", "L_ss"}
    expected = terms["L_re"] + 0.25 * terms["L_st"] + 3.0 * terms["L_ss"]
    np.testing.assert_allclose(total, expected, rtol=1e-6)


def test_the_reconstruction_is_held_against_the_original_apex(given):
    found, views = given
    expected = np.abs(found.reconstruction[:2, 0] - views[:2, 3]).mean()
    _, terms = pretraining_loss(found, views, MASK)
    np.testing.assert_allclose(terms["L_re"], expected, rtol=1e-6)
    three = found._replace(reconstruction=views[:, 3:])
    assert pretraining_loss(three, views, MASK)[1]["L_re"] == 0


def test_every_field_changes_its_term(given):
    found, views = given
    _, plain = pretraining_loss(found, views, MASK)
    changed = lambda **how: {
        name
        for name, value in pretraining_loss(found, views, MASK, **how)[1].items()
        if value != plain[name]
    }
    assert changed(eps=0.5) == {"L_st", "L_ss"}
    assert changed(lst_neg="anchor") == {"L_st"}
    prose = contrastive.anchor_texture_contrastive(
        found.shape, found.texture, found.anchor, where=MASK
    )
    _, terms = pretraining_loss(found, views, MASK, lst_neg="anchor")
    assert terms["L_st"] == prose


def test_a_weight_of_zero_leaves_no_gradient(given):
    found, views = given
    total = lambda f, **how: pretraining_loss(f, views, MASK, **how)[0]
    gradient = jax.grad(lambda f: total(f, a1=0.0))(found)
    assert not np.asarray(gradient.texture).any()
    gradient = jax.grad(lambda f: total(f, a1=0.0, a2=0.0))(found)
    assert not np.asarray(gradient.shape).any()
    assert np.asarray(gradient.reconstruction).any()


def test_an_unknown_negative_is_refused(given):
    with pytest.raises(ValueError, match="got 'mean'"):
        pretraining_loss(*given, MASK, lst_neg="mean")
