"""Tests for datasets_tfds/synthetic/muscles.py and expressions.py."""

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_tfds.synthetic import expressions, muscles
from datasets_tfds.synthetic.expressions import EMOTIONS, draw_expression, parse
from datasets_tfds.synthetic.muscles import MUSCLES, Pull, Style

AVERAGE = {number: Style() for number in MUSCLES}
LATERAL = [n for n in MUSCLES if not muscles.on_midline(MUSCLES[n].pulls[0])]
MEDIAL = [17, 26]

seeds = st.integers(0, 2**32 - 1)
small = st.floats(-1, 1)
pulls = st.builds(
    Pull, small, small, st.floats(0.05, 0.5), st.floats(0.05, 0.5), small, small
)
styles = st.builds(Style, st.floats(0.5, 2), small, st.floats(-0.1, 0.1), small)


def express(code, face, seed=0, styles=AVERAGE):
    return draw_expression(code, face, styles, np.random.default_rng(seed))


@given(st.lists(pulls, max_size=4), st.floats(-2, 2))
def test_displacement_is_linear_in_intensity(grid, pulls, intensity):
    once = muscles.displacement(grid, pulls)
    scaled = muscles.displacement(grid, [muscles.scale(p, intensity) for p in pulls])
    np.testing.assert_allclose(scaled, intensity * once, atol=1e-5)


@given(st.lists(pulls, max_size=3), st.lists(pulls, max_size=3))
def test_displacements_of_two_muscles_add_up(grid, first, second):
    both = muscles.displacement(grid, first + second)
    parts = muscles.displacement(grid, first) + muscles.displacement(grid, second)
    np.testing.assert_allclose(both, parts, atol=1e-5)


@given(pulls)
def test_a_mirrored_pull_moves_the_mirrored_face(grid, pull):
    field = muscles.displacement(grid, [pull])
    mirrored = muscles.displacement(grid, [muscles.mirror(pull)])
    np.testing.assert_allclose(mirrored, field[:, ::-1] * (-1, 1), atol=1e-5)


@given(pulls)
def test_skin_moves_most_in_the_centre_of_a_pull_and_nowhere_further(grid, pull):
    distance = np.linalg.norm(muscles.displacement(grid, [pull]), axis=-1)
    assert distance.max() <= np.hypot(pull.dx, pull.dy) + 1e-6


@given(seed=seeds, number=st.sampled_from(LATERAL))
def test_a_left_unit_is_the_mirror_image_of_the_right_unit(grid, actor, seed, number):
    left = express(f"L{number}", actor.identity, seed)
    right = express(f"R{number}", actor.identity, seed)
    np.testing.assert_allclose(
        right.displacement(grid), left.displacement(grid)[:, ::-1] * (-1, 1), atol=1e-6
    )
    np.testing.assert_allclose(
        right.shading(grid)[:, :24], left.shading(grid)[:, :-25:-1], atol=1e-6
    )


def test_left_is_the_persons_own_and_so_the_pictures_right(grid, actor):
    moved = np.linalg.norm(express("L12", actor.identity).displacement(grid), axis=-1)
    assert moved[grid.x > 0].sum() > 5 * moved[grid.x < 0].sum()


def test_a_fold_of_a_left_unit_is_not_seen_on_the_right(grid, actor):
    shading = express("L14", actor.identity).shading(grid)
    assert shading[grid.x > 0].min() < -0.1
    assert not shading[grid.x < 0].any()


@given(seed=seeds, number=st.sampled_from(LATERAL))
def test_a_unit_without_a_side_moves_both_halves(grid, actor, seed, number):
    field = express(str(number), actor.identity, seed).displacement(grid)
    moved = np.linalg.norm(field, axis=-1)
    halves = moved[grid.x > 0].sum(), moved[grid.x < 0].sum()
    assert max(halves) < 2 * min(halves)  # never the same, never one alone


@given(seed=seeds, number=st.sampled_from(MEDIAL), style=styles)
def test_what_is_on_the_midline_never_moves_sideways(grid, actor, seed, number, style):
    expression = express(str(number), actor.identity, seed, {number: style})
    assert not expression.displacement(grid)[..., 0].any()


@given(seed=seeds, number=st.sampled_from(sorted(MUSCLES)), gain=st.floats(0.2, 3))
def test_gain_of_a_style_scales_motion_and_folds(grid, actor, seed, number, gain):
    plain = express(str(number), actor.identity, seed)
    strong = express(str(number), actor.identity, seed, {number: Style(gain=gain)})
    np.testing.assert_allclose(
        strong.displacement(grid), gain * plain.displacement(grid), atol=1e-6
    )
    np.testing.assert_allclose(
        strong.shading(grid), gain * plain.shading(grid), atol=1e-5
    )


@pytest.mark.parametrize(
    ("number", "region", "direction"),
    [
        (1, (0.22, -0.34), "up"),
        (4, (0.20, -0.28), "down"),
        (12, (0.40, 0.95), "up"),
        (15, (0.38, 1.02), "down"),
        (26, (0.00, 1.25), "down"),
    ],
)
def test_units_move_where_and_whither_the_coding_manual_says(
    grid, actor, number, region, direction
):
    field = express(str(number), actor.identity).displacement(grid)
    moved = np.linalg.norm(field, axis=-1)
    row, column = np.unravel_index(moved.argmax(), moved.shape)
    there = abs(grid.x[row, column]), grid.y[row, column]
    assert np.hypot(there[0] - region[0], there[1] - region[1]) < 0.25
    assert (field[row, column, 1] < 0) == (direction == "up")


def test_every_emotion_is_made_of_known_units():
    for codes in (EMOTIONS[emotion] for emotion in EMOTIONS.keys() - {"neutral"}):
        assert all(parse(code) for code in codes)
    assert EMOTIONS["neutral"] == ("",)


def test_every_emotion_of_the_real_corpora_can_be_shown():
    casme2 = "happiness surprise disgust repression others sadness fear"
    samm = "anger contempt disgust fear happiness sadness surprise others"
    assert set(f"{casme2} {samm}".split()) | {"neutral"} == EMOTIONS.keys()


def test_no_two_emotions_of_different_labels_share_a_code():
    groups = [{"happiness"}, {"surprise"}, EMOTIONS.keys() - {"happiness", "surprise"}]
    codes = [{c for emotion in group for c in EMOTIONS[emotion]} for group in groups]
    assert sum(map(len, codes)) == len(set.union(*codes))


def test_the_empty_code_is_a_still_face(grid, actor):
    still = express("", actor.identity)
    assert not still.displacement(grid).any()
    assert not still.shading(grid).any()


@pytest.mark.parametrize("code", ["3", "L", "12+", "B12", "12 + 14", "+", "L12R"])
def test_an_unknown_code_is_named_in_the_error(code):
    with pytest.raises(ValueError, match="is no action unit of 1, 2, 4"):
        parse(code)


def test_docstring_examples():
    assert doctest.testmod(expressions).failed == 0
