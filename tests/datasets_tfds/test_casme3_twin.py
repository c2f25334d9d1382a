import itertools
from collections import Counter

import cv2
import numpy as np
import pytest

from datasets_tfds.casme3 import fake_annotation, fake_depth, fake_release
from datasets_tfds.synthetic.camera import Camera
from tests import tiles

MICRO = "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx"
MACRO = "cas(me)3_part_A_MaE_label_JpgIndex_v2_emotion.xlsx"
DATA = "part_A/data/part_A_split/part_A"
ODD = {  # subject, video, onset -> apex, offset, emotion
    ("spNO.149", "d", "112"): ("83", "358", "disgust"),
    ("spNO.214", "c", "5"): ("17", "3460", "surprise"),
    ("spNO.216", "d", "3647"): ("2668", "2694", "others"),
    ("spNO.216", "e", "0"): ("0", "24", "others"),
    ("spNO.40", "e", "1812"): ("1829", "0", "others"),
    ("spNO.40", "e", "2327"): ("2361", "0", "others"),
    ("spNO.14", "J", "1012"): ("1016", "1021", "others"),
    ("spNO.168", "a", "4"): ("8", "13", "Others"),
    ("spNO.194", "a", "7"): ("11", "16", "Others"),
    ("spNO.194", "a", "561"): ("565", "570", "Others"),
}


@pytest.fixture(scope="module")
def sheet(tmp_path_factory):
    """Path of the full-size micro-expression sheet, without a single frame."""
    path = tmp_path_factory.mktemp("casme3") / MICRO
    plan = fake_release.plan()
    fake_annotation.write_micro(path, plan, ["4+7"] * len(plan))
    return path


@pytest.fixture(scope="module")
def annotated(sheet):
    """Rows below the header."""
    return tiles.rows(sheet, "label")[1:]


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first nine subjects: 216, 168, 40, 214, 14, 149, 194, 3, 4."""
    folder = tmp_path_factory.mktemp("casme3") / "release"
    calls = []
    with tiles.instead_of_faces():
        twin = fake_release.write_release(
            folder, subjects=9, progress=lambda *call: calls.append(call)
        )
    assert calls == [(i + 1, twin.clips) for i in range(twin.clips)]
    return folder


def numbers(folder):
    return sorted(int(p.stem) for p in folder.iterdir() if p.stem.isdigit())


def test_published_counts(annotated):
    assert len(annotated) == 860
    assert len({row[0] for row in annotated}) == 94
    assert Counter(row[7] for row in annotated) == {
        **{"happy": 55, "disgust": 250, "fear": 86, "anger": 64, "sad": 57},
        **{"surprise": 187, "others": 158, "Others": 3},
    }


def test_apexes_that_are_the_onset(annotated):
    equal = [row[7] for row in annotated if row[2] == row[3]]
    assert Counter(equal) == {
        **{"happy": 6, "disgust": 5, "fear": 3, "anger": 9, "sad": 1},
        **{"surprise": 4, "others": 27},
    }


def test_subjects_that_vanish(annotated):
    named = [row for row in annotated if row[7].lower() != "others"]
    assert (len(named), len({row[0] for row in named})) == (699, 88)
    assert {row[0] for row in annotated} - {row[0] for row in named} == {
        *("spNO.143", "spNO.159", "spNO.168", "spNO.173", "spNO.185", "spNO.198")
    }
    later = [row for row in named if row[2] != row[3]]
    assert (len(later), len({row[0] for row in later})) == (671, 87)
    assert Counter(row[0] for row in named)["spNO.9"] == 3


def test_every_cell_is_text(sheet, annotated):
    assert tiles.rows(sheet, "label")[0] == (
        *("Subject", "Filename", "Onset", "Apex", "Offset", "AU", "Objective class"),
        "emotion",
    )
    assert {type(cell) for row in annotated for cell in row} == {str}
    assert tiles.rows(sheet, "Sheet1") == tiles.rows(sheet, "Sheet3") == []
    assert {row[6] for row in annotated} == {"I", "II", "III", "IV", "V", "VI", "VII"}
    assert {"T28+14", "26+25"} <= {row[5] for row in annotated}


def test_odd_rows(annotated):
    rows = {row[:3]: (row[3], row[4], row[7]) for row in annotated}
    assert len(rows) == 860
    assert {key: rows[key] for key in ODD} == ODD
    # The rest is in order.
    odd = {key for key in rows if not int(key[2]) <= int(rows[key][0])}
    odd |= {key for key in rows if not int(rows[key][0]) <= int(rows[key][1])}
    assert odd == {
        *(("spNO.149", "d", "112"), ("spNO.216", "d", "3647")),
        *(("spNO.40", "e", "1812"), ("spNO.40", "e", "2327")),
    }
    assert {*"abcdefghijkJ"} <= {row[1] for row in annotated} <= {*"abcdefghijklmJ"}


def test_clips_that_share_a_video(annotated):
    assert max(Counter(row[:2] for row in annotated).values()) == 17
    spans = [(*row[:2], int(row[2]), int(row[4])) for row in annotated]
    overlapping = [
        (one, two)
        for one, two in itertools.permutations(spans, 2)
        if one[:2] == two[:2] and one[2] < two[2] <= one[3] <= two[3]
    ]
    assert len(overlapping) == 8
    assert ("spNO.216", "a", 125, 131) in {one for one, _ in overlapping}


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("as_micro", ["Subject", "Filename", "Onset", "Apex", "Offset"]),
        ("short", ["sub", "seq", "onset", "apex", "offset"]),
        ("mixed_case", ["SUBJECT", "filename", "ONSET", "aPex", "offset"]),
    ],
)
def test_macro_sheet(header, names, tmp_path):
    plan = fake_release.plan_macro()
    path = tmp_path / MACRO
    fake_annotation.write_macro(path, plan, ["12"] * len(plan), header)
    first, *rows = tiles.rows(path, "Sheet1")
    assert list(first[:5]) == names
    assert len(rows) == 200
    assert len({row[0] for row in rows}) == 40
    assert Counter(row[6] for row in rows) == {
        **{"happiness": 40, "disgust": 40, "surprise": 30, "fear": 20, "anger": 20},
        **{"sadness": 20, "others": 30},
    }
    assert all(17 <= row[4] - row[2] + 1 <= 24 for row in rows)


def test_an_unknown_header_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"one of .*'short'.*got 'long'"):
        fake_release.write_release(tmp_path / "twin", macro_header="long")


@pytest.mark.parametrize("subjects", [3, 4])
def test_small_twins_have_every_class(subjects):
    kept = fake_release.ORDER[:subjects]
    micro = {row.emotion for row in fake_release.plan() if row.subject in kept}
    assert micro >= {"happy", "disgust", "fear", "anger", "sad", "surprise", "others"}
    macro = {row.emotion for row in fake_release.plan_macro() if row.subject in kept}
    assert len(macro) == 7
    assert "spNO.168" in kept


def test_tree(release):
    subjects = {"spNO.216", "spNO.168", "spNo.40", "spNO.214", "spNO.14", "spNO.149"}
    subjects |= {"spNO.194", "spNO.3", "spNO.4"}
    assert {f.name for f in (release / DATA).glob("sp*")} == subjects
    assert {"j"} == {f.name for f in (release / DATA / "spNO.14").glob("[jJ]")}
    assert {"J"} == {f.name for f in (release / DATA / "spNO.3").glob("[jJ]")}
    beside = {"color", "depth"}
    assert beside == tiles.names(release / DATA / "spNO.216/b")
    assert {MICRO, MACRO, "SYNTHETIC", f"~${MICRO}"} <= tiles.names(
        release / "annotation"
    )


def test_every_interval_has_frames(release):
    rows = tiles.rows(release / "annotation" / MICRO, "label")[1:]
    macro = tiles.rows(release / "annotation" / MACRO, "Sheet1")[1:]
    checked = 0
    for subject, video, *span in (row[:5] for row in [*rows, *macro]):
        if (subject, video, span[0]) in ODD and video != "J":
            continue
        home = release / DATA / subject.replace("NO.40", "No.40")
        video = {"spNO.14J": "j", "spNO.3j": "J"}.get(subject + video, video)
        found = set(numbers(home / video / "color"))
        wanted = set(range(int(span[0]), int(span[2]) + 1))
        assert wanted - found == ({218} if 218 in wanted and video == "a" else set())
        if video not in "jJ":
            assert found == set(numbers(home / video / "depth"))
        checked += 1
    assert checked == len(rows) + len(macro) - 9


def test_frames_of_odd_rows(release):
    data = release / DATA
    assert numbers(data / "spNO.214/c/color") == [*range(5, 45), 3460]
    assert numbers(data / "spNO.149/d/depth") == [*range(112, 172), 358]
    assert numbers(data / "spNO.216/d/color") == [*range(2647, 2697), 3647]
    assert numbers(data / "spNO.216/e/color") == list(range(1, 26))
    assert {*range(1812, 1848), *range(2327, 2406)} == set(
        numbers(data / "spNo.40/e/color")
    )


def test_broken_frames(release):
    data = release / DATA
    assert not (data / "spNO.216/a/color/218.jpg").exists()
    assert not (data / "spNO.216/a/depth/218.png").exists()
    assert (data / "spNO.216/a/color/406.jpg").stat().st_size == 0
    unreadable = [
        path.relative_to(data).as_posix()
        for path in data.rglob("*.jpg")
        if path.stat().st_size and cv2.imread(str(path)) is None
    ]
    assert sorted(unreadable) == [
        *(f"spNO.3/J/color/{n}.jpg" for n in range(498, 577)),
        *(f"spNO.4/j/color/{n}.jpg" for n in range(568, 610)),
    ]


def test_pictures(release):
    folder = release / DATA / "spNO.214/c"
    assert cv2.imread(str(folder / "color/5.jpg")).shape == (144, 256, 3)
    depth = cv2.imread(str(folder / "depth/5.png"), cv2.IMREAD_UNCHANGED)
    assert (depth.dtype, depth.shape) == (np.uint16, (72, 128))
    assert 500 <= depth.min() < 700 < 1300 < depth.max() <= 1500


def test_depth_follows_the_head():
    camera = Camera(height=144, width=256, face=90, centre=(128, 62))
    still = fake_depth.scenery(camera)
    assert still[31 + 11, 64] == still.min()  # the tip of the nose
    shift = np.zeros((144, 256, 2), np.float32)
    before, after = (
        fake_depth.seen(still, shift + move, np.random.default_rng(0))
        for move in (np.float32(0), np.array((8, -6), np.float32))
    )
    difference = after[2:-8, 8:-8].astype(int) - before[5:-5, 4:-12]
    assert np.abs(difference).mean() < 5 < np.abs(after.astype(int) - before).mean()


def test_one_clip_is_of_real_size():
    (row,) = (
        row
        for row in fake_release.plan()
        if (row.subject, row.name) == ("spNO.217", "a_94")
    )
    assert fake_release.ORDER[-1] == row.subject
    assert len(row.disk) == 7


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} | tiles.DECOYS <= tiles.names(
        release
    )
    assert tiles.DECOYS | {"SYNTHETIC"} <= tiles.names(release / DATA)
    assert "CAS(ME)3_part_C_ME.xlsx" in tiles.names(release / "annotation")
