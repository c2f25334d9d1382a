"""Tests for mer_jax/data/clips.py."""

import jax
import jax.numpy as jnp
import numpy as np

from mer_jax.data.clips import gather, gather_inputs

CLIPS = {
    "flow": np.arange(24, dtype=np.uint8).reshape(4, 2, 3) + 1,
    "audio": np.array([[np.nan], [1.0], [2.0], [3.0]], np.float32),
    "label": np.array([2, 1, 2, 1], np.int32),
}


def test_rows_are_the_clips_at_the_index_in_their_own_types():
    batch = gather(CLIPS, jnp.array([3, 1, 1]))
    np.testing.assert_array_equal(batch["flow"], CLIPS["flow"][[3, 1, 1]])
    np.testing.assert_array_equal(batch["label"], [1, 1, 1])
    assert {k: v.dtype for k, v in batch.items()} == {
        "flow": np.uint8,
        "audio": np.float32,
        "label": np.int32,
        "mask": bool,
    }
    assert batch["mask"].all()


def test_padding_rows_are_masked_and_zero_whatever_the_clips_hold():
    batch = gather(CLIPS, jnp.array([-1, 2, -1]))
    np.testing.assert_array_equal(batch["mask"], [False, True, False])
    for name in CLIPS:
        assert not np.asarray(batch[name])[[0, 2]].any(), name
    assert batch["audio"][1] == 2.0


def test_minus_one_is_not_the_last_clip():
    assert gather(CLIPS, jnp.array([-1]))["label"] == 0


def test_a_nan_behind_the_mask_poisons_no_gradient():
    def loss(scale):
        batch = gather(CLIPS, jnp.array([-1, 1]))
        return jnp.where(
            batch["mask"][:, None], jnp.sqrt(scale * batch["audio"]), 0
        ).sum()

    assert jnp.isfinite(loss(2.0))
    # Zero times the infinite slope of the root at zero is the system's to avoid.
    assert (
        jax.grad(lambda s: (s * gather(CLIPS, jnp.array([-1, 1]))["audio"]).sum())(1.0)
        == 1.0
    )


def test_what_is_remembered_of_an_input_comes_with_its_clips():
    # Found in the clips 3 and 1, in this order; of the others nobody asks.
    found = {"map": jnp.array([[30.0], [10.0]])}
    remembered = {"macro": {"row": jnp.array([0, 1, 0, 0]), "found": found}}
    inputs = {"": 2, "macro": 3}
    index = jnp.array([1, 2, 1, -1, 3])
    batch = gather_inputs(CLIPS, index, inputs, remembered)
    own = batch["macro"].pop("remembered")
    assert own["map"].tolist() == [[10.0], [0.0], [30.0]] and own.keys() == {"map"}
    plain = gather_inputs(CLIPS, index, inputs)
    assert jax.tree.all(jax.tree.map(np.array_equal, plain, batch))


def test_inputs_are_batches_of_their_own_and_the_first_has_no_name():
    inputs = {"": 2, "macro": 3, "still": 1}
    batch = gather_inputs(CLIPS, jnp.array([3, -1, 1, 1, 0, 2]), inputs)
    assert batch.keys() == {*CLIPS, "mask", "macro", "still"}
    np.testing.assert_array_equal(batch["mask"], [True, False])
    for name, rows in (("macro", [1, 1, 0]), ("still", [2])):
        assert batch[name].keys() == {*CLIPS, "mask"}
        np.testing.assert_array_equal(batch[name]["flow"], CLIPS["flow"][rows])
        assert batch[name]["mask"].all()
