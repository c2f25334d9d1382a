"""Tests for datasets_tfds/samm, on releases written by hand and on its twin."""

import numpy as np
import pytest
from PIL import Image
from releases import (
    picture,
    prepare,
    records,
    samm_row,
    told,
    write_frames,
    write_samm,
    write_workbook,
)

from datasets_tfds.record import SPLIT, ReleaseError
from datasets_tfds.samm import release
from datasets_tfds.samm.samm_dataset_builder import Builder

ROWS = [
    samm_row("006", "006_1_2", 9998, 10001, 10003, "Anger", "R12 or R14", 7),
    samm_row("006", "006_7_1", 46, 47, 52, "Other", 12, 3),
    samm_row(7, "007_3_1", 2046, 2049, 2052, "Happiness", "12+15 ", 1),
]
KEYS = ["samm/006/006_1_2", "samm/006/006_7_1", "samm/007/007_3_1"]
CODES = "SAMM_Micro_FACS_Codes_v2.xlsx"


def write_clips(folder, rows=ROWS):
    for row in rows:
        subject, width = f"{int(row[0]):03d}", 5 if row[5] > 9999 else 4
        name = f"{subject}_{{:0{width}d}}.jpg"
        numbers = range(row[3], row[5] + 1)
        write_frames(folder / subject / row[1], numbers, name, mode="L")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "release"
    write_clips(folder / "SAMM")
    write_samm(folder / "SAMM" / CODES, ROWS)
    return folder


def films(root, frames="full"):
    return release.read_release(root, frames).films


def keys(root, frames="full"):
    return [film.key for film in films(root, frames)]


def lines(root, frames="full"):
    return release.read_release(root, frames).lines


def refused(root, frames="full"):
    with pytest.raises(ReleaseError) as caught:
        release.read_release(root, frames)
    return str(caught.value)


# What a release looks like.


def test_clips_are_read_as_annotated(root, tmp_path, capsys):
    made = prepare(Builder, root, tmp_path / "data")
    assert told(capsys.readouterr().out, "samm/full") == [
        "3 of 3 annotated clips have frames",
        "annotated in SAMM_Micro_FACS_Codes_v2.xlsx, 3 rows",
    ]
    clips = records(made)
    assert sorted(clips) == KEYS
    clip = clips["samm/006/006_1_2"]
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"] == {
        "emotion": "Anger",
        "action_units": "R12 or R14",
        "onset": "9998",
        "apex": "10001",
        "offset": "10003",
        "onset_index": 0,
        "apex_index": 3,
        "offset_index": 5,
        "apex_source": "annotated",
    }
    assert list(clip["frame_numbers"]) == [9998, 9999, 10000, 10001, 10002, 10003]
    folder = root / "SAMM" / "006" / "006_1_2"
    assert [bytes(frame) for frame in clip["frames"]] == [
        (folder / f"006_{n:05d}.jpg").read_bytes() for n in range(9998, 10004)
    ]
    assert (clip["corpus"], clip["subject"]) == ("samm", "samm/006")
    assert (clip["kind"], clip["modality"], clip["fps"]) == ("micro", "grey", 200)
    assert clip["annotation_version"] == "SAMM_Micro_FACS_Codes_v2.xlsx, 3 rows"
    assert clip["issues"] == clip["repairs"] == []
    assert not clip["synthetic"]
    classes = [clips[key]["objective_class"] for key in KEYS]
    units = [clips[key]["annotated"]["action_units"] for key in KEYS]
    assert (classes, units) == (["7", "3", "1"], ["R12 or R14", "12", "12+15"])
    assert clips["samm/006/006_7_1"]["annotated"]["emotion"] == "Other"


def test_grey_frames_decode_to_three_equal_channels(root, tmp_path):
    made = prepare(Builder, root, tmp_path / "data")
    clip = next(c for c in made.as_data_source(SPLIT) if c["key"] == KEYS[2].encode())
    for number, frame in zip(clip["frame_numbers"], clip["frames"], strict=True):
        with Image.open(
            root / "SAMM" / "007" / "007_3_1" / f"007_{number}.jpg"
        ) as grey:
            expected = np.repeat(np.asarray(grey)[..., None], 3, axis=2)
        np.testing.assert_array_equal(frame, expected)


@pytest.mark.parametrize("above", [0, 13])
def test_the_header_may_be_on_row_14_or_on_row_1(above, tmp_path):
    write_clips(tmp_path)
    write_samm(tmp_path / "SAMM_20181215_Micro_FACS_Codes_v2.xlsx", ROWS, above=above)
    assert keys(tmp_path) == KEYS


@pytest.mark.parametrize("place", [".", "SAMM", "SAMM/SAMM", "a/b/c"])
def test_clips_are_found_however_they_were_unpacked(place, tmp_path):
    write_clips(tmp_path / "x" / place)
    write_samm(tmp_path / "x" / "codes.xlsx", ROWS)
    assert keys(tmp_path / "x") == KEYS


def test_decoys_are_passed_over(root):
    clip = root / "SAMM" / "006" / "006_1_2"
    for decoy in (
        root / "SAMM" / f"~${CODES}",
        root / ".git" / "006" / "006_1_2" / "006_09998.jpg",
        root / "__MACOSX" / "006" / "006_1_2" / "006_09998.jpg",
        clip / "._006_09998.jpg",
        clip / "Thumbs.db",
        root / "SAMM_longvideos" / "006_1" / "006_1_0001.jpg",
    ):
        decoy.parent.mkdir(parents=True, exist_ok=True)
        decoy.write_bytes(picture(decoy.name))
    write_workbook(root / "SAMM_LongVideos.xlsx", [("Subject", "Filename", "Onset")])
    assert keys(root) == KEYS
    assert lines(root)[0] == "3 of 3 annotated clips have frames"


# Full and cropped.


@pytest.mark.parametrize("name", ["SAMM_CROP", "SAMM_Cropped", "x/samm_cropped/y"])
def test_cropped_frames_lie_below_a_folder_that_says_so(name, root):
    write_clips(root / name, ROWS[:2])
    write_samm(root / name / CODES, ROWS)  # its own copy
    assert keys(root, "full") == KEYS
    assert keys(root, "cropped") == KEYS[:2]
    for film in films(root, "cropped"):
        assert all("crop" in str(path).lower() for path in film.frames.values())
    assert lines(root, "cropped")[0] == (
        "2 of 3 annotated clips have frames; without: 007/007_3_1"
    )


def test_the_cropped_folder_itself_may_be_given(tmp_path):
    write_clips(tmp_path / "SAMM_CROP")
    write_samm(tmp_path / "SAMM_CROP" / CODES, ROWS)
    assert keys(tmp_path / "SAMM_CROP", "cropped") == KEYS
    assert keys(tmp_path / "SAMM_CROP", "full") == []


def test_the_default_is_full_frames(tmp_path):
    assert list(Builder.builder_configs) == ["full", "cropped"]
    assert Builder(data_dir=tmp_path).builder_config.name == "full"


def test_no_clip_at_all_is_an_error(root, tmp_path):
    with pytest.raises(ReleaseError, match="no clip found for samm/cropped/1.0.0"):
        prepare(Builder, root, tmp_path / "data", "cropped")


def test_two_copies_are_refused_with_both_places(root):
    write_clips(root / "backup", ROWS[:1])
    message = refused(root)
    assert "1 problem(s)" in message and "006/006_1_2 more than once" in message
    assert str(root / "SAMM" / "006" / "006_1_2") in message
    assert str(root / "backup" / "006" / "006_1_2") in message


def test_two_files_for_one_frame_are_refused(root):
    clip = root / "SAMM" / "007" / "007_3_1"
    (clip / "007_02046.jpg").write_bytes(picture("twin"))
    assert "both frame 2046" in refused(root)


def test_clips_without_a_partner_are_skipped_and_told(root):
    write_samm(root / "SAMM" / CODES, [*ROWS[:2], samm_row("037", "037_7_1", 1, 2, 3)])
    assert keys(root) == KEYS[:2]
    assert lines(root)[:2] == [
        "2 of 3 annotated clips have frames; without: 037/037_7_1",
        "folders without a row: 007/007_3_1",
    ]


# The annotation.


def test_an_absent_annotation_is_told(root):
    (root / "SAMM" / CODES).rename(root / "SAMM" / "codes.zip")
    write_workbook(root / "other.xlsx", [("Subject", "Filename")])
    message = refused(root)
    assert "no annotation found" in message and CODES in message
    assert f"{root / 'other.xlsx'}: no row has all of the columns" in message


def test_a_broken_annotation_is_told(root):
    (root / "SAMM" / CODES).write_bytes(b"PK broken")
    assert f"{root / 'SAMM' / CODES} cannot be read" in refused(root)


def test_copies_of_the_annotation_must_agree(root):
    write_samm(root / "trimmed.xlsx", ROWS, above=0)
    assert keys(root) == KEYS
    write_samm(root / "trimmed.xlsx", [*ROWS[:2], (*ROWS[2][:4], 2050, *ROWS[2][5:])])
    message = refused(root)
    assert "differ" in message and "'2049'" in message and "'2050'" in message


def test_all_that_is_wrong_with_rows_is_told_at_once(root):
    bad = [
        samm_row("6", "006_1_2", 1, 2, 3),  # again
        samm_row("009", "010_1_1", 1, 2, 3),  # of somebody else
        samm_row("009", "clip", 1, 2, 3),
    ]
    write_samm(root / "SAMM" / CODES, [*ROWS, *bad])
    message = refused(root)
    assert "3 problem(s)" in message
    assert f"006/006_1_2 more than once: {CODES}, row 15 and {CODES}, row 18" in message
    assert f"{CODES}, row 19: subject '009' and clip '010_1_1', expected" in message
    assert f"{CODES}, row 20: subject '009' and clip 'clip', expected" in message


# Known oddities.


def one(row, tmp_path):
    write_clips(tmp_path / "one", [row])
    write_samm(tmp_path / "one" / CODES, [row])
    (clip,) = records(prepare(Builder, tmp_path / "one", tmp_path / "data")).values()
    return clip


def test_an_apex_after_the_offset_is_mended(tmp_path):
    clip = one(samm_row("028", "028_4_1", 1071, 1143, 1134), tmp_path)
    assert clip["issues"] == ["apex 1143 outside of 1071..1134: middle taken"]
    assert clip["annotated"]["apex"] == "1143"
    assert clip["annotated"]["apex_index"] == 31
    assert clip["annotated"]["apex_source"] == "middle"
    assert clip["repaired"]["apex"] == "1113"
    assert clip["repaired"]["apex_index"] == 42
    assert clip["repaired"]["apex_source"] == "annotated"


def test_an_apex_before_the_onset_is_mended(tmp_path):
    clip = one(samm_row("032", "032_3_1", 4896, 1930, 4970), tmp_path)
    assert clip["issues"] == ["apex 1930 outside of 4896..4970: middle taken"]
    assert clip["annotated"]["apex_index"] == 37
    assert clip["repaired"]["apex"] == "4930"
    assert clip["repaired"]["apex_index"] == 34


def test_an_apex_right_after_the_onset_is_valid_and_can_be_replaced(tmp_path):
    clip = one(samm_row("032", "032_3_2", 5126, 5127, 5207), tmp_path)
    assert clip["issues"] == []
    assert clip["annotated"]["apex_index"] == 1
    assert clip["repaired"]["apex_index"] == 4


def test_an_annotation_mended_by_its_authors_is_left_alone(tmp_path):
    clip = one(samm_row("028", "028_4_1", 1071, 1105, 1134), tmp_path)
    assert clip["annotated"] == clip["repaired"]
    assert clip["repairs"][0].startswith("not made, the release says '1105'")
