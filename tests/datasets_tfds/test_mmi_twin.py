from collections import Counter
from xml.etree import ElementTree

import cv2
import pytest

from datasets_tfds.mmi import fake_release
from tests import tiles


@pytest.fixture(scope="module")
def plan():
    return fake_release.plan()


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """The first three subjects."""
    folder = tmp_path_factory.mktemp("mmi") / "release"
    calls = []
    with tiles.instead_of_faces():
        fake_release.write_release(
            folder, subjects=3, progress=lambda *call: calls.append(call)
        )
    assert len(calls) == len([*sessions(folder)])
    return folder


def sessions(release):
    """Folders."""
    return sorted(f for f in (release / "Sessions").iterdir() if f.name.isdigit())


def described(folder):
    """What the files of a session say: view, emotion, action units coded, suffix."""
    about = ElementTree.parse(folder / "session.xml").getroot()
    track = about.find("track")
    names = [note.get("filename") for note in about.iter("annotation")]
    assert all((folder / name).exists() for name in names)
    recording = folder / track.get("filename")
    assert recording.exists()
    tags = ElementTree.parse(folder / f"{recording.stem}.xml").getroot()
    emotions = [
        tag.get("Value") for tag in tags.iter("Metatag") if tag.get("Name") == "Emotion"
    ]
    assert len(emotions) <= 1 and len(list(tags)) >= 3
    return (
        track.get("view"),
        emotions[0] if emotions else None,
        names[-1].endswith("-oao_aucs.xml"),
        recording.suffix,
    )


def frames(video):
    capture = cv2.VideoCapture(str(video))
    while (frame := capture.read())[0]:
        yield frame[1]
    capture.release()


def test_published_counts(plan):
    usable = [session for session in plan if session.usable]
    assert len(usable) == 205
    assert len({session.subject for session in usable}) == 30
    assert Counter(session.code for session in usable) == {
        **{"1": 31, "2": 32, "3": 28, "4": 42, "5": 32, "6": 40},
    }
    assert Counter(session.view for session in usable) == {
        **{"frontal": 125, "turned": 20, "dual": 60},
    }


def test_sessions_that_nobody_can_use(plan):
    others = [session for session in plan if not session.usable]
    assert Counter((s.code, s.view, s.suffix) for s in others) == {
        ("7", "frontal", "avi"): 4,
        ("8", "frontal", "avi"): 4,
        (None, "frontal", "avi"): 4,
        ("4", "profile", "avi"): 4,
        ("6", "frontal", "jpg"): 4,
    }
    useless = {s.subject for s in plan} - {s.subject for s in plan if s.usable}
    assert useless == {"S003", "S031"}


def test_numbers_and_names_are_unique(plan):
    assert len({session.number for session in plan}) == len(plan) == 225
    assert len({session.name for session in plan}) == 225


def test_first_subject_has_everything(release):
    found = [described(release / "Sessions" / str(n)) for n in range(101, 112)]
    assert {emotion for _, emotion, _, _ in found[:6]} == {*"123456"}
    assert {view for view, _, _, _ in found[:6]} == {"0", "2"}
    assert found[6:] == [
        ("0", "7", True, ".avi"),
        ("0", "8", True, ".avi"),
        ("0", None, True, ".avi"),
        ("1", "4", False, ".avi"),
        ("0", "6", False, ".jpg"),
    ]


def test_frontal_videos_without_action_units_are_turned(release):
    shapes = {True: set(), False: set()}
    for folder in sessions(release):
        view, _, coded, suffix = described(folder)
        if suffix == ".avi":
            (video,) = folder.glob("S*.avi")
            turned = view == "0" and not coded
            shapes[turned].add(next(frames(video)).shape)
    assert shapes == {True: {(180, 144, 3)}, False: {(144, 180, 3)}}


def test_videos(release, plan):
    lengths = {session.name: session.num_frames for session in plan}
    for folder in sessions(release):
        for video in folder.glob("S*.avi"):
            assert 12 <= len(list(frames(video))) == lengths[video.stem] <= 20
    video = cv2.VideoCapture(str(release / "Sessions/101/S001-001.avi"))
    assert video.get(cv2.CAP_PROP_FPS) == 25


def test_apex_is_near_the_middle(plan):
    places = [session.apex / (session.num_frames - 1) for session in plan]
    assert 0.35 < min(places) < 0.45 < 0.55 < max(places) < 0.65


def test_coded_action_units(release, plan):
    (coding,) = (release / "Sessions/101").glob("*-oao_aucs.xml")
    (session,) = (session for session in plan if session.name == "S001-001")
    units = list(ElementTree.parse(coding).getroot().iter("ActionUnit"))
    assert [unit.get("Number") for unit in units] == ["4", "7"]
    marks = {mark.get("Type"): int(mark.get("Frame")) for mark in units[0]}
    assert marks["Apex"] == session.apex + 1
    assert 1 < marks["Onset"] < marks["Apex"] < marks["Offset"] < session.num_frames


def test_one_video_is_of_real_size(plan):
    (session,) = (session for session in plan if session.name == "S032-002")
    assert fake_release.ORDER[-1] == "S032"
    assert (session.view, session.usable) == ("frontal", True)


def test_decoys(release):
    assert {"cover.jpg", "readme.txt", "New folder"} | tiles.DECOYS <= tiles.names(
        release
    )
    assert tiles.DECOYS | {"SYNTHETIC"} <= tiles.names(release / "Sessions")
    assert tiles.DECOYS | {"New folder"} <= tiles.names(release / "Sessions/101")
