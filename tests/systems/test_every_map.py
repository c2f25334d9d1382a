"""Maps that systems name for Grad-CAM; a new folder joins by itself.

Nets are drawn, not trained: what is asked is whether the maps are there.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mer_jax.train.gradcam import grad_cam, overlays
from tests import flights

LIGHT = [name for name in flights.PUBLISHED if name != "menet"]  # 3D nets take long
every_light_system = pytest.mark.parametrize("name", LIGHT)
CLIPS = np.arange(3)


def abstract_nets(name):
    """Shapes of parameters and model state of the last stage."""
    last, clips = flights.row(name).system.stages[-1], flights.row(name).clips
    batch = flights.batch_of(clips, np.zeros(last.rows, int), last)
    return jax.eval_shape(last.init, jax.random.key(0), batch)


def drawn_nets(name):
    """Parameters about zero and model state about one."""
    generator = np.random.default_rng(0)

    def draw(middle, spread, tree):
        one = lambda x: generator.normal(middle, spread, x.shape).astype(x.dtype)
        return jax.tree.map(lambda x: jnp.asarray(one(x)), tree)

    params, model_state = abstract_nets(name)
    return draw(0, 0.3, params), draw(1, 0.1, model_state)


@pytest.mark.parametrize("name", flights.PUBLISHED)
def test_every_system_names_maps_of_the_frames_it_reads(name):
    system = flights.row(name).system
    batch = flights.batch_of(flights.row(name).corpus, CLIPS)
    shapes = jax.eval_shape(
        functools.partial(overlays, system), *abstract_nets(name), batch
    )
    assert shapes and shapes.keys() == system.maps.keys()
    edges = {feature.shape[-3:-1] for feature in system.features.values()}
    for shape in shapes.values():
        assert shape.shape in {(len(CLIPS), *own, 2) for own in edges}


@every_light_system
def test_maps_reach_the_logits_and_looking_does_not_change_them(name):
    system, corpus = flights.row(name).system, flights.row(name).corpus
    nets, batch = drawn_nets(name), flights.batch_of(corpus, CLIPS)
    modules = sorted({own.module for own in system.maps.values()})

    @jax.jit
    def look(nets, batch, classes):
        predict = functools.partial(system.predict, *nets, batch)
        found = grad_cam(predict, modules, classes=classes)
        return *found, predict(), overlays(system, *nets, batch)

    greatest = dict.fromkeys(modules, 0.0)
    for k in range(len(corpus.classes)):
        classes = jnp.full(len(CLIPS), k)
        logits, cams, predicted, pictures = look(nets, batch, classes)
        np.testing.assert_allclose(logits, predicted, rtol=1e-5, atol=1e-6)
        for module, cam in cams.items():
            assert cam.shape[0] == len(CLIPS) and cam.ndim == 4 and cam.min() >= 0
            greatest[module] = max(greatest[module], float(cam.max()))
    assert list(greatest.values()) == pytest.approx([1.0] * len(modules))
    for picture in pictures.values():
        assert np.isfinite(picture).all() and picture[..., 0].std() > 0.05
