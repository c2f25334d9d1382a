"""Tests for datasets_tfds/casme2, on releases written by hand and on its twin."""

import numpy as np
import pytest
from PIL import Image
from releases import (
    casme2_row,
    picture,
    prepare,
    records,
    told,
    write_casme2,
    write_frames,
    write_workbook,
)

from datasets_tfds.casme2 import release
from datasets_tfds.casme2.casme2_dataset_builder import Builder
from datasets_tfds.record import SPLIT, ReleaseError

ROWS = [
    casme2_row("01", "EP02_01f", 98, 101, 104, "happiness", 12),
    casme2_row("01", "EP03_02", 46, 50, 52, "disgust", "4+L10"),
    casme2_row(2, "EP02_01f", 7, 8, 10, "sadness", "?"),
    casme2_row("sub05", "EP09_05f", 69, 69, 123),
]
KEYS = [
    "casme2/sub01/EP02_01f",
    "casme2/sub01/EP03_02",
    "casme2/sub02/EP02_01f",
    "casme2/sub05/EP09_05f",
]
CODING = "CASME2-coding-20140508.xlsx"
LATER = "CASME2-coding-20190701.xlsx"


def subject_of(row):
    return release.subject_name(str(row[0]))


def write_clips(folder, rows=ROWS, name="reg_img{}.jpg"):
    for row in rows:
        clip = folder / subject_of(row) / row[1]
        write_frames(clip, range(row[3], row[5] + 1), name)


@pytest.fixture
def root(tmp_path):
    """A release with cropped frames and the annotation of 2014."""
    folder = tmp_path / "release"
    write_clips(folder / "Cropped-updated" / "Cropped")
    write_casme2(folder / CODING, ROWS)
    return folder


def keys(root, frames="cropped", generation="2014"):
    return [film.key for film in release.read_release(root, frames, generation).films]


def lines(root, frames="cropped", generation="2014"):
    return release.read_release(root, frames, generation).lines


def refused(root, frames="cropped", generation="2014"):
    with pytest.raises(ReleaseError) as caught:
        release.read_release(root, frames, generation)
    return str(caught.value)


# What a release looks like.


def test_clips_are_read_as_annotated(root, tmp_path, capsys):
    made = prepare(Builder, root, tmp_path / "data")
    assert told(capsys.readouterr().out, "casme2/cropped") == [
        "4 of 4 annotated clips have frames",
        "annotated in CASME2-coding-20140508.xlsx, 4 rows",
    ]
    clips = records(made)
    assert sorted(clips) == KEYS
    clip = clips["casme2/sub01/EP02_01f"]
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"] == {
        "emotion": "happiness",
        "action_units": "12",
        "onset": "98",
        "apex": "101",
        "offset": "104",
        "onset_index": 0,
        "apex_index": 3,
        "offset_index": 6,
        "apex_source": "annotated",
    }
    assert list(clip["frame_numbers"]) == [98, 99, 100, 101, 102, 103, 104]
    folder = root / "Cropped-updated" / "Cropped" / "sub01" / "EP02_01f"
    assert [bytes(frame) for frame in clip["frames"]] == [
        (folder / f"reg_img{n}.jpg").read_bytes() for n in range(98, 105)
    ]
    assert (clip["corpus"], clip["subject"]) == ("casme2", "casme2/sub01")
    assert (clip["kind"], clip["modality"], clip["fps"]) == ("micro", "color", 200)
    assert clip["annotation_version"] == "CASME2-coding-20140508.xlsx, 4 rows"
    assert clip["objective_class"] == ""
    assert clip["issues"] == clip["repairs"] == []
    assert not clip["synthetic"]


def test_frames_decode_to_rgb(root, tmp_path):
    made = prepare(Builder, root, tmp_path / "data")
    folder = root / "Cropped-updated" / "Cropped"
    for clip in made.as_data_source(SPLIT):
        _, subject, name = clip["key"].decode().split("/")
        for number, frame in zip(clip["frame_numbers"], clip["frames"], strict=True):
            with Image.open(folder / subject / name / f"reg_img{number}.jpg") as image:
                np.testing.assert_array_equal(frame, image)


@pytest.mark.parametrize(
    "place",
    [
        ".",
        "Cropped",
        "Cropped/Cropped",
        "CASME2_preprocessed_Li Xiaobai/Cropped",
        "a/b/c/d",
    ],
)
def test_clips_are_found_however_they_were_unpacked(place, tmp_path):
    write_clips(tmp_path / "x" / place)
    write_casme2(tmp_path / "x" / "docs" / CODING, ROWS)
    assert keys(tmp_path / "x") == KEYS


def test_the_folder_of_one_subject_will_do(tmp_path):
    write_clips(tmp_path, ROWS[:2])
    write_casme2(tmp_path / "sub01" / CODING, ROWS[:2])
    assert keys(tmp_path / "sub01") == KEYS[:2]


def test_the_case_of_names_does_not_matter_and_the_sheet_spells_them(tmp_path):
    write_frames(tmp_path / "CROPPED" / "Sub1" / "ep02_01F", (98, 99), "REG_IMG{}.JPG")
    write_casme2(tmp_path / CODING.upper(), ROWS)
    assert keys(tmp_path) == KEYS[:1]


def test_irregular_names_are_opaque(tmp_path):
    names = ("EP01_2", "EP06_02_01", "EP06_02_02", "EP09f")
    rows = [casme2_row("07", name, 1, 2, 3) for name in names]
    write_clips(tmp_path, rows)
    write_casme2(tmp_path / CODING, rows)
    assert keys(tmp_path) == [f"casme2/sub07/{name}" for name in names]


def test_decoys_and_other_images_are_passed_over(root):
    clip = root / "Cropped-updated" / "Cropped" / "sub01" / "EP02_01f"
    for decoy in (
        root / "~$CASME2-coding-20140508.xlsx",
        root / ".git" / "sub01" / "EP02_01f" / "reg_img98.jpg",
        root / "__MACOSX" / "Cropped" / "sub01" / "EP02_01f" / "reg_img98.jpg",
        clip / "._reg_img98.jpg",
        clip / "Thumbs.db",
        clip / "cover 98.jpg",
        clip / "reg_img98 (1).jpg",
        root / "figures" / "EP02_01f" / "reg_img98.jpg",
        root / "sub01" / "notes" / "reg_img98.jpg",
    ):
        decoy.parent.mkdir(parents=True, exist_ok=True)
        decoy.write_bytes(picture(decoy.name))
    (root / "sub09" / "EP01_01").mkdir(parents=True)
    assert keys(root) == KEYS
    films = release.read_release(root, "cropped", "2014").films
    assert list(films[0].frames) == list(range(98, 105))
    assert lines(root) == [
        "4 of 4 annotated clips have frames",
        "annotated in CASME2-coding-20140508.xlsx, 4 rows",
    ]


# Frames: cropped, raw, selected.


def test_cropped_and_raw_frames_are_told_by_their_names(root):
    write_clips(root / "CASME2_RAW_selected", ROWS[:2], "img{}.jpg")
    assert keys(root, "cropped") == KEYS
    assert keys(root, "raw") == KEYS[:2]
    for frames, prefix in (("cropped", "reg_img"), ("raw", "img")):
        for film in release.read_release(root, frames, "2014").films:
            assert all(p.name.startswith(prefix) for p in film.frames.values())


def test_selected_raw_frames_are_preferred_to_whole_recordings_and_it_is_told(root):
    whole = [casme2_row("01", "EP02_01f", 90, 101, 120), ROWS[1], ROWS[2]]
    write_clips(root / "CASME2-RAW" / "CASME2-RAW", whole, "img{}.jpg")
    write_clips(root / "CASME2_RAW_selected", ROWS[:2], "img{}.jpg")
    films = release.read_release(root, "raw", "2014").films
    assert [film.key for film in films] == KEYS[:3]
    places = [next(iter(f.frames.values())).relative_to(root).parts[0] for f in films]
    assert places == ["CASME2_RAW_selected", "CASME2_RAW_selected", "CASME2-RAW"]
    assert (
        "2 recordings passed over for the selected frames of the same clip"
        in (lines(root, "raw")[1])
    )
    assert lines(root, "raw")[0].startswith("3 of 4 annotated clips have frames")


def test_frames_of_whole_recordings_beyond_the_clip_are_left_out(tmp_path):
    write_clips(
        tmp_path / "in", [casme2_row("01", "EP02_01f", 90, 101, 120)], "img{}.jpg"
    )
    write_casme2(tmp_path / "in" / CODING, ROWS[:1])
    made = prepare(Builder, tmp_path / "in", tmp_path / "data", "raw")
    (clip,) = records(made).values()
    assert list(clip["frame_numbers"]) == list(range(98, 105))


@pytest.mark.parametrize("frames", ["cropped", "raw"])
def test_two_copies_are_refused_with_both_places(frames, tmp_path):
    name = {"cropped": "reg_img{}.jpg", "raw": "img{}.jpg"}[frames]
    for place in ("one", "two"):
        write_clips(tmp_path / place, ROWS[:2], name)
    write_casme2(tmp_path / CODING, ROWS)
    message = refused(tmp_path, frames)
    assert "2 problem(s)" in message and "mend the release, or give a folder" in message
    for place in ("one", "two"):
        assert str(tmp_path / place / "sub01" / "EP02_01f") in message
        assert str(tmp_path / place / "sub01" / "EP03_02") in message


def test_two_files_for_one_frame_are_named_with_all_else_that_is_wrong(root):
    clip = root / "Cropped-updated" / "Cropped" / "sub01" / "EP02_01f"
    (clip / "reg_img098.jpg").write_bytes(picture("twin"))
    write_clips(root / "again", ROWS[1:2])
    message = refused(root)
    assert "reg_img098.jpg" in message and "both frame 98" in message
    assert "sub01/ep03_02 more than once" in message
    assert "2 problem(s)" in message


# Rows without frames, frames without a row.


def test_clips_without_a_partner_are_skipped_and_told(root):
    write_casme2(
        root / CODING, [ROWS[0], *ROWS[2:], casme2_row("24", "EP07_01", 1, 2, 3)]
    )
    assert keys(root) == [KEYS[0], *KEYS[2:]]
    assert lines(root) == [
        "3 of 4 annotated clips have frames; without: sub24/EP07_01",
        "folders without a row: sub01/EP03_02",
        "annotated in CASME2-coding-20140508.xlsx, 4 rows",
    ]


def test_long_lists_of_clips_are_cut(root):
    rows = [casme2_row("09", f"EP{n:02}_01", 1, 2, 3) for n in range(1, 21)]
    write_casme2(root / CODING, [*ROWS, *rows])
    assert lines(root)[0].startswith("4 of 24 annotated clips have frames; without: ")
    assert lines(root)[0].endswith("sub09/EP11_01, sub09/EP12_01 and 8 more")


def test_no_clip_at_all_is_an_error(root, tmp_path):
    with pytest.raises(ReleaseError, match="no clip found for casme2/raw/1.0.0"):
        prepare(Builder, root, tmp_path / "data", "raw")


# The annotation.


def test_each_config_takes_its_own_annotation(root, tmp_path):
    relabelled = [*ROWS[:2], (*ROWS[2][:-1], "surprise"), ROWS[3]]
    write_casme2(root / LATER, relabelled, classes=[1, 5, 7, 7])
    write_clips(root / "CASME2_RAW_selected", name="img{}.jpg")
    for config in ("cropped", "cropped-2019", "raw", "raw-2019"):
        clips = records(prepare(Builder, root, tmp_path / config, config))
        clip = clips["casme2/sub02/EP02_01f"]
        later = config.endswith("2019")
        assert clip["annotated"]["emotion"] == ("surprise" if later else "sadness")
        assert clip["objective_class"] == ("7" if later else "")
        assert clip["annotation_version"] == f"{LATER if later else CODING}, 4 rows"


def test_the_default_is_cropped_frames_and_the_annotation_of_2014(tmp_path):
    assert list(Builder.builder_configs) == [
        "cropped",
        "cropped-2019",
        "raw",
        "raw-2019",
    ]
    config = Builder(data_dir=tmp_path).builder_config
    assert (config.name, config.frames, config.generation) == (
        "cropped",
        "cropped",
        "2014",
    )


@pytest.mark.parametrize("name", ["labels.xlsx", "CASME2-coding-updated.xlsx", "x.csv"])
def test_a_renamed_annotation_is_known_by_its_columns(name, root):
    (root / CODING).unlink()
    if name.endswith(".csv"):
        header = "Subject,Filename,OnsetFrame,ApexFrame,OffsetFrame,"
        (root / name).write_text(
            header + "Action Units,Estimated Emotion\n01,EP02_01f,98,101,104,12,joy\n"
        )
    else:
        write_casme2(root / name, ROWS)
    assert KEYS[0] in keys(root)
    write_casme2(root / "b.xlsx", ROWS, classes=[1, 2, 3, 4])
    assert keys(root, "cropped", "2019") == KEYS
    assert KEYS[0] in keys(root)


def test_a_year_in_the_name_goes_before_the_columns(root):
    write_casme2(root / "labels.xlsx", ROWS[:1])
    write_casme2(root / "labels of 2019.xlsx", ROWS)
    assert keys(root) == KEYS
    assert keys(root, generation="2019") == KEYS


def test_a_name_with_both_years_leaves_it_to_the_columns(root):
    (root / CODING).unlink()
    write_casme2(root / "20140508, as of 20190701.xlsx", ROWS, classes=[1, 2, 3, 4])
    assert keys(root, generation="2019") == KEYS
    assert "no annotation of 2014" in refused(root)


def test_an_absent_annotation_is_told_with_the_ones_found(root):
    message = refused(root, generation="2019")
    assert "no annotation of 2019" in message
    assert f"{root / CODING}: the annotation of 2014" in message
    assert "CASME2-coding-2019" in message and "another config" in message


def test_a_broken_annotation_is_told(root):
    (root / CODING).write_bytes(b"PK broken")
    write_casme2(root / "CASME2-coding-updated.xlsx", ROWS)  # no stand-in for it
    message = refused(root)
    assert f"{root / CODING} cannot be read" in message


def test_a_table_with_other_columns_is_told(root):
    write_workbook(root / CODING, [("Subject", "Filename", "Onset"), ("01", "EP1", 3)])
    message = refused(root)
    assert "no row has all of the columns" in message and "'ApexFrame'" in message


def test_copies_of_the_annotation_must_agree(root):
    write_casme2(root / "Cropped-updated" / CODING, ROWS)
    assert keys(root) == KEYS
    write_casme2(root / "Cropped-updated" / CODING, ROWS[:3])
    message = refused(root)
    assert str(root / CODING) in message
    assert str(root / "Cropped-updated" / CODING) in message and "differ" in message


def test_all_that_is_wrong_with_rows_is_told_at_once(root):
    bad = [
        casme2_row("1", "ep02_01F", 98, 101, 104),  # again
        casme2_row("S1", "EP01_01", 1, 2, 3),
        casme2_row("03", None, 1, 2, 3),
    ]
    write_casme2(root / CODING, [*ROWS, *bad])
    message = refused(root)
    assert "3 problem(s)" in message
    assert (
        f"sub01/ep02_01f more than once: {CODING}, row 2 and {CODING}, row 6" in message
    )
    assert f"{CODING}, row 7: subject 'S1' and clip 'EP01_01', expected '01'" in message
    assert f"{CODING}, row 8: subject '03' and clip ''" in message


def test_objective_classes_of_a_file_of_their_own(root, tmp_path):
    header = ("Subject", "Filename", "Objective Class")
    own = [("01", "EP02_01f", 3), (2, "EP02_01f", 7)]
    book = root / "CASME2-ObjectiveClasses.xlsx"
    write_workbook(book, [header, *own], empty=("Sheet2",))
    classes = {f.key: f.objective_class for f in films(root)}
    assert classes == dict(zip(KEYS, ["3", "", "7", ""], strict=True))
    write_casme2(root / LATER, ROWS, classes=[1, 2, 4, 5])
    assert [f.objective_class for f in films(root, "2019")] == ["1", "2", "4", "5"]


def films(root, generation="2014"):
    return release.read_release(root, "cropped", generation).films


# Known oddities.


def one(rows, tmp_path, numbers=None, frames="cropped"):
    """The only clip of a release, prepared."""
    folder = tmp_path / "one"
    name = {"cropped": "reg_img{}.jpg", "raw": "img{}.jpg"}[frames]
    ((subject, clip, _, onset, _, offset, *_),) = rows
    numbers = numbers or range(onset, offset + 1)
    write_frames(folder / f"sub{subject}" / clip, numbers, name)
    write_casme2(folder / CODING, rows)
    made = prepare(Builder, folder, tmp_path / "data", frames)
    (found,) = records(made).values()
    return found


def test_no_apex_becomes_the_middle_and_the_repair_an_estimate(tmp_path):
    clip = one([casme2_row("04", "EP12_01f", 261, "/", 321, "disgust")], tmp_path)
    assert clip["annotated"]["apex"] == "/"
    assert clip["annotated"]["apex_index"] == 30
    assert clip["annotated"]["apex_source"] == "middle"
    assert clip["repaired"]["apex"] == "279"
    assert clip["repaired"]["apex_index"] == 18
    assert clip["repaired"]["apex_source"] == "annotated"
    assert clip["issues"] == ["apex '/' is no frame number: middle taken"]
    assert clip["repairs"][0].startswith("made: apex '/' -> '279' (")


def test_an_apex_on_the_onset_is_kept_as_annotated(tmp_path):
    clip = one([casme2_row("05", "EP09_05f", 69, 69, 123)], tmp_path)
    assert clip["annotated"]["apex_index"] == 0
    assert clip["repaired"]["apex_index"] == 12
    assert clip["issues"] == ["apex 69 is the onset"]


def test_an_apex_on_the_offset_is_kept_and_told(tmp_path):
    clip = one([casme2_row("05", "EP16_04f", 141, 181, 181)], tmp_path)
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"]["apex_index"] == 40
    assert clip["issues"] == ["apex 181 is the offset"] and clip["repairs"] == []


def test_a_cropped_clip_may_stop_before_its_offset(tmp_path):
    row = casme2_row("16", "EP01_08", 73, 90, 110, "repression")
    clip = one([row], tmp_path, range(73, 97))
    assert clip["issues"] == ["offset 110 has no frame: 96 taken"]
    assert clip["annotated"]["offset"] == "110"
    assert clip["annotated"]["offset_index"] == 23
    assert list(clip["frame_numbers"]) == list(range(73, 97))


@pytest.mark.parametrize(("last", "frames"), [(68, "cropped"), (91, "raw")])
def test_an_offset_is_repaired_only_where_the_frames_go_on(last, frames, tmp_path):
    row = casme2_row("07", "EP06_01", 50, 60, 68)
    clip = one([row], tmp_path, range(50, last + 1), frames)
    assert clip["annotated"]["offset_index"] == 18
    assert clip["repaired"]["offset_index"] == last - 50
    assert clip["repairs"][0].startswith(
        {68: "not made, there is no frame 91: ", 91: "made: "}[last]
    )


def test_unknown_action_units_are_filled_from_the_later_annotation(tmp_path):
    clip = one([casme2_row("05", "EP05_03", 1, 2, 3, "others", "?")], tmp_path)
    assert clip["annotated"]["action_units"] == "?"
    assert clip["repaired"]["action_units"] == "16+24"


def test_an_empty_frame_is_left_out_and_told(root, tmp_path):
    clip = root / "Cropped-updated" / "Cropped" / "sub01" / "EP02_01f"
    (clip / "reg_img100.jpg").write_bytes(b"")
    (clip / "reg_img102.jpg").unlink()
    found = records(prepare(Builder, root, tmp_path / "data"))[KEYS[0]]
    assert list(found["frame_numbers"]) == [98, 99, 101, 103, 104]
    assert found["annotated"]["apex_index"] == 2
    assert found["issues"] == [
        "frame 100 left out: no image (UnidentifiedImageError)",
        "1 frame numbers between 98 and 104 absent",
    ]
