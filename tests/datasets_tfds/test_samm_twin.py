from collections import Counter

import cv2
import openpyxl
import pytest

from datasets_tfds import twins
from datasets_tfds.samm import fake_release
from tests import tiles

SHEET = "SAMM_Micro_FACS_Codes_v2.xlsx"
FIVE = {"Anger", "Contempt", "Happiness", "Surprise", "Other"}
HEADER = (
    *("Subject", "Filename", "Inducement Code", "Onset Frame", "Apex Frame"),
    *("Offset Frame", "Duration", "Micro", "Action Units", "Estimated Emotion"),
    *("Objective Classes", "Notes"),
)


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """The full-size coding, without a single frame."""
    path = tmp_path_factory.mktemp("samm") / SHEET
    plan = fake_release.plan()
    fake_release.write_coding(path, plan, ["12"] * len(plan))
    return tiles.rows(path, "MICRO_ONLY")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first five subjects."""
    folder = tmp_path_factory.mktemp("samm") / "release"
    with tiles.instead_of_faces():
        fake_release.write_release(folder, subjects=5)
    return folder / "SAMM"


def test_published_counts(sheet):
    rows = sheet[14:]
    assert len(rows) == 159
    assert len({row[0] for row in rows}) == 29
    assert Counter(row[9] for row in rows) == {
        "Anger": 57,
        "Other": 26,
        "Happiness": 26,
        "Surprise": 15,
        "Contempt": 12,
        "Disgust": 9,
        "Fear": 8,
        "Sadness": 6,
    }
    assert Counter(row[10] for row in rows) == {
        1: 24,
        2: 13,
        3: 20,
        4: 8,
        5: 3,
        6: 7,
        7: 84,
    }
    assert len({row[0] for row in rows if row[10] < 6}) == 21


def test_subjects_that_vanish(sheet):
    emotions = {row[0]: set() for row in sheet[14:]}
    for row in sheet[14:]:
        emotions[row[0]].add(row[9])
    assert emotions["025"] == {"Other"}
    assert {subject for subject in emotions if not emotions[subject] & FIVE} == {
        "024",
        "036",
    }
    assert sum(row[9] in FIVE for row in sheet[14:]) == 136
    assert {subject for subject in emotions if emotions[subject] == {"Other"}} == {
        "025"
    }


def test_the_composite_is_in_it(sheet):
    classes = {"Happiness": 1, "Surprise": 2}
    labels = {
        row[:2]: classes.get(row[9], 0) for row in sheet[14:] if row[9] != "Other"
    }
    assert labels == dict(twins.published_labels("samm"))


def test_layout_of_the_sheet(sheet):
    assert len(sheet) == 173
    assert {len(row) for row in sheet} == {12}
    assert sheet[13] == HEADER
    blank = [number for number, row in enumerate(sheet[:13], start=1) if not any(row)]
    assert blank == [2, 5, 9, 13]
    assert isinstance(sheet[0][0], str) and isinstance(sheet[0][4], str)
    assert all(row[0] != "Subject" for row in sheet[:13])


def test_cell_types(sheet):
    rows = sheet[14:]
    assert {type(value) for row in rows for value in row[:2]} == {str}
    assert {type(value) for row in rows for value in row[2:6]} == {int}
    assert rows[0][6] == "=SUM(F15-D15)+1"
    assert rows[-1][6] == "=SUM(F173-D173)+1"
    assert {row[7] for row in rows} == {"Micro - 1/2"}
    assert {row[8] for row in rows} == {
        *(12, "(R6 or R12)+R15", "L12 or L14", "R12 or R14", "R12 or R14A", "5B/C"),
        *("T23", "1+2 ", "ref(7B)+43", "10A/B"),
    }
    assert Counter(row[11] for row in rows) == {None: 158, "Offset unclear": 1}
    assert all(row[1].split("_")[:2] == [row[0], str(row[2])] for row in rows)
    assert {1, 7} <= {row[2] for row in rows}


def test_duration_has_no_value(release):
    book = openpyxl.load_workbook(release / SHEET, data_only=True)
    assert [cell.value for cell in book["MICRO_ONLY"]["G"][14:]] == [None] * 22


def test_trimmed_copy(tmp_path):
    plan = fake_release.plan()[:3]
    fake_release.write_coding(tmp_path / SHEET, plan, ["4", "4+7", "L14"], header_row=1)
    rows = tiles.rows(tmp_path / SHEET, "MICRO_ONLY")
    assert rows[0] == HEADER
    assert rows[1][6] == "=SUM(F2-D2)+1"
    assert [row[8] for row in rows[1:]] == [4, "4+7", "L14"]


@pytest.mark.parametrize(
    ("clip", "interval"),
    [
        ("028_4_1", (1071, 1143, 1134)),
        ("032_3_1", (4896, 1930, 4970)),
        ("032_3_2", (5126, 5127, 5207)),
        ("013_1_9", (5724, 5730, 5739)),
    ],
)
def test_odd_intervals(sheet, clip, interval):
    (row,) = (row for row in sheet if row[1] == clip)
    assert row[3:6] == interval


def test_either_or(sheet):
    assert {row[1] for row in sheet[14:] if " or " in str(row[8])} == {
        *("007_6_1", "007_6_5", "011_4_2", "014_5_2", "035_7_2")
    }


@pytest.mark.parametrize("subjects", [3, 4, 29])
def test_small_twins_have_every_class(subjects):
    kept = fake_release.ORDER[:subjects]
    emotions = {row.emotion for row in fake_release.plan() if row.subject in kept}
    assert {"Anger", "Happiness", "Surprise", "Other"} <= emotions


def test_tree(release):
    assert {f.name for f in release.iterdir() if f.name.isdigit()} == {
        *("007", "025", "028", "032", "036")
    }
    for row in tiles.rows(release / SHEET, "MICRO_ONLY")[14:]:
        frames = sorted((release / row[0] / row[1]).glob("*.jpg"))
        assert all(frame.name.startswith(f"{row[0]}_") for frame in frames)
        numbers = [int(frame.stem.split("_")[1]) for frame in frames]
        assert numbers == list(range(row[3], row[5] + 1))


def test_digits_of_frame_names(release):
    names = tiles.names(release / "036" / "036_7_3")
    assert {"036_09999.jpg", "036_10000.jpg"} <= names
    assert "007_2046.jpg" in tiles.names(release / "007" / "007_3_1")
    five = {
        row.clip.rsplit("_", 1)[0] for row in fake_release.plan() if row.digits == 5
    }
    assert five == {
        *("006_1", "011_1", "012_1", "013_1", "014_1", "016_7", "018_1", "018_7"),
        *("020_1", "023_1", "026_1", "030_1", "033_1", "034_7", "035_1", "035_7"),
        "036_7",
    }
    largest = max(row.offset for row in fake_release.plan() if row.digits == 4)
    assert largest <= 9165


def test_pictures_have_one_channel(release):
    path = str(release / "007" / "007_3_1" / "007_2046.jpg")
    assert cv2.imread(path, cv2.IMREAD_UNCHANGED).shape == (272, 512)


def test_one_clip_is_of_real_size():
    (row,) = (row for row in fake_release.plan() if row.clip == "037_3_2")
    assert fake_release.ORDER[-1] == "037"
    assert row.num_frames == 74


def test_decoys(release):
    assert {"New folder", f"~${SHEET}", "SYNTHETIC"} | tiles.DECOYS <= tiles.names(
        release
    )
    assert {"cover.jpg", "readme.txt", "New folder"} <= tiles.names(release.parent)
    assert tiles.DECOYS <= tiles.names(release / "007" / "007_1_21")
