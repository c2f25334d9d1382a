"""Tests for mer_jax/preprocess/sheet.py: what a person sees is what is there."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mer_jax.errors import UserError
from mer_jax.preprocess.sheet import (
    COLUMNS,
    GAP,
    LEAST,
    LINE,
    TILE,
    WHEEL,
    contact_sheet,
    flow_colours,
    picture,
    strip,
)

HEAD = 2 * LINE  # px, of a caption


def noise(seed=0, height=TILE, width=TILE):
    smooth = cv2.GaussianBlur(
        np.random.default_rng(seed).normal(size=(height, width, 3)), (0, 0), 4
    )
    return np.interp(smooth, (smooth.min(), smooth.max()), (40, 200)).astype(np.uint8)


def tiles(drawn):
    body = drawn[HEAD:]
    parts = [body[:, left : left + TILE] for left in range(0, body.shape[1], TILE)]
    return parts[: max(i for i, part in enumerate(parts) if (part < 255).any()) + 1]


def test_a_strip_shows_onset_apex_difference_and_motion():
    onset = noise()
    apex = np.roll(onset, 2, axis=1)  # 2 px to the right
    drawn = strip("who", onset, apex)
    one, two, difference, motion = tiles(drawn)
    assert (one == onset).all() and (two == apex).all()
    wanted = np.clip((apex.astype(int) - onset) * 6 + 128, 0, 255)
    assert (difference == wanted).all()
    red, green, blue = np.median(motion[20:-20, 20:-20].reshape(-1, 3), axis=0)
    assert red > 250 and green < 90 and blue < 90  # 2 of 2.5 px, to the right


def test_no_motion_is_grey_and_white():
    drawn = strip("who", noise(), noise())
    assert drawn.shape[1] == 4 * TILE
    _, _, difference = tiles(drawn)
    assert (difference == 128).all() and (drawn[HEAD:, 3 * TILE :] == 255).all()


def test_frames_of_two_sizes_are_drawn_without_a_difference():
    assert len(tiles(strip("who", noise(), noise(height=80, width=80)))) == 2


def test_a_still_is_drawn_alone():
    drawn = strip("who", noise(), None)
    assert len(tiles(drawn)) == 1 and drawn.shape[1] == LEAST


def test_the_mark_is_red_and_the_caption_is_not():
    plain = strip("who", noise(), None)[:HEAD]
    marked = strip("who", noise(), None, mark="no apex")[:HEAD]
    assert (plain[:LINE].min(axis=(0, 1)) < 60).all()  # black on white
    assert (plain[LINE:] == 255).all() and (marked[:LINE] == plain[:LINE]).all()
    red, green, blue = marked[LINE:].reshape(-1, 3).min(axis=0)
    assert red > 150 > 90 > max(green, blue)


@pytest.mark.parametrize(
    ("u", "v", "colour"),
    [
        (0, 0, (255, 255, 255)),
        (9, 0, (255, 0, 0)),  # right
        (4, 0, (255, 128, 128)),  # half as far
        (-9, 0, (0, 255, 255)),  # left
        (0, -9, (128, 255, 0)),  # up
        (0, 9, (128, 0, 255)),  # down
        (9, 1e-4, (255, 0, 0)),  # a turn but for a hair
    ],
)
def test_colours_of_motion(u, v, colour):
    (shown,) = flow_colours(np.array([[[u, v]]], np.float32), limit=8)[0]
    assert np.abs(shown.astype(int) - colour).max() <= 2


def test_a_sheet_has_a_legend_and_two_strips_in_a_row():
    strips = [np.full((50, 70, 3), grey, np.uint8) for grey in (10, 20, 30)]
    strips[1] = strips[1][:40, :60]
    sheet = np.asarray(Image.open(io.BytesIO(contact_sheet(strips))))
    assert sheet.shape == (WHEEL + GAP + 2 * (50 + GAP), COLUMNS * (70 + GAP), 3)
    assert (sheet[: WHEEL + GAP] < 255).any()
    for grey, (row, column) in zip((10, 20, 30), ((0, 0), (0, 1), (1, 0)), strict=True):
        top, left = WHEEL + GAP + row * (50 + GAP), column * (70 + GAP) + GAP // 2
        assert (sheet[top, left] == grey).all()
    assert (sheet[-1, -1] == 255).all()
    alone = np.asarray(Image.open(io.BytesIO(contact_sheet(strips[:1]))))
    assert alone.shape[1] == 70 + GAP


def png(array):
    return cv2.imencode(".png", array)[1].tobytes()


@pytest.mark.parametrize("size", [(4, 6), (400, 300), (1088, 2040)])
def test_pictures_have_one_size_and_their_colours(size):
    frame = np.full((*size, 3), (30, 20, 10), np.uint8)  # OpenCV writes BGR
    shown = picture(png(frame), "here", side=64)
    assert min(shown.shape[:2]) == 64 and shown.dtype == np.uint8
    assert shown.shape[0] / shown.shape[1] == pytest.approx(size[0] / size[1], rel=0.02)
    assert (shown == (10, 20, 30)).all()


def test_depths_become_grey_from_near_to_far():
    depth = np.array([[0, 700], [1100, 1500]], np.uint16).repeat(32, 0).repeat(32, 1)
    shown = picture(png(depth), "here", side=64)
    assert shown[0, 0].max() == 0 and shown[0, -1].max() == 0
    assert (shown[-1, 0] == 127).all() and (shown[-1, -1] == 255).all()
    assert (picture(png(depth * 0), "here", side=64) == 0).all()


@pytest.mark.parametrize("broken", [b"", b"no picture"])
def test_what_is_no_picture_is_named(broken):
    with pytest.raises(UserError, match="casme/s/c: a frame is no picture"):
        picture(broken, "casme/s/c")
