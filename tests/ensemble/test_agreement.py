"""Tests for mer_jax/ensemble/agreement.py: what differs between two trainings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.ensemble.agreement import Apart, outcome, run_arrays
from mer_jax.ensemble.ledger import Ledger, write_npz

GENERATOR = np.random.default_rng(0)
DRAW = lambda *shape: GENERATOR.normal(size=shape).astype(np.float32)
ARRAYS = {
    "keys": np.array(["a/b/c", "a/b/d"]),
    "epochs": np.array([5, 10, 12], np.int32),
    "logits": DRAW(3, 2, 3),
    "curves/tune/loss": DRAW(12),
    "steps/tune": np.array(24),
    "schedules/tune": np.array("0a1b"),
    "params/net/kernel": DRAW(2, 3),
    "model_state/net/mean": np.zeros(2, np.float32),
}


def of(here):
    return outcome("row", "a/b", 0, "id", ARRAYS, here)


def changed(name, index, value):
    array = ARRAYS[name].copy()
    array[index] = value
    return {**ARRAYS, name: array}


def test_the_same_arrays_match_in_any_order_of_memory():
    copies = {name: np.asfortranarray(array) for name, array in ARRAYS.items()}
    found = of({**copies, "more": np.zeros(1)})
    assert found.matches and found.apart == () and found.logits is None
    assert set(found.compared) == set(ARRAYS)
    assert (found.clips, found.changed) == (2, 0)


@given(
    st.sampled_from([n for n, a in ARRAYS.items() if a.dtype == np.float32]), st.data()
)
def test_a_value_that_is_one_ulp_away_is_found_and_named(name, data):
    array = ARRAYS[name]
    index = tuple(data.draw(st.integers(0, size - 1)) for size in array.shape)
    near = np.nextafter(array[index], np.float32(np.inf))
    found = of(changed(name, index, near))
    epochs = {"logits": ARRAYS["epochs"], "curves/tune/loss": np.arange(1, 13)}
    first = int(epochs[name][index[0]]) if name in epochs else None
    gap = float(near) - float(array[index])
    assert found.apart == (Apart(name, gap, first),)
    assert gap > 0 and not found.matches


def test_the_first_epoch_is_the_first_of_several():
    logits = ARRAYS["logits"] + np.array([0, 1, -3], np.float32)[:, None, None]
    found = of({**ARRAYS, "logits": logits}).logits
    assert found.first == 10 and found.largest == pytest.approx(3, abs=1e-5)


def test_changed_predictions_are_those_of_the_last_epoch():
    early = ARRAYS["logits"].copy()
    early[:2] *= -1
    assert of({**ARRAYS, "logits": early}).changed == 0
    late = ARRAYS["logits"].copy()
    late[-1, 1] *= -1
    found = of({**ARRAYS, "logits": late})
    assert (found.changed, found.clips) == (1, 2)


def test_the_sign_of_a_zero_is_a_bit():
    found = of(changed("model_state/net/mean", 0, -0.0))
    assert found.apart == (Apart("model_state/net/mean", 0.0, None),)


@pytest.mark.parametrize(
    ("name", "here"),
    [
        ("keys", np.array(["a/b/c", "a/b/e"])),
        ("steps/tune", np.array(25)),
        ("schedules/tune", np.array("0a1c")),
        ("curves/tune/loss", ARRAYS["curves/tune/loss"][:11]),
        ("params/net/kernel", ARRAYS["params/net/kernel"].astype(np.float64)),
        ("params/net/kernel", None),
    ],
)
def test_what_has_no_distance_differs_without_one(name, here):
    arrays = {**ARRAYS, name: here}
    if here is None:
        del arrays[name]
    assert of(arrays).apart == (Apart(name),)


def test_of_a_run_what_training_decides_is_compared(tmp_path):
    ledger = Ledger(tmp_path)
    nets = ("params/", "model_state/")
    own = {n: a for n, a in ARRAYS.items() if not n.startswith((*nets, "schedules"))}
    beside = {"probe/people/after/gap": np.zeros(1), "shown/keys": np.array(["k"])}
    provenance = {"schedules": {"tune": "0a1b"}, "seconds": 1.0}
    ledger.write("abcd", {**own, **beside}, provenance)
    without = {n: a for n, a in ARRAYS.items() if not n.startswith(nets)}
    found = run_arrays(ledger, "abcd")
    assert outcome("row", "a/b", 0, "id", without, found).matches
    assert found.keys() == without.keys()
    kept = {n: a for n, a in ARRAYS.items() if n.startswith(nets)}
    write_npz(ledger.params_path("abcd"), kept)
    assert of(run_arrays(ledger, "abcd")).matches
