import cv2
import numpy as np
import pytest

from datasets_tfds.synthetic.footage import Camera, film
from mer_jax.preprocess.apex import spot_apex, spots_of_clips
from mer_jax.preprocess.crops import Alignment, FaceNotFound, Footage

SIZE = 96
T = 15


def skin(size=SIZE):
    noise = np.random.default_rng(5).normal(size=(size, size, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.interp(smooth, (smooth.min(), smooth.max()), (0, 255)).astype(np.uint8)


def a_clip(apex, *, drift=0.0, turn=0.0, length=T):
    """A mouth corner that rises to the apex and falls, on a head that drifts."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    corner = np.exp(-((x - 60) ** 2 + (y - 62) ** 2) / 2 / 8**2)
    frames = []
    for t in range(length):
        rise = np.interp(t, [0, apex, length - 1], [0, 1, 0.1])
        way = t / (length - 1)
        round_face = (x - 48) ** 2 / 900  # as a head that turns shifts it
        u = drift * way - turn * np.sin(2.2 * way) * round_face
        v = -2 * rise * corner
        border = cv2.BORDER_REFLECT
        place = [np.float32(x - u), np.float32(y - v)]
        frames.append(cv2.remap(skin(), *place, cv2.INTER_CUBIC, borderMode=border))
    return np.stack(frames)


@pytest.mark.parametrize("apex", [3, 7, 11])
@pytest.mark.parametrize(
    "head", [{}, {"drift": 3.0}, {"turn": 1.5}], ids=["still", "drifts", "turns"]
)
def test_the_apex_is_found_whatever_the_head_does(apex, head):
    assert abs(spot_apex(a_clip(apex, **head)) - apex) <= 1


def test_neither_onset_nor_offset_is_an_apex():
    still = np.repeat(skin()[None], 5, axis=0)
    assert 0 < spot_apex(still) < 4
    assert spot_apex(still[:3]) == 1
    assert spot_apex(still[:2]) == 1


def test_frames_need_not_be_square():
    frames = a_clip(7)[:, 4:90]
    assert abs(spot_apex(frames) - 7) <= 1


@pytest.mark.slow
def test_the_spotter_beats_the_middle_on_drawn_clips():
    errors, guesses = [], []
    for i, apex in enumerate((4, 6, 9, 14, 17, 19) * 4):
        clip = film(
            seed=8,
            subject=f"sub{i:02d}",
            clip="EP01",
            emotion=("happiness", "surprise", "disgust", "anger")[i % 4],
            camera=Camera.close_up(128),
            num_frames=24,
            apex=apex,
        )
        errors.append(abs(spot_apex(np.stack(list(clip.frames()))) - apex))
        guesses.append(abs(23 // 2 - apex))
    assert np.mean(errors) < 0.8 * np.mean(guesses)
    assert np.median(errors) <= 3


# Many clips.


def footage(frames, *, onset=0, name="a/b/c"):
    encoded = [cv2.imencode(".png", frame[..., ::-1])[1].tobytes() for frame in frames]
    reads = []

    def read():
        reads.append(name)
        return encoded

    wanted = tuple(range(onset, len(frames)))
    return Footage(name, f"{name} {len(frames)}", read, onset, wanted), reads


def no_face(frame):
    return None


CENTRE = Alignment(align="center_crop", size=32)


@pytest.mark.parametrize("workers", [1, 3])
def test_spots_are_places_among_the_frames_wanted(tmp_path, workers):
    late = np.concatenate([np.repeat(skin()[None], 4, axis=0), a_clip(6)])
    clips = [footage(a_clip(4), name="a")[0], footage(late, onset=4, name="b")[0]]
    told = []
    spots = spots_of_clips(
        clips,
        CENTRE,
        no_face,
        directory=tmp_path,
        workers=workers,
        progress=lambda done, total: told.append((done, total)),
    )
    first, second = spots
    assert abs(first - 4) <= 1 and abs(second - 6) <= 1
    assert told == [(1, 2), (2, 2)]


def test_a_second_run_reads_nothing_whatever_the_size_of_the_crops(tmp_path):
    clip, reads = footage(a_clip(7))
    found = {
        next(spots_of_clips([clip], alignment, no_face, directory=tmp_path))
        for alignment in (
            CENTRE,
            Alignment(align="center_crop", size=224),
            Alignment(align="center_crop", stabilise=True),
        )
    }
    assert len(found) == 1 and len(reads) == 1


def test_a_clip_without_a_face_follows_the_policy(tmp_path):
    clip, _ = footage(a_clip(7))
    spot = lambda policy: list(
        spots_of_clips(
            [clip], Alignment(on_no_face=policy), no_face, directory=tmp_path
        )
    )
    with pytest.raises(FaceNotFound, match="a/b/c"):
        spot("error")
    for _ in range(2):
        assert spot("skip") == [None]
    assert abs(spot("center_crop")[0] - 7) <= 1


@pytest.mark.parametrize("wanted", [(1, 2, 3), (0,), ()])
def test_a_spot_needs_the_frames_from_onset_to_offset(tmp_path, wanted):
    clip, _ = footage(a_clip(7))
    spots = spots_of_clips(
        [clip._replace(wanted=wanted)], CENTRE, no_face, directory=tmp_path
    )
    with pytest.raises(ValueError, match="a/b/c"):
        next(spots)
