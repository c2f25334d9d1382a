"""The plain net against PyTorch's rule for the sizes of maps, and its statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mer_jax.models.plain import PlainNet

WIDTH = 2


@pytest.mark.parametrize(("size", "edge"), [(224, 7), (48, 2), (16, 1), (33, 2)])
def test_it_ends_where_a_resnet_ends(size, edge):
    images, mask = jnp.zeros((1, size, size, 3)), jnp.ones(1, bool)
    net = PlainNet(WIDTH)
    out = jax.eval_shape(
        lambda key: net.init_with_output(key, images, mask, False)[0], jax.random.key(0)
    )
    assert out.shape == (1, edge, edge, 8 * WIDTH)


def test_its_widths_and_that_padding_rows_change_nothing():
    generator = np.random.default_rng(0)
    images = generator.uniform(size=(3, 16, 16, 3)).astype(np.float32)
    mask = np.array([True, True, False])
    net = PlainNet(WIDTH)
    variables = net.init(jax.random.key(0), images, mask, False)
    kernels = [
        leaf.shape[2:]
        for path, leaf in sorted(flatten_dict(variables["params"]).items())
        if path[-1] == "kernel"
    ]
    assert kernels == [(3, 2), (2, 2), (2, 4), (4, 8), (8, 16)]
    soiled = np.where(mask[:, None, None, None], images, 1e3)
    clean, dirty = (
        net.apply(variables, x, mask, True, mutable=["batch_stats"])
        for x in (images, soiled)
    )
    np.testing.assert_array_equal(clean[0][:2], dirty[0][:2])
    jax.tree.map(np.testing.assert_array_equal, clean[1], dirty[1])
