from collections import Counter

import cv2
import pytest

from datasets_tfds.mmew import fake_release
from tests import tiles

MICRO = "MMEW_Final/Micro_Expression"
MACRO = "MMEW_Final/Macro_Expression"
SHEET = "MMEW_Final/MMEW_Micro_Exp.xlsx"
FOLDERS = {"happiness", "surprise", "disgust", "repression", "fear", "sadness", "anger"}
CODES = {"01": "happiness", "02": "surprise", "03": "disgust", "04": "others"} | {
    **{"05": "fear", "06": "sadness", "07": "anger"},
}


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """Rows of the full-size sheet, without a single frame."""
    path = tmp_path_factory.mktemp("mmew") / "sheet.xlsx"
    plan = fake_release.plan()
    fake_release.write_sheet(path, plan, ["12"] * 150 + ["4+L10"] * 150)
    return tiles.rows(path, "Sheet1")


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first three subjects: S04, S15, S09."""
    folder = tmp_path_factory.mktemp("mmew") / "release"
    calls = []
    with tiles.instead_of_faces():
        fake_release.write_release(
            folder, subjects=3, progress=lambda *call: calls.append(call)
        )
    assert calls == [(i, 33) for i in range(1, 34)]  # 30 clips, stills of 3 people
    return folder


def clips(folder):
    return {f.name: f for f in folder.rglob("S??-??-???") if f.is_dir()}


def numbers(folder):
    return sorted(int(p.stem) for p in folder.iterdir() if p.stem.isdigit())


def test_published_counts(sheet):
    rows = sheet[1:]
    assert len({row[1] for row in rows}) == len(rows) == 300
    assert Counter(row[6] for row in rows) == {
        **{"happiness": 36, "anger": 8, "surprise": 89, "disgust": 72, "fear": 16},
        **{"sadness": 13, "others": 66},
    }
    assert len({row[1][:3] for row in rows}) == 30


def test_a_subject_that_vanishes_without_others(sheet):
    named = {row[1][:3] for row in sheet[1:] if row[6] != "others"}
    assert {row[1][:3] for row in sheet[1:]} - named == {"S09"}


def test_header_and_cell_types(sheet):
    assert sheet[0] == (
        *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
        *("Action Units", "Estimated Emotion", "remarks"),
    )
    assert [row[:2] for row in sheet if isinstance(row[0], int)] == [(4, "S04-03-001")]
    assert all(row[0] == row[1][:3] for row in sheet[1:] if row[0] != 4)
    assert {type(cell) for row in sheet[1:] for cell in row[2:5]} == {int}
    assert {row[5] for row in sheet[1:]} == {12, "4+L10"}
    assert {row[7] for row in sheet[1:]} == {None, "blinks"}


def test_names_tell_the_emotion(sheet):
    assert all(CODES[row[1][4:6]] == row[6] for row in sheet[1:])


def test_the_wrong_rows(sheet):
    last = {clip.name: clip.num_frames for clip in fake_release.plan()}
    late, beyond = set(), set()
    for i, (_, name, onset, apex, offset, *_) in enumerate(sheet[1:]):
        assert 1 <= onset < apex
        if apex > offset:
            late.add(i)
        if offset > last[name]:
            beyond.add(i)
    assert late == {33, 37, 40, 142, 146, 156}
    assert late | beyond == {
        *(33, 35, 36, 37, 38, 39, 40, 41, 42, 142, 143, 145, 146, 148, 154, 156)
    }
    assert not late & beyond


def test_tree(release):
    assert {f.name for f in (release / MICRO).iterdir() if f.is_dir()} == (
        FOLDERS | {"New folder"}
    )
    rows = tiles.rows(release / SHEET, "Sheet1")[1:]
    found = clips(release / MICRO)
    assert {row[1] for row in rows} == set(found)
    for row in rows:
        emotion = "repression" if row[6] == "others" else row[6]
        assert found[row[1]].parent.name == emotion
    assert found["S04-07-001"] == release / MICRO / "anger" / "S04-07-001"


def test_frames_count_from_one(release):
    for folder in clips(release / MICRO).values():
        found = numbers(folder)
        assert found == list(range(1, len(found) + 1))
        assert len(found) >= 8
    assert max(len(numbers(f)) for f in clips(release / MICRO).values()) >= 10


def test_macro_expressions_are_stills(release):
    files = list((release / MACRO).rglob("*.jpg"))
    assert len(files) == 3 * 6 * 5
    for file in files:
        subject, emotion, name = file.relative_to(release / MACRO).parts
        assert name[:3] == subject and CODES[name[4:6]] == emotion
    assert (release / MACRO / "S04" / "anger" / "S04-07-005.jpg").exists()


def test_a_still_shows_the_apex(release):
    still = cv2.imread(str(release / MACRO / "S04" / "anger" / "S04-07-001.jpg"))
    assert still.shape == (144, 256, 3)
    assert still.max() == 1  # of two tiles the second


def test_the_other_layout(tmp_path):
    with tiles.instead_of_faces():
        fake_release.write_release(
            tmp_path / "twin", subjects=1, others_folder="others", by_subject=True
        )
    micro = tmp_path / "twin" / MICRO
    assert {f.name for f in (micro / "S04").iterdir()} == FOLDERS - {"repression"} | {
        "others"
    }
    assert (micro / "S04" / "happiness" / "S04-01-001" / "1.jpg").exists()


@pytest.mark.parametrize("subjects", [2, 3, 4])
def test_small_twins_have_every_class(subjects):
    kept = fake_release.ORDER[:subjects]
    emotions = {clip.emotion for clip in fake_release.plan() if clip.subject in kept}
    assert len(emotions) == 7


def test_one_clip_is_of_real_size():
    assert fake_release.ORDER[-1] == "S30"
    assert "S30-02-001" in {clip.name for clip in fake_release.plan()}


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} | tiles.DECOYS <= tiles.names(
        release
    )
    assert tiles.DECOYS | {"SYNTHETIC"} <= tiles.names(release / MICRO)
    assert "~$MMEW_Micro_Exp.xlsx" in tiles.names(release / "MMEW_Final")
    assert tiles.DECOYS <= tiles.names(release / MICRO / "happiness" / "S04-01-001")
