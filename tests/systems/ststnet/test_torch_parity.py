"""golden.npz and the PyTorch baseline, recomputed live where torch is installed."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch.nn import functional  # noqa: E402

from benchmarks import torch_ststnet  # noqa: E402

from . import make_golden, reference  # noqa: E402


@pytest.fixture(scope="module")
def golden():
    return reference.load()


@pytest.fixture
def clips(golden):
    return golden["images"], golden["labels"]


def test_make_golden_reproduces_the_file(golden):
    made = make_golden.arrays()
    assert list(made) == list(golden)
    for name, value in made.items():
        expected = golden[name]
        assert value.dtype == expected.dtype, name
        if value.dtype.kind in "iu":
            np.testing.assert_array_equal(value, expected)
            continue
        # Of the largest value: float32 sums of 10 800 terms differ between CPUs.
        scale = max(1.0, np.abs(expected).max())
        tolerance = 1e-10 if name.endswith("_f64") else 1e-6
        error = np.abs(value - expected).max()
        assert error <= tolerance * scale, f"{name}: {error:.1e} of {scale:.1e}"


def test_the_state_dict_has_the_published_names(golden):
    names = {
        name
        for name in torch_ststnet.TorchSTSTNet().state_dict()
        if not name.endswith("num_batches_tracked")
    }
    assert names == set(reference.group(golden, "initial"))


def test_both_variants_are_one_function_with_one_gradient(golden, clips):
    initial = reference.group(golden, "initial")
    published = make_golden.build(initial, torch.float64)
    fused = torch_ststnet.TorchSTSTNet((16,), dropout=0.0).double()
    fused.load_state_dict(torch_ststnet.fuse(published.state_dict()))
    fused.to(memory_format=torch.channels_last)
    x = torch_ststnet.to_input(clips[0]).double()
    y = torch.from_numpy(clips[1]).long()
    results = {}
    for name, model in {"published": published, "fused": fused}.items():
        logits = model.train()(x.contiguous(memory_format=torch.channels_last))
        functional.cross_entropy(logits, y).backward()
        gradients = {k: p.grad for k, p in model.named_parameters()}
        results[name] = logits.detach(), gradients, model.state_dict()
    torch.testing.assert_close(results["fused"][0], results["published"][0])
    for i in (1, 2):
        expected = torch_ststnet.fuse(results["published"][i])
        assert set(expected) == set(results["fused"][i])
        for leaf, value in expected.items():
            torch.testing.assert_close(results["fused"][i][leaf], value)


@pytest.mark.parametrize("variant", sorted(torch_ststnet.VARIANTS))
def test_training_a_fold_is_repeatable_and_lowers_the_loss(clips, variant):
    images, labels = clips
    index = torch_ststnet.label_major(labels, np.arange(2, 19))
    assert (np.diff(labels[index]) >= 0).all()

    def train(epochs, seed):
        model, seconds = torch_ststnet.train_fold(
            images,
            labels,
            index,
            epochs=epochs,
            batch=12,
            lr=5e-4,
            seed=seed,
            threads=1,
            variant=variant,
        )
        assert seconds > 0
        return torch_ststnet.predict(model, images)

    def loss(logits):
        return reference.cross_entropy(logits[index], labels[index])

    long = train(30, seed=0)
    assert long.shape == (19, 3) and long.dtype == np.float32
    np.testing.assert_array_equal(long, train(30, seed=0))
    assert np.abs(train(1, seed=0) - train(1, seed=1)).max() > 0
    assert loss(long) < loss(train(0, seed=0))


def test_the_worker_prints_one_json_line(clips, tmp_path, capsys):
    images, labels = clips
    path = tmp_path / "flow.npz"
    np.savez(path, flow=images, label=labels, fold=np.arange(19) % 4)
    torch_ststnet.main(
        ["--data", str(path), "--folds", "0,3", "--epochs", "1", "--batch", "12"]
    )
    report = json.loads(capsys.readouterr().out)
    assert report["folds"] == [0, 3]
    assert report["train_clips"] == [14, 15]
    assert len(report["seconds_per_fold_epoch"]) == 2
