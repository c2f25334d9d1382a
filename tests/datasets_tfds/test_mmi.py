import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from releases import picture, prepare, records, told

from datasets_tfds import video
from datasets_tfds.mmi import fake_release, metadata, release
from datasets_tfds.mmi.mmi_dataset_builder import Builder
from datasets_tfds.record import ReleaseError
from tests import tiles

TRACK = '<session sessionId="7"><track {}/><track kind="audio"/></session>'
CLIP = (
    '<Clip><Metatag Name="Subject" Value="ä"/><Metatag Name="Emotion" Value="{}"/>'
    '<Metatag Name="Age" Value="3"/></Clip>'
)


def write_video(path, levels=range(0, 100, 10), *, fps=24, size=(64, 48)):
    """A video, each frame of one red."""
    path.parent.mkdir(parents=True, exist_ok=True)
    code = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), code, fps, size)
    for level in levels:
        writer.write(np.full((size[1], size[0], 3), (0, 0, level), np.uint8))  # BGR
    writer.release()
    return path


def write_session(root, number, clip="S001-001", emotion=4, view=0, **options):
    """A folder of Sessions; `emotion` may be None, and `view` too."""
    folder = root / "Sessions" / str(number)
    write_video(folder / f"{clip}.avi", **options)
    tag = CLIP.format(emotion) if emotion is not None else "<Clip><Metatag/></Clip>"
    (folder / f"{clip}.xml").write_text(tag, encoding="utf-8")
    if view is not None:
        (folder / "session.xml").write_text(TRACK.format(f'view="{view}"'))
    return folder


def keys(found):
    return [film.key for film in found.films]


def errors(root):
    with pytest.raises(ReleaseError) as caught:
        release.find_films(root)
    return str(caught.value)


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "mmi-facial-expression-database_download_2020-01-01"
    folder.mkdir()
    return folder


# Good releases.


def test_sessions_become_records(root, tmp_path, capsys):
    for code in range(1, 7):
        view = 2 if code == 6 else 0
        write_session(root, code, f"S00{1 + code // 4}-00{code}", code, view)
    coded = root / "Sessions" / "1" / "S001-001-oao_aucs.xml"
    coded.write_text('<AUs><ActionUnit Number="12"><Marker Frame="3"/></ActionUnit></A')
    write_session(root, 11, "S011-001", 7)
    write_session(root, 12, "S012-001", 8)
    write_session(root, 13, "S013-001", None)
    write_session(root, 14, "S014-001", 4, view=1)
    write_session(root, 15, "S015-001", 4, view=None)
    write_session(root, 16, "S016-001", 4, view=3)
    still = write_session(root, 17, "S017-001", 4)
    (still / "S017-001.avi").unlink()
    (still / "S017-001.jpg").write_bytes(picture("still"))
    alone = write_session(root, 18, "S018-001", 4)
    (alone / "S018-001.avi").unlink()
    (root / "Sessions" / "19").mkdir()
    for litter in (".DS_Store", "Thumbs.db", "._S001-001.xml", "~$S001-001.xml"):
        (root / "Sessions" / "1" / litter).write_bytes(b"litter")
    made = prepare(Builder, root, tmp_path / "data")
    assert made.builder_config.name == "sessions"
    lines = told(capsys.readouterr().out, "mmi/sessions")
    assert lines[0] == (
        "6 of 14 sessions, 2 subjects; anger 1, disgust 1, fear 1, happiness 1, "
        "sadness 1, surprise 1"
    )
    assert sorted(lines[1:]) == [
        "1 sessions left out: a still, no video",
        "1 sessions left out: filmed in profile",
        "1 sessions left out: no emotion",
        "1 sessions left out: no video",
        "2 sessions left out: another label than 1 to 6",
        "2 sessions left out: unknown view",
    ]
    clips = records(made)
    assert {key: clip["annotated"]["emotion"] for key, clip in clips.items()} == {
        "mmi/S001/S001-001": "anger",
        "mmi/S001/S001-002": "disgust",
        "mmi/S001/S001-003": "fear",
        "mmi/S002/S002-004": "happiness",
        "mmi/S002/S002-005": "sadness",
        "mmi/S002/S002-006": "surprise",
    }
    for key, clip in clips.items():
        assert list(clip["frame_numbers"]) == list(range(10))
        assert (clip["corpus"], clip["subject"]) == ("mmi", key.rpartition("/")[0])
        assert (clip["kind"], clip["fps"], clip["modality"]) == ("macro", 24, "color")
        assert clip["annotation_version"] == "XML, 14 sessions"
        assert clip["annotated"] == {
            **{"emotion": clip["annotated"]["emotion"], "action_units": ""},
            **{"onset": "0", "apex": "", "offset": "9", "apex_source": "middle"},
            **{"onset_index": 0, "apex_index": 4, "offset_index": 9},
        }
        assert clip["repaired"] == clip["annotated"] and not clip["synthetic"]
        dual = ["dual view: a frame shows the face from the front and in profile"]
        assert clip["issues"] == (dual if key.endswith("006") else [])
        assert all(png.startswith(b"\x89PNG") for png in clip["frames"])
    decoded = records(made, encoded=False)["mmi/S002/S002-004"]["frames"]
    reds = [frame.mean((0, 1)) for frame in decoded]
    np.testing.assert_allclose(reds, [(10 * n, 0, 0) for n in range(10)], atol=6)
    assert "Web-based database" in made.info.citation


def test_videos_are_decoded_one_by_one(root, monkeypatch):
    write_session(root, 1)
    write_session(root, 2, "S001-002")
    opened = []
    monkeypatch.setattr(release.video, "decode", lambda path: opened.append(path) or {})
    films = release.find_films(root).films
    assert opened == []
    films[1].frames()
    assert [path.name for path in opened] == ["S001-002.avi"]


@pytest.mark.parametrize("below", ["", "Sessions", "Sessions/12"])
def test_the_release_may_be_given_at_any_height(root, below):
    write_session(root, 12)
    write_session(root / "Sessions" / "12" / "Sessions", 13, "s2-7")
    assert keys(release.find_films(root / below)) == [
        "mmi/S001/S001-001",
        "mmi/S002/S002-007",
    ]


def test_names_may_be_in_any_case(root):
    folder = write_session(root, 1, emotion=3)
    for old, new in (("avi", "AVI"), ("xml", "XML")):
        (folder / f"S001-001.{old}").rename(folder / f"s001-001.{new}")
    (folder / "session.xml").rename(folder / "Session.XML")
    assert keys(release.find_films(root)) == ["mmi/S001/S001-001"]


def test_two_clips_may_share_a_session(root):
    folder = write_session(root, 1, "S001-001")
    write_session(root, 1, "S001-002")
    tracks = (
        '<track filename="S001-002.avi" view="1"/>'
        '<annotation filename="S001-001.xml"/><track filename="s001-001.AVI" view="0"/>'
    )
    (folder / "session.xml").write_text(f"<session>{tracks}</session>")
    found = release.find_films(root)
    assert keys(found) == ["mmi/S001/S001-001"]
    assert found.lines[1:] == ["1 sessions left out: filmed in profile"]


@pytest.mark.parametrize(
    ("size", "view", "coded", "issue"),
    [
        ((72, 58), 0, False, ""),
        ((58, 72), 0, False, "upright frames, 58x72: turned by somebody"),
        ((720, 576), 0, False, "frontal, 720x576, no action units: others turn such"),
        ((720, 576), 0, True, ""),
        ((640, 480), 0, False, ""),
        ((720, 576), 2, False, "dual view"),
    ],
)
def test_frames_that_may_lie_on_their_side_are_told_and_left_alone(
    root, size, view, coded, issue
):
    folder = write_session(root, 1, view=view, size=size, levels=(0, 50))
    if coded:
        (folder / "S001-001-oao_aucs.xml").write_text("<ActionUnits/>")
    (film,) = release.find_films(root).films
    assert len(film.issues) == bool(issue)
    assert issue in "".join(film.issues)
    image = cv2.imdecode(np.frombuffer(film.frames()[0], np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (size[1], size[0], 3)


def test_without_a_rate_in_the_video_one_is_assumed_and_told(root, monkeypatch):
    write_session(root, 1)
    probe = video.probe
    monkeypatch.setattr(
        release.video, "probe", lambda path: probe(path)._replace(fps=None)
    )
    (film,) = release.find_films(root).films
    assert film.fps == 25 and film.issues == ("fps not in the video: 25 assumed",)


# Metadata.


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<M><Metatag Name="Emotion" Value="4"/></M>', 4),
        ('<M><a:metatag xmlns:a="x" NAME=" emotion " value=" 06 "/></M>', 6),
        ('<M><A><B><Metatag Name="Emotion" Value="12"/></B></A></M>', 12),
        ("<M>" + '<Metatag Name="Emotion" Value="1"/>' * 2 + "</M>", 1),
        ('<M><Metatag Name="Emotion" Value="-1"/></M>', -1),
        ('<M><Metatag Name="Emotion" Value=" "/></M>', None),
        ('<M><Metatag Name="Emotion"/></M>', None),
        ('<M><Metatag Name="Emotional" Value="4"/><Emotion Value="4"/></M>', None),
    ],
)
def test_an_emotion_is_read_wherever_it_stands(tmp_path, text, code):
    path = tmp_path / "S001-001.xml"
    path.write_text(text)
    assert metadata.read_emotion(path) == code


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("cp1252", "windows-1252"),
        ("latin-1", None),  # and so not what it should be
        ("latin-1", "utf-8"),
        ("utf-8-sig", "latin-1"),
        ("utf-8", "utf-16"),
        ("utf-8", "gb2312"),
        ("utf-8", "of-our-own"),
    ],
)
def test_any_encoding_will_do(tmp_path, encoding, declared):
    path = tmp_path / "S001-001.xml"
    head = f'<?xml version="1.0" encoding="{declared}"?>\n' if declared else "\n"
    path.write_bytes((head + CLIP.format(5)).encode(encoding))
    assert metadata.read_emotion(path) == 5


@pytest.mark.parametrize(
    ("tracks", "view"),
    [
        ('<track view="2"/>', "2"),
        ('<Track View=" 0 "/><track view="1"/>', "0"),
        ('<track filename="x.wav"/><track view="1"/>', "1"),
        ('<track filename="x.avi" view="1"/><track filename="C.MPG" view="0"/>', "0"),
        ("<track/>", ""),
        ('<session view="0"/>', ""),
    ],
)
def test_the_view_is_that_of_the_track(tmp_path, tracks, view):
    path = tmp_path / "session.xml"
    path.write_text(f"<session>{tracks}</session>")
    assert metadata.read_view(path, "c") == view


BOMB = "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">'
    for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        f'<!DOCTYPE M [<!ENTITY a "aaaaaaaaaa">{BOMB}]><M>&i;</M>',
        '<!DOCTYPE M [<!ENTITY a SYSTEM "file:///etc/passwd">]><M>&a;</M>',
        '<!DOCTYPE M SYSTEM "http://localhost/x.dtd"><M/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE M><M/>',
    ],
)
@pytest.mark.parametrize("name", ["S001-001.xml", "session.xml"])
def test_a_document_type_is_refused_before_it_expands(root, text, name):
    folder = write_session(root, 1)
    (folder / name).write_text(text)
    message = errors(root)
    assert f"{folder / name}: it has a document type (<!DOCTYPE)" in message


@pytest.mark.parametrize(
    "content", [b"", b"no XML", b"<M><Metatag", b"<M>&x;</M>", b"\x00\xff\xfe" * 9]
)
@pytest.mark.parametrize("name", ["S001-001.xml", "session.xml"])
def test_broken_metadata_name_their_file(root, content, name):
    folder = write_session(root, 1)
    (folder / name).write_bytes(content)
    message = errors(root)
    assert "1 problem(s)" in message and f"{folder / name} is no XML (" in message


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_mangled_metadata_are_read_or_refused(tmp_path_factory, junk, start, length):
    path = tmp_path_factory.mktemp("xml") / "S001-001.xml"
    text = CLIP.format(3).encode()
    path.write_bytes(text[:start] + junk + text[start + length :])
    try:
        code = metadata.read_emotion(path)
    except ReleaseError as error:
        assert str(path) in str(error)
    else:
        assert code is None or isinstance(code, int)


# Bad releases.


@pytest.mark.parametrize("value", ["happy", "4.0", "4 5", "1e3", "9" * 5000])
def test_an_emotion_that_is_no_number_names_its_file(root, value):
    folder = write_session(root, 1, emotion=value)
    message = errors(root)
    assert f"{folder / 'S001-001.xml'}: emotion '{value[:9]}" in message


def test_all_that_is_wrong_is_told_at_once(root):
    write_session(root, 1, "S001-001")
    write_session(root, 2, "S002-001", "joy")
    broken = write_session(root, 3, "S003-001") / "S003-001.avi"
    broken.write_bytes(b"RIFF, but no more than that")
    several = write_session(root, 4, "S004-001") / "S004-001.xml"
    several.write_text(
        '<M><Metatag Name="Emotion" Value="1"/><Metatag Name="Emotion" Value="2"/></M>'
    )
    two = write_session(root, 6, "S006-001")
    (two / "S006-001.avi").with_suffix(".mp4").write_bytes(b"")
    again = [write_session(root, n, "S007-001") / "S007-001.xml" for n in (7, 8)]
    message = errors(root)
    assert "5 problem(s)" in message
    assert "S002-001.xml: emotion 'joy'" in message
    assert f"{broken} cannot be read as a video" in message
    assert f"{several}: several emotions, 1, 2" in message
    assert f"S006-001 has more than one video: {two / 'S006-001.avi'} and " in message
    assert f"S007/S007-001 more than once: {again[0]} and {again[1]}" in message


def test_what_is_wrong_with_sessions_that_are_left_out_does_not_matter(root):
    write_session(root, 1)
    other = write_session(root, 2, "S002-001", 9)
    (other / "S002-001.avi").write_bytes(b"")
    assert keys(release.find_films(root)) == ["mmi/S001/S001-001"]


def test_a_release_without_a_fit_session_is_an_error(root, tmp_path):
    write_session(root, 1, emotion=9)
    with pytest.raises(ReleaseError, match="no clip found for mmi/sessions"):
        prepare(Builder, root, tmp_path / "data")


def test_nothing_outside_of_the_release_is_read(root, tmp_path):
    folder = write_session(root, 1)
    outside = write_session(tmp_path / "elsewhere", 2, "S002-001")
    (root / "Sessions" / "2").symlink_to(outside, target_is_directory=True)
    for path in outside.iterdir():
        if path.name != "session.xml":
            (folder / path.name).symlink_to(path)
    assert keys(release.find_films(root)) == ["mmi/S001/S001-001"]


# A twin, written by somebody else from the same description.


def test_a_small_twin_is_read_as_it_was_meant(tmp_path):
    twin = tmp_path / "twin"
    with tiles.instead_of_faces():
        fake_release.write_release(twin, subjects=3, seed=0)
    clips = records(prepare(Builder, twin, tmp_path / "data"))
    expected = {}
    for video_file in sorted(twin.rglob("S*.avi")):
        session = video_file.with_name("session.xml").read_text()
        view = re.search(r'<track[^>]*?view="(\d)"', session)[1]
        about = video_file.with_suffix(".xml").read_text()
        tag = re.search(r'Name="Emotion" Value="(\d+)"', about)
        if tag and 1 <= int(tag[1]) <= 6 and view in "02":
            name = video_file.stem
            expected[f"mmi/{name[:4]}/{name}"] = int(tag[1]), view
    assert clips.keys() == expected.keys() and len(clips) > 2
    words = "anger disgust fear happiness sadness surprise".split()
    for key, (code, view) in expected.items():
        clip = clips[key]
        assert clip["annotated"]["emotion"] == words[code - 1]
        assert ("dual view" in "".join(clip["issues"])) == (view == "2")
        last = len(clip["frames"]) - 1
        assert clip["annotated"]["apex_source"] == "middle"
        assert clip["annotated"]["apex_index"] == last // 2
        assert clip["annotated"]["offset_index"] == last
        assert clip["synthetic"]
