from collections import Counter

import cv2
import numpy as np
import pytest

from datasets_tfds import twins
from datasets_tfds.smic import fake_annotation, fake_release
from tests import tiles

LONG = "SMIC-E_raw image/HS_long"
SHORT = "SMIC_all_cropped"
SHEET = "SMIC-HS-E_annotation.xlsx"


@pytest.fixture(scope="module")
def plan():
    return fake_release.plan()


@pytest.fixture(scope="module")
def annotation(plan, tmp_path_factory):
    """Path of the full-size annotation, without a single frame."""
    path = tmp_path_factory.mktemp("smic") / SHEET
    visible = [clip.name for clip in plan if clip.modality == "VIS"]
    fake_annotation.write_annotation(path, fake_release.plan_long(plan), visible)
    return path


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first four subjects: s01, s09, s11, s04."""
    folder = tmp_path_factory.mktemp("smic") / "release"
    with tiles.instead_of_faces():
        fake_release.write_release(folder, subjects=4)
    return folder


def last_numbers(folder):
    return sorted(
        int("".join(filter(str.isdigit, path.stem)))
        for path in folder.iterdir()
        if path.name.startswith(("reg_", "image"))
    )


def test_published_counts(plan):
    assert Counter((clip.modality, clip.label) for clip in plan) == {
        ("HS", "negative"): 70,
        ("HS", "positive"): 51,
        ("HS", "surprise"): 43,
        ("VIS", "positive"): 28,
        ("VIS", "negative"): 24,
        ("VIS", "surprise"): 19,
        ("NIR", "positive"): 28,
        ("NIR", "negative"): 24,
        ("NIR", "surprise"): 19,
    }
    high_speed = Counter(clip.subject for clip in plan if clip.modality == "HS")
    assert high_speed == {
        **{"s01": 6, "s02": 6, "s03": 39, "s04": 19, "s05": 2, "s06": 4, "s08": 13},
        **{"s09": 4, "s11": 7, "s12": 9, "s13": 10, "s14": 10, "s15": 4, "s18": 7},
        **{"s19": 2, "s20": 22},
    }
    for modality in ("VIS", "NIR"):
        assert {clip.subject for clip in plan if clip.modality == modality} == {
            *("s11", "s12", "s13", "s14", "s15", "s18", "s19", "s20")
        }


def test_the_composite_is_its_high_speed_part(plan):
    classes = ("negative", "positive", "surprise")
    labels = {
        (clip.subject, f"{clip.subject}_{clip.name.split('_', 1)[1]}"): classes.index(
            clip.label
        )
        for clip in plan
        if clip.modality == "HS"
    }
    assert labels == dict(twins.published_labels("smic"))


def test_annotation_lacks_seven_clips(annotation, plan):
    rows = [row for row in tiles.rows(annotation, "HS")[1:] if row[1]]
    assert len(rows) == len({row[1] for row in rows}) == 157
    short = {clip.name for clip in plan if clip.modality == "HS"}
    assert short - {row[1] for row in rows} == {
        *("s1_ne_02", "s2_sur_05", "s3_ne_03", "s3_ne_20", "s4_ne_05", "s4_ne_06"),
        "s9_sur_02",
    }


def test_annotation_cells(annotation):
    header, *rows = tiles.rows(annotation, "HS")
    assert header == (
        *("Subject", "Filename", None, "OnsetF", "OffsetF", "Onset2F", "Offset2F"),
        *("Onset3F", "Offset3F", None, "FirstF", "LastF", "TotalMF1", "TotalMF2"),
        *("TotalMF3", "TotalVL", "Emotion"),
    )
    assert [any(cell is not None for cell in row) for row in rows[-7:]] == [True] + [
        False
    ] * 6
    rows = rows[:-6]
    assert {type(row[0]) for row in rows} == {int}
    assert {type(row[3]) for row in rows} == {int}
    for column in (4, 10, 11, 15):
        texts = [
            cell for cell in (row[column] for row in rows) if isinstance(cell, str)
        ]
        assert len(texts) > 0.75 * len(rows)
    missing = [row for row in rows if str(row[10]).startswith("MISSING")]
    assert [(row[1], row[10]) for row in missing] == [("s4_ne_01", "MISSING <-426679")]
    assert any("VIS!" in str(row[10]) for row in rows)
    assert {row[16] for row in rows} == {"negative", "positive", "surprise"}
    assert sum(row[5] is not None for row in rows) == 4
    assert sum(row[7] is not None for row in rows) == 1


def test_visible_sheet(annotation):
    rows = tiles.rows(annotation, "VIS")
    assert len(rows) == 72
    assert Counter(row[10] for row in rows[1:]) == {
        "positive": 28,
        "negative": 24,
        "surprise": 19,
    }
    assert tiles.rows(annotation, "Sheet2") == tiles.rows(annotation, "Sheet3") == []


def value(cells, cell):
    """What a spreadsheet program shows: sums and differences of cells."""
    content = cells[cell] if isinstance(cell, str) else cell
    if not (isinstance(content, str) and content.startswith("=")):
        return content
    total, sign = 0, 1
    for part in content[1:].replace("-", " - ").replace("+", " + ").split():
        if part in "+-":
            sign = 1 if part == "+" else -1
        elif part.isdigit():
            total += sign * int(part)
        else:
            total += sign * value(cells, part)
    return total


def test_formulas_tell_what_is_on_disk(release):
    cells = {}
    for sheet, prefix in (("HS", ""), ("VIS", "VIS!")):
        for n, row in enumerate(tiles.rows(release / LONG / SHEET, sheet), start=1):
            for letter, content in zip("ABCDEFGHIJKLMNOPQ", row, strict=False):
                cells[f"{prefix}{letter}{n}"] = content
    n = 2
    while cells[f"B{n}"]:
        subject, name = cells[f"A{n}"], cells[f"B{n}"]
        folder = release / LONG / "SMIC-HS-E" / f"s{subject:02d}" / name
        numbers = last_numbers(folder)
        if name != "s4_ne_01":
            assert numbers[0] == value(cells, f"K{n}")
        assert numbers == list(range(numbers[0], value(cells, f"L{n}") + 1))
        assert numbers[0] < cells[f"D{n}"] < value(cells, f"E{n}") < numbers[-1]
        n += 1
    assert n - 2 == 32


def test_second_and_third_expression(release):
    rows = {row[1]: row for row in tiles.rows(release / LONG / SHEET, "HS")[1:]}
    short = release / SHORT / "HS" / "s4" / "micro" / "negative"
    lengths = [
        len(last_numbers(short / name)) for name in ("s4_ne_04", "s4_ne_05", "s4_ne_06")
    ]
    assert rows["s4_ne_04"][12:15] == tuple(lengths)
    onsets = rows["s4_ne_04"][3:9:2]
    assert onsets == tuple(sorted(onsets))
    assert rows["s9_sur_01"][5] is not None


def test_tree_of_short_clips(release):
    micro = release / SHORT / "HS" / "s1" / "micro"
    assert tiles.names(micro) == {"negative", "positive", "surprise"}
    names = {"s1_ne_01", "s1_ne_02", "s1_ne_03"}
    assert names <= tiles.names(micro / "negative")
    assert {"s11_po_01", "s11_po_02", "s11_po_03"} == tiles.names(
        release / SHORT / "NIR" / "s11" / "micro" / "positive"
    )
    folders = [f for f in (release / SHORT).glob("*/s*/micro/*/*_*_*") if f.is_dir()]
    assert len(folders) == 6 + 4 + 19 + 7 + 7 + 7
    for modality in ("HS", "VIS", "NIR"):
        assert (release / SHORT / modality / "s11" / "non_micro" / "s11_n1").is_dir()


def test_a_subject_with_one_class_folder(plan):
    assert {clip.label for clip in plan if clip.subject == "s13"} == {"positive"}


def test_frame_names(release):
    hs, vis = (release / SHORT / name for name in ("HS", "VIS"))
    first = tiles.names(hs / "s1" / "micro" / "negative" / "s1_ne_01")
    assert "reg_image036033.bmp" in first
    crossing = tiles.names(hs / "s1" / "micro" / "positive" / "s1_po_01")
    assert {"reg_image099999.bmp", "reg_image100000.bmp"} <= crossing
    widening = tiles.names(hs / "s9" / "micro" / "positive" / "s9_po_01")
    assert {"reg_image999999.bmp", "reg_image1000000.bmp"} <= widening
    block = tiles.names(hs / "s4" / "micro" / "surprise" / "s4_sur_01")
    assert "reg_image17581039.bmp" in block
    visible = vis / "s11" / "micro"
    assert "reg_00001.bmp" in tiles.names(visible / "positive" / "s11_po_01")
    widening = tiles.names(visible / "negative" / "s11_ne_01")
    assert {"reg_99999.bmp", "reg_100000.bmp"} <= widening
    long = release / LONG / "SMIC-HS-E" / "s01" / "s1_ne_01"
    assert "image072643.jpg" in tiles.names(long)


def test_lost_clips_have_no_long_one(release):
    long = tiles.names(release / LONG / "SMIC-HS-E" / "s01")
    assert long == {"s1_ne_01", "s1_ne_03", "s1_po_01", "s1_po_02", "s1_sur_01"}


def test_pictures(release):
    folder = release / SHORT / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    short = cv2.imread(str(folder / "reg_image036033.bmp"))
    assert short.shape == (190, 160, 3)
    long = release / LONG / "SMIC-HS-E" / "s01" / "s1_ne_01" / "image072643.jpg"
    assert cv2.imread(str(long)).shape == (240, 320, 3)


def test_one_film_makes_both_releases(tmp_path):
    (clip,) = (
        clip
        for clip in fake_release.plan()
        if clip.name == "s5_ne_01" and clip.modality == "HS"
    )
    kept = [other for other in fake_release.plan() if other.subject == "s05"]
    (takes,) = (
        takes
        for takes in fake_release._takes(tmp_path, kept, fake_release.plan_long(kept))
        if takes[1:] and takes[1][0].clip == "s5_ne_01"
    )
    fake_release.twins_film.film_clip(takes, seed=0)
    raw = sorted((tmp_path / LONG).rglob("*.jpg"))
    cropped = sorted((tmp_path / SHORT).rglob("*.bmp"))
    assert len(cropped) == clip.num_frames < len(raw)
    errors = [
        np.abs(
            cv2.imread(str(frame)).astype(int)[21:211, 80:240]
            - cv2.imread(str(cropped[0]))
        ).mean()
        for frame in raw
    ]
    assert np.argmin(errors) == takes[0][0].num_frames


def test_near_infrared_is_grey():
    takes = fake_release._takes(
        fake_release.Path("x"),
        [clip for clip in fake_release.plan() if clip.modality == "NIR"],
        [],
    )
    assert all(shot.camera.grey for take in takes for shot, _ in take)


def test_one_clip_is_of_real_size(plan):
    (clip,) = (clip for clip in plan if clip.name == "s20_sur_05")
    assert (clip.modality, clip.num_frames) == ("HS", 50)
    assert fake_release.ORDER[-1] == "s20"


@pytest.mark.parametrize("subjects", [1, 3, 16])
def test_small_twins_have_every_class(plan, subjects):
    kept = fake_release.ORDER[:subjects]
    labels = {clip.label for clip in plan if clip.subject in kept}
    assert labels == {"negative", "positive", "surprise"}


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} <= tiles.names(release)
    for folder in (SHORT + "/HS", f"{LONG}/SMIC-HS-E"):
        assert tiles.DECOYS | {"New folder", "SYNTHETIC"} <= tiles.names(
            release / folder
        )
    clip = release / SHORT / "HS" / "s1" / "micro" / "negative" / "s1_ne_01"
    assert tiles.DECOYS <= tiles.names(clip)
