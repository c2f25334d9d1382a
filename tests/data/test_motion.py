"""Tests for mer_jax/data/motion.py: curves of films whose motion is known."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mer_jax.data import motion
from mer_jax.data.motion import (
    ClipMotion,
    apex_motion,
    curve,
    motion_of_clips,
    pseudo_apex,
)
from mer_jax.data.prepared import prepare
from mer_jax.errors import UserError
from mer_jax.preprocess.crops import Alignment
from tests.data import releases

SIDE = 96  # px
SQUARES = Alignment(align="center_crop", size=SIDE, on_no_face="skip")
UP_AND_RIGHT = np.degrees(np.arctan2(1, 2))


def silent(what, done, total):
    pass


def film(folder, step, seed):
    """Eight frames of a wall that moves `step` px right and half as far up, each."""
    folder.mkdir(parents=True)
    wall = np.random.default_rng(seed).normal(size=(2 * SIDE, 2 * SIDE))
    wall = cv2.GaussianBlur(wall, (0, 0), 2)
    wall = np.interp(wall, (wall.min(), wall.max()), (0, 255)).astype(np.float32)
    for number in range(8):
        matrix = np.array([[1, 0, number * step], [0, 1, -number * step / 2]])
        moved = cv2.warpAffine(wall, matrix, wall.shape, flags=cv2.INTER_CUBIC)
        middle = moved[SIDE // 2 : -SIDE // 2, SIDE // 2 : -SIDE // 2]
        frame = np.clip(middle, 0, 255).astype(np.uint8)[..., None].repeat(3, 2)
        (folder / f"{number}.png").write_bytes(releases.png(frame))


def write(folder, *, kinds=("micro", "macro"), apex="4"):
    """Micro-expressions move 0.5 px a frame, macro-expressions 1 px."""
    rows = ["subject,clip,path,emotion,onset,apex,offset,fps,kind"]
    for number in range(3):
        for kind in kinds:
            path = f"{kind}{number}"
            film(folder / path, {"micro": 0.5, "macro": 1.0}[kind], number)
            last = 7 if number else 5  # the first is shorter
            rows.append(f"p{number},{kind},{path},joy,0,{apex},{last},50,{kind}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n")
    return folder


def prepared(folder, cache):
    return prepare("custom", str(folder), cache=cache, progress=silent)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def own(cache, tmp_path_factory):
    return prepared(write(tmp_path_factory.mktemp("release")), cache)


def measure(corpora, cache, *, frames=8, alignment=SQUARES, landmarks=None):
    return motion_of_clips(
        corpora, frames, alignment, landmarks, cache=cache, progress=silent
    )


@pytest.fixture(scope="module")
def clips(own, cache):
    return measure([own], cache)


def test_the_flow_of_a_clip_is_that_of_its_wall(clips):
    per_frame = {"micro": 0.5, "macro": 1.0}
    assert [c.key for c in clips][:2] == ["custom/p0/macro", "custom/p0/micro"]
    for clip in clips:
        count = 6 if "/p0/" in clip.key else 8
        assert clip.flow.shape == (count, 3) and clip.flow.dtype == np.float32
        assert (clip.flow[0] == 0).all()
        steps = per_frame[clip.kind] * np.arange(count)
        length, u, v = clip.flow.T
        assert length == pytest.approx(steps * np.hypot(1, 0.5), abs=0.15)
        assert u == pytest.approx(steps, abs=0.15)
        assert v == pytest.approx(-steps / 2, abs=0.15)
        assert clip.at_apex == length[4]
        assert (clip.fps, clip.synthetic) == (50, False)


def test_curves_and_pseudo_apex_of_the_two_kinds(clips):
    micro = curve([c for c in clips if c.kind == "micro"], 8)
    macro = curve([c for c in clips if c.kind == "macro"], 8)
    assert micro.clips.tolist() == [3] * 6 + [2] * 2
    assert np.isnan(micro.angle[0])
    assert macro.angle[1:] == pytest.approx(UP_AND_RIGHT, abs=8)
    reach, number = apex_motion([c for c in clips if c.kind == "micro"])
    assert number == 3 and reach == pytest.approx(2 * np.hypot(1, 0.5), abs=0.1)
    # Macro-expressions move twice as fast, so they are there after half the frames.
    assert pseudo_apex(macro._replace(magnitude=macro.magnitude + 0.1), reach) == 3


def test_fewer_frames_give_the_beginning_and_the_same_apex(own, cache, clips):
    for short, whole in zip(measure([own], cache, frames=3), clips, strict=True):
        assert (short.flow == whole.flow[:3]).all()
        assert short.at_apex == whole.at_apex


def test_known_motion_is_read_from_disk(own, cache, clips, monkeypatch):
    monkeypatch.setattr(motion, "_flow", None)  # not to be called
    again = measure([own], cache)
    assert all((a.flow == b.flow).all() for a, b in zip(again, clips, strict=True))


def test_a_clip_without_a_face_has_no_motion(own, tmp_path):
    template = Alignment(size=32, on_no_face="skip")
    nobody = lambda frame: None
    clips = measure([own], tmp_path, alignment=template, landmarks=nobody)
    assert [len(clip.flow) for clip in clips] == [0] * 6
    assert np.isnan([clip.at_apex for clip in clips]).all()


def test_an_apex_that_nobody_annotated_does_not_count(tmp_path):
    own = prepared(write(tmp_path / "r", kinds=["micro"], apex=""), tmp_path)
    clips = measure([own], tmp_path, frames=2)
    assert apex_motion(clips)[1] == 0 and np.isnan(apex_motion(clips)[0])


def test_what_has_no_frames_or_no_pictures_is_refused(own, tmp_path):
    class Other:
        name, stored, clips = "others", ("flow",), ()

    with pytest.raises(UserError, match="others stores no frames"):
        measure([own, Other()], tmp_path)
    Other.stored, Other.clips = ("frames",), ({"modality": "depth"},)
    with pytest.raises(UserError, match="others holds depths"):
        measure([Other()], tmp_path)


def test_stills_are_passed_over(own):
    still = {"annotated": {"apex_source": "still"}}
    assert not motion._is_filmed(still)
    assert all(map(motion._is_filmed, own.clips))


# Statistics, against float64 NumPy and literals.


def made(*vectors, kind="micro"):
    """A clip that moves by these (u, v), its lengths the vectors' own."""
    rows = [(np.hypot(u, v), u, v) for u, v in [(0, 0), *vectors]]
    return ClipMotion("k", kind, 30.0, False, np.array(rows, np.float32), np.nan)


def test_means_and_standard_errors():
    found = curve([made((1, 0), (3, 0)), made((3, 0)), made((5, 0), (7, 0))], 9)
    assert found.clips.tolist() == [3, 3, 2]
    assert found.magnitude == pytest.approx([0, 3, 5])
    assert found.magnitude_error == pytest.approx([0, 2 / np.sqrt(3), 4 / 2])
    alone = curve([made((1, 0))], 9)
    assert np.isnan(alone.magnitude_error).all() and np.isnan(alone.angle_error).all()
    assert alone.angle[1] == 0


@pytest.mark.parametrize(
    ("vectors", "angle"),
    [
        ([(2, 0), (1, 0)], 0),
        ([(0, -1), (0, -3)], 90),  # y points down
        ([(-1, -0.1), (-1, 0.1)], 180),  # not 0, the mean of 174 and -174
        ([(1, 0), (0, -1)], 45),
        ([(9, 0), (0, -1)], 45),  # each clip counts once, however far it moved
        ([(1, 0), (0, 0)], 0),  # what does not move has no direction
    ],
)
def test_mean_directions(vectors, angle):
    found = curve([made(vector) for vector in vectors], 2)
    assert np.abs(found.angle[1]) == pytest.approx(angle, abs=1e-4)


def test_the_spread_of_directions_is_mardias():
    found = curve([made((1, 0)), made((0, -1))], 2)
    spread = np.degrees(np.sqrt(-2 * np.log(np.sqrt(0.5))))
    assert found.angle_error[1] == pytest.approx(spread / np.sqrt(2))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=9), st.floats(-3, 3))
def test_turning_all_directions_turns_their_mean(angles, turn):
    clips = lambda by: [made((np.cos(a + by), np.sin(a + by))) for a in angles]
    one, two = curve(clips(0), 2), curve(clips(turn), 2)
    if one.angle_error[1] < 60:  # else there is no mean to speak of
        difference = np.radians(one.angle[1] - two.angle[1]) - turn
        assert np.cos(difference) == pytest.approx(1, abs=1e-3)
        assert two.angle_error[1] == pytest.approx(one.angle_error[1], abs=0.1)


@pytest.mark.parametrize(
    ("reach", "frame"), [(0.0, 1), (0.5, 2), (1.0, 2), (1.1, 3), (9.0, None)]
)
def test_the_pseudo_apex_is_the_first_frame_that_reaches(reach, frame):
    macro = curve([made((1, 0), (2, 0), (1.5, 0))], 9)
    assert pseudo_apex(macro, reach) == frame
