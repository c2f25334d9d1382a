import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mer_jax.preprocess import flow

ROOT = Path(__file__).parents[2]


def texture(height=96, width=128, *, seed=0):
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)


def warped(onset, matrix):
    """The frame after the motion x -> matrix @ (x, y, 1)."""
    height, width = onset.shape[:2]
    return cv2.warpAffine(
        onset,
        np.asarray(matrix, np.float32),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )


def rgb(grey):
    return np.repeat(grey[..., None], 3, axis=-1)


@pytest.fixture
def pair():
    onset = texture(64, 64)
    return onset, warped(onset, [[1, 0, 1.5], [0, 1, -1.0]])


# Flow.


@pytest.mark.parametrize("method", flow.METHODS)
def test_a_translation_is_recovered(method):
    onset = texture()
    apex = warped(onset, [[1, 0, 1.5], [0, 1, -0.75]])  # right and up
    field = flow.optical_flow(onset, apex, method=method)
    assert field.shape == (96, 128, 2) and field.dtype == np.float32
    inner = field[12:-12, 12:-12]
    np.testing.assert_allclose(np.median(inner, axis=(0, 1)), [1.5, -0.75], atol=0.05)
    assert np.abs(inner - [1.5, -0.75]).mean() < 0.12


@pytest.mark.parametrize("method", flow.METHODS)
def test_an_expansion_is_recovered(method):
    onset = texture()
    rate = 0.03  # about the centre (63.5, 47.5)
    apex = warped(onset, [[1 + rate, 0, -63.5 * rate], [0, 1 + rate, -47.5 * rate]])
    y, x = np.mgrid[:96, :128]
    truth = rate * np.stack([x - 63.5, y - 47.5], axis=-1)
    field = flow.optical_flow(onset, apex, method=method)
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(field - truth)[inner].mean() < 0.15
    expected = rate * np.sqrt(2)
    assert abs(np.median(flow.strain(field)[inner]) - expected) < 0.3 * expected


@pytest.mark.parametrize("method", flow.METHODS)
def test_equal_frames_do_not_move(method):
    onset = texture()
    field = flow.optical_flow(onset, onset.copy(), method=method)
    if method == "farneback":  # invents a little where the texture is flat
        assert np.abs(field).mean() < 0.01
    else:
        assert not field.any()


def test_frames_may_be_views(pair):
    onset, apex = pair
    wide = [np.repeat(frame, 2, axis=1) for frame in pair]
    views = [frame[:, ::2] for frame in wide]
    np.testing.assert_array_equal(
        flow.optical_flow(*views), flow.optical_flow(onset, apex)
    )


def test_the_number_of_cv2_threads_changes_nothing_and_is_left_alone(pair):
    before = cv2.getNumThreads()
    try:
        fields = []
        for threads in (1, 4):
            cv2.setNumThreads(threads)
            fields.append(flow.optical_flow(*pair))
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    np.testing.assert_array_equal(*fields)


@pytest.mark.parametrize(
    ("onset", "apex", "what"),
    [
        (np.zeros((32, 32), np.uint8), np.zeros((32, 33), np.uint8), "differ"),
        (np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8), "H, W"),
        (np.zeros((8, 32), np.uint8), np.zeros((8, 32), np.uint8), "16"),
        (np.zeros((32, 32), np.float32), np.zeros((32, 32), np.float32), "uint8"),
    ],
)
def test_frames_that_are_no_pair_are_refused(onset, apex, what):
    with pytest.raises(ValueError, match=what):
        flow.optical_flow(onset, apex)


def test_an_unknown_method_is_refused(pair):
    with pytest.raises(ValueError, match="'dis', 'tvl1', 'farneback'.*raft"):
        flow.optical_flow(*pair, method="raft")


# Strain.


def linear_field(u_x, u_y, v_x, v_y, *, height=9, width=11):
    y, x = np.mgrid[:height, :width].astype(np.float64)
    return np.stack([u_x * x + u_y * y + 3, v_x * x + v_y * y - 2], axis=-1)


@pytest.mark.parametrize(
    ("gradient", "expected"),
    [
        ((0, 0, 0, 0), 0.0),  # translation
        ((0, -0.2, 0.2, 0), 0.0),  # rotation
        ((0.1, 0, 0, 0), 0.1),  # stretch along x
        ((0, 0, 0, -0.3), 0.3),  # squeeze along y
        ((0.1, 0, 0, 0.1), 0.1 * np.sqrt(2)),  # expansion
        ((0, 0.2, 0, 0), 0.2 / np.sqrt(2)),  # shear
        ((0.1, 0.3, -0.1, 0.2), np.sqrt(0.01 + 0.04 + 0.5 * 0.2**2)),
    ],
)
def test_the_strain_of_a_linear_field_is_the_analytic_one(gradient, expected):
    strain = flow.strain(linear_field(*gradient))
    assert strain.shape == (9, 11) and strain.dtype == np.float32
    np.testing.assert_allclose(strain, expected, atol=1e-7)


def test_what_is_no_flow_has_no_strain():
    for shape in ((9, 11), (9, 11, 3), (1, 11, 2)):
        with pytest.raises(ValueError, match="H, W, 2"):
            flow.strain(np.zeros(shape))


# Images.


def flow_image_of(field, monkeypatch, **options):
    """The image of a given flow field, whatever the frames."""
    monkeypatch.setattr(flow, "optical_flow", lambda *_, **__: field)
    frame = np.zeros((*field.shape[:2], 3), np.uint8)
    return flow.flow_image(frame, frame, **options)


def constant(u, v, *, side=56):
    return np.broadcast_to(np.float32([u, v]), (side, side, 2)).copy()


def test_no_motion_is_128_128_0():
    frame = rgb(texture(56, 56))
    image = flow.flow_image(frame, frame.copy(), size=28)
    assert image.shape == (28, 28, 3) and image.dtype == np.uint8
    np.testing.assert_array_equal(image, np.broadcast_to([128, 128, 0], image.shape))


@pytest.mark.parametrize(
    ("motion", "level"),
    [(-2, 0), (-9, 0), (-1, 64), (0, 128), (1, 192), (2, 255), (9, 255)],
)
def test_flow_is_scaled_by_the_limit_and_clipped(monkeypatch, motion, level):
    image = flow_image_of(constant(motion, -motion), monkeypatch, size=28, limit=2.0)
    assert set(image[..., 0].ravel()) == {level}
    mirrored = {0: 255, 255: 0, 128: 128, 64: 192, 192: 64}[level]
    assert set(image[..., 1].ravel()) == {mirrored}
    assert set(image[..., 2].ravel()) == {0}


@pytest.mark.parametrize(("stretch", "level"), [(0.05, 64), (0.1, 128), (0.4, 255)])
def test_strain_is_scaled_by_its_own_limit(monkeypatch, stretch, level):
    field = linear_field(stretch, 0, 0, 0, height=56, width=56).astype(np.float32)
    image = flow_image_of(field, monkeypatch, size=28, strain_limit=0.2)
    assert np.abs(image[..., 2].astype(int) - level).max() <= 1


def test_equal_motions_give_equal_levels_whatever_else_moves(monkeypatch):
    calm, wild = constant(1, 0), constant(1, 0)
    wild[28:] = 30
    levels = [flow_image_of(f, monkeypatch, size=28)[:10] for f in (calm, wild)]
    np.testing.assert_array_equal(*levels)


def test_shrinking_averages_areas(monkeypatch):
    field = constant(0, 0)
    field[:, ::2, 0] = 2  # every other column
    image = flow_image_of(field, monkeypatch, size=28, limit=2.0)
    assert set(image[..., 0].ravel()) == {192}  # 1 px


def test_motion_is_the_inverse_of_the_image(monkeypatch):
    options = {"limit": 3.0, "strain_limit": 0.2}
    field = linear_field(0.02, 0.01, -0.03, 0.04, height=28, width=28)
    field = field.astype(np.float32) / 2
    image = flow_image_of(field, monkeypatch, size=28, **options)
    found = flow.motion(image, **options)
    np.testing.assert_allclose(found[..., :2], field, atol=0.5 * 3 / 128 + 1e-6)
    np.testing.assert_allclose(found[..., 2], flow.strain(field), atol=0.2 / 255)


def test_red_is_u_and_green_is_v():
    onset = texture(64, 64)
    apex = warped(onset, [[1, 0, 2], [0, 1, -1]])  # right and up
    image = flow.flow_image(rgb(onset), rgb(apex), size=16, limit=4.0)
    u, v, _ = np.median(image, axis=(0, 1))
    assert abs(u - 192) < 6 and abs(v - 96) < 6


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"size": 28, "limit": 0.0}, "limit"),
        ({"size": 28, "limit": float("nan")}, "limit"),
        ({"size": 28, "strain_limit": -1.0}, "strain_limit"),
        ({"size": 0}, "size"),
    ],
)
def test_numbers_that_are_not_positive_are_refused(options, what):
    frame = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=what):
        flow.flow_image(frame, frame, **options)


def test_grey_frames_are_refused_where_rgb_is_expected():
    frame = np.zeros((32, 32), np.uint8)
    with pytest.raises(ValueError, match=r"uint8\[H, W, 3\], got uint8\[32, 32\]"):
        flow.flow_image(frame, frame, size=28)


# Many clips.


@pytest.fixture(scope="module")
def clips():
    onset = np.stack([rgb(texture(32, 32, seed=n)) for n in range(6)])
    apex = [warped(f, [[1, 0, n / 3], [0, 1, -n / 5]]) for n, f in enumerate(onset)]
    return onset, np.stack(apex)


def test_the_recipe_tells_every_parameter_apart():
    base = {"size": 28, "method": "dis", "limit": 4.0, "strain_limit": 0.4}
    recipes = [flow.flow_recipe(**base)]
    for name, value in (
        ("size", 32),
        ("method", "tvl1"),
        ("limit", 2.0),
        ("strain_limit", 1.0),
    ):
        recipes.append(flow.flow_recipe(**{**base, name: value}))
    assert len({str(recipe) for recipe in recipes}) == 5
    assert recipes[0]["opencv"] == cv2.__version__


def test_importing_preprocess_imports_no_opencv():
    code = (
        "import sys, mer_jax.preprocess.flow, mer_jax.preprocess.cache\n"
        "heavy = {'cv2', 'mediapipe', 'jax', 'datasets_tfds'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
