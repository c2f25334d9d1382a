import csv
import io
import itertools
import re
from importlib import resources

import numpy as np
import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from releases import picture, prepare, records, told, write_frames

from datasets_tfds.record import ReleaseError
from datasets_tfds.smic import fake_release, long_clips, release
from datasets_tfds.smic.smic_dataset_builder import Builder

CROPPED = "SMIC_all_cropped"
RAW = "SMIC_all_raw"
LONG = "SMIC-E_raw image/HS_long"
TABLE = "SMIC-HS-E_annotation.xlsx"
HEADER = (
    *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F", None),
    *("FirstF", "LastF", "TotalMF1", "TotalMF2", "TotalVL", "Emotion"),
)
SHORT_LIKE = {"format": "BMP", "name": "reg_image{:06d}.bmp"}


def write_clip(root, path, numbers=(1, 2, 3), **options):
    return write_frames(root / path, numbers, **(SHORT_LIKE | options))


def row(name, onset, offset, *, subject=1, emotion="negative", first=None, second=()):
    later = (*second, None, None)[:2]
    formulas = ("=D2+9", "=E2-D2+1", "=F2", "=J2-I2+1")
    cells = (subject, name, None, onset, offset, *later, None, first, *formulas)
    return (*cells, emotion)


def write_annotation(path, rows, blanks=6):
    """As published: more sheets, formulas without values, blank rows at the end."""
    book = openpyxl.Workbook()
    book.active.title = "HS"
    for cells in (HEADER, *rows, *[(None,) * len(HEADER)] * blanks):
        book.active.append(cells)
    for name in ("VIS", "Sheet2", "Sheet3"):
        book.create_sheet(name)
    book["VIS"].append(("Subject", "Filename", None, "OnsetF", "OffsetF", "Emotion"))
    book["VIS"].append((11, "s11_po_01", None, 1, 9, "positive"))
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def keys(found):
    return [film.key for film in found.films]


def errors(root, config="hs"):
    find = long_clips.find_films if config == "hs-long" else release.find_films
    with pytest.raises(ReleaseError) as caught:
        find(root, config)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "smic"
    folder.mkdir()
    return folder


# Names.


@pytest.mark.parametrize(
    ("spelled", "clip"),
    [
        ("s1_ne_01", "s01_ne_01"),
        ("s01_ne_01", "s01_ne_01"),
        ("S01_NE_1", "s01_ne_01"),
        ("s20_sur_05", "s20_sur_05"),
        ("s3_po_12", "s03_po_12"),
        ("s3-positive-12", "s03_po_12"),
        (" s11_negative_001 ", "s11_ne_01"),
    ],
)
def test_a_clip_has_one_name_however_it_is_spelled(spelled, clip):
    name = release.parse_name(spelled)
    assert name.clip == clip
    assert name.person == clip[:3]


@pytest.mark.parametrize(
    "text", ["", "s1", "s1_n1", "s1_ne", "s1_xx_01", "1_ne_01", "s1_ne_01b", "micro"]
)
def test_other_names_are_no_clips(text):
    assert release.parse_name(text) is None


@given(
    subject=st.integers(1, 99),
    number=st.integers(1, 99),
    code=st.sampled_from([("ne", "negative"), ("po", "positive"), ("sur", "surprise")]),
    width=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    long=st.booleans(),
    upper=st.booleans(),
)
def test_names_survive_any_padding_case_and_spelling(
    subject, number, code, width, long, upper
):
    spelled = f"s{subject:0{width[0]}d}_{code[long]}_{number:0{width[1]}d}"
    name = release.parse_name(spelled.upper() if upper else spelled)
    assert name == (subject, code[1], number)
    assert name.clip == f"s{subject:02d}_{code[0]}_{number:02d}"
    assert release.parse_name(name.clip) == name


@pytest.mark.parametrize(
    ("path", "config"),
    [
        ("SMIC_all_cropped/HS/s1/micro/negative", "hs"),
        ("SMIC_all_raw/VIS/s11/micro/negative", "vis"),
        ("SMIC_NIR/s11/micro/negative", "nir"),
        ("smic-hs/hs/s1/micro/negative", "hs"),
        ("HS and VIS and NIR/NIR/s11", "nir"),
        ("HS/s1/micro/negative", "hs"),
        ("SMIC-E_raw image/HS_long/SMIC-HS-E/s01", "hs-long"),
        ("SMIC-E_raw image/HS_long/SMIC-HS-E/HS/s01", "hs-long"),
        ("SMIC-HS-E/s01", "hs-long"),
        ("SMIC_HS_long/s01", "hs-long"),
        ("HS-E/s01", "hs-long"),
        ("SMIC-E/HS/s01", "hs-long"),
        ("SMIC-E_raw image/VIS_long/SMIC-VIS-E/VIS/s11", "vis-long"),
        ("SMIC_all_cropped/s1/micro/negative", ""),
        ("HS VIS/s1", ""),
        ("Visitors/ghs/s1", ""),
    ],
)
def test_the_path_tells_the_camera_and_short_from_long(path, config):
    assert release.config_of(path.lower().split("/")) == config


# Short clips.


def test_short_clips_become_records_with_their_own_bytes(root, tmp_path, capsys):
    hs = f"{CROPPED}/HS"
    files = {
        "smic/s01/s01_ne_01": write_clip(root, f"{hs}/s1/micro/negative/s1_ne_01"),
        "smic/s02/s02_sur_03": write_clip(
            root, f"{hs}/S02/micro/Surprise/S02_SUR_3", [99998, 99999, 100000, 100001]
        ),
        "smic/s11/s11_po_10": write_clip(
            root, f"{hs}/s11/positive/s11_po_10", [17581039, 17581040], mode="L"
        ),
    }
    write_clip(root, f"{hs}/s1/non_micro/s1_n1")
    write_clip(root, f"{hs}/s1/non_micro/negative/s1_ne_02")
    write_clip(root, f"{CROPPED}/VIS/s11/micro/positive/s11_po_01")
    for litter in ("Thumbs.db", ".DS_Store", "._reg_image000001.bmp"):
        (root / hs / "s1/micro/negative/s1_ne_01" / litter).write_bytes(b"litter")
    made = prepare(Builder, root, tmp_path / "data")
    assert made.builder_config.name == "hs"
    assert told(capsys.readouterr().out, "smic/hs") == [
        "3 of 164 published clips, 3 subjects; negative 1, positive 1, surprise 1"
    ]
    found = records(made)
    assert found.keys() == files.keys()
    for key, clip in found.items():
        assert list(clip["frame_numbers"]) == list(files[key])
        assert list(clip["frames"]) == [
            path.read_bytes() for path in files[key].values()
        ]
        assert clip["subject"] == key.rpartition("/")[0]
        assert (clip["corpus"], clip["modality"], clip["fps"]) == ("smic", "HS", 100)
        assert (clip["kind"], clip["annotation_version"], clip["synthetic"]) == (
            *("micro", "directories, 3 clips"),
            False,
        )
        assert clip["repaired"] == clip["annotated"]
        assert clip["issues"] == [] and clip["repairs"] == []
    assert found["smic/s02/s02_sur_03"]["annotated"] == {
        **{"emotion": "surprise", "action_units": "", "apex_source": "middle"},
        **{"onset": "99998", "apex": "", "offset": "100001"},
        **{"onset_index": 0, "apex_index": 1, "offset_index": 3},
    }
    decoded = records(made, encoded=False)
    for key, clip in decoded.items():
        for frame, path in zip(clip["frames"], files[key].values(), strict=True):
            assert frame.dtype == np.uint8
            expected = Image.open(path).convert("RGB")
            np.testing.assert_array_equal(frame, np.asarray(expected))
    assert "Spontaneous" in made.info.citation


@pytest.mark.parametrize(
    ("config", "modality", "key"),
    [
        ("vis", "VIS", "smic/s11/vis_s11_ne_01"),
        ("nir", "NIR", "smic/s11/nir_s11_ne_01"),
    ],
)
def test_other_cameras_show_the_same_people(root, tmp_path, config, modality, key):
    for camera in ("HS", "VIS", "NIR"):
        path = f"{CROPPED}/{camera}/s11/micro/negative/s11_ne_01"
        write_clip(root, path, name=camera + "_{:05d}.bmp")
    clips = records(prepare(Builder, root, tmp_path / "data", config=config))
    assert list(clips) == [key]
    assert clips[key]["subject"] == "smic/s11"
    assert (clips[key]["modality"], clips[key]["fps"]) == (modality, 25)
    expected = [picture(f"{modality}_{n:05d}.bmp", format="BMP") for n in (1, 2, 3)]
    assert list(clips[key]["frames"]) == expected


def test_the_keys_of_all_configs_are_different(root):
    write_annotation(root / LONG / TABLE, [row("s1_ne_01", 2, 3)])
    write_clip(root, f"{LONG}/SMIC-HS-E/s01/s1_ne_01")
    for camera in ("HS", "VIS", "NIR"):
        write_clip(root, f"{CROPPED}/{camera}/s1/micro/negative/s1_ne_01")
    found = [release.find_films(root, config) for config in ("hs", "vis", "nir")]
    found.append(long_clips.find_films(root, "hs-long"))
    assert list(itertools.chain(*map(keys, found))) == [
        "smic/s01/s01_ne_01",
        "smic/s01/vis_s01_ne_01",
        "smic/s01/nir_s01_ne_01",
        "smic/s01/long_s01_ne_01",
    ]


@pytest.mark.parametrize("top", [".", "SMIC/SMIC"])
def test_the_release_may_be_given_one_folder_higher_or_lower(root, top):
    write_clip(root, f"{top}/HS/s1/micro/negative/s1_ne_01")
    for folder in (root, root / top, root / top / "HS"):
        assert keys(release.find_films(folder, "hs")) == ["smic/s01/s01_ne_01"]


def test_frames_sort_by_number_whatever_their_names(root):
    path = "HS/s1/micro/negative/s1_ne_01"
    names = {9: "image 9.bmp", 10: "image 10.BMP", 100: "image 00100.bmp"}
    for name in names.values():
        write_clip(root, path, [0], name=name)
    (film,) = release.find_films(root, "hs").films
    assert {n: file.name for n, file in film.frames.items()} == names
    assert (film.written["onset"], film.written["offset"]) == ("9", "100")


# Two copies.


def test_cropped_clips_are_taken_before_raw_ones(root):
    for top, name in ((CROPPED, "reg_image{:06d}.bmp"), (RAW, "image{:06d}.bmp")):
        write_clip(root, f"{top}/HS/s1/micro/negative/s1_ne_01", name=name)
    write_clip(root, f"{RAW}/HS/s1/micro/negative/s1_ne_02")
    found = release.find_films(root, "hs")
    assert keys(found) == ["smic/s01/s01_ne_01"]
    assert all(CROPPED in path.parts for path in found.films[0].frames.values())
    assert found.lines[1] == (
        "cropped and raw clips found: the 1 cropped ones are taken, 2 raw ones left "
        "out (give SMIC_all_raw alone to take those); only raw, so not in the "
        "dataset: s01_ne_02"
    )
    alone = release.find_films(root / RAW, "hs")
    assert keys(alone) == ["smic/s01/s01_ne_01", "smic/s01/s01_ne_02"]
    assert len(alone.lines) == 1


def test_where_no_folder_says_so_the_frames_tell_cropped_from_raw(root):
    write_clip(root, "one/HS/s1/micro/negative/s1_ne_01", name="reg_{:05d}.bmp")
    write_clip(root, "two/HS/s1/micro/negative/s1_ne_01", name="image{:06d}.bmp")
    (film,) = release.find_films(root, "hs").films
    assert film.frames[1].name == "reg_00001.bmp"


def test_the_last_folder_that_says_cropped_or_raw_counts(root):
    for top in (f"raw data/{CROPPED}", "raw data"):
        write_clip(root, f"{top}/HS/s1/micro/negative/s1_ne_01", name="image{:06d}.bmp")
    (film,) = release.find_films(root, "hs").films
    assert CROPPED in film.frames[1].parts


@pytest.mark.parametrize("top", [CROPPED, RAW])
def test_two_copies_of_one_kind_are_an_error(root, top):
    one = write_clip(root, f"{top}/HS/s1/micro/negative/s1_ne_01")[1].parent
    two = write_clip(root, f"{top}/{top}/HS/s01/micro/negative/s01_ne_01")[1].parent
    message = errors(root)
    assert "s01/s01_ne_01 more than once" in message
    assert str(one) in message and str(two) in message


# What is wrong with short clips.


def test_everything_that_contradicts_itself_is_told_at_once(root):
    hs = f"{CROPPED}/HS/s1/micro"
    write_clip(root, f"{hs}/negative/s1_ne_01")
    write_clip(root, f"{hs}/negative/s1_po_01")
    write_clip(root, f"{hs}/positive/s2_po_01")
    write_clip(root, f"{hs}/others/s1_ne_02")
    write_clip(root, f"{hs}/surprise/s1_sur_01", [7], name="image{:06d}.bmp")
    write_clip(root, f"{hs}/surprise/s1_sur_01", [7], name="image{}.bmp")
    message = errors(root)
    assert "4 problem(s)" in message
    assert re.search("s1_po_01: lies in 'negative', its name says positive", message)
    assert re.search("s2_po_01: a clip of another subject than s1", message)
    assert "s1_ne_02: lies in 'others' (expected: negative, positive or su" in message
    assert re.search(r"image000007.bmp and .*image7.bmp are both frame 7", message)
    assert "s1_ne_01" not in message


def test_errors_of_one_camera_do_not_stop_another(root):
    write_clip(root, "HS/s11/micro/negative/s11_po_01")
    write_clip(root, "VIS/s11/micro/negative/s11_ne_01")
    assert keys(release.find_films(root, "vis")) == ["smic/s11/vis_s11_ne_01"]
    assert "s11_po_01" in errors(root, "hs")


def test_a_folder_beside_the_clips_that_is_none_is_an_error(root):
    write_clip(root, "HS/s1/micro/negative/s1_ne_01b")
    assert "s1_ne_01b: not the name of a clip" in errors(root)


@pytest.mark.parametrize("config", ["hs", "vis", "hs-long"])
def test_clips_of_no_camera_are_an_error(root, config):
    write_annotation(root / TABLE, [row("s1_ne_01", 1, 2)])
    write_clip(root, "s1/micro/negative/s1_ne_01")
    write_clip(root, "s1/micro/negative/s1_ne_02")
    message = errors(root, config)
    assert "s1_ne_01 and 1 more clips are under no folder named HS, VIS or" in message


def test_an_empty_release_is_an_error(root, tmp_path):
    write_clip(root, "VIS/s11/micro/negative/s11_ne_01")
    with pytest.raises(ReleaseError, match="no clip found for smic/hs"):
        prepare(Builder, root, tmp_path / "data")


# Long clips.


def test_long_clips_have_their_onset_from_the_table(root, tmp_path, capsys):
    rows = [
        row("s1_ne_01", 72645, "=D2+K2-1", first="MISSING <-1"),
        row("s1_po_01", 99999, 100001, emotion="positive"),
        row("s3_ne_02", 12, 14, subject=3, second=(16, "=F4+L4-1")),
        row("s1_ne_02", 5, 7),
    ]
    write_annotation(root / LONG / TABLE, rows)
    folder = f"{LONG}/SMIC-HS-E"
    files = {
        "s1_ne_01": write_clip(
            *(root, f"{folder}/s01/s1_ne_01", range(72643, 72649)),
            **{"name": "image{:06d}.jpg", "format": "JPEG"},
        ),
        "s1_po_01": write_clip(
            root, f"{folder}/s01/s1_po_01", range(99997, 100004), name="image {}.bmp"
        ),
        "s3_ne_02": write_clip(root, f"{folder}/HS/s03/s3_ne_02", range(10, 20)),
    }
    write_clip(root, f"{folder}/s09/s9_sur_01")
    write_clip(root, f"{CROPPED}/HS/s1/micro/negative/s1_ne_02", [5, 6, 7])
    made = prepare(Builder, root, tmp_path / "data", config="hs-long")
    clips = records(made)
    assert told(capsys.readouterr().out, "smic/hs-long") == [
        "3 of 157 published clips, 2 subjects; negative 2, positive 1, surprise 0",
        f"{TABLE}, 4 rows read",
        "3 of 4 annotated clips have frames; without: s01_ne_02",
        "folders without a row: s09_sur_01",
    ]
    one, two, three = (clips[k] for k in sorted(clips))
    assert [c["key"] for c in (one, two, three)] == [
        "smic/s01/long_s01_ne_01",
        "smic/s01/long_s01_po_01",
        "smic/s03/long_s03_ne_02",
    ]
    assert {(c["modality"], c["fps"], c["subject"]) for c in clips.values()} == {
        ("HS", 100, "smic/s01"),
        ("HS", 100, "smic/s03"),
    }
    assert one["annotation_version"] == f"{TABLE}, 4 rows"
    # Without an offset the whole long clip is kept.
    assert list(one["frames"]) == [p.read_bytes() for p in files["s1_ne_01"].values()]
    assert one["annotated"] == {
        **{"emotion": "negative", "action_units": "", "apex_source": "middle"},
        **{"onset": "72645", "apex": "", "offset": ""},
        **{"onset_index": 2, "apex_index": 3, "offset_index": 5},
    }
    assert len(one["issues"]) == 1 and "no offset in the table" in one["issues"][0]
    assert list(two["frame_numbers"]) == [99999, 100000, 100001]
    assert two["annotated"]["offset"] == "100001" and two["issues"] == []
    assert list(three["frame_numbers"]) == [12, 13, 14]
    assert three["issues"] == [
        "more than one expression, only the first is annotated here: Onset2F 16"
    ]


def test_a_row_that_contradicts_itself_is_named(root):
    rows = [
        row("s1_ne_01", 1, 2),
        row("s1_ne_02", 1, 2, subject=2),
        row("s1_ne_03", 1, 2, emotion="Positive"),
        row("s01_NE_01", 1, 3),
        row("x1", 1, 2),
    ]
    write_annotation(root / LONG / TABLE, rows)
    for clip in ("s1_ne_01", "s1_ne_02", "s1_ne_03"):
        write_clip(root, f"{LONG}/SMIC-HS-E/s01/{clip}")
    write_clip(root, f"{LONG}/SMIC-HS-E/s02/s3_ne_01")
    message = errors(root, "hs-long")
    assert "5 problem(s)" in message
    assert f"{TABLE}, row 3: s01_ne_02 is not of subject 2" in message
    assert f"{TABLE}, row 4: s01_ne_03 is not positive" in message
    assert f"s01_ne_01 more than once: {TABLE}, row 2 and {TABLE}, row 5" in message
    assert f"{TABLE}, row 6: Filename 'x1' is not the name of a clip" in message
    assert "s3_ne_01: a clip of another subject than s02" in message


def test_a_row_says_what_it_lacks(root):
    rows = [
        row("s1_ne_01", None, None, subject="s01", emotion=1),
        row(None, 5, 6, subject=None),
    ]
    write_annotation(root / LONG / TABLE, rows)
    write_clip(root, f"{LONG}/SMIC-HS-E/s01/s1_ne_01")
    found = long_clips.find_films(root, "hs-long")
    assert "1 rows without a Filename skipped" in found.lines
    (film,) = found.films
    assert film.written["emotion"] == "negative"
    assert [issue[:21] for issue in film.issues] == [
        "no onset in the table",
        "no offset in the tabl",
        "emotion '1' in the ta",
    ]


def test_frames_that_are_not_those_of_the_row_are_an_error(root, tmp_path):
    write_annotation(root / LONG / TABLE, [row("s1_ne_01", 100, 110)])
    write_clip(root, f"{LONG}/SMIC-HS-E/s01/s1_ne_01", range(10))
    with pytest.raises(ReleaseError, match="long_s01_ne_01: annotated from 100 to"):
        prepare(Builder, root, tmp_path / "data", config="hs-long")


def test_the_table_of_the_latest_year_is_read(root):
    for clip in ("s1_ne_01", "s1_ne_02", "s1_ne_03"):
        write_clip(root, f"{LONG}/SMIC-HS-E/s01/{clip}")
    tables = {
        "SMIC-HS-E_annotation_orig.xlsx": "s1_ne_01",
        TABLE: "s1_ne_02",
        "SMIC-HS-E_annotation_2019.xlsx": "s1_ne_03",
        "SMIC-VIS-E_annotation_2020.xlsx": "s1_ne_04",
    }
    left = []
    for name, clip in tables.items():
        write_annotation(root / LONG / name, [row(clip, 1, 2)])
        if "VIS" not in name:
            found = long_clips.find_films(root, "hs-long")
            assert keys(found) == [f"smic/s01/long_s01_{clip[3:]}"]
            unread = f" ({', '.join(sorted(left))} not)" if left else ""
            assert found.lines[1] == f"{name}, 1 rows read{unread}"
            left.append(name)


def test_copies_of_the_table_must_agree(root):
    write_clip(root, f"{LONG}/SMIC-HS-E/s01/s1_ne_01")
    write_annotation(root / LONG / TABLE, [row("s1_ne_01", 1, 2)])
    write_annotation(root / TABLE, [row("s1_ne_01", 1, 2)])
    assert len(long_clips.find_films(root, "hs-long").films) == 1
    write_annotation(root / TABLE, [row("s1_ne_01", 1, 3)])
    message = errors(root, "hs-long")
    assert "differ" in message and str(root / LONG / TABLE) in message


def test_without_a_table_long_clips_are_an_error(root):
    write_clip(root, f"{LONG}/SMIC-HS-E/s01/s1_ne_01")
    assert "no SMIC-HS-E_annotation.xlsx" in errors(root, "hs-long")


# Mutations.


@given(
    data=st.data(),
    folder=st.sampled_from(["negative", "positive", "surprise", "ne", "PO", "Sur"]),
    code=st.sampled_from(["ne", "po", "sur"]),
    subjects=st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_a_clip_is_found_right_or_not_at_all(
    tmp_path_factory, data, folder, code, subjects
):
    where, who = subjects if data.draw(st.booleans()) else (subjects[0],) * 2
    root = tmp_path_factory.mktemp("one")
    write_clip(root, f"HS/s{where}/micro/{folder}/s{who}_{code}_01", [3])
    agree = where == who and folder[:2].lower() == code[:2]
    try:
        found = keys(release.find_films(root, "hs"))
    except ReleaseError:
        assert not agree
    else:
        assert agree and found == [f"smic/s{who:02d}/s{who:02d}_{code}_01"]


# A twin of the release, written by somebody else from the same description.


def published():
    table = resources.files("datasets_tfds") / "protocols" / "megc2019_cde.csv"
    rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8")))
    return {
        f"smic/{r['subject']}/{r['clip']}": ("negative", "positive", "surprise")[
            int(r["label"])
        ]
        for r in rows
        if r["corpus"] == "smic"
    }


def emotions(clips):
    return {key: clip["annotated"]["emotion"] for key, clip in clips.items()}


def test_a_small_twin_is_read_as_it_was_meant(tmp_path):
    fake_release.write_release(tmp_path / "twin", subjects=1, seed=0)
    clips = records(prepare(Builder, tmp_path / "twin", tmp_path / "data"))
    assert emotions(clips) == {
        "smic/s01/s01_ne_01": "negative",
        "smic/s01/s01_ne_02": "negative",
        "smic/s01/s01_ne_03": "negative",
        "smic/s01/s01_po_01": "positive",
        "smic/s01/s01_po_02": "positive",
        "smic/s01/s01_sur_01": "surprise",
    }
    assert all(clip["synthetic"] and not clip["issues"] for clip in clips.values())
    crossing = clips["smic/s01/s01_po_01"]["frame_numbers"]
    assert list(crossing) == list(range(99994, 99994 + len(crossing)))
    long = records(
        prepare(Builder, tmp_path / "twin", tmp_path / "data", config="hs-long")
    )
    assert set(long) == {
        f"smic/s01/long_s01_{clip}"
        for clip in ("ne_01", "ne_03", "po_01", "po_02", "sur_01")
    }
