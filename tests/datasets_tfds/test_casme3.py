"""Tests for datasets_tfds/casme3, on releases written by hand."""

import re

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from releases import picture, prepare, records, told, write_frames, write_workbook

from datasets_tfds.casme3 import annotation, fake_annotation, fake_release, release
from datasets_tfds.casme3.casme3_dataset_builder import Builder
from datasets_tfds.record import SPLIT, ReleaseError
from datasets_tfds.repairs import read_repairs
from tests import tiles

ME = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
MAE = "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx"
HEADER = ("Subject", "Filename", "Onset", "Apex", "Offset", "AU")
ME_HEADER = (*HEADER, "Objective class", "emotion")


def me(subject, video, *numbers, emotion="others", units="14", cls="VII"):
    """A row of the micro table: all of its cells are text."""
    return (subject, video, *map(str, numbers), units, cls, emotion)


def mae(subject, video, *numbers, emotion="happiness"):
    return (subject, video, *numbers, "12", emotion)


ROWS = [
    me("spNO.1", "a", 98, 101, 104, emotion="happy", units="T28+14"),
    me("spNO.1", "a", 103, 105, 108, emotion="disgust", units="26+25"),
    me("spNO.14", "J", 5, 5, 9, emotion="Others", cls="II"),
]
KEYS = ["casme3/spNO.1/a_98", "casme3/spNO.1/a_103", "casme3/spNO.14/j_5"]
LINES = ["3 of 3 annotated clips have frames", f"annotated in {ME}, 3 rows"]


def write_me(root, rows=ROWS, name=ME):
    return write_workbook(
        root / name, [ME_HEADER, *rows], sheet="label", empty=("Sheet1", "Sheet3")
    )


def write_color(folder, numbers):
    return write_frames(folder, numbers, "{}.jpg")


def distances(number):
    return (np.arange(24, dtype=np.uint16).reshape(4, 6) * 2700) + np.uint16(number)


def write_depth(folder, numbers):
    folder.mkdir(parents=True)
    for number in numbers:
        assert cv2.imwrite(str(folder / f"{number}.png"), distances(number))


@pytest.fixture
def root(tmp_path):
    """A release of whole recordings and the micro table."""
    folder = tmp_path / "release"
    write_me(folder / "annotation")
    for video, numbers in (("spNO.1/a", range(90, 121)), ("spNO.14/j", range(1, 13))):
        write_color(folder / "part_A" / "data" / video / "color", numbers)
        write_depth(folder / "part_A" / "data" / video / "depth", numbers)
    return folder


def found(root, kind="micro", modality="color"):
    return release.read_release(root, kind, modality)


def keys(root, kind="micro", modality="color"):
    return [film.key for film in found(root, kind, modality).films]


def refused(root, kind="micro", modality="color"):
    with pytest.raises(ReleaseError) as caught:
        found(root, kind, modality)
    return str(caught.value)


# What a release looks like.


def test_clips_are_cut_from_recordings_as_annotated(root, tmp_path, capsys):
    clips = records(prepare(Builder, root, tmp_path / "data"))
    assert told(capsys.readouterr().out, "casme3/micro") == LINES
    assert sorted(clips) == sorted(KEYS)
    clip = clips["casme3/spNO.1/a_98"]
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"] == {
        "emotion": "happy",
        "action_units": "T28+14",
        "onset": "98",
        "apex": "101",
        "offset": "104",
        "onset_index": 0,
        "apex_index": 3,
        "offset_index": 6,
        "apex_source": "annotated",
    }
    assert list(clip["frame_numbers"]) == list(range(98, 105))
    folder = root / "part_A" / "data" / "spNO.1" / "a" / "color"
    assert [bytes(frame) for frame in clip["frames"]] == [
        (folder / f"{n}.jpg").read_bytes() for n in range(98, 105)
    ]
    assert (clip["corpus"], clip["subject"]) == ("casme3", "casme3/spNO.1")
    assert (clip["kind"], clip["modality"], clip["fps"]) == ("micro", "color", 30)
    assert clip["annotation_version"] == f"{ME}, 3 rows"
    assert clip["objective_class"] == "VII"
    assert clip["issues"] == clip["repairs"] == []
    assert not clip["synthetic"]


def test_overlapping_clips_of_one_video_are_two(root):
    one, two, _ = found(root).films
    assert set(one.frames) & set(two.frames) == {103, 104}
    assert one.subject == two.subject


def test_an_upper_case_video_is_the_same_and_words_stay_as_written(root, tmp_path):
    clip = records(prepare(Builder, root, tmp_path / "data"))["casme3/spNO.14/j_5"]
    assert clip["annotated"]["emotion"] == "Others"
    assert clip["annotated"]["apex_index"] == 0
    assert clip["issues"] == ["apex 5 is the onset"]


def test_depth_keeps_every_bit(root, tmp_path, capsys):
    made = prepare(Builder, root, tmp_path / "data", "micro-depth")
    assert told(capsys.readouterr().out, "casme3/micro-depth") == LINES
    clips = {c["key"].decode(): c for c in made.as_data_source(SPLIT)}
    assert sorted(clips) == sorted(KEYS)
    for clip in clips.values():
        assert (clip["modality"], clip["corpus"]) == (b"depth", b"casme3")
        for number, depth in zip(clip["frame_numbers"], clip["frames"], strict=True):
            assert (depth.dtype, depth.shape) == (np.uint16, (4, 6, 1))
            np.testing.assert_array_equal(depth[..., 0], distances(number))
    assert max(c["frames"][0].max() for c in clips.values()) > 2**15
    again = tfds.builder_from_directory(made.data_dir).as_data_source(SPLIT)
    assert again[0]["frames"][0].dtype == np.uint16
    encoded = records(made)["casme3/spNO.1/a_98"]["frames"]
    folder = root / "part_A" / "data" / "spNO.1" / "a" / "depth"
    assert bytes(encoded[0]) == (folder / "98.png").read_bytes()


def test_depth_of_eight_bits_is_no_depth(root, tmp_path, capsys):
    for path in root.rglob("*.png"):
        path.write_bytes(picture(path.name, mode="L", format="PNG"))
    assert keys(root, modality="depth") == []
    with pytest.raises(ReleaseError, match="no clip found for casme3/micro-depth"):
        prepare(Builder, root, tmp_path / "data", "micro-depth")
    assert "spNO.1/a_98 (no 16-bit depth but L)" in capsys.readouterr().out


@pytest.mark.parametrize("place", [".", "part_A", "part_A_split/part_A", "x/y/z"])
def test_recordings_are_found_however_they_were_unpacked(place, tmp_path):
    write_color(tmp_path / "in" / place / "spNO.1" / "a" / "color", range(98, 109))
    write_me(tmp_path / "in" / "docs", ROWS[:2])
    assert keys(tmp_path / "in") == KEYS[:2]


def test_depth_may_lie_in_a_tree_of_its_own(tmp_path):
    write_color(tmp_path / "spNO.1" / "a" / "color", range(98, 109))
    write_depth(tmp_path / "depth" / "spNO.1" / "a", range(98, 109))
    write_me(tmp_path, ROWS[:2])
    for modality, suffix in (("color", ".jpg"), ("depth", ".png")):
        films = found(tmp_path, modality=modality).films
        assert [film.key for film in films] == KEYS[:2]
        assert {p.suffix for f in films for p in f.frames.values()} == {suffix}


def test_a_folder_of_one_person_will_do(root):
    person = root / "part_A" / "data" / "spNO.1"
    write_me(person)
    assert keys(person) == KEYS[:2]


CUT = {  # clips alone, some in a folder of another case
    "spNo.1_a_98": range(98, 105),
    "spNO.1_a_103": range(103, 109),
    "SPNO.14_J_5": range(5, 10),
}


@pytest.mark.parametrize("top", ["Part_A_ME_clip/Part_A_ME_clip", "clips", "CASME3"])
def test_clips_may_come_without_their_recordings(top, tmp_path):
    for name, numbers in CUT.items():
        write_color(tmp_path / "in" / top / "frame" / name, numbers)
        write_depth(tmp_path / "in" / top / "depth" / name, numbers)
    (tmp_path / "in" / top / "video").mkdir()
    (tmp_path / "in" / top / "video" / "spNO.1_a_98.mp4").touch()
    write_me(tmp_path / "in")
    for modality in ("color", "depth"):
        films = found(tmp_path / "in", modality=modality).films
        assert [film.key for film in films] == KEYS
        assert [list(f.frames) for f in films] == [list(n) for n in CUT.values()]
        assert found(tmp_path / "in", modality=modality).lines == LINES


def test_a_recording_goes_before_a_clip_cut_from_it_unless_it_has_no_frame(root):
    for name in ("spNO.1_a_98", "spNO.14_j_5"):
        write_color(root / "Part_A_ME_clip" / "frame" / name, (5, 100))
    for number in range(5, 10):
        (root / f"part_A/data/spNO.14/j/color/{number}.jpg").unlink()
    films = found(root).films
    assert [film.key for film in films] == KEYS
    assert len(films[0].frames) == 7
    assert "Part_A_ME_clip" in films[2].frames[5].parts


def test_clips_of_the_other_kind_are_passed_over(tmp_path):
    write_me(tmp_path, ROWS[:1])
    write_workbook(
        tmp_path / MAE, [(*HEADER, "emotion"), mae("spNO.1", "a", 98, 99, 160)]
    )
    write_color(tmp_path / "Part_A_ME_clip/frame/spNO.1_a_98", range(98, 105))
    write_color(tmp_path / "Part_A_MaE_clip/frame/spNO.1_a_98", range(98, 161))
    assert keys(tmp_path) == KEYS[:1]
    assert len(found(tmp_path).films[0].frames) == 7
    assert keys(tmp_path, "macro") == ["casme3/spNO.1/macro_a_98"]
    assert len(found(tmp_path, "macro").films[0].frames) == 63


def test_decoys_and_other_images_are_passed_over(root):
    clip = root / "part_A" / "data" / "spNO.1" / "a" / "color"
    for decoy in (
        root / "annotation" / f"~${ME}",
        root / "__MACOSX" / "spNO.1" / "a" / "color" / "98.jpg",
        clip / "._98.jpg",
        clip / "Thumbs.db",
        clip / "cover 98.jpg",
        root / "notes" / "a" / "98.jpg",
        root / "spNO.1" / "notes" / "98.jpg",
        root / "98.jpg",
    ):
        decoy.parent.mkdir(parents=True, exist_ok=True)
        decoy.write_bytes(picture(decoy.name))
    (root / "spNO.2" / "a" / "color").mkdir(parents=True)
    assert keys(root) == KEYS and found(root).lines == LINES


# Frames that are not there.


def test_gaps_and_broken_frames_are_left_out_and_told(root, tmp_path):
    folder = root / "part_A" / "data" / "spNO.1" / "a" / "color"
    (folder / "99.jpg").write_bytes(b"")
    (folder / "102.jpg").unlink()
    (folder / "92.jpg").write_bytes(b"")  # before the clip: of no concern
    clip = records(prepare(Builder, root, tmp_path / "data"))["casme3/spNO.1/a_98"]
    assert list(clip["frame_numbers"]) == [98, 100, 101, 103, 104]
    assert clip["annotated"]["apex_index"] == 2
    assert clip["issues"] == [
        "frame 99 left out: no image (UnidentifiedImageError)",
        "1 frame numbers between 98 and 104 absent",
    ]


def test_clips_without_a_frame_of_use_are_left_out_and_told(root, tmp_path, capsys):
    for number in range(98, 105):  # the authors list 79 such frames in a row
        (root / f"part_A/data/spNO.1/a/color/{number}.jpg").write_bytes(b"")
    for number in range(5, 10):
        (root / f"part_A/data/spNO.14/j/color/{number}.jpg").unlink()
    clips = records(prepare(Builder, root, tmp_path / "data"))
    assert list(clips) == ["casme3/spNO.1/a_103"]
    assert told(capsys.readouterr().out, "casme3/micro") == [
        "1 of 3 annotated clips have frames; without: spNO.1/a_98, spNO.14/j_5",
        "without a frame of use: spNO.1/a_98 (no image (UnidentifiedImageError)), "
        "spNO.14/j_5 (none between onset and offset)",
        f"annotated in {ME}, 3 rows",
    ]


def test_rows_without_frames_and_clips_without_a_row_are_told(root):
    write_me(root / "annotation", [*ROWS, me("spNO.9", "m", 1, 2, 3)])
    write_color(root / "Part_A_ME_clip/frame/spNO.7_b_44", range(44, 48))
    assert keys(root) == KEYS
    assert found(root).lines[:2] == [
        "3 of 4 annotated clips have frames; without: spNO.9/m_1",
        "folders without a row: spNO.7/b_44",
    ]


def test_all_that_is_wrong_is_told_at_once(root):
    write_color(root / "again" / "spNO.1" / "a" / "color", (98,))
    write_color(root / "part_A/data/spNO.14/j/color", ("05",))
    bad = [
        me("person", "a", 1, 2, 3),
        me("spNO.1", "EP1", 1, 2, 3),
        me("spNO.1", "b", "", 2, 3),
        me("spNO.1", "A", 98, 99, 100),  # another clip of the same name
    ]
    write_me(root / "annotation", [*ROWS, *bad])
    message = refused(root)
    assert "6 problem(s)" in message
    assert f"{ME}, row 5: subject 'person', video 'a' and onset '1'" in message
    assert "video 'EP1'" in message and "onset ''" in message
    assert f"spNO.1/a_98 more than once: {ME}, row 2 and {ME}, row 8" in message
    assert "spNO.1/a more than once" in message and str(root / "again") in message
    assert "are both frame 5" in message


def test_a_row_that_comes_twice_counts_once(root):
    write_me(root / "annotation", [*ROWS, ROWS[0]])
    assert keys(root) == KEYS
    assert f"1 rows come twice: {ME}, row 5" in found(root).lines


# Rows that cannot be.


def one(root, row, numbers, config="micro"):
    """The record of a release of one row and one recording."""
    folder = root / row[0] / row[1].lower() / "color"
    write_color(folder, numbers)
    write_me(root, [row])
    (clip,) = records(prepare(Builder, root, root.parent / "data", config)).values()
    return clip


def indices(reading):
    names = ("onset_index", "apex_index", "offset_index")
    return (*(reading[name] for name in names), reading["apex_source"])


def test_an_apex_before_the_onset_becomes_the_middle(tmp_path):
    row = me("spNO.149", "d", 112, 83, 358, emotion="fear")
    clip = one(tmp_path / "in", row, range(80, 361))
    assert clip["issues"] == ["apex 83 outside of 112..358: middle taken"]
    assert indices(clip["annotated"]) == (0, 123, 246, "middle")
    assert indices(clip["repaired"]) == (0, 55, 246, "annotated")
    assert clip["repaired"]["apex"] == "167"
    assert list(clip["frame_numbers"]) == list(range(112, 359))


def test_an_offset_of_0_ends_where_the_repair_says(tmp_path):
    clip = one(tmp_path / "in", me("spNO.40", "e", 1812, 1824, 0), range(1700, 1900))
    assert clip["key"] == "casme3/spNO.40/e_1812"
    assert list(clip["frame_numbers"]) == list(range(1812, 1846))
    assert clip["issues"] == ["onset 1812 after offset 0"]
    assert indices(clip["annotated"]) == (0, 12, 33, "annotated")
    assert clip["repaired"]["offset"] == "1845"
    assert indices(clip["repaired"]) == (0, 12, 33, "annotated")


def test_an_offset_of_0_that_nobody_mended_ends_at_the_apex(tmp_path):
    clip = one(tmp_path / "in", me("spNO.41", "e", 1812, 1824, 0), range(1700, 1900))
    assert list(clip["frame_numbers"]) == list(range(1812, 1825))
    assert clip["issues"] == ["onset 1812 after offset 0", "apex 1824 is the offset"]


def test_a_clip_folder_has_its_frames_whatever_the_row_says(tmp_path):
    write_me(tmp_path / "in", [me("spNO.41", "e", 1812, 1824, 0)])
    numbers = range(1812, 1840)
    write_color(tmp_path / "in" / "frame" / "spNO.41_e_1812", numbers)
    (clip,) = records(prepare(Builder, tmp_path / "in", tmp_path / "data")).values()
    assert list(clip["frame_numbers"]) == list(numbers)
    assert indices(clip["annotated"]) == (0, 12, 27, "annotated")


def test_an_onset_of_0_becomes_the_first_frame(tmp_path):
    clip = one(tmp_path / "in", me("spNO.216", "e", 0, 0, 25), range(1, 41))
    assert clip["key"] == "casme3/spNO.216/e_0"
    assert list(clip["frame_numbers"]) == list(range(1, 26))
    assert clip["issues"] == [
        "onset 0 has no frame: 1 taken",
        "apex 0 outside of 1..25: middle taken",
    ]
    assert indices(clip["annotated"]) == (0, 12, 24, "middle")
    assert clip["repaired"]["onset"] == clip["repaired"]["apex"] == "1"
    assert indices(clip["repaired"]) == (0, 0, 24, "annotated")
    assert [line[:6] for line in clip["repairs"]] == ["made: ", "made: "]


def test_an_onset_after_the_apex_is_mended_or_told(tmp_path):
    row = me("spNO.216", "d", 3647, 2668, 2694)
    clip = one(tmp_path / "in", row, range(2600, 2700))
    assert clip["key"] == "casme3/spNO.216/d_3647"
    assert list(clip["frame_numbers"]) == list(range(2647, 2695))
    assert clip["issues"] == ["onset 3647 after offset 2694"]
    assert indices(clip["annotated"]) == (0, 21, 47, "annotated")
    assert clip["repaired"]["onset"] == "2647"
    assert indices(clip["repaired"]) == (0, 21, 47, "annotated")


def test_a_very_long_interval_is_kept_as_it_is(tmp_path):
    row = me("spNO.214", "c", 5, 5, 3460, emotion="disgust")
    clip = one(tmp_path / "in", row, [*range(1, 60), *range(3400, 3470)])
    assert list(clip["frame_numbers"]) == [*range(5, 60), *range(3400, 3461)]
    assert clip["annotated"]["offset"] == "3460"
    assert indices(clip["annotated"]) == (0, 0, 115, "annotated")
    assert clip["repaired"]["offset"] == "34"
    assert indices(clip["repaired"]) == (0, 0, 29, "annotated")
    assert clip["issues"] == [
        "3340 frame numbers between 5 and 3460 absent",
        "apex 5 is the onset",
    ]


def test_the_repairs_are_of_rows_of_the_public_table():
    repairs = read_repairs("datasets_tfds.casme3")
    made = {key: [(r.field, r.old, r.new) for r in rs] for key, rs in repairs.items()}
    assert made == {
        "casme3/spNO.149/d_112": [("apex", "83", "167")],
        "casme3/spNO.214/c_5": [("offset", "3460", "34")],
        "casme3/spNO.216/d_3647": [("onset", "3647", "2647")],
        "casme3/spNO.216/e_0": [("onset", "0", "1"), ("apex", "0", "1")],
        "casme3/spNO.40/e_1812": [("offset", "0", "1845")],
        "casme3/spNO.40/e_2327": [("offset", "0", "2403")],
    }


# Macro-expressions.

MACRO_ROWS = [
    mae("spNO.1", "a", 98, 101, 119),
    mae("spNO.1", "a", "103", "105", "108", emotion="sadness"),
    mae("spNo.14", "J", 5, 9, 12, emotion="others"),
]
MACRO_KEYS = [
    "casme3/spNO.1/macro_a_98",
    "casme3/spNO.1/macro_a_103",
    "casme3/spNO.14/macro_j_5",
]


@pytest.mark.parametrize(
    "header",
    [
        (*HEADER, "emotion"),
        ("sub", "seq", "onset", "apex", "offset", "AU", "emotion"),
        ("SUBJECT", "fileName", "oNset", "APEX", "Offset", "au", "Emotion"),
        ("person", "video", "start", "peak", "end", "units", "label"),
        (*HEADER, "feeling"),
        None,
    ],
)
def test_macro_headers_of_every_kind_are_read(header, root, tmp_path, capsys):
    path = write_workbook(root / MAE, [*([header] if header else []), *MACRO_ROWS])
    clips = records(prepare(Builder, root, tmp_path / "data", "macro"))
    assert sorted(clips) == sorted(MACRO_KEYS)
    clip = clips[MACRO_KEYS[0]]
    assert clip["annotated"]["emotion"] == "happiness"
    assert indices(clip["annotated"]) == (0, 3, 21, "annotated")
    assert (clip["kind"], clip["objective_class"]) == ("macro", "")
    assert clip["subject"] == "casme3/spNO.1"  # as of the micro-expressions
    lines = told(capsys.readouterr().out, "casme3/macro")
    by_position = f"{MAE} has other columns: taken in their known order"
    assert (by_position in lines) == (header is None or header[-1].lower() != "emotion")
    assert lines[-1] == f"annotated in {path.name}, 3 rows"


def test_shuffled_columns_go_by_their_names(root):
    order = [6, 2, 0, 4, 1, 3, 5]
    rows = [(*HEADER, "emotion"), *MACRO_ROWS]
    write_workbook(root / MAE, [[row[i] for i in order] for row in rows])
    assert keys(root, "macro") == MACRO_KEYS


def test_macro_depth(root, tmp_path):
    write_workbook(root / MAE, [(*HEADER, "emotion"), *MACRO_ROWS])
    made = prepare(Builder, root, tmp_path / "data", "macro-depth")
    clips = {c["key"].decode(): c for c in made.as_data_source(SPLIT)}
    assert sorted(clips) == sorted(MACRO_KEYS)
    clip = clips[MACRO_KEYS[0]]
    assert (clip["kind"], clip["modality"]) == (b"macro", b"depth")
    np.testing.assert_array_equal(clip["frames"][3][..., 0], distances(101))


# Which table.


def test_the_second_version_goes_before_other_copies(root):
    write_me(root, ROWS[:1], "casme3_part_A_edited.xlsx")
    write_me(root, ROWS[:2], "casme3_partA_error_list_ZhouJu.xlsx")
    write_me(root, ROWS[1:], "cas(me)3_part_A_ME_label_JpgIndex_v1.xlsx")
    (root / "CAS(ME)3_part_A_v2.xls").write_bytes(b"\xd0\xcf\x11\xe0")
    assert keys(root) == KEYS


def test_copies_of_a_table_must_agree(root):
    write_me(root, name=f"copy of {ME}")
    assert keys(root) == KEYS
    write_me(root, ROWS[:1], name=f"copy of {ME}")
    assert "differ" in refused(root)


@pytest.mark.parametrize("name", ["labels.csv", "edited.xlsx"])
def test_a_renamed_table_is_known_by_its_columns_and_words(name, root):
    (root / "annotation" / ME).unlink()
    rows = [ME_HEADER, *ROWS]
    if name.endswith("csv"):
        (root / name).write_text("\n".join(",".join(row) for row in rows))
    else:
        write_workbook(root / name, rows)
    write_workbook(root / "more.xlsx", [(*HEADER, "emotion"), *MACRO_ROWS])
    assert keys(root) == KEYS
    assert keys(root, "macro") == MACRO_KEYS


def test_a_first_version_alone_is_refused(root):
    (root / "annotation" / ME).rename(root / ME.replace("v2", "v1"))
    (root / "cas(me)3_part_A_ME_label_JpgIndex_v1.xls").write_bytes(b"\xd0\xcf")
    message = refused(root)
    assert "no micro annotation of the second version" in message
    assert f"{root / ME.replace('v2', 'v1')}: the first version" in message
    assert re.search(r"_v1\.xls: \.xls files are not read", message)
    assert f"put {ME} into it" in message


def test_an_absent_table_is_told_with_those_there_are(root):
    (root / "CAS(ME)3_part_C_ME.csv").write_text("sub,count,onset,offset,au,emotion\n")
    message = refused(root, "macro")
    assert "no macro annotation" in message and f"put {MAE} into it" in message
    assert f"{root / 'annotation' / ME}: the micro annotation" in message
    assert "CAS(ME)3_part_C_ME.csv: no row has all of the columns" in message


def test_a_table_without_emotions_is_told(root):
    path = root / "annotation" / ME
    write_workbook(path, [HEADER, *(row[:6] for row in ROWS)])
    assert f"{path}: no column emotion or Estimated Emotion" in refused(root)


def test_a_broken_macro_table_is_told(root):
    (root / MAE).write_bytes(b"PK broken")
    assert f"{root / MAE} cannot be read" in refused(root, "macro")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (ME, "micro"),
        (MAE, "macro"),
        ("Part_A_ME_clip", "micro"),
        ("Part_A_MaE_clip", "macro"),
        ("CAS(ME)^3", ""),
        ("CAS_ME_3 macro", "macro"),
        ("CASME3_edited.csv", ""),
        ("spno.1_m_3", ""),
    ],
)
def test_names_say_which_kind_of_expression(name, kind):
    assert annotation.kind_of(name) == kind


def test_the_default_are_micro_expressions_in_colour(tmp_path):
    assert list(Builder.builder_configs) == [
        "micro",
        "micro-depth",
        "macro",
        "macro-depth",
    ]
    builder = Builder(data_dir=tmp_path)
    assert builder.builder_config.name == "micro" and not builder.depth


# The twin, written by somebody else from the same documents.


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """The twin of three people, and what its writer says of it."""
    folder = tmp_path_factory.mktemp("twins") / "casme3"
    with tiles.instead_of_faces():
        return folder, fake_release.write_release(folder, subjects=3, seed=0)


@pytest.mark.parametrize("modality", ["color", "depth"])
def test_the_twin_is_read_whole(twin, modality):
    folder, done = twin
    kinds = [found(folder, kind, modality) for kind in ("micro", "macro")]
    assert sum(len(kind.films) for kind in kinds) == done.clips
    for films, lines in kinds:
        assert lines[0] == f"{len(films)} of {len(films)} annotated clips have frames"
        assert len(lines) == 2 and len({film.subject for film in films}) == 3


@pytest.mark.parametrize("header", fake_annotation.MACRO_HEADERS)
def test_every_macro_header_of_the_twin_is_read(header, tmp_path):
    with tiles.instead_of_faces():
        fake_release.write_release(tmp_path / "in", subjects=1, macro_header=header)
    films = found(tmp_path / "in", "macro").films
    assert films and {film.kind for film in films} == {"macro"}


def test_the_twins_depth_keeps_every_bit(twin, tmp_path):
    folder, _ = twin
    made = prepare(Builder, folder, tmp_path, "micro-depth")
    paths = {film.key: film.frames for film in found(folder, modality="depth").films}
    for clip in made.as_data_source(SPLIT):
        path = paths[clip["key"].decode()][int(clip["frame_numbers"][0])]
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert depth.dtype == np.uint16 and depth.max() > 255
        np.testing.assert_array_equal(clip["frames"][0][..., 0], depth)
        assert clip["synthetic"]
