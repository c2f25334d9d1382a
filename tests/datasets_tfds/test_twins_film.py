import cv2
import numpy as np

from datasets_tfds import twins_film
from datasets_tfds.synthetic.camera import Camera
from datasets_tfds.twins_film import Print, Shot
from tests import tiles

CAMERA = Camera(height=60, width=80, face=40, centre=(40, 28))


def shot(**changes):
    return Shot("s", "c", "happiness", CAMERA, 4, 2)._replace(**changes)


def film(tmp_path, shot, **copy):
    files = tuple(tmp_path / f"{t}.png" for t in range(4))
    twins_film.film_clip([(shot, (Print(files, **copy),))], seed=0)
    return [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files]


def test_prints_show_the_footage(tmp_path):
    frames = list(twins_film.film(shot(), 0).frames())
    for image, frame in zip(film(tmp_path, shot()), frames, strict=True):
        np.testing.assert_array_equal(image[..., ::-1], frame)


def test_another_seed_shows_another_face(tmp_path):
    file = tmp_path / "frame.png"
    faces = []
    for seed in (0, 1):
        twins_film.film_clip([(shot(), (Print((file,)),))], seed=seed)
        faces.append(cv2.imread(str(file)).astype(float))
    assert np.abs(faces[0] - faces[1]).mean() > 10


def test_prints_may_be_cropped_grey_and_stop_early(tmp_path):
    whole = film(tmp_path, shot())
    part = film(tmp_path, shot(), crop=(10, 20, 30, 15))
    np.testing.assert_array_equal(part[2], whole[2][20:35, 10:40])
    grey = film(tmp_path, shot(), grey=True)
    np.testing.assert_array_equal(grey[2], cv2.cvtColor(whole[2], cv2.COLOR_BGR2GRAY))
    short = (tmp_path / "short" / "0.png",)
    twins_film.film_clip([(shot(), (Print(short),))], seed=0)
    assert tiles.names(tmp_path / "short") == {"0.png"}


def test_backwards(tmp_path):
    forwards, backwards = film(tmp_path, shot()), film(tmp_path, shot(backwards=True))
    np.testing.assert_array_equal(backwards, forwards[::-1])


def test_a_stronger_expression_moves_more():
    micro, macro = (
        twins_film.film(shot(strength=strength), 0)
        for strength in (1, twins_film.MACRO)
    )
    moved = [filmed.motion(2) - filmed.head_motion(2) for filmed in (micro, macro)]
    assert np.abs(moved[1]).max() > 1.5 * np.abs(moved[0]).max() > 0


def test_video(tmp_path):
    frames = [np.full((48, 64, 3), (10, 10 * t, 200), np.uint8) for t in range(1, 5)]
    path = tmp_path / "new" / "clip.avi"
    twins_film.write_video(path, iter(frames), fps=25)
    video = cv2.VideoCapture(str(path))
    for frame in frames:
        error = np.abs(video.read()[1][..., ::-1].astype(int) - frame)
        assert error.max() < 8
    assert not video.read()[0]
    assert video.get(cv2.CAP_PROP_FPS) == 25
