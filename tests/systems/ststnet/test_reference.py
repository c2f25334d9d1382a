"""The NumPy reference of STSTNet against the numbers PyTorch gave (no torch here)."""

import numpy as np
import pytest

from . import reference

BATCH = 12
NAMES = {
    f"{layer}{i}.{leaf}"
    for layer, leaves in {
        "conv": ("weight", "bias"),
        "bn": ("weight", "bias", "running_mean", "running_var"),
    }.items()
    for i in (1, 2, 3)
    for leaf in leaves
} | {"fc.weight", "fc.bias"}


@pytest.fixture(scope="module")
def golden():
    return reference.load()


@pytest.fixture(scope="module")
def initial(golden):
    return reference.group(golden, "initial")


def close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


def test_the_golden_file_is_small_and_complete(golden, initial):
    assert reference.GOLDEN.stat().st_size < 200_000
    assert set(initial) == NAMES
    for name in ("adam1", "adam5", "ragged"):
        for x64 in (False, True):
            assert NAMES <= set(reference.group(golden, name, x64=x64))
    gradients = reference.group(golden, "gradient", x64=True)
    assert set(gradients) == {name for name in NAMES if "running" not in name}
    dtypes = {v.dtype for k, v in golden.items() if k.endswith("_f64")}
    assert dtypes == {np.dtype(np.float64)}


def test_evaluation_logits(golden, initial):
    logits, running = reference.forward(initial, golden["images"][:BATCH])
    close(logits, golden["eval/logits_f64"])
    for name, value in running.items():
        np.testing.assert_array_equal(value, initial[name])


@pytest.mark.parametrize(
    ("name", "rows"), [("train", slice(None, BATCH)), ("short", slice(BATCH, None))]
)
def test_training_logits_loss_and_running_statistics(golden, initial, name, rows):
    expected = reference.group(golden, name, x64=True)
    logits, running = reference.forward(initial, golden["images"][rows], train=True)
    close(logits, expected["logits"])
    close(reference.cross_entropy(logits, golden["labels"][rows]), expected["loss"])
    assert set(running) == set(expected) - {"logits", "loss"}
    for leaf, value in running.items():
        close(value, expected[leaf])


@pytest.mark.parametrize("where", ["front", "back", "between"])
def test_rows_that_fill_the_batch_change_nothing(golden, initial, where):
    images, labels = golden["images"][BATCH:], golden["labels"][BATCH:]
    count, filling = len(images), BATCH - len(images)
    position = {
        "front": np.arange(filling),
        "back": np.arange(count, BATCH),
        "between": np.arange(filling) * 2 + 1,
    }[where]
    valid = np.ones(BATCH, bool)
    valid[position] = False
    padded = np.full((BATCH, *images.shape[1:]), 255, np.uint8)
    padded[valid] = images
    padded_labels = np.zeros(BATCH, np.int32)
    padded_labels[valid] = labels

    logits, running = reference.forward(initial, padded, train=True, valid=valid)
    expected = reference.group(golden, "short", x64=True)
    close(logits[valid], expected["logits"])
    loss = reference.cross_entropy(logits, padded_labels, valid)
    close(loss, expected["loss"])
    for leaf, value in running.items():
        close(value, expected[leaf])


def test_the_trained_network_of_the_ragged_epochs(golden):
    state = reference.group(golden, "ragged", x64=True)
    logits, _ = reference.forward(state, golden["images"][:BATCH])
    close(logits, state["logits"])


def test_float32_results_agree_with_float64_ones(golden):
    for key, double in golden.items():
        if not key.endswith("_f64"):
            continue
        single = golden[key.removesuffix("_f64")]
        assert single.dtype == np.float32
        scale = np.abs(double).max()
        error = np.abs(single - double).max()
        assert error <= 2e-5 * scale, f"{key}: {error:.1e} of {scale:.1e}"


def test_the_default_initialisation_is_uniform_within_one_over_root_fan_in(golden):
    for name, statistics in reference.group(golden, "init").items():
        bound, smallest, largest, mean, deviation = statistics
        fan_in = 400 if name.startswith("fc") else 3 * 3 * 3
        assert bound == pytest.approx(fan_in**-0.5)
        assert -bound <= smallest < -0.99 * bound < 0.99 * bound < largest <= bound
        assert abs(mean) < 0.03 * bound
        assert deviation == pytest.approx(bound / np.sqrt(3), rel=0.03)


def jax_layout_logits(variables, images):
    """Evaluation logits from the permuted arrays: NHWC, one 16-filter convolution."""
    params, statistics = variables["params"], variables["batch_stats"]["bn"]
    x = images[..., ::-1].astype(np.float64)  # the corpus is RGB
    x = np.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))
    kernel = params["conv"]["kernel"]
    taps = [(i, j) for i in range(3) for j in range(3)]
    h = sum(x[:, i : i + 30, j : j + 30] @ kernel[i, j] for i, j in taps)
    h = np.maximum(h + params["conv"]["bias"], 0.0)
    scale = params["bn"]["scale"] / np.sqrt(statistics["var"] + 1e-5)
    h = (h - statistics["mean"]) * scale + params["bn"]["bias"]
    h = np.pad(h, ((0, 0), (1, 0), (1, 0), (0, 0)), constant_values=-np.inf)
    h = h[:, :30, :30].reshape(-1, 10, 3, 10, 3, 16).max(axis=(2, 4))
    h = h.reshape(-1, 5, 2, 5, 2, 16).mean(axis=(2, 4))
    return h.reshape(len(h), -1) @ params["dense"]["kernel"] + params["dense"]["bias"]


def test_the_jax_layout_computes_the_same_function(golden, initial):
    exact = {name: value.astype(np.float64) for name, value in initial.items()}
    logits = jax_layout_logits(reference.to_jax(exact), golden["images"][:BATCH])
    close(logits, golden["eval/logits_f64"])


def test_to_jax_shapes(golden, initial):
    variables = reference.to_jax(initial)
    params = variables["params"]
    assert params["conv"]["kernel"].shape == (3, 3, 3, 16)
    assert params["dense"]["kernel"].shape == (400, 3)
    vectors = [params["conv"]["bias"], *params["bn"].values()]
    vectors += variables["batch_stats"]["bn"].values()
    assert {v.shape for v in vectors} == {(16,)}
    assert params["conv"]["kernel"].dtype == np.float32
    gradients = reference.to_jax(reference.group(golden, "gradient", x64=True))
    assert set(gradients) == {"params"}
    assert gradients["params"]["dense"]["bias"].dtype == np.float64


def test_the_drawn_batch_norm_tells_wrong_orders_apart(golden, initial):
    """The golden numbers would not notice a mistake that leaves them unchanged."""
    images = golden["images"][:BATCH]
    expected = golden["eval/logits_f64"]
    rgb, _ = reference.forward(initial, images[..., ::-1])
    assert np.abs(rgb - expected).max() > 1e-2
    swapped = dict(initial)
    swapped["fc.weight"] = (
        initial["fc.weight"].reshape(3, 16, 5, 5).swapaxes(2, 3).reshape(3, 400)
    )
    transposed, _ = reference.forward(swapped, images)
    assert np.abs(transposed - expected).max() > 1e-2
    assert (initial["bn3.weight"] < 0).sum() == 1


def test_the_last_row_and_column_of_the_convolution_are_not_seen():
    x = np.zeros((1, 1, 30, 30))
    x[..., 29, :] = x[..., :, 29] = 1.0
    assert not reference.max_pool(x).any()
    x[..., 28, 28] = 1.0
    assert reference.max_pool(x)[0, 0, 9, 9] == 1.0
    assert reference.max_pool(x - 2.0).max() == -1.0  # padded with -inf, not with 0
