import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from releases import picture, prepare, records, told, write_frames

from datasets_tfds.ckplus import fake_release, release
from datasets_tfds.ckplus.ckplus_dataset_builder import Builder
from datasets_tfds.record import ReleaseError
from tests import tiles

IMAGES = "cohn-kanade-images"
STYLES = [
    (IMAGES, "Emotion"),
    (f"extended-cohn-kanade-images/{IMAGES}", "Emotion_labels/Emotion"),
]


def write_sequence(root, subject, sequence, numbers, *, top=IMAGES, **options):
    name = f"{subject}_{sequence}_{{:08d}}.png"
    folder = root / top / subject / sequence
    return write_frames(folder, numbers, **{"name": name, "format": "PNG"} | options)


def write_label(root, subject, sequence, frame, content, *, top="Emotion", kind=None):
    kind = kind or ("facs" if top == "FACS" else "emotion")
    path = root / top / subject / sequence / f"{subject}_{sequence}_{frame:08d}"
    path = path.with_name(f"{path.name}_{kind}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f"   {content:.7e}\n" if isinstance(content, int) else content
    path.write_bytes(text.encode())
    return path


def write_labelled(root, subject="S005", sequence="001", last=3, code=3):
    frames = write_sequence(root, subject, sequence, range(1, last + 1))
    return frames, write_label(root, subject, sequence, last, code)


def keys(found):
    return [film.key for film in found.films]


def errors(root):
    with pytest.raises(ReleaseError) as caught:
        release.find_films(root)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "CK+"
    folder.mkdir()
    return folder


# Good releases.


@pytest.mark.parametrize(("images", "emotion"), STYLES)
def test_labelled_sequences_become_records(root, tmp_path, capsys, images, emotion):
    files = {}
    for code in range(1, 8):
        subject = f"S{code:03d}"
        files[f"ckplus/{subject}/{subject}_002"] = write_sequence(
            *(root, subject, "002", range(1, 4 + code)),
            **{"top": images, "mode": "L" if code % 2 else "RGB"},
        )
        write_label(root, subject, "002", 3 + code, code, top=emotion)
    # A label directory that is empty, none at all, and a later start.
    write_sequence(root, "S001", "003", range(1, 9), top=images)
    (root / emotion / "S001" / "003").mkdir()
    write_sequence(root, "S020", "001", range(1, 9), top=images)
    files["ckplus/S130/S130_013"] = write_sequence(
        root, "S130", "013", [100, 99, 3, 4], top=images
    )
    write_label(root, "S130", "013", 100, 5, top=emotion)
    for folder in (root, *(p.parent for p in root.rglob("*.txt"))):
        for litter in (".DS_Store", "._S005_001_00000001.png", "Thumbs.db"):
            (folder / litter).write_bytes(b"litter")
    (root / images / "S001" / "002" / ".DS_Store").write_bytes(b"litter")
    (root / images / ".DS_Store").write_bytes(b"litter")
    made = prepare(Builder, root, tmp_path / "data")
    assert made.builder_config.name == "sequences"
    assert told(capsys.readouterr().out, "ckplus/sequences") == [
        "8 of 327 published sequences with an emotion, 8 subjects; anger 1, contempt 1,"
        " disgust 1, fear 1, happy 2, sadness 1, surprise 1",
        "8 of 8 annotated clips have frames",
        "2 sequences without an emotion file left out",
    ]
    found = records(made)
    assert found.keys() == files.keys()
    for key, clip in found.items():
        assert list(clip["frame_numbers"]) == sorted(files[key])
        expected = [path.read_bytes() for _, path in sorted(files[key].items())]
        assert list(clip["frames"]) == expected
        assert (clip["corpus"], clip["subject"]) == ("ckplus", key.rpartition("/")[0])
        assert (clip["kind"], clip["fps"], clip["synthetic"]) == ("macro", 30, False)
        assert clip["annotation_version"] == "Emotion, 8 files"
        last = str(max(files[key]))
        assert (clip["annotated"]["apex"], clip["annotated"]["offset"]) == (last, last)
        assert clip["annotated"]["apex_source"] == "annotated"
        assert clip["repaired"] == clip["annotated"] and clip["repairs"] == []
        odd = ["94 frame numbers between 3 and 100 absent"]
        assert clip["issues"] == (odd if "S130" in key else [])
    assert found["ckplus/S130/S130_013"]["annotated"] == {
        **{"emotion": "happy", "action_units": "", "apex_source": "annotated"},
        **{"onset": "3", "apex": "100", "offset": "100"},
        **{"onset_index": 0, "apex_index": 3, "offset_index": 3},
    }
    assert {clip["modality"] for clip in found.values()} == {"grey", "color"}
    assert found["ckplus/S001/S001_002"]["modality"] == "grey"
    words = {key: clip["annotated"]["emotion"] for key, clip in found.items()}
    assert [emotion for _, emotion in sorted(words.items())] == [
        *("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"),
        "happy",
    ]
    decoded = records(made, encoded=False)["ckplus/S001/S001_002"]["frames"]
    grey = Image.open(files["ckplus/S001/S001_002"][1]).convert("RGB")
    np.testing.assert_array_equal(decoded[0], np.asarray(grey))
    assert "Cohn-Kanade" in made.info.citation


@pytest.mark.parametrize("top", [".", "CK/CK"])
@pytest.mark.parametrize(("images", "emotion"), STYLES)
def test_the_release_may_be_given_one_folder_higher_or_lower(
    root, top, images, emotion
):
    write_sequence(root / top, "S005", "001", (1, 2), top=images)
    write_label(root / top, "S005", "001", 2, 3, top=emotion)
    for folder in (root, root / top):
        assert keys(release.find_films(folder)) == ["ckplus/S005/S005_001"]


def test_names_are_the_same_in_any_case_and_padding(root):
    write_sequence(root, "s5", "1", (9, 10, 100), name="s5_1_{}.PNG")
    write_label(root, "S0005", "01", 100, 7)
    (film,) = release.find_films(root).films
    assert film.key == "ckplus/S005/S005_001"
    assert (film.written["onset"], film.written["apex"]) == ("9", "100")


@pytest.mark.parametrize(
    ("content", "emotion"),
    [
        ("   3.0000000e+00\n", "disgust"),
        ("7", "surprise"),
        ("\ufeff 1.0\r\n\r\n", "anger"),
        ("\t0.2e1", "contempt"),
    ],
)
def test_a_code_may_be_written_as_any_number(root, content, emotion):
    path = write_label(root, "S005", "001", 3, content)
    assert release.read_emotion(path) == emotion


def test_a_label_of_another_frame_than_the_last_is_told(root, tmp_path, capsys):
    write_sequence(root, "S005", "001", range(1, 11))
    write_label(root, "S005", "001", 11, 3)
    write_sequence(root, "S005", "002", range(1, 11))
    write_label(root, "S005", "002", 9, 3)
    write_labelled(root, "S006")
    clips = records(prepare(Builder, root, tmp_path / "data"))
    lines = told(capsys.readouterr().out, "ckplus/sequences")
    assert "2 emotion files name another frame than the last" in lines
    assert [clip["issues"] for clip in clips.values()] == [
        ["the emotion file names frame 11, the last is 10"],
        ["the emotion file names frame 9, the last is 10"],
        [],
    ]
    assert {clip["annotated"]["apex"] for clip in clips.values()} == {"10", "3"}


def test_the_apex_is_the_last_frame_that_can_be_read(root, tmp_path):
    frames, _ = write_labelled(root, last=6)
    for number in (1, 3, 5, 6):
        frames[number].write_bytes(picture("x", format="PNG")[: 20 * (number != 6)])
    (clip,) = records(prepare(Builder, root, tmp_path / "data")).values()
    assert list(clip["frame_numbers"]) == [2, 4]
    assert (clip["annotated"]["onset"], clip["annotated"]["apex"]) == ("1", "4")
    reading = clip["annotated"]
    assert [reading[f"{n}_index"] for n in ("onset", "apex", "offset")] == [0, 1, 1]
    assert reading["apex_source"] == "annotated"
    assert [re.sub(r" \(\w+\)", "", issue) for issue in clip["issues"]] == [
        "frame 6 left out: no image",
        "frame 5 left out: no image",
        "frame 1 left out: no image",
        "frame 3 left out: no image",
        "onset 1 has no frame: 2 taken",
    ]


def test_a_sequence_without_a_frame_that_can_be_read_is_an_error(root, tmp_path):
    frames, _ = write_labelled(root, last=2)
    for path in frames.values():
        path.write_bytes(b"")
    with pytest.raises(ReleaseError, match="S005_001: not one of 2 frames can be us"):
        prepare(Builder, root, tmp_path / "data")


def test_a_single_frame_is_told(root, tmp_path):
    write_labelled(root, last=1)
    (clip,) = records(prepare(Builder, root, tmp_path / "data")).values()
    assert clip["issues"] == ["apex 1 is the onset"]


def test_labels_without_frames_are_told(root):
    write_labelled(root)
    write_label(root, "S005", "002", 3, 1)
    found = release.find_films(root)
    assert "1 of 2 annotated clips have frames; without: S005_002" in found.lines
    assert found.films[0].annotation_version == "Emotion, 2 files"


def test_other_images_and_texts_are_passed_over(root):
    frames, label = write_labelled(root)
    write_frames(frames[1].parent, (7,), name="average{}.png", format="PNG")
    write_frames(root / "figures", (1, 2))
    label.with_name("readme.txt").write_text("hello")
    write_label(root, "S005", "001", 3, "1 2\n", top="Landmarks", kind="landmarks")
    (film,) = release.find_films(root).films
    assert film.frames == frames


# Action units.


def test_action_units_are_read_where_there_are_some(root):
    write_labelled(root)
    write_labelled(root, "S006")
    lines = ["9.0000000e+00   0.0000000e+00", "17 4.0000000e+00", "", "25.0 1"]
    write_label(root, "S005", "001", 3, "\r\n".join(lines), top="FACS")
    write_label(root, "S005", "004", 3, "of no labelled sequence", top="FACS")
    films = release.find_films(root).films
    assert [film.written["action_units"] for film in films] == ["9+17D+25A", ""]


@given(st.lists(st.tuples(st.integers(1, 64), st.integers(0, 5)), max_size=6))
def test_action_units_survive(tmp_path_factory, units):
    path = tmp_path_factory.mktemp("facs") / "S005_001_00000011_facs.txt"
    path.write_text("".join(f"   {au:.7e}   {grade:.7e}\n" for au, grade in units))
    expected = "+".join(f"{au}{' ABCDE'[grade].strip()}" for au, grade in units)
    assert release.read_units(path) == expected


def test_an_intensity_beyond_the_scale_is_kept(root):
    path = write_label(root, "S005", "001", 3, "12 7\n", top="FACS")
    assert release.read_units(path) == "12(7)"


@pytest.mark.parametrize("line", ["1.0", "1 2 3", "AU1 2", "1.5 2", "nan 1"])
def test_a_line_that_is_no_action_unit_is_an_error(root, line):
    write_labelled(root)
    path = write_label(root, "S005", "001", 3, f"4 0\n{line}\n", top="FACS")
    message = errors(root)
    assert f"{path}: {line!r}, expected an action unit and its intensity" in message


# Bad releases.


@pytest.mark.parametrize(
    "content",
    ["0.0000000e+00", "8", "-1", "3.5", "", "disgust", "3 4", "nan", "inf", "\x00\xff"],
)
def test_a_code_that_is_no_emotion_names_its_file(root, content):
    write_labelled(root)
    path = write_label(root, "S006", "001", 3, content)
    message = errors(root)
    assert "1 problem(s)" in message
    assert (
        f"{path}: {content.strip()!r}, expected one code from 1 (anger) to " in message
    )


def test_all_that_is_wrong_is_told_at_once(root):
    frames, label = write_labelled(root)
    second = label.with_name("S005_001_00000002_emotion.txt")
    second.write_text("3")
    write_sequence(root, "S006", "001", (1, 2), name="S007_001_{:08d}.png")
    write_label(root, "S008", "001", 3, 8)
    misplaced = root / "Emotion" / "S009" / "001" / "S009_002_00000003_emotion.txt"
    misplaced.parent.mkdir(parents=True)
    misplaced.write_text("3")
    misplaced.with_name("emotion_emotion.txt").write_text("3")
    write_frames(frames[1].parent, (1,), name="S005_001_{}.png", format="PNG")
    message = errors(root)
    assert "6 problem(s)" in message
    assert f"S005/S005_001 more than once: {second} and {label}" in message
    assert f"{frames[1]} and " in message and "are both frame 1" in message
    assert "S007_001_00000001.png: lies in the folder of another sequence" in message
    assert "S008_001_00000003_emotion.txt: '8.0000000e+00', expected" in message
    assert f"{misplaced}: lies in the folder of another sequence than S009_002" in (
        message
    )
    assert "emotion_emotion.txt: no name of a file, as S005_001_00000011_" in message


@pytest.mark.parametrize("other", ["copy", f"extended-{IMAGES}/{IMAGES}"])
def test_two_copies_of_a_sequence_are_an_error(root, other):
    frames, _ = write_labelled(root)
    copied = write_sequence(root, "S005", "001", (1, 2), top=other)
    message = errors(root)
    assert "S005/S005_001 more than once" in message
    for path in (frames[1].parent, copied[1].parent):
        assert str(path) in message


def test_two_copies_of_the_labels_are_an_error(root):
    _, label = write_labelled(root)
    copied = write_label(root, "S005", "001", 3, 3, top="Emotion_labels/Emotion")
    assert f"S005/S005_001 more than once: {label} and {copied}" in errors(root)
    copied.unlink()
    for top in ("FACS", "FACS_labels/FACS"):
        write_label(root, "S005", "001", 3, "4 0", top=top, kind="facs")
    assert "S005_001_00000003_facs.txt and " in errors(root)


def test_ck48_is_refused(root, tmp_path):
    for emotion in ("anger", "happy"):
        folder = root / "CK+48" / emotion
        write_frames(folder, range(9, 12), name="S010_004_{:08d}.png", format="PNG")
    with pytest.raises(ReleaseError, match="This is CK.48.*and different data: ask"):
        prepare(Builder, root, tmp_path / "data")
    # Beside the release itself it does no harm.
    write_labelled(root)
    assert keys(release.find_films(root)) == ["ckplus/S005/S005_001"]


def test_other_pictures_of_emotions_are_not_taken_for_ck48(root):
    write_frames(root / "happy", (1, 2), name="portrait{}.jpg")
    assert release.find_films(root).films == []


@pytest.mark.parametrize("half", ["images", "labels", "nothing"])
def test_half_a_release_has_no_clips(root, tmp_path, half):
    write_frames(root / "figures", (1, 2))
    if half == "images":
        write_sequence(root, "S005", "001", (1, 2))
    if half == "labels":
        write_label(root, "S005", "001", 2, 3)
    with pytest.raises(ReleaseError, match="no clip found for ckplus/sequences.*"):
        prepare(Builder, root, tmp_path / "data")


def test_nothing_outside_of_the_release_is_read(root, tmp_path):
    write_labelled(root)
    frames, label = write_labelled(tmp_path / "elsewhere", "S006")
    for kind, path in ((IMAGES, frames[1].parent), ("Emotion", label.parent)):
        link = root / kind / "S006" / "001"
        link.parent.mkdir()
        link.symlink_to(path, target_is_directory=True)
    linked = root / "Emotion" / "S006" / label.name
    linked.symlink_to(label)
    assert keys(release.find_films(root)) == ["ckplus/S005/S005_001"]


# A twin, written by somebody else from the same description.


def test_a_small_twin_is_read_as_it_was_meant(tmp_path, capsys):
    twin = tmp_path / "twin"
    with tiles.instead_of_faces():
        fake_release.write_release(twin, subjects=3, seed=0)
    clips = records(prepare(Builder, twin, tmp_path / "data"))
    words = "anger contempt disgust fear happy sadness surprise".split()
    files = sorted(twin.rglob("*_emotion.txt"))
    frames = {path.parent: path for path in sorted(twin.rglob("S*.png"))}  # the last
    assert sorted(clips) == [f"ckplus/{f.name[:4]}/{f.name[:8]}" for f in files]
    assert {clip["annotated"]["emotion"] for clip in clips.values()} == set(words)
    for file, clip in zip(files, (clips[key] for key in sorted(clips)), strict=True):
        (last,) = (path for path in frames.values() if path.stem == file.name[:17])
        code = int(float(file.read_text()))
        assert clip["annotated"]["emotion"] == words[code - 1]
        assert clip["annotated"]["apex"] == str(int(file.name[9:17]))
        assert clip["annotated"]["apex_index"] == len(clip["frames"]) - 1
        assert clip["frames"][-1] == last.read_bytes()
        assert len(clip["frames"]) == len(list(last.parent.glob("S*.png")))
        assert clip["annotated"]["action_units"]
        assert clip["synthetic"] and clip["issues"] == []
    assert {int(clip["frame_numbers"][0]) for clip in clips.values()} == {1, 3}
    assert {clip["modality"] for clip in clips.values()} == {"grey", "color"}
    unlabelled = len(frames) - len(files)
    lines = told(capsys.readouterr().out, "ckplus/sequences")
    assert lines[2] == f"{unlabelled} sequences without an emotion file left out"
    assert unlabelled > 0
