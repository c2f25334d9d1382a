import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from datasets_tfds.synthetic.footage import Camera, film
from mer_jax.errors import UserError
from mer_jax.preprocess import landmarks
from mer_jax.preprocess.landmarks import Landmarker, landmarks_recipe, model_path

ROOT = Path(__file__).parents[2]


@pytest.fixture
def no_model(monkeypatch, tmp_path):
    monkeypatch.delenv("MER_FACE_LANDMARKER", raising=False)
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    return tmp_path


def a_bundle(path):
    """A zip with the right entries and the wrong content."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("face_detector.tflite", b"x" * 100)
    return path


# The model file.


def test_the_model_is_looked_for_where_the_user_says(no_model, monkeypatch):
    content = b"the real one"
    monkeypatch.setattr(landmarks, "SHA256", hashlib.sha256(content).hexdigest())
    places = [
        no_model / "cache" / "face_landmarker.task",
        no_model / "by_variable.task",
        no_model / "by_flag.task",
    ]
    for place in places:
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content)
    assert model_path() == places[0]
    monkeypatch.setenv("MER_FACE_LANDMARKER", str(places[1]))
    assert model_path() == places[1]
    assert model_path(str(places[2])) == places[2]
    monkeypatch.delenv("MER_FACE_LANDMARKER")
    monkeypatch.delenv("MER_CACHE")
    monkeypatch.setenv("HOME", str(no_model))
    with pytest.raises(UserError, match=r"\.cache.mer_jax.face_landmarker\.task"):
        model_path()


def test_a_missing_model_tells_how_to_get_it(no_model):
    with pytest.raises(UserError) as caught:
        model_path(no_model / "none.task")
    text = str(caught.value)
    for part in (
        str(no_model / "none.task"),
        "https://storage.googleapis.com/mediapipe-models/face_landmarker/"
        "face_landmarker/float16/1/face_landmarker.task",
        "3,758,596 bytes",
        "Apache-2.0",
        f"curl -L --create-dirs -o {no_model / 'none.task'} https://",
        "--set data.landmarker=PATH",
        "MER_FACE_LANDMARKER",
    ):
        assert part in text


@pytest.mark.parametrize("kind", ["placeholder", "bundle", "folder", "empty"])
def test_another_file_is_not_the_model(no_model, kind):
    path = no_model / "some.task"
    if kind == "placeholder":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:6418\n")
    elif kind == "bundle":
        a_bundle(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.touch()
    with pytest.raises(UserError, match="curl -L") as caught:
        model_path(path)
    assert str(path) in str(caught.value)
    if kind != "folder":
        text = str(caught.value)
        assert f"{path.stat().st_size:,} bytes" in text and landmarks.SHA256 in text


def test_the_model_is_checked_before_mediapipe_is_imported(no_model):
    code = (
        "import sys, numpy as np\n"
        "from mer_jax.preprocess.landmarks import Landmarker\n"
        "landmarker = Landmarker(sys.argv[1])\n"
        "try: landmarker(np.zeros((9, 9, 3), np.uint8))\n"
        "except ValueError as error: print(error)\n"
        "assert not {'mediapipe', 'cv2'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(a_bundle(no_model / "a.task"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "is not the face landmarker" in done.stdout


def test_a_landmarker_that_is_never_called_needs_no_model(no_model):
    with Landmarker(no_model / "none.task"):
        pass


def test_the_recipe_names_the_model_and_the_version():
    recipe = landmarks_recipe()
    assert recipe["model"] == landmarks.SHA256 and recipe["mediapipe"]


# Confidence, with stand-ins for MediaPipe's landmarkers.


class Point:
    x, y = 0.5, 0.25


class Found:
    face_landmarks = [[Point] * 478]


class Nothing:
    face_landmarks = []


class StandIn(Landmarker):
    """Opens landmarkers that find a face at or below some confidence."""

    def __init__(self, confidence):
        super().__init__()
        self.confidence, self.opened, self.closed = confidence, [], []

    def _open(self, confidence):
        self.opened.append(confidence)
        self._opened.callback(self.closed.append, confidence)
        return self

    def detect(self, image):
        return Found if self.opened[-1] <= self.confidence else Nothing


@pytest.mark.parametrize(
    "confidence, opened", [(0.6, [0.5]), (0.3, [0.5, 0.2]), (0.1, [0.5, 0.2])]
)
def test_a_lower_confidence_is_tried_where_no_face_is_found(
    monkeypatch, confidence, opened
):
    monkeypatch.setattr(landmarks, "_image", lambda frame: frame)
    frame = np.zeros((40, 60, 3), np.uint8)
    with StandIn(confidence) as landmarker:
        points = landmarker(frame)
        assert landmarker.opened == opened
    assert sorted(landmarker.closed) == sorted(opened)
    if confidence < 0.2:
        assert points is None
    else:
        assert points.shape == (478, 2) and points.dtype == np.float32
        np.testing.assert_array_equal(points, np.tile([[29.5, 9.5]], (478, 1)))


def test_only_the_usual_lines_are_held_back(capfd):
    with pytest.raises(RuntimeError), landmarks._without_chatter():
        os.write(2, b"INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n")
        os.write(2, b"E0000 something is wrong\n")
        print("said by Python", file=sys.stderr)
        raise RuntimeError
    os.write(2, b"after\n")
    error = capfd.readouterr().err
    assert "something is wrong\n" in error and error.endswith("after\n")
    assert "XNNPACK" not in error


# The real model, where the environment names it.


@pytest.fixture
def model():
    path = os.environ.get("MER_FACE_LANDMARKER")
    if not path:
        pytest.skip("MER_FACE_LANDMARKER names no model")
    return path


def clips(count):
    return [
        film(
            seed=4,
            subject=f"sub{i:02d}",
            clip="EP01",
            emotion="neutral",
            camera=Camera(height=240, width=320, face=110, centre=(150 + 5 * i, 100)),
            num_frames=2,
        )
        for i in range(count)
    ]


def test_drawn_faces_are_found_quietly_from_any_thread(model, capfd):
    drawn = clips(3)
    frames = [clip.frame(0) for clip in drawn]
    with Landmarker(model) as find:
        alone = [find(frame) for frame in frames]
        with ThreadPoolExecutor(3) as pool:
            together = list(pool.map(find, frames * 4))
        assert find(np.full((240, 320, 3), 90, np.uint8)) is None
    for found, expected in zip(together, alone * 4, strict=True):
        np.testing.assert_array_equal(found, expected)
    for clip, found in zip(drawn, alone, strict=True):
        truth = clip.landmarks(0)
        for eye in (33, 133, 362, 263):
            assert np.linalg.norm(found[eye] - truth[eye]) < 0.05 * 110
    assert capfd.readouterr().err == ""
