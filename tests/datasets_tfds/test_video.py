import cv2
import numpy as np
import pytest
from test_custom import write_video

from datasets_tfds import video
from datasets_tfds.record import ReleaseError


def test_only_the_frames_of_a_clip_are_decoded(tmp_path):
    write_video(tmp_path / "film.avi", range(20))
    frames = video.decode(tmp_path / "film.avi", 5, 7)
    assert list(frames) == [5, 6, 7]
    assert all(png.startswith(b"\x89PNG") for png in frames.values())
    assert list(video.decode(tmp_path / "film.avi", 18)) == [18, 19]
    assert list(video.decode(tmp_path / "film.avi", 0, 1)) == [0, 1]


@pytest.mark.parametrize("fps", [24, 29.97])
def test_a_video_is_counted_and_measured(tmp_path, fps):
    path = tmp_path / "film.avi"
    write_video(path, range(13), fps=fps)
    found = video.probe(path)
    assert found._replace(fps=None) == (path, 13, None, 64, 48)
    np.testing.assert_allclose(found.fps, fps, rtol=1e-4)


def test_a_video_cut_short_has_the_frames_that_are_there(tmp_path):
    path = tmp_path / "film.avi"
    write_video(path, range(20))
    whole = path.read_bytes()
    eighth = whole.split(b"00dc")[:8]  # as chunks of frames start in an AVI
    path.write_bytes(b"00dc".join(eighth))
    found = video.probe(path)
    assert 0 < found.num_frames < 9
    assert list(video.decode(path)) == list(range(found.num_frames))


@pytest.mark.parametrize("content", [b"", b"RIFF, but no more than that"])
def test_what_is_no_video_is_an_error(tmp_path, content):
    path = tmp_path / "film.avi"
    path.write_bytes(content)
    with pytest.raises(ReleaseError, match="film.avi cannot be read as a video"):
        video.probe(path)


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_not_told(tmp_path, monkeypatch, fps):
    write_video(tmp_path / "film.avi", range(3))
    capture = cv2.VideoCapture

    class Unsure:
        def __init__(self, path):
            self.capture = capture(path)

        def get(self, what):
            return fps if what == cv2.CAP_PROP_FPS else self.capture.get(what)

        def __getattr__(self, name):
            return getattr(self.capture, name)

    monkeypatch.setattr(video.cv2, "VideoCapture", Unsure)
    assert video.probe(tmp_path / "film.avi")[1:] == (3, None, 64, 48)
