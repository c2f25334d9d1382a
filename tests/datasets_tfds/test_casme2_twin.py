from collections import Counter

import cv2
import pytest

from datasets_tfds import twins
from datasets_tfds.casme2 import fake_release
from tests import tiles

SHEET = "CASME2-coding-20140508.xlsx"
SHEET_2019 = "CASME2-coding-20190701.xlsx"
RAW = "CASME2_RAW_selected/CASME2_RAW_selected"


@pytest.fixture(scope="module")
def sheets(tmp_path_factory):
    """The full-size coding, without a single frame."""
    folder = tmp_path_factory.mktemp("casme2")
    plan = fake_release.plan()
    fake_release.write_codings(folder, plan, ["12"] * len(plan))
    return folder


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first six subjects."""
    folder = tmp_path_factory.mktemp("casme2") / "release"
    with tiles.instead_of_faces():
        fake_release.write_release(folder, subjects=6)
    return folder


def coded(folder, name=SHEET):
    """(subject, clip) -> row."""
    rows = tiles.rows(folder / name, "Sheet1")[1:]
    return {(row[0], row[1]): row for row in rows}


def numbers(folder, pattern):
    return sorted(
        int("".join(filter(str.isdigit, path.stem))) for path in folder.glob(pattern)
    )


def test_published_counts_of_2014(sheets):
    rows = coded(sheets)
    assert len(rows) == 255
    assert len({subject for subject, _ in rows}) == 26
    assert Counter(row[8] for row in rows.values()) == {
        "happiness": 32,
        "surprise": 25,
        "disgust": 63,
        "repression": 27,
        "others": 99,
        "sadness": 7,
        "fear": 2,
    }


def test_published_counts_of_2019(sheets):
    old, new = coded(sheets), coded(sheets, SHEET_2019)
    counts = Counter(row[8] for row in new.values())
    assert (counts["surprise"], counts["sadness"]) == (28, 4)
    relabelled = {key for key in old if old[key][8] != new[key][8]}
    assert relabelled == {("24", "EP07_01"), ("24", "EP07_04f"), ("24", "EP10_03")}
    assert all(old[key][:7] == new[key][:7] for key in old)


def test_objective_classes(sheets):
    rows = tiles.rows(sheets / "CASME2-ObjectiveClasses.xlsx", "Sheet1")
    assert rows[0] == ("Subject", "Filename", "Objective Class")
    separate = {row[:2]: row[2] for row in rows[1:]}
    assert Counter(separate.values()) == {
        1: 25,
        2: 15,
        3: 99,
        4: 26,
        5: 20,
        6: 1,
        7: 69,
    }
    assert len({subject for (subject, _), n in separate.items() if n < 6}) == 26
    in_coding = {key: row[9] for key, row in coded(sheets, SHEET_2019).items()}
    assert sum(separate[key] != in_coding[key] for key in separate) == 37


def test_objective_sheet_has_a_stray_one(sheets):
    stray = tiles.rows(sheets / "CASME2-ObjectiveClasses.xlsx", "Sheet2")
    assert len(stray) == 10
    assert stray[0][0] == "01"


def test_the_composite_is_in_it(sheets):
    rows = coded(sheets)
    classes = {"disgust": 0, "repression": 0, "happiness": 1, "surprise": 2}
    published = twins.published_labels("casme2")
    labels = {
        (f"sub{subject}", clip): classes[row[8]]
        for (subject, clip), row in rows.items()
        if row[8] in classes
    }
    assert published.items() <= labels.items()
    assert set(labels) - set(published) == {
        ("sub04", "EP12_01f"),
        ("sub05", "EP09_05f"),
    }
    assert {subject for subject, _ in rows} - {key[0][3:] for key in published} == {
        "10",
        "18",
    }


def test_header_and_cell_types(sheets):
    rows = tiles.rows(sheets / SHEET, "Sheet1")
    header = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame")
    header += (None, "Action Units", "Estimated Emotion")
    assert rows[0] == header
    assert tiles.rows(sheets / SHEET_2019, "Sheet1")[0] == (
        *header,
        "Objective Classes",
    )
    assert {type(row[0]) for row in rows[1:]} == {str}
    assert {row[2] for row in rows} == {row[6] for row in rows} == {None}
    assert {type(row[3]) for row in rows[1:]} == {int}
    assert Counter(type(row[4]) for row in rows[1:]) == {int: 254, str: 1}
    units = {row[7] for row in rows[1:]}
    assert {12, "4+L10", "R1+R2", "?"} <= units
    for name in (SHEET, SHEET_2019):
        assert tiles.rows(sheets / name, "Sheet2") == []
        assert tiles.rows(sheets / name, "Sheet3") == []


@pytest.mark.parametrize(
    ("subject", "clip", "interval", "emotions"),
    [
        ("04", "EP12_01f", (261, "/", 321), {"disgust", "repression"}),
        ("05", "EP09_05f", (69, 69, 123), {"disgust", "repression"}),
        ("05", "EP16_04f", (141, 181, 181), {"others"}),
        ("12", "EP09_06", (66, 111, 111), {"disgust", "repression"}),
        ("20", "EP16_01", (71, 111, 111), {"others"}),
        ("25", "EP18_04f", (76, 116, 116), {"disgust", "repression"}),
    ],
)
def test_odd_intervals(sheets, subject, clip, interval, emotions):
    row = coded(sheets)[subject, clip]
    assert row[3:6] == interval
    assert row[8] in emotions


def test_odd_names(sheets):
    rows = coded(sheets)
    names = {("03", "EP01_2"), ("03", "EP08_1"), ("09", "EP09f")}
    names |= {("07", "EP06_02_01"), ("07", "EP06_02_02")}
    assert names <= rows.keys()
    assert ("24", "EP02_07") not in rows
    assert {("01", "EP02_01f"), ("09", "EP02_01f")} <= rows.keys()


def test_unknown_units(sheets):
    old, new = coded(sheets), coded(sheets, SHEET_2019)
    filled = {key: new[key][7] for key, row in old.items() if row[7] == "?"}
    assert filled == {
        ("05", "EP05_03"): "16+24",
        ("05", "EP07_01"): 6,
        ("05", "EP13_04f"): "12+16",
        ("19", "EP11_01f"): 14,
        ("26", "EP13_01"): "14+24",
    }
    assert {old[key][8] for key in filled} == {"others"}


def test_apexes_vary():
    middles = [
        row.apex_index / (row.num_frames - 1)
        for row in fake_release.plan()
        if isinstance(row.apex, int) and row.onset < row.apex < row.offset
    ]
    assert len(middles) == 249
    assert min(middles) < 0.35 and max(middles) > 0.65


@pytest.mark.parametrize("subjects", [3, 4, 26])
def test_small_twins_have_every_class(subjects):
    kept = fake_release.ORDER[:subjects]
    emotions = {row.emotion for row in fake_release.plan() if row.subject in kept}
    assert {"happiness", "surprise", "disgust", "others", "sadness", "fear"} <= emotions


def test_tree(release):
    subjects = {"sub04", "sub05", "sub07", "sub10", "sub16", "sub24"}
    assert {f.name for f in (release / RAW).glob("sub*")} == subjects
    assert {f.name for f in (release / "Cropped").glob("sub*")} == subjects
    rows = coded(release)
    assert {subject for subject, _ in rows} == {name[3:] for name in subjects}
    for subject, clip in rows:
        assert (release / RAW / f"sub{subject}" / clip).is_dir()
        assert (release / "Cropped" / f"sub{subject}" / clip).is_dir()


def test_frames_are_numbered_as_coded(release):
    odd = {("07", "EP06_01"), ("16", "EP01_08")}
    for (subject, clip), row in coded(release).items():
        if (subject, clip) in odd:
            continue
        whole = list(range(row[3], row[5] + 1))
        folder = f"sub{subject}/{clip}"
        assert numbers(release / RAW / folder, "img*.jpg") == whole
        assert numbers(release / "Cropped" / folder, "reg_img*.jpg") == whole
    assert (release / RAW / "sub05/EP09_05f/img99.jpg").exists()
    assert (release / RAW / "sub05/EP09_05f/img100.jpg").exists()


def test_folders_that_end_elsewhere(release):
    rows = coded(release)
    assert rows["07", "EP06_01"][5] == 68
    assert numbers(release / RAW / "sub07/EP06_01", "*.jpg")[-1] == 91
    assert numbers(release / "Cropped/sub07/EP06_01", "*.jpg")[-1] == 91
    assert rows["16", "EP01_08"][5] == 110
    assert numbers(release / RAW / "sub16/EP01_08", "*.jpg") == list(range(73, 111))
    assert numbers(release / "Cropped/sub16/EP01_08", "*.jpg") == list(range(73, 97))


def test_pictures(release):
    raw = cv2.imread(str(release / RAW / "sub05/EP09_05f/img69.jpg"))
    cropped = cv2.imread(str(release / "Cropped/sub05/EP09_05f/reg_img69.jpg"))
    assert raw.shape == (240, 320, 3)
    assert cropped.shape == (180, 150, 3)


def test_one_clip_is_of_real_size():
    (row,) = (
        row
        for row in fake_release.plan()
        if row.subject == "sub23" and row.clip == "EP12_03"
    )
    assert fake_release.ORDER[-1] == "sub23"
    assert (row.onset, row.offset) == (61, 201)


def test_decoys(release):
    beside = {"cover.jpg", "readme.txt", "New folder", f"~${SHEET}"} | tiles.DECOYS
    assert beside <= tiles.names(release)
    inside = release / "Cropped" / "sub04" / "EP01_07f"
    assert tiles.DECOYS | {"New folder"} <= tiles.names(inside)
    assert (release / RAW / "SYNTHETIC").exists()
