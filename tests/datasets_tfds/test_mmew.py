"""Tests for datasets_tfds/mmew, on releases written by hand."""

import numpy as np
import pytest
from PIL import Image
from releases import picture, prepare, records, told, write_frames, write_workbook

from datasets_tfds.mmew import fake_release, names, release, stills
from datasets_tfds.mmew.mmew_dataset_builder import Builder
from datasets_tfds.record import SPLIT, ReleaseError
from tests import tiles

SHEET = "MMEW_Micro_Exp.xlsx"
HEADER = (
    *("Subject", "Filename", "OnsetFrame", "ApexFrame", "OffsetFrame"),
    *("Action Units", "Estimated Emotion", "remarks"),
)


def row(clip, onset, apex, offset, emotion, *, subject=None, units="4+7"):
    subject = int(clip[1:3]) if subject is None else subject
    return (subject, clip, onset, apex, offset, units, emotion, None)


ROWS = [
    row("S13-07-001", 1, 5, 12, "anger"),
    row("S03-01-002", 1, 4, 9, "happiness", subject="S03", units=12),
    row("S03-04-001", 2, 4, 7, "others"),
]
KEYS = ["mmew/S13/S13-07-001", "mmew/S03/S03-01-002", "mmew/S03/S03-04-001"]
LINES = [
    "3 of 3 annotated clips have frames",
    f"annotated in {SHEET}, 3 rows",
]


def write_clips(folder, emotions, rows=ROWS, *, by_subject=False):
    """Frames 1.jpg ... 12.jpg of every row, by emotion or as the authors' page says."""
    for (_, clip, *_), emotion in zip(rows, emotions, strict=True):
        above = folder / clip[:3] if by_subject else folder
        write_frames(above / emotion / clip, range(1, 13), "{}.jpg")


def write_sheet(root, rows=ROWS, name=SHEET):
    return write_workbook(root / name, [HEADER, *rows], sheet="any name")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "MMEW_Final"
    write_clips(folder / "Micro_Expression", ("anger", "happiness", "others"))
    write_sheet(folder)
    return folder


def keys(root):
    return [film.key for film in release.read_release(root).films]


def lines(root):
    return release.read_release(root).lines


def refused(root, read=release.read_release):
    with pytest.raises(ReleaseError) as caught:
        read(root)
    return str(caught.value)


# Micro-expressions.


def test_clips_are_read_as_annotated(root, tmp_path, capsys):
    clips = records(prepare(Builder, root, tmp_path / "data"))
    assert told(capsys.readouterr().out, "mmew/micro") == LINES
    assert sorted(clips) == sorted(KEYS)
    clip = clips["mmew/S13/S13-07-001"]
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"] == {
        "emotion": "anger",
        "action_units": "4+7",
        "onset": "1",
        "apex": "5",
        "offset": "12",
        "onset_index": 0,
        "apex_index": 4,
        "offset_index": 11,
        "apex_source": "annotated",
    }
    # By number: as text, 10.jpg would come before 2.jpg.
    assert list(clip["frame_numbers"]) == list(range(1, 13))
    folder = root / "Micro_Expression" / "anger" / "S13-07-001"
    assert [bytes(frame) for frame in clip["frames"]] == [
        (folder / f"{n}.jpg").read_bytes() for n in range(1, 13)
    ]
    assert (clip["corpus"], clip["subject"]) == ("mmew", "mmew/S13")
    assert (clip["kind"], clip["modality"], clip["fps"]) == ("micro", "color", 90)
    assert clip["annotation_version"] == f"{SHEET}, 3 rows"
    assert clip["issues"] == clip["repairs"] == []
    assert not clip["synthetic"]


@pytest.mark.parametrize("by_subject", [False, True])
@pytest.mark.parametrize("place", [".", "Micro_Expression", "MMEW/MMEW_Final/Micro"])
def test_both_nestings_are_read_however_unpacked(by_subject, place, tmp_path):
    write_clips(
        tmp_path / "in" / place,
        ("Anger", "happiness", "others"),
        by_subject=by_subject,
    )
    write_sheet(tmp_path / "in" / "docs")
    assert keys(tmp_path / "in") == KEYS
    assert lines(tmp_path / "in") == LINES


@pytest.mark.parametrize("name", ["MMEW_Micro_Exp_v2.xlsx", "MMEW_Micro_Exp(20).xlsx"])
def test_the_sheet_is_known_by_its_columns(name, root):
    (root / SHEET).rename(root / name)
    assert keys(root) == KEYS
    write_sheet(root, [row("S01-07-001", 1, 1, 1, "anger")], "MMEW_Macro_Exp.xlsx")
    assert keys(root) == KEYS


def test_others_in_folders_of_repression_stay_others(tmp_path):
    write_clips(tmp_path, ("anger", "happiness", "repression"))
    write_sheet(tmp_path)
    found = release.read_release(tmp_path)
    assert [f.written["emotion"] for f in found.films] == [
        *("anger", "happiness", "others")
    ]
    assert all(film.issues == () for film in found.films)
    assert found.lines == [
        LINES[0],
        "1 clips in folders 'repression', which are 'others' in the sheet",
        LINES[1],
    ]


def test_repression_in_the_sheet_is_kept_as_written(tmp_path):
    rows = [*ROWS[:2], row("S03-04-001", 2, 4, 7, "repression")]
    write_clips(tmp_path, ("anger", "happiness", "others"), rows)
    write_sheet(tmp_path, rows)
    films = release.read_release(tmp_path).films
    assert films[2].written["emotion"] == "repression" and films[2].issues == ()


def test_the_folder_is_the_label_where_the_sheet_says_something_else(root, tmp_path):
    write_sheet(root, [row("S13-07-001", 1, 5, 12, "fear"), *ROWS[1:]])
    clip = records(prepare(Builder, root, tmp_path / "data"))[KEYS[0]]
    assert clip["annotated"]["emotion"] == "anger"
    assert clip["issues"] == ["lies in the folder of anger, the sheet says fear"]


def test_without_folders_of_emotions_the_sheet_is_the_label(tmp_path):
    for clip in ("S13-07-001", "S03-01-002", "S03-04-001"):
        write_frames(tmp_path / clip, range(1, 13), "{}.jpg")
    write_sheet(tmp_path)
    films = release.read_release(tmp_path).films
    assert [f.written["emotion"] for f in films] == ["anger", "happiness", "others"]


def test_a_code_of_another_emotion_is_told(tmp_path):
    rows = [ROWS[0], row("S03-02-001", 1, 4, 9, "disgust")]
    write_clips(tmp_path, ("anger", "disgust"), rows)
    write_sheet(tmp_path, rows)
    assert keys(tmp_path) == [KEYS[0], "mmew/S03/S03-02-001"]
    assert lines(tmp_path)[1] == (
        "1 names have the code of another emotion: S03-02-001 (disgust) (codes, partly "
        "inferred: 01 happiness, 02 surprise, 03 disgust, 04 others, 05 fear, "
        "06 sadness, 07 anger)"
    )


@pytest.mark.parametrize("subject", [4, "S04", "", "x"])
def test_the_subject_is_the_names_and_another_is_told(subject, root):
    write_sheet(root, [ROWS[0], row(*ROWS[1][1:5], "happiness", subject=subject)])
    films = release.read_release(root).films
    assert films[1].subject == "S03"
    assert films[1].issues == (f"the sheet says subject '{subject}'",)


def test_a_clip_in_the_folder_of_another_person_is_told(tmp_path):
    write_frames(tmp_path / "S04" / "anger" / "S13-07-001", range(1, 13), "{}.jpg")
    write_sheet(tmp_path, ROWS[:1])
    (film,) = release.read_release(tmp_path).films
    assert (film.subject, film.issues) == ("S13", ("lies in the folder of S04",))


@pytest.mark.parametrize(
    ("numbers", "placed", "issues"),
    [
        (
            (1, 14, 10),
            (0, 4, 9, "middle"),
            ["apex 14 outside of 1..10: middle taken"],
        ),
        (
            (1, 5, 20),
            (0, 4, 11, "annotated"),
            ["offset 20 has no frame: 12 taken"],
        ),
        (
            (1, 15, 20),
            (0, 5, 11, "middle"),
            [
                "offset 20 has no frame: 12 taken",
                "apex 15 outside of 1..12: middle taken",
            ],
        ),
        ((3, 5, 2), (0, 4, 11, "annotated"), ["onset 3 after offset 2"]),
        (
            (1, "", 12),
            (0, 5, 11, "middle"),
            ["apex '' is no frame number: middle taken"],
        ),
    ],
)
def test_wrong_frame_numbers_are_told_and_bounded(
    numbers, placed, issues, root, tmp_path
):
    write_sheet(root, [row("S13-07-001", *numbers, "anger"), *ROWS[1:]])
    clip = records(prepare(Builder, root, tmp_path / "data"))[KEYS[0]]
    reading = clip["annotated"]
    assert clip["issues"] == issues
    names = ("onset_index", "apex_index", "offset_index", "apex_source")
    assert tuple(reading[name] for name in names) == placed
    assert [reading[n] for n in ("onset", "apex", "offset")] == list(map(str, numbers))


def test_decoys_and_stills_are_passed_over(root):
    clip = root / "Micro_Expression" / "anger" / "S13-07-001"
    for decoy in (
        root / f"~${SHEET}",
        root / "__MACOSX" / "anger" / "S13-07-001" / "1.jpg",
        clip / "._1.jpg",
        clip / "Thumbs.db",
        clip / "cover.jpg",
        clip / "S13-07-001.jpg",
        root / "Macro_Expression" / "S13" / "anger" / "S13-07-001.jpg",
        root / "anger" / "1.jpg",
    ):
        decoy.parent.mkdir(parents=True, exist_ok=True)
        decoy.write_bytes(picture(decoy.name))
    (root / "Micro_Expression" / "fear" / "S20-05-001").mkdir(parents=True)
    assert keys(root) == KEYS and lines(root) == LINES
    films = release.read_release(root).films
    assert list(films[0].frames) == list(range(1, 13))


def test_rows_without_frames_and_folders_without_a_row_are_told(root):
    write_sheet(root, [*ROWS[:2], row("S30-05-001", 1, 2, 3, "fear")])
    assert keys(root) == KEYS[:2]
    assert lines(root)[:2] == [
        "2 of 3 annotated clips have frames; without: S30-05-001",
        "folders without a row: S03-04-001",
    ]


def test_all_that_is_wrong_is_told_at_once(root):
    write_sheet(
        root,
        [
            *ROWS,
            row("s3-1-2", 1, 2, 3, "happiness", subject=3),
            row("EP02_01f", 1, 2, 3, "fear", subject=1),
            row("S01-05-001", 1, 2, 3, "bored"),
        ],
    )
    write_clips(root / "again", ("anger",), ROWS[:1])
    frame = root / "Micro_Expression" / "others" / "S03-04-001" / "01.jpg"
    frame.write_bytes(picture("again"))
    message = refused(root)
    assert "5 problem(s)" in message
    assert f"{SHEET}, row 6: clip 'EP02_01f', expected 'S13-07-001'" in message
    assert f"{SHEET}, row 7: emotion 'bored', expected one of happiness," in message
    assert f"S03-01-002 more than once: {SHEET}, row 3 and {SHEET}, row 5" in message
    assert "S13-07-001 more than once" in message and str(root / "again") in message
    assert "are both frame 1;" in message


def test_an_absent_sheet_and_copies_that_differ_are_errors(root):
    write_sheet(root, ROWS[:1], "copy.xlsx")
    assert "differ" in refused(root)
    for path in root.glob("*.xlsx"):
        path.write_bytes(b"PK")
    message = refused(root)
    assert "no annotation of the micro-expressions" in message
    assert f"{root / SHEET} cannot be read" in message and f"put {SHEET}" in message


# Macro-expressions.

STILLS = ["S01/anger/S01-07-001", "S01/anger/S01-07-002", "S03/happiness/S03-01-001"]


def write_stills(root, places=STILLS):
    for place in places:
        path = root / f"{place}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture(path.name))


def test_macro_expressions_are_stills(tmp_path, capsys):
    write_stills(tmp_path / "in" / "Macro_Expression")
    made = prepare(Builder, tmp_path / "in", tmp_path / "data", "macro")
    assert told(capsys.readouterr().out, "mmew/macro") == ["3 stills of 2 people"]
    clips = records(made)
    assert sorted(clips) == [
        "mmew/S01/macro_S01-07-001",
        "mmew/S01/macro_S01-07-002",
        "mmew/S03/macro_S03-01-001",
    ]
    clip = clips["mmew/S01/macro_S01-07-002"]
    assert clip["annotated"] == clip["repaired"]
    assert clip["annotated"] == {
        **{"emotion": "anger", "action_units": "", "apex_source": "still"},
        **{"onset": "", "apex": "", "offset": ""},
        **{"onset_index": 0, "apex_index": 0, "offset_index": 0},
    }
    assert list(clip["frame_numbers"]) == [2] and len(clip["frames"]) == 1
    assert (clip["kind"], clip["modality"], clip["fps"]) == ("macro", "color", 0)
    assert clip["subject"] == "mmew/S01"  # as of the micro-expressions
    assert clip["annotation_version"] == "directories, 3 stills"
    assert clip["issues"] == clip["repairs"] == []
    path = tmp_path / "in" / "Macro_Expression" / f"{STILLS[1]}.jpg"
    decoded = {c["key"].decode(): c for c in made.as_data_source(SPLIT)}
    with Image.open(path) as image:
        np.testing.assert_array_equal(
            decoded["mmew/S01/macro_S01-07-002"]["frames"][0], image
        )


def test_frames_of_micro_expressions_are_no_stills(root, tmp_path):
    write_stills(root / "Macro_Expression")
    films = stills.read_stills(root).films
    assert [film.clip for film in films] == [
        f"macro_{place.rpartition('/')[2]}" for place in STILLS
    ]
    assert keys(root) == KEYS


def test_stills_may_lie_by_emotion_alone(tmp_path):
    write_stills(tmp_path, ["Anger/s1-7-1", "fear/S01-05-001"])
    films = stills.read_stills(tmp_path).films
    assert [(f.key, f.written["emotion"]) for f in films] == [
        ("mmew/S01/macro_S01-07-001", "anger"),
        ("mmew/S01/macro_S01-05-001", "fear"),
    ]


def test_odd_stills_are_told(tmp_path):
    write_stills(tmp_path, ["S01/anger/S02-07-001", "S01/fear/S01-07-001"])
    found = stills.read_stills(tmp_path)
    assert [film.issues for film in found.films] == [
        ("lies in the folder of S01",),
        (),
    ]
    assert found.lines[1].startswith(
        "1 names have the code of another emotion: S01-07-001 (fear) (codes"
    )


def test_stills_twice_or_without_an_emotion_are_errors(tmp_path):
    write_stills(tmp_path, [*STILLS, "copy/anger/S01-07-001", "S05/S05-01-001"])
    message = refused(tmp_path, stills.read_stills)
    assert "2 problem(s)" in message and "S01/S01-07-001 more than once" in message
    assert "S05-01-001.jpg lies in no folder of an emotion" in message


def test_no_still_is_an_error(root, tmp_path):
    with pytest.raises(ReleaseError, match="no clip found for mmew/macro/1.0.0"):
        prepare(Builder, root, tmp_path / "data", "macro")


# Names.


@pytest.mark.parametrize(
    ("text", "clip"),
    [("S13-07-001", "S13-07-001"), (" s3-1-2", "S03-01-002")]
    + [("S113-07-0123", "S113-07-123")]
    + [(text, None) for text in ("S13-07", "13-07-001", "S13_07_001", "S13-07-001a")],
)
def test_names_are_read_however_they_are_padded(text, clip):
    name = names.parse_name(text)
    assert (name.clip if name else None) == clip


def test_the_default_are_micro_expressions(tmp_path):
    assert list(Builder.builder_configs) == ["micro", "macro"]
    assert Builder(data_dir=tmp_path).builder_config.name == "micro"


# The twin, written by somebody else from the same documents.


def test_the_twin_is_read_whole(tmp_path):
    twin = tmp_path / "mmew"
    with tiles.instead_of_faces():
        fake_release.write_release(twin, subjects=3, seed=0)
    clips = records(prepare(Builder, twin, tmp_path / "data"))
    assert all(clip["synthetic"] for clip in clips.values())
    assert lines(twin)[0] == f"{len(clips)} of {len(clips)} annotated clips have frames"
    emotions = {clip["annotated"]["emotion"] for clip in clips.values()}
    assert emotions == set(names.EMOTIONS)
    macro = stills.read_stills(twin).films
    assert len(macro) == 90
    assert {f.subject for f in macro} == {k.split("/")[1] for k in clips}
