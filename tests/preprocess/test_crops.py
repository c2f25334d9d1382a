import dataclasses
import threading
import time

import cv2
import numpy as np
import pytest

from mer_jax.errors import UserError
from mer_jax.preprocess.align import centre_transform, crop_transform, warp
from mer_jax.preprocess.crops import (
    Alignment,
    FaceNotFound,
    Footage,
    crop_clip,
    crops_of_clips,
)
from mer_jax.preprocess.stabilise import steady

ALIGNMENT = Alignment(size=32)
FACE = 250  # grey level of the top left pixel that says: there is a face


def a_frame(number, *, face=True, height=60, width=80):
    """A picture unlike the others, whose first pixels tell what is in it."""
    noise = np.random.default_rng(number).normal(size=(height, width, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    frame = np.interp(smooth, (smooth.min(), smooth.max()), (40, 200)).astype(np.uint8)
    frame[0, 0] = FACE if face else 0
    frame[0, 1] = number
    return frame


def png(frame):
    return cv2.imencode(".png", frame[..., ::-1])[1].tobytes()


class Looker:
    """Stands in for a Landmarker: a face somewhere, if the first pixel says so."""

    def __init__(self):
        self.seen = []

    def __call__(self, frame):
        self.seen.append(int(frame[0, 1, 0]))
        if frame[0, 0, 0] != FACE:
            return None
        return face_of(frame)


def face_of(frame):
    """Points by the frame's number: where a face is differs from frame to frame."""
    points = np.random.default_rng(int(frame[0, 1, 0])).normal(0, 4, (478, 2))
    points += [40, 30]
    points[[133, 362]] = [[34, 28], [46, 29]]
    points[[152, 176, 334]] = [[40, 55], [36, 54], [48, 20]]
    return points.astype(np.float32)


class Clip:
    """Encoded frames that count how often they are read."""

    def __init__(self, frames):
        self.encoded = [png(frame) for frame in frames]
        self.frames = list(frames)
        self.reads = 0

    def read(self):
        self.reads += 1
        return self.encoded


def footage(clip, *, onset=0, wanted=None, name="a/b/c"):
    wanted = tuple(range(len(clip.frames))) if wanted is None else wanted
    content = f"content of {[f[0, :2, 0].tolist() for f in clip.frames]}"
    return Footage(name, content, clip.read, onset, wanted)


@pytest.fixture
def clip():
    return Clip([a_frame(i) for i in range(6)])


@pytest.fixture
def look():
    return Looker()


def run(clips, alignment, look, directory, **options):
    return list(crops_of_clips(clips, alignment, look, directory=directory, **options))


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        assert a.face == b.face
        np.testing.assert_array_equal(a.frames, b.frames)


# What the crops are.


@pytest.mark.parametrize("align", ["template", "moext"])
def test_one_transform_from_the_onset_serves_all_frames(clip, look, tmp_path, align):
    alignment = Alignment(align=align, size=32)
    wanted = footage(clip, onset=2, wanted=(2, 5, 3))
    (crops,) = run([wanted], alignment, look, tmp_path)
    transform = crop_transform(face_of(clip.frames[2]), align, 32)
    expected = [warp(clip.frames[i], transform, 32) for i in (2, 5, 3)]
    np.testing.assert_array_equal(crops.frames, expected)
    assert crops.frames.dtype == np.uint8 and crops.face == "found"
    assert look.seen == [2]


def test_stabilised_crops_follow_the_onset_crop(clip, look):
    alignment = dataclasses.replace(ALIGNMENT, stabilise=True)
    crops = crop_clip(footage(clip, onset=1, wanted=(1, 4)), alignment, look)
    transform = crop_transform(face_of(clip.frames[1]), "template", 32)
    onset = warp(clip.frames[1], transform, 32)
    np.testing.assert_array_equal(crops.frames[0], onset)
    expected = steady(onset, clip.frames[4], transform)
    np.testing.assert_array_equal(crops.frames[1], expected)


def test_frames_may_stay_as_they_are_decoded(clip, look, tmp_path):
    small = Clip([a_frame(9, height=20, width=30)])
    crops = run(
        [footage(clip, wanted=(3, 0)), footage(small)],
        Alignment(align="none"),
        look,
        tmp_path,
    )
    np.testing.assert_array_equal(crops[0].frames, [clip.frames[3], clip.frames[0]])
    np.testing.assert_array_equal(crops[1].frames, small.frames)
    assert {c.face for c in crops} == {"unsought"} and not look.seen


def test_a_central_crop_needs_no_landmarks(clip, look):
    crops = crop_clip(footage(clip), Alignment(align="center_crop", size=60), look)
    np.testing.assert_array_equal(crops.frames, [f[:, 10:70] for f in clip.frames])
    assert crops.face == "center_crop" and not look.seen


def test_grey_and_compressed_frames_become_rgb(look):
    grey = cv2.cvtColor(a_frame(0), cv2.COLOR_RGB2GRAY)
    encoded = [cv2.imencode(kind, grey)[1].tobytes() for kind in (".bmp", ".png")]
    encoded += [cv2.imencode(".jpg", a_frame(0)[..., ::-1])[1].tobytes()]
    wanted = Footage("a/b/c", "x", lambda: encoded, 0, (0, 1, 2))
    frames = crop_clip(wanted, Alignment(align="none"), look).frames
    np.testing.assert_array_equal(frames[0], np.repeat(grey[..., None], 3, axis=-1))
    np.testing.assert_array_equal(frames[0], frames[1])
    error = np.abs(frames[2].astype(int) - a_frame(0))[2:]
    assert error.mean() < 5  # a swap of red and blue would be far off


def test_only_the_frames_needed_are_decoded(clip, look, tmp_path):
    clip.encoded[1:5] = [b"broken"] * 4
    (crops,) = run([footage(clip, wanted=(0, 5))], ALIGNMENT, look, tmp_path)
    assert crops.frames.shape == (2, 32, 32, 3)


# No face.


def faceless(*with_face):
    return Clip([a_frame(i, face=i in with_face) for i in range(6)])


def test_the_three_frames_after_the_onset_are_looked_at_too(look, tmp_path):
    clip = faceless(4, 5)
    wanted = footage(clip, onset=1, wanted=(1, 5))
    (crops,) = run([wanted], ALIGNMENT, look, tmp_path)
    assert look.seen == [1, 2, 3, 4]
    transform = crop_transform(face_of(clip.frames[4]), "template", 32)
    expected = [warp(clip.frames[i], transform, 32) for i in (1, 5)]
    np.testing.assert_array_equal(crops.frames, expected)


@pytest.mark.parametrize("onset, seen", [(0, [0, 1, 2, 3]), (4, [4, 5])])
def test_without_a_face_clip_and_frame_and_ways_out_are_named(look, onset, seen):
    lost = footage(faceless(), onset=onset, name="corpus/sub01/EP02")
    with pytest.raises(FaceNotFound) as caught:
        crop_clip(lost, ALIGNMENT, look)
    assert isinstance(caught.value, UserError) and look.seen == seen
    for part in ("corpus/sub01/EP02", f"frame {onset}", "error", "skip", "center_crop"):
        assert part in str(caught.value)


def test_a_clip_without_a_face_may_be_skipped(clip, look, tmp_path):
    alignment = dataclasses.replace(ALIGNMENT, on_no_face="skip")
    lost = faceless()
    for _ in range(2):
        found = run([footage(lost), footage(clip)], alignment, look, tmp_path)
        assert found[0] is None and found[1].face == "found"
    assert lost.reads == clip.reads == 1  # that there is none is remembered


def test_a_clip_without_a_face_may_be_cropped_centrally(look, tmp_path):
    alignment = dataclasses.replace(ALIGNMENT, on_no_face="center_crop")
    lost = faceless()
    for _ in range(2):
        (found,) = run([footage(lost, wanted=(0,))], alignment, look, tmp_path)
        expected = warp(lost.frames[0], centre_transform(60, 80, 32), 32)
        np.testing.assert_array_equal(found.frames, [expected])
        assert found.face == "center_crop"
    assert look.seen == [0, 1, 2, 3]


def test_another_policy_recomputes_nothing_but_the_clips_without(clip, look, tmp_path):
    lost = faceless()
    clips = [footage(clip), footage(lost)]
    with pytest.raises(FaceNotFound):
        run(clips, ALIGNMENT, look, tmp_path)
    looks = len(look.seen)
    for policy in ("skip", "center_crop"):
        alignment = dataclasses.replace(ALIGNMENT, on_no_face=policy)
        run(clips, alignment, look, tmp_path)
    assert len(look.seen) == looks and clip.reads == 1


# Broken releases.


@pytest.mark.parametrize("data", [b"", b"text", None], ids=["empty", "text", "cut"])
def test_a_frame_that_is_no_picture_is_named(clip, look, data):
    clip.encoded[3] = clip.encoded[3][:40] if data is None else data
    with pytest.raises(UserError, match="frame 3 of clip a/b/c is no picture"):
        crop_clip(footage(clip), ALIGNMENT, look)


@pytest.mark.parametrize("position", [6, -1])
def test_a_frame_that_the_clip_lacks_is_named(clip, look, position):
    lacking = footage(clip, wanted=(position,))
    for lost in (lacking, lacking._replace(onset=position)):
        for align in ("template", "none", "center_crop"):
            alignment = Alignment(align=align)
            with pytest.raises(UserError, match=f"frame {position} .* has 6 frames"):
                crop_clip(lost, alignment, look)


def test_decoded_frames_of_one_clip_must_be_of_one_size(look):
    mixed = Clip([a_frame(0), a_frame(1, height=50)])
    with pytest.raises(UserError, match=r"a/b/c differ in size.*50, 80.*60, 80"):
        crop_clip(footage(mixed), Alignment(align="none"), look)
    assert crop_clip(footage(mixed), ALIGNMENT, look).frames.shape == (2, 32, 32, 3)


def test_tiny_crops_are_refused():
    with pytest.raises(UserError, match="at least 16 px, got 8"):
        Alignment(size=8)


# Many clips.


def many(count=9):
    return [Clip([a_frame(10 * i), a_frame(10 * i + 1)]) for i in range(count)]


def test_the_crops_do_not_depend_on_the_number_of_threads(look, tmp_path):
    alignment = dataclasses.replace(ALIGNMENT, stabilise=True)
    clips = [footage(clip) for clip in many()]
    alone = [crop_clip(one, alignment, look) for one in clips]
    for workers in (1, 2, 5):
        directory = tmp_path / str(workers)
        assert_same(run(clips, alignment, look, directory, workers=workers), alone)


def test_a_second_run_reads_nothing(look, tmp_path):
    clips = many()
    told = []
    progress = lambda done, total: told.append((done, total))
    wanted = [footage(clip) for clip in clips]
    first = run(wanted, ALIGNMENT, look, tmp_path, progress=progress)
    looks = list(look.seen)
    second = run(wanted, ALIGNMENT, look, tmp_path, progress=progress)
    assert_same(second, first)
    assert [clip.reads for clip in clips] == [1] * 9 and look.seen == looks
    assert told == 2 * [(i + 1, 9) for i in range(9)]
    assert len(list(tmp_path.iterdir())) == 9


@pytest.mark.parametrize(
    "change",
    [
        {"content": "other"},
        {"onset": 1},
        {"wanted": (1, 0)},
        {"align": "moext"},
        {"align": "center_crop"},
        {"align": "none"},
        {"size": 48},
        {"stabilise": True},
    ],
    ids=str,
)
def test_whatever_changes_the_pixels_is_computed_again(look, tmp_path, change):
    (clip,) = many(1)
    run([footage(clip)], ALIGNMENT, look, tmp_path)
    fields = {k: v for k, v in change.items() if k in Footage._fields}
    rest = {k: v for k, v in change.items() if k not in fields}
    changed = footage(clip)._replace(**fields)
    alignment = dataclasses.replace(ALIGNMENT, **rest)
    for _ in range(2):
        run([changed], alignment, look, tmp_path)
    assert clip.reads == 2


def test_the_name_of_a_clip_is_only_for_messages(look, tmp_path):
    (clip,) = many(1)
    for name in ("a/b/c", "d/e/f"):
        run([footage(clip, name=name)], ALIGNMENT, look, tmp_path)
    assert clip.reads == 1


@pytest.mark.parametrize("killed_after", [1, 4])
def test_an_interrupted_run_resumes(look, tmp_path, killed_after):
    clips = many()
    wanted = [footage(clip) for clip in clips]

    def interrupt(done, total):
        if done == killed_after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(wanted, ALIGNMENT, look, tmp_path, workers=2, progress=interrupt)
    begun = sum(clip.reads for clip in clips)
    assert killed_after <= begun < 9
    assert len(list(tmp_path.iterdir())) == begun
    found = run(wanted, ALIGNMENT, look, tmp_path, workers=2)
    assert [clip.reads for clip in clips] == [1] * 9
    assert_same(found, [crop_clip(one, ALIGNMENT, look) for one in wanted])


def test_few_clips_are_in_memory_at_once(look, tmp_path):
    lock, read = threading.Lock(), 0

    def frames(clip):
        nonlocal read
        with lock:
            read += 1
        return clip.encoded

    clips = many(20)
    wanted = [
        footage(clip)._replace(frames=lambda clip=clip: frames(clip)) for clip in clips
    ]
    found = crops_of_clips(wanted, ALIGNMENT, look, directory=tmp_path, workers=2)
    for taken, _ in enumerate(found, start=1):
        time.sleep(0.005)
        with lock:
            assert read - taken < 4
    assert read == 20
