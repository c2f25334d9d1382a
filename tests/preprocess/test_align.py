import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mer_jax.preprocess.align import (
    TEMPLATE,
    centre_transform,
    compose,
    crop_transform,
    similarity,
    warp,
)

ALIGNS = ("template", "moext")


def moved(points, matrix):
    return points @ matrix[:, :2].T + matrix[:, 2]


def a_similarity(angle, scale, x, y):
    turn = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return np.hstack([scale * np.array(turn), [[x], [y]]])


def umeyama(source, target, weights):
    """Umeyama 1991, by the singular values of the covariance."""
    weights = weights / weights.sum()
    s0, t0 = weights @ source, weights @ target
    covariance = (target - t0).T @ (weights[:, None] * (source - s0))
    u, values, vt = np.linalg.svd(covariance)
    sign = np.array([1, np.sign(np.linalg.det(u @ vt))])
    turn = u @ (sign[:, None] * vt)
    scale = values @ sign / (weights @ ((source - s0) ** 2).sum(1))
    return np.hstack([scale * turn, (t0 - scale * turn @ s0)[:, None]])


coordinates = st.floats(-500, 500)
points = arrays.arrays(
    np.float64, st.tuples(st.integers(2, 9), st.just(2)), elements=coordinates
).filter(lambda p: np.ptp(p, axis=0).max() > 1)
similarities = st.builds(
    a_similarity, st.floats(-3.1, 3.1), st.floats(0.05, 20), coordinates, coordinates
)


# Similarity.


@given(points, similarities)
def test_any_similarity_is_recovered(source, matrix):
    found = similarity(source, moved(source, matrix))
    np.testing.assert_allclose(
        moved(source, found), moved(source, matrix), atol=1e-8, rtol=1e-9
    )


@given(points, st.randoms(use_true_random=False))
def test_the_order_of_the_points_does_not_matter(source, random):
    target = source[::-1] * 1.3 + [2, 0]
    weights = np.linspace(1, 2, len(source))
    order = list(range(len(source)))
    random.shuffle(order)
    a = similarity(source, target, weights)
    b = similarity(source[order], target[order], weights[order])
    np.testing.assert_allclose(a, b, atol=1e-8)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("weighted", [False, True])
def test_noisy_points_are_fitted_as_by_umeyama(seed, weighted):
    rng = np.random.default_rng(seed)
    source = rng.normal(100, 50, (9, 2))
    target = moved(source, a_similarity(0.3, 0.7, 5, -9)) + rng.normal(0, 9, (9, 2))
    weights = rng.uniform(0.1, 3, 9) if weighted else np.ones(9)
    found = similarity(source, target, weights if weighted else None)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, umeyama(source, target, weights), atol=1e-9)


def test_float32_points_are_fitted_in_float64():
    source = np.array([[1e4, 1e4], [1e4 + 1, 1e4]], np.float32)
    np.testing.assert_allclose(similarity(source, source), np.eye(2, 3), atol=1e-6)


@pytest.mark.parametrize(
    "source, target",
    [
        (np.ones((3, 2)), np.ones((3, 2))),
        (np.ones((1, 2)), np.ones((1, 2))),
        (np.ones((0, 2)), np.ones((0, 2))),
        (np.full((2, 2), np.nan), np.ones((2, 2))),
        (np.eye(2), np.ones((3, 2))),
        (np.ones((3, 3)), np.ones((3, 3))),
    ],
    ids=["one place", "one point", "none", "nan", "counts differ", "not points"],
)
def test_what_has_no_similarity_is_refused(source, target):
    with pytest.raises(ValueError, match="point"):
        similarity(source, target)


# Where the crop lies.


def a_face(matrix=None):
    """478 points of which the few that matter lie as on the canonical face."""
    face = np.full((478, 2), np.nan)
    for number, place in TEMPLATE.items():
        face[number] = place
    face[[152, 176, 334]] = (112, 210.6), (86.2, 205.8), (156.5, 48.6)
    return face if matrix is None else moved(face, matrix)


def test_the_canonical_face_fills_the_template_but_for_a_margin():
    found = crop_transform(a_face(), "template", 224)
    # The table counts from the corner of the first pixel, crops from its centre.
    np.testing.assert_allclose(found, [[1, 0, -0.5], [0, 1, -0.5]], atol=1e-12)
    ends = moved(a_face()[[152, 334]], crop_transform(a_face(), "template", 128))
    np.testing.assert_allclose(ends[0], np.array([112, 210.6]) * 128 / 224 - 0.5)


def test_moext_puts_the_chin_below_and_a_quarter_above_the_brow():
    face = a_face(a_similarity(0, 2, 50, 30))
    chin, brow = 210.6, 48.6
    side = 2 * 1.25 * (chin - brow)
    scale = 200 / side
    corner = np.array([50 + 2 * 112 - side / 2, 30 + 2 * chin - side])
    expected = np.array(
        [[scale, 0, -scale * corner[0] - 0.5], [0, scale, -scale * corner[1] - 0.5]]
    )
    np.testing.assert_allclose(crop_transform(face, "moext", 200), expected)


def test_moext_levels_the_eyes_and_takes_the_lower_of_two_chin_points():
    face = a_face(a_similarity(0.2, 1.5, 9, 9))
    matrix = crop_transform(face, "moext", 224)
    left, right, chin = moved(face[[133, 362, 152]], matrix)
    assert left[1] == pytest.approx(right[1]) and left[0] < right[0]
    assert (left[0] + right[0]) / 2 == pytest.approx(111.5)
    assert chin[1] == pytest.approx(223.5)
    face[176] = face[152] + 3 * (face[152] - face[168]) / np.linalg.norm(
        face[152] - face[168]
    )
    jaw = moved(face[[176]], crop_transform(face, "moext", 224))[0]
    assert jaw[1] == pytest.approx(223.5)


@pytest.mark.parametrize("align", ALIGNS)
@given(matrix=similarities)
def test_the_crop_moves_with_the_face(align, matrix):
    still = crop_transform(a_face(), align, 128)
    there = crop_transform(a_face(matrix), align, 128)
    np.testing.assert_allclose(compose(there, matrix), still, atol=1e-6)


@pytest.mark.parametrize("align", ALIGNS)
def test_only_the_few_points_matter(align):
    face = a_face()
    expected = crop_transform(face, align, 64)
    rest = np.isnan(face)
    face[rest] = np.random.default_rng(0).normal(size=rest.sum())
    np.testing.assert_array_equal(crop_transform(face, align, 64), expected)
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("height, width", [(48, 64), (64, 48), (64, 64)])
def test_the_centre_is_the_largest_centred_square(height, width):
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    frame = np.stack([x, y, x], axis=-1)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    crop = warp(frame, centre_transform(height, width, side), side)
    np.testing.assert_array_equal(crop, frame[top : top + side, left : left + side])


# Warping.


def picture(matrix, height, width):
    """Waves seen through a transform, exactly: what frames and crops should show."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    u, v = np.moveaxis(moved(np.stack([x, y], axis=-1), matrix), -1, 0)
    red, green = np.sin(u / 9), np.cos(v / 7)
    waves = np.stack([red, green, red * green], axis=-1)
    return 128 + 100 * waves


def inverse(matrix):
    return np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]


@pytest.mark.parametrize(
    "scale, tolerance", [(2.3, 0.7), (1, 0.7), (0.6, 0.9), (0.3, 3)]
)
def test_a_crop_shows_what_the_frame_shows_there(scale, tolerance):
    matrix = a_similarity(0.2, scale, 32 - 100 * scale, 32 - 110 * scale)
    frame = np.rint(picture(np.eye(2, 3), 240, 320)).astype(np.uint8)
    crop = warp(frame, matrix, 64)
    assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
    error = np.abs(crop - picture(inverse(matrix), 64, 64))
    x, y = np.moveaxis(
        moved(np.stack(np.mgrid[:64, :64][::-1], axis=-1), inverse(matrix)), -1, 0
    )
    inside = (x > 3) & (x < 316) & (y > 3) & (y < 236)
    assert inside.mean() > 0.5 and error[inside].mean() < tolerance


@pytest.mark.parametrize("scale", [0.5, 0.41, 0.26, 0.11])
def test_a_shrunk_chessboard_turns_grey_not_into_bands(scale):
    y, x = np.mgrid[:480, :640]
    frame = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=-1)
    matrix = a_similarity(0.05, scale, 3.3, -8.7)
    blunt = cv2.warpAffine(frame, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE)
    assert blunt.std() > 10  # what bilinear sampling alone does
    crop = warp(frame, matrix, 48).astype(float)
    assert abs(crop - 127.5).max() < 20 and crop.std() < 5


@pytest.mark.parametrize("shape", [(97, 131), (30, 33), (31, 500)])
def test_averaging_blocks_does_not_shift_the_crop(shape):
    """A ramp stays the ramp, to a fraction of a pixel, whatever the remainder."""
    height, width = shape
    x = np.arange(width) * (250 / width)
    frame = np.repeat(np.repeat(x[None, :, None], height, 0), 3, 2)
    frame = np.rint(frame).astype(np.uint8)
    matrix = a_similarity(0, 0.2, 0, 0)
    size = 5
    columns = np.arange(size) / 0.2
    crop = warp(frame, matrix, size)
    inside = (columns > 2) & (columns < width - 3)
    expected = (columns * 250 / width)[inside]
    assert np.abs(crop[0, inside, 0] - expected).max() <= 1.5


def test_grey_frames_become_rgb_and_edges_are_repeated():
    frame = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32).astype(np.uint8)
    crop = warp(frame, np.eye(2, 3), 40)
    assert crop.shape == (40, 40, 3)
    assert (crop == crop[..., :1]).all()
    np.testing.assert_array_equal(crop[:24, :32, 0], frame)
    np.testing.assert_array_equal(crop[30, :32, 0], frame[-1])


def test_transforms_compose_from_right_to_left():
    first, second = a_similarity(0.4, 2, 1, 2), a_similarity(-1, 0.5, -7, 3)
    place = np.array([[3.0, 4.0]])
    np.testing.assert_allclose(
        moved(place, compose(second, first)), moved(moved(place, first), second)
    )
