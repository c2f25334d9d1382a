"""Tests for experiments/mfvan_attention.py."""

import numpy as np
import pytest

from experiments import mfvan_attention
from experiments.mfvan_attention import interval, moving, shares


def test_what_moves_is_part_of_every_face():
    inside = moving("tiny", 6)
    assert len(inside) == 24
    for key, share in inside.items():
        assert share.shape == (6, 6) and 0 <= share.min() and share.max() <= 1
        assert 0.005 < share.mean() < 0.6, key
    # Not the head, which moves whole: of one person some patches always rest.
    own = [share for key, share in inside.items() if key.split("/")[1] == "sub01"]
    assert (np.max(own, axis=0) == 0).any()


def test_patches_are_means_where_they_divide_no_pixel_evenly():
    image = np.zeros((5, 5))
    image[:, :2] = 1
    found = mfvan_attention._patches(image, 2)
    np.testing.assert_allclose(found, [[0.8, 0], [0.8, 0]])


def test_attention_that_looks_anywhere_has_the_share_of_the_area():
    region = np.zeros((4, 4))
    region[0] = 1
    keys = ["lab/a/1", "lab/a/2", "lab/b/1"]
    inside = dict.fromkeys(keys, region)
    anywhere, all_in, half = np.ones((4, 4)), region.copy(), np.ones((4, 4))
    half[2:] = 0
    found = shares([*zip(keys, (anywhere, all_in, half), strict=True)], inside)
    assert found["lab/a"] == pytest.approx(((0.25 + 1) / 2, 0.25))
    assert found["lab/b"] == pytest.approx((0.5, 0.25))


@pytest.mark.parametrize("name", ["mfvan_demo", "mfvan_demo_residual"])
def test_a_folder_without_nets_is_told_of(monkeypatch, tmp_path, capsys, name):
    monkeypatch.setattr(mfvan_attention, "open_rows", lambda *args, **kwargs: [])
    words = ["mfvan_attention", str(tmp_path), "--experiment", name]
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit):
        mfvan_attention.main()
    assert f"has no nets of {name}." in capsys.readouterr().err


def test_the_interval_is_that_of_the_mean_over_people():
    values = np.random.default_rng(0).normal(0.3, 0.1, 400)
    mean, low, high = interval(values)
    assert mean == pytest.approx(values.mean())
    error = 1.96 * values.std() / np.sqrt(400)
    assert (low, high) == pytest.approx((mean - error, mean + error), abs=0.1 * error)
