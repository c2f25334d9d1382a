import csv
from collections import Counter

import cv2
import pytest

from datasets_tfds.custom import fake_release
from tests import tiles


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first three subjects."""
    folder = tmp_path_factory.mktemp("custom") / "release"
    with tiles.instead_of_faces():
        fake_release.write_release(folder, subjects=3)
    return folder


@pytest.fixture(scope="module")
def table(release):
    with (release / "clips.csv").open(encoding="utf-8", newline="") as file:
        return [
            {name: cell.strip() for name, cell in row.items()}
            for row in csv.DictReader(file)
        ]


def test_counts():
    plan = fake_release.plan()
    assert len(plan) == 60
    assert len({row.subject for row in plan}) == 12
    assert Counter(row.emotion for row in plan) == {
        **{"happiness": 10, "surprise": 10, "disgust": 10},
        **{"sadness": 10, "fear": 10, "anger": 10},
    }
    assert sum(row.is_video for row in plan) == 8
    assert sum(row.onset is None for row in plan) == 2
    assert sum(row.apex is None for row in plan) == 21


def test_table(release, table):
    assert list(table[0]) == [
        *("subject", "clip", "path", "emotion", "onset", "apex", "offset", "fps"),
        *("action_units", "kind", "objective_class"),
    ]
    assert len(table) == 15
    assert len({(row["subject"], row["clip"]) for row in table}) == 15


def test_untidy_rows(release):
    text = (release / "clips.csv").read_bytes().decode("utf-8")
    assert "\r\n\r\n" in text
    assert "p01  ,c02  ,clips/p01/c02  ,surprise  ," in text
    assert '"4, R10"' in text


def test_onset_apex_offset_are_numbers_on_disk(release, table):
    for row in table:
        path = release / row["path"]
        if path.suffix == ".avi":
            video = cv2.VideoCapture(str(path))
            numbers = list(range(int(video.get(cv2.CAP_PROP_FRAME_COUNT))))
            video.release()
        else:
            frames = path.glob("frame_*")
            numbers = sorted(int(frame.stem.split("_")[1]) for frame in frames)
            assert numbers == list(range(numbers[0], numbers[-1] + 1))
        points = [row["onset"], row["apex"], row["offset"]]
        points = [int(point) for point in points if point]
        assert points == sorted(set(points))
        assert set(points) <= set(numbers)


def test_folders_may_hold_more_than_the_clip(release, table):
    (row,) = (row for row in table if (row["subject"], row["clip"]) == ("p01", "c01"))
    frames = tiles.names(release / "clips" / "p01" / "c01")
    assert {"frame_99.jpg", "frame_100.jpg"} <= frames
    assert int(row["onset"]) == 96 and "frame_95.jpg" in frames


def test_images_and_videos(release, table):
    kinds = Counter(row["path"].split("/")[0] for row in table)
    assert kinds == {"clips": 13, "videos": 2}
    suffixes = {path.suffix for path in (release / "clips").rglob("frame_*")}
    assert suffixes == {".jpg", ".png"}
    video = cv2.VideoCapture(str(release / "videos" / "p01_c05.avi"))
    assert video.get(cv2.CAP_PROP_FPS) == 30
    assert video.read()[1].shape == (240, 320, 3)
    video.release()


def test_one_clip_is_large():
    row = fake_release.plan()[-1]
    assert (row.subject, row.clip) == ("p12", "c05")
    assert row.num_frames >= 90
    assert not row.is_video


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} | tiles.DECOYS <= tiles.names(
        release
    )
    assert tiles.DECOYS | {"New folder"} <= tiles.names(release / "clips/p01/c01")
