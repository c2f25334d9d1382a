import re
from collections import Counter

import cv2
import pytest

from datasets_tfds.ckplus import fake_release
from tests import tiles

IMAGES = "cohn-kanade-images"


@pytest.fixture(scope="module")
def plan():
    return fake_release.plan()


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first four subjects: S005, S010, S011, S014."""
    folder = tmp_path_factory.mktemp("ckplus") / "release"
    calls = []
    with tiles.instead_of_faces():
        twin = fake_release.write_release(
            folder, subjects=4, progress=lambda *call: calls.append(call)
        )
    assert len(calls) == len(list((folder / "FACS").glob("S*/*"))) > twin.clips
    return folder


def labels(folder):
    """'S005/001' -> code."""
    return {
        "/".join(path.parts[-3:-1]): int(float(path.read_text()))
        for path in folder.rglob("*_emotion.txt")
    }


def test_published_counts(plan):
    assert len({clip.folder for clip in plan}) == len(plan) == 593
    assert len({clip.subject for clip in plan}) == 123
    labelled = [clip for clip in plan if clip.emotion]
    assert len(labelled) == 327
    assert len({clip.subject for clip in labelled}) == 118
    assert Counter(clip.emotion for clip in labelled) == {
        **{"anger": 45, "contempt": 18, "disgust": 59, "fear": 25, "happy": 69},
        **{"sadness": 28, "surprise": 83},
    }


def test_lengths(plan):
    assert all(8 <= clip.num_frames <= 12 for clip in plan if clip.emotion)
    assert all(3 <= clip.num_frames <= 4 for clip in plan if not clip.emotion)
    assert [clip.folder for clip in plan if clip.first != 1] == ["S005/002"]


def test_codes_of_a_small_twin(release, plan):
    codes = labels(release / "Emotion")
    names = (
        *("neutral", "anger", "contempt", "disgust", "fear", "happy", "sadness"),
        "surprise",
    )
    kept = {"S005", "S010", "S011", "S014"}
    assert {folder: names[code] for folder, code in codes.items()} == {
        clip.folder: clip.emotion
        for clip in plan
        if clip.subject in kept and clip.emotion
    }
    assert {code for folder, code in codes.items() if folder[:4] == "S005"} == {
        *(1, 2, 3, 4, 5, 6, 7)
    }
    assert not any(folder.startswith("S011") for folder in codes)


def test_label_of_the_last_frame(release):
    path = release / "Emotion" / "S005" / "002" / "S005_002_00000014_emotion.txt"
    assert path.read_bytes() == b"   2.0000000e+00\n"
    for file in (release / "Emotion").rglob("*_emotion.txt"):
        folder = release / IMAGES / "/".join(file.parts[-3:-1])
        last = max(p.stem for p in folder.glob("S*.png"))
        assert file.name == f"{last}_emotion.txt"


def test_sequences_without_a_label(release):
    sequences = {"/".join(f.parts[-2:]) for f in (release / IMAGES).glob("S*/0*")}
    assert len(sequences) > 20
    folders = {"/".join(f.parts[-2:]) for f in (release / "Emotion").glob("S*/0*")}
    codes = set(labels(release / "Emotion"))
    assert codes < folders < sequences
    assert all(not list((release / "Emotion" / f).iterdir()) for f in folders - codes)


def test_frames_are_numbered_without_gaps(release):
    for folder in (release / IMAGES).glob("S*/0*"):
        numbers = sorted(int(p.stem[-8:]) for p in folder.glob("S*.png"))
        first = 3 if folder.parts[-2:] == ("S005", "002") else 1
        assert numbers == list(range(first, first + len(numbers)))
    assert (release / IMAGES / "S005/002/S005_002_00000003.png").exists()


@pytest.mark.parametrize(("subject", "shape"), [("S005", (122, 160)), ("S010", None)])
def test_grey_and_colour(subject, shape, release):
    path = next((release / IMAGES / subject).rglob("S*.png"))
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image.shape == (shape or (122, 160, 3))


def test_action_units(release):
    files = list((release / "FACS").rglob("*_facs.txt"))
    sequences = list((release / IMAGES).glob("S*/0*"))
    assert len(files) == len(sequences)
    line = re.compile(r"( {3}\d\.\d{7}e\+\d\d){2}")
    for file in files:
        assert all(line.fullmatch(text) for text in file.read_text().splitlines())


def test_landmarks(release):
    path = release / "Landmarks/S005/001"
    (file,) = path.iterdir()
    assert len(file.read_text().splitlines()) == 68


def test_as_the_archives_unpack(tmp_path):
    with tiles.instead_of_faces():
        fake_release.write_release(tmp_path / "twin", subjects=1, layout="unpacked")
    images = tmp_path / "twin/extended-cohn-kanade-images/cohn-kanade-images"
    assert (images / "S005/002/S005_002_00000003.png").exists()
    assert len(labels(tmp_path / "twin/Emotion_labels/Emotion")) == 7
    assert not (tmp_path / "twin" / IMAGES).exists()


def test_an_unknown_layout_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'merged', 'unpacked'.*got 'zip'"):
        fake_release.write_release(tmp_path / "twin", layout="zip")


def test_one_sequence_is_of_real_size(plan):
    (clip,) = (clip for clip in plan if clip.folder == "S127/003")
    assert fake_release.ORDER[-1] == "S127"
    assert (clip.camera.width, clip.camera.height) == (640, 490)
    assert clip.emotion


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} | tiles.DECOYS <= tiles.names(
        release
    )
    for tree in (IMAGES, "Emotion"):
        assert tiles.DECOYS | {"SYNTHETIC"} <= tiles.names(release / tree)
    assert tiles.DECOYS <= tiles.names(release / IMAGES / "S005" / "001")
