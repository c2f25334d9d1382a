import csv
import os
import re
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from releases import picture, prepare, records, told, write_frames

from datasets_tfds.custom import fake_release, media, release
from datasets_tfds.custom.custom_dataset_builder import Builder
from datasets_tfds.record import ReleaseError

REQUIRED = ("subject", "clip", "path", "emotion")
COLUMNS = (
    *REQUIRED,
    *("corpus", "onset", "apex", "offset", "fps"),
    *("action_units", "kind", "objective_class"),
)


def write_table(root, rows, columns=REQUIRED, name="clips.csv"):
    root.mkdir(parents=True, exist_ok=True)
    if name.lower().endswith(".xlsx"):
        book = openpyxl.Workbook()
        for row in (columns, *rows):
            book.active.append(row)
        book.save(root / name)
    else:
        with (root / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([columns, *rows])


def write_video(path, levels, fps=30, fourcc="MJPG"):
    """A video, each frame of one red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*fourcc)
    writer = cv2.VideoWriter(str(path), code, fps, (64, 48))
    for level in levels:
        writer.write(np.full((48, 64, 3), (0, 0, level), np.uint8))  # BGR
    writer.release()


def errors(root):
    with pytest.raises(ReleaseError) as caught:
        release.read_release(root)
    return str(caught.value)


def keys(root):
    return [film.key for film in release.read_release(root).films]


@pytest.fixture
def root(tmp_path):
    """Two clips of two people; tests add to them."""
    folder = tmp_path / "mine"
    for clip in ("a", "b"):
        write_frames(folder / clip, (1, 2, 3))
    write_table(folder, [("p1", "c1", "a", "joy"), ("p2", "c1", "b", "fear")])
    return folder


# Good tables.


def test_a_table_becomes_records(tmp_path, capsys):
    root = tmp_path / "mine"
    images = write_frames(
        root / "clips" / "one", range(8, 13), name="cam2_frame{}.png", format="PNG"
    )
    more = write_frames(root / "two", (100000, 99999), mode="L")
    rows = [
        *[("p1", "c1", "clips/one", "joy", "", "9", "10", "12", "50.5", "6+12", "", 1)],
        *[
            (
                "p2",
                "c1",
                "two",
                "Ärger, kalt",
                "lab",
                "",
                "",
                "",
                "100",
                "",
                "Macro",
                "",
            )
        ],
        ("", "", "", "", "", "", "", "", "", "", "", ""),
        *[("p2", "c2", "film.avi", "fear", "", "3", "9", "6", "", "1+2", "micro", "")],
    ]
    write_table(root, [(*row, "why") for row in rows], (*COLUMNS, "Notes"))
    write_video(root / "film.avi", range(0, 250, 25))
    made = prepare(Builder, root, tmp_path / "data")
    assert told(capsys.readouterr().out, "custom/clips") == [
        "3 clips, 3 subjects; joy 1, Ärger, kalt 1, fear 1",
        "columns ignored: notes",
    ]
    clips = records(made)
    assert set(clips) == {"custom/p1/c1", "lab/p2/c1", "custom/p2/c2"}
    one, two, film = (clips[k] for k in ("custom/p1/c1", "lab/p2/c1", "custom/p2/c2"))
    assert list(one["frame_numbers"]) == [9, 10, 11, 12]
    assert list(one["frames"]) == [images[n].read_bytes() for n in (9, 10, 11, 12)]
    assert one["annotated"] == {
        **{"emotion": "joy", "action_units": "6+12", "apex_source": "annotated"},
        **{"onset": "9", "apex": "10", "offset": "12"},
        **{"onset_index": 0, "apex_index": 1, "offset_index": 3},
    }
    assert (one["fps"], one["kind"], one["objective_class"]) == (50.5, "micro", "1")
    assert (one["corpus"], one["subject"]) == ("custom", "custom/p1")
    assert one["annotation_version"] == "clips.csv, 3 rows"
    assert one["issues"] == [] and one["modality"] == "" and not one["synthetic"]
    assert list(two["frames"]) == [more[n].read_bytes() for n in (99999, 100000)]
    assert two["annotated"]["emotion"] == "Ärger, kalt"
    assert (two["corpus"], two["subject"], two["kind"]) == ("lab", "lab/p2", "macro")
    assert list(film["frame_numbers"]) == [3, 4, 5, 6]
    assert film["fps"] == 30
    assert film["issues"] == [
        "fps not in the table: 30 as the video says",
        "apex 9 outside of 3..6: middle taken",
    ]
    decoded = records(made, encoded=False)
    reds = [frame.mean((0, 1)) for frame in decoded["custom/p2/c2"]["frames"]]
    np.testing.assert_allclose(reds, [(25 * n, 0, 0) for n in (3, 4, 5, 6)], atol=6)
    grey = np.asarray(Image.open(more[99999]).convert("RGB"))
    np.testing.assert_array_equal(decoded["lab/p2/c1"]["frames"][0], grey)


def test_only_four_columns_are_needed(root, tmp_path):
    clips = records(prepare(Builder, root, tmp_path / "data"))
    assert set(clips) == {"custom/p1/c1", "custom/p2/c1"}
    for clip in clips.values():
        assert list(clip["frame_numbers"]) == [1, 2, 3]
        assert (clip["fps"], clip["kind"]) == (25, "micro")
        assert clip["annotated"]["apex_index"] == 1
        assert clip["annotated"]["apex_source"] == "middle"
        # Nobody coded an apex, so its absence is nothing odd.
        assert clip["issues"] == ["fps not in the table: 25 assumed"]


def test_a_workbook_will_do(root):
    (root / "clips.csv").unlink()
    rows = [(6, "006_1", "a", "joy", 1, None, 3.0), ("p2", "c1", "b", "fear", 2, 2, 3)]
    write_table(root, rows, (*REQUIRED, "onset", "apex", "offset"), "Clips.XLSX")
    films = release.read_release(root).films
    assert [film.key for film in films] == ["custom/6/006_1", "custom/p2/c1"]
    assert films[0].written["onset"] == "1" and films[0].written["offset"] == "3"
    assert films[0].written["apex"] == "" and films[0].apexes != "none"


def test_the_table_may_lie_one_folder_down_and_its_paths_start_there(root):
    inner = root / "inner"
    inner.mkdir()
    (root / "clips.csv").rename(inner / "CLIPS.csv")
    (root / "a").rename(inner / "a")
    write_table(
        inner,
        [("p1", "c1", "a", "joy"), ("p2", "c1", "../b", "fear")],
        name="CLIPS.csv",
    )
    assert keys(root) == ["custom/p1/c1", "custom/p2/c1"]
    write_table(root, [("p9", "c1", "b", "joy")])
    assert keys(root) == ["custom/p9/c1"]  # the one on top goes first


def test_paths_are_read_as_any_system_writes_them(root):
    accented = root / "Größe é" / "C 1"
    write_frames(accented, (1,))
    decomposed = unicodedata.normalize("NFD", "größe é")
    rows = [
        ("p1", "c1", f"{decomposed}\\c 1", "joy"),
        ("p2", "c1", "./A/", "joy"),
        ("p3", "c1", "a/../b", "joy"),
    ]
    write_table(root, rows)
    films = release.read_release(root).films
    assert [film.frames[1].parent for film in films] == [
        accented,
        root / "a",
        root / "b",
    ]


def test_a_link_inside_of_the_release_is_followed(root):
    (root / "link").symlink_to(root / "a", target_is_directory=True)
    write_table(root, [("p1", "c1", "link", "joy")])
    assert keys(root) == ["custom/p1/c1"]


def test_clips_may_share_a_folder_if_they_show_other_frames(root):
    rows = [("p1", "c1", "a", "joy", 1, 2), ("p1", "c2", "a", "joy", 3, 3)]
    write_table(root, rows, (*REQUIRED, "onset", "offset"))
    assert keys(root) == ["custom/p1/c1", "custom/p1/c2"]


def test_broken_images_among_good_ones_are_left_out_and_told(root, tmp_path):
    (root / "a" / "img2.jpg").write_bytes(b"")
    clip = records(prepare(Builder, root, tmp_path / "data"))["custom/p1/c1"]
    assert list(clip["frame_numbers"]) == [1, 3]
    assert any("frame 2 left out" in issue for issue in clip["issues"])


def test_the_example_of_the_readme_works(tmp_path):
    readme = Path(release.__file__).with_name("README.md").read_text(encoding="utf-8")
    table = re.search(r"```\n(subject,clip,path.*?)```", readme, re.DOTALL)[1]
    (tmp_path / "clips.csv").write_text(table, encoding="utf-8")
    write_frames(tmp_path / "films/anna/1", range(12, 32), name="frame_{:04d}.png")
    write_video(tmp_path / "films/ben.mp4", [100] * 330, fourcc="mp4v")
    found = release.read_release(tmp_path)
    keys = re.search("# (custom/.*)", readme)[1].split(", ")
    assert [film.key for film in found.films] == keys
    assert [film.fps for film in found.films] == [100, 30, 30]
    decoded = {key: film.frames for key, film in zip(keys, found.films, strict=True)}
    assert list(decoded["custom/ben/b2"]()) == list(range(310, 323))


# Bad tables.


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (("", "c", "a", "joy"), "no subject"),
        (("p", " ", "a", "joy"), "no clip"),
        (("p", "c", "", "joy"), "no path"),
        (("p", "c", "a", ""), "no emotion"),
        (("p/1", "c", "a", "joy"), "subject 'p/1' may have no slash"),
        (("p", "c\\1", "a", "joy"), "clip 'c\\\\1' may have no slash"),
        (("p", "c\n1", "a", "joy"), "clip 'c\\n1' may have no slash"),
        (("p", "..", "a", "joy"), "clip '..' may have no slash"),
        (("p", "c", "nowhere", "joy"), "there is no 'nowhere' in"),
        (("p", "c", "a/deeper", "joy"), "there is no 'deeper' in"),
        (("p", "c", "a/img1.jpg/x", "joy"), "there is no 'x' in"),
        (("p", "c", "a/img1.jpg", "joy"), "neither a folder of images nor a video"),
        (("p", "c", "empty", "joy"), "holds no image"),
        (("p", "c", "x" * 300, "joy"), "there is no 'xxx"),
        (("p", "c", "bad.avi", "joy"), "bad.avi cannot be read as a video"),
        (("p", "c", "none.MP4", "joy"), "none.MP4 cannot be read as a video"),
        (("p", "c", "/etc", "joy"), "path '/etc' is absolute"),
        (("p", "c", "C:\\films", "joy"), "is absolute"),
        (("p", "c", "~/films", "joy"), "is absolute"),
        (("p", "c", "..", "joy"), "leads out of the release"),
        (("p", "c", "../outside", "joy"), "leads out of the release"),
        (("p", "c", "a/../../mine/a", "joy"), "leads out of the release"),
        (("p", "c", "away", "joy"), "leads out of the release"),
        (("p", "c", "away/frames", "joy"), "leads out of the release"),
        (("p", "c", "loop", "joy"), "neither a folder"),
        (("p", "c", "linked", "joy"), "img1.jpg links out of the release"),
        (("p", "c", "unnamed", "joy"), "a frame needs a number in its name"),
        (("p", "c", "twice", "joy"), "are both frame 1"),
        (("p", "c", "huge", "joy"), "this one is too large"),
        (("p", "c", "broken", "joy"), "none of its images can be read"),
        (("p", "c", "clear", "joy"), "1.png: pixels are transparent"),
        (("p", "c", "deep", "joy"), "1.png: pixels are I;16"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_row_is_named_with_its_number(root, row, what):
    awkward_folders(root)
    write_table(root, [("p1", "c1", "b", "joy"), ("",) * 4, row])
    message = errors(root)
    assert "1 problem(s)" in message
    assert "clips.csv, row 4: " in message
    assert what in message


def awkward_folders(root):
    outside = root.parent / "outside"
    write_frames(outside / "frames", (1,))
    (root / "empty" / "deeper").mkdir(parents=True)
    (root / "empty" / "Thumbs.db").write_bytes(b"")
    (root / "bad.avi").write_bytes(b"RIFF, but no more than that")
    (root / "none.MP4").write_bytes(b"")
    (root / "away").symlink_to(outside, target_is_directory=True)
    (root / "loop").symlink_to(root / "loop")
    (root / "linked").mkdir()
    (root / "linked" / "img1.jpg").symlink_to(outside / "frames" / "img1.jpg")
    write_frames(root / "unnamed", (1,), name="frame.jpg")
    write_frames(root / "twice", (1,), name="img1.jpg")
    write_frames(root / "twice", (1,), name="img001.jpg")
    write_frames(root / "huge", (20240131235959,))
    write_frames(root / "clear", (1,), name="{}.png", mode="RGBA", format="PNG")
    (root / "broken").mkdir()
    (root / "broken" / "1.png").write_bytes(picture("broken")[:9])
    (root / "deep").mkdir()
    Image.new("I;16", (4, 4), 40000).save(root / "deep" / "1.png")


@pytest.mark.parametrize(
    ("column", "cell", "what"),
    [
        ("fps", "fast", "fps 'fast', expected frames per second"),
        ("fps", "0", "fps '0'"),
        ("fps", "-25", "fps '-25'"),
        ("fps", "nan", "fps 'nan'"),
        ("fps", "1e99", "fps '1e99'"),
        ("fps", "29,97", "fps '29,97'"),
        ("kind", "tiny", "kind 'tiny', expected micro or macro"),
        ("corpus", "a/b", "corpus 'a/b' may have no slash"),
        ("onset", "7", "annotated from 7 to 3, but frames 1..3 on disk"),
        ("offset", "0", "annotated from 1 to 0, but frames 1..3 on disk"),
    ],
)
def test_a_bad_cell_is_named_with_its_row(root, column, cell, what):
    row = {"onset": "1", "offset": "3"} | {column: cell}
    if column == "onset":
        row["offset"] = "9"
        what = what.replace("to 3", "to 9")
    if column == "offset":
        row["onset"] = "0"
        what = what.replace("from 1", "from 0")
    extra = tuple(row)
    write_table(root, [("p", "c", "a", "joy", *row.values())], (*REQUIRED, *extra))
    message = errors(root)
    assert "1 problem(s)" in message and f"clips.csv, row 2: {what}" in message


def test_a_clip_that_starts_after_its_video_ends_is_named(root):
    write_video(root / "film.avi", range(10))
    rows = [("p", "c", "film.avi", "joy", 10, 20), ("p", "d", "film.avi", "joy", 9, 20)]
    write_table(root, rows, (*REQUIRED, "onset", "offset"))
    message = errors(root)
    assert "1 problem(s)" in message
    assert "row 2: annotated from 10 to 20, but frames 0..9 on disk" in message


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (
            [("p", "c", "a", "joy"), ("p", "c", "b", "joy")],
            "custom/p/c more than once: clips.csv, row 2 and clips.csv, row 3",
        ),
        (
            [("p", "c", "a", "joy"), ("p", "C", "b", "joy")],
            "custom/p/c more than once: clips.csv, row 2 and clips.csv, row 3",
        ),
        (
            [("p", "c1", "a", "joy"), ("p", "c2", "A", "fear")],
            "a/frames first to last more than once: clips.csv, row 2 and clips.csv, ro",
        ),
        (
            [("P1", "c1", "a", "joy"), ("p1", "c2", "b", "joy")],
            "custom/P1 and custom/p1 differ in case only",
        ),
    ],
)
def test_rows_that_contradict_each_other_are_named(root, rows, what):
    write_table(root, rows)
    message = errors(root)
    assert "1 problem(s)" in message and what in message


def test_one_film_of_two_subjects_is_an_error(root):
    rows = [("p1", "c1", "a", "joy", 1, 2), ("p2", "c1", "a", "joy", 2, 3)]
    write_table(root, rows, (*REQUIRED, "onset", "offset"))
    message = errors(root)
    assert "a is listed for more than one subject: custom/p1, custom/p2" in message


def test_all_problems_are_told_at_once(root):
    rows = [("", "", "", "") for _ in range(2)]
    rows += [("p/q", "", "nowhere", ""), ("p", "c", "a", "joy"), ("p", "c", "b", "joy")]
    write_table(root, rows)
    message = errors(root)
    assert "5 problem(s)" in message
    for part in ("row 4: subject 'p/q'", "row 4: no clip", "row 4: no emotion"):
        assert part in message
    assert "row 4: path 'nowhere'" in message and "row 5 and clips.csv, row" in message


def test_a_comma_without_quotes_does_not_move_cells(root):
    text = "subject,clip,path,emotion,fps\np1,c1,a,joy, cold,25\np2,c1,b,joy,25,\n"
    (root / "clips.csv").write_text(text)
    message = errors(root)
    assert "row 2: 6 cells for 5 columns; put a text that has commas into" in message
    assert "row 3" not in message


def test_a_column_that_is_there_twice_is_an_error(root):
    text = "subject,clip,path,emotion,Emotion \np1,c1,a,joy,fear\n"
    (root / "clips.csv").write_text(text)
    assert "column 'emotion' is there twice" in errors(root)


def test_a_missing_column_is_named(root):
    write_table(root, [("p1", "c1", "a")], ("subject", "clip", "path"))
    assert "no row has all of the columns" in errors(root)
    assert "emotion" in errors(root)


def test_a_table_in_another_code_page_is_an_error(root):
    text = "subject,clip,path,emotion\np1,c1,a,Ärger\n"
    (root / "clips.csv").write_bytes(text.encode("cp1252"))
    assert "UnicodeDecodeError" in errors(root)


def test_a_table_saved_by_a_spreadsheet_program_is_read(root):
    text = "subject,clip,path,emotion\np1,c1,a,Ärger\n"
    (root / "clips.csv").write_bytes(text.encode("utf-8-sig"))
    assert release.read_release(root).films[0].written["emotion"] == "Ärger"


def test_without_a_table_or_with_two_nothing_is_read(root):
    write_table(root, [], name="clips.xlsx")
    assert "Keep one" in errors(root)
    for name in ("clips.csv", "clips.xlsx"):
        (root / name).unlink()
    assert "no clips.csv. Write one, with the columns subject, clip" in errors(root)
    write_table(root / "one" / "two", [("p1", "c1", "../../a", "joy")])
    assert "no clips.csv" in errors(root)


def test_a_table_without_rows_has_no_clips(root, tmp_path):
    write_table(root, [])
    with pytest.raises(ReleaseError, match="no clip found for custom/clips"):
        prepare(Builder, root, tmp_path / "data")


# Random tables.

NAMES = st.text(
    st.characters(exclude_characters="/\\", exclude_categories=["C", "Z"]), min_size=1
).filter(lambda name: set(name) != {"."})
WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=8)


@st.composite
def tables(draw):
    """Valid rows over the folders of `frames`: no two clash."""
    people = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=media.plain))
    rows = []
    for subject in people:
        clips = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=media.plain))
        for clip in clips:
            onset, offset = sorted(draw(st.tuples(*[st.integers(1, 3)] * 2)))
            rows.append(
                {
                    "subject": subject,
                    "clip": clip,
                    "path": f"f{len(rows)}",
                    "emotion": draw(WORDS.filter(bool)),
                    "onset": draw(st.sampled_from(["", str(onset)])),
                    "apex": draw(st.sampled_from(["", str(onset), "/"])),
                    "offset": draw(st.sampled_from(["", str(offset)])),
                    "fps": draw(st.sampled_from(["25", "100.5", "1e2"])),
                    "action_units": draw(WORDS),
                    "kind": draw(st.sampled_from(["", "micro", "MACRO"])),
                    "objective_class": draw(WORDS),
                }
            )
    return rows


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A folder of nine clips of three frames, without a table."""
    folder = tmp_path_factory.mktemp("frames")
    for clip in range(9):
        write_frames(folder / f"f{clip}", (1, 2, 3))
    return lambda: folder


def film_rows(films):
    """What the table must have said, from what was read."""
    return [
        {
            **{"subject": film.subject, "clip": film.clip, **film.written},
            "path": film.frames[1].parent.name,
            "fps": film.fps,
            "kind": film.kind,
            "objective_class": film.objective_class,
        }
        for film in films
    ]


def expected(rows):
    numbers = {"25": 25.0, "100.5": 100.5, "1e2": 100.0}
    kinds = {"": "micro", "micro": "micro", "MACRO": "macro"}
    return [
        row | {"fps": numbers[row["fps"]], "kind": kinds[row["kind"]]} for row in rows
    ]


@settings(max_examples=40)
@given(rows=tables(), name=st.sampled_from(["clips.csv", "clips.xlsx"]))
def test_any_valid_table_becomes_exactly_its_rows(frames, rows, name):
    if name.endswith(".xlsx"):  # a text that starts with = would be a formula
        rows = [{k: v.replace("=", "-") for k, v in row.items()} for row in rows]
        rows = [row for i, row in enumerate(rows) if unique(rows, i)]
    for old in frames().glob("clips.*"):
        old.unlink()
    write_table(frames(), [tuple(row.values()) for row in rows], tuple(rows[0]), name)
    found = release.read_release(frames())
    assert film_rows(found.films) == expected(rows)


def unique(rows, i):
    key = lambda row: media.plain(f"{row['subject']}/{row['clip']}")
    person = lambda row: media.plain(row["subject"])
    return all(
        key(row) != key(rows[i])
        and (person(row) != person(rows[i]) or row["subject"] == rows[i]["subject"])
        for row in rows[:i]
    )


@settings(max_examples=60)
@given(data=st.data(), rows=tables())
def test_a_mutated_table_is_read_right_or_refused(frames, data, rows):
    at = data.draw(st.integers(0, len(rows) - 1))
    mutation = data.draw(st.sampled_from(["empty", "swap", "copy", "drop", "garble"]))
    column = data.draw(st.sampled_from(list(rows[0])))
    rows = [dict(row) for row in rows]
    columns = tuple(rows[0])
    if mutation == "empty":
        rows[at][column] = ""
    elif mutation == "swap":
        other = data.draw(st.sampled_from(list(rows[0])))
        rows[at][column], rows[at][other] = rows[at][other], rows[at][column]
    elif mutation == "copy":
        rows.append(rows[at])
    elif mutation == "drop":
        rows = [{k: v for k, v in row.items() if k != column} for row in rows]
        columns = tuple(rows[0])
    else:
        rows[at][column] = data.draw(st.text(max_size=4))
    for old in frames().glob("clips.*"):
        old.unlink()
    write_table(frames(), [tuple(row.values()) for row in rows], columns)
    try:
        found = film_rows(release.read_release(frames()).films)
    except ReleaseError as error:
        assert "clips.csv" in str(error)
        return
    # Nothing moved, and nothing was lost or added.
    said = [{k: v.strip() for k, v in row.items()} for row in rows]
    same = ("subject", "clip", "emotion", "onset", "apex", "offset", "action_units")
    assert [[row.get(c) or "" for c in same] for row in said] == [
        [row[c] for c in same] for row in found
    ]
    assert [row["path"].casefold() for row in said] == [row["path"] for row in found]


# A twin, written by somebody else from the same description.


def test_a_small_twin_is_read_as_it_was_meant(tmp_path):
    fake_release.write_release(tmp_path / "twin", subjects=1, seed=0)
    clips = records(prepare(Builder, tmp_path / "twin", tmp_path / "data"))
    assert {key: clip["annotated"]["emotion"] for key, clip in clips.items()} == {
        "custom/p01/c01": "happiness",
        "custom/p01/c02": "surprise",
        "custom/p01/c03": "disgust",
        "custom/p01/c04": "sadness",
        "custom/p01/c05": "fear",
    }
    assert all(clip["synthetic"] for clip in clips.values())
    crossing = clips["custom/p01/c01"]
    assert list(crossing["frame_numbers"]) == list(range(96, 112))
    assert crossing["annotated"]["apex_index"] == 5
    film = clips["custom/p01/c05"]
    assert film["frame_numbers"][0] == 0 and film["fps"] == 30
    assert clips["custom/p01/c03"]["annotated"]["action_units"] == "4, R10"


def test_pipes_are_no_frames_and_what_opens_is_an_image_of_frames(root):
    os.mkfifo(root / "a" / "img4.jpg")
    (root / "a" / "img5.jpg").mkdir()
    first, _ = release.read_release(root).films
    assert list(first.frames) == [1, 2, 3]
    for path in (root / "b").iterdir():
        path.write_bytes(picture("other", format="TIFF"))
    assert "b: none of its images can be read" in errors(root)


def test_a_quote_that_is_never_closed_names_its_line(root):
    with (root / "clips.csv").open("a", encoding="utf-8") as file:
        file.write('p3,c1,"b,fear\r\np4,c1,b,fear\r\n')
    assert "clips.csv, line 5" in errors(root)
