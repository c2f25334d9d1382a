"""Tests for mer_jax/data/doctor.py: each fault is found, and none is invented."""

import importlib
import io
import os
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from datasets_tfds.film import Film, example
from datasets_tfds.repairs import Repair
from mer_jax.data import doctor
from mer_jax.data.builders import builder_class, names
from mer_jax.data.counts import counts_of
from mer_jax.data.doctor import examine
from mer_jax.data.findings import ERRORS, NOTES, of_clip
from mer_jax.data.protocols import Protocol
from mer_jax.errors import UserError
from mer_jax.preprocess.align import TEMPLATE
from mer_jax.preprocess.landmarks import VARIABLE, Landmarker
from tests import tiles
from tests.data import releases
from tests.datasets_tfds.releases import (
    casme2_row,
    picture,
    write_casme2,
    write_frames,
)

ABOUT_ALL = {"remark", "faces", "annotation", "counts", "counts differ"}


def silent(what, done, total):
    pass


def checkups(name, folder, *, landmarks=None, save=None):
    done = examine(name, folder, landmarks=landmarks, save=save, progress=silent)
    return {checkup.config: checkup for checkup in done}


def told(checkup):
    """Findings on clips and frames: (kind, about, text, error)."""
    return [tuple(f) for f in checkup.findings if f.kind not in ABOUT_ALL]


class Release:
    """A release of three clips with nothing wrong: frames 46 to 56, apex 50."""

    def __init__(self, folder):
        self.folder = folder
        self.rows = {
            name: ["01", name, 46, 50, 56, "happiness", 12]
            for name in ("EP02_01f", "EP03_02", "EP04_01")
        }
        self.frames = {
            name: write_frames(
                folder / "Cropped/sub01" / name, range(46, 57), "reg_img{}.jpg"
            )
            for name in self.rows
        }

    def set(self, **cells):
        """Changes cells of the first row."""
        columns = ("subject", "clip", "onset", "apex", "offset", "emotion", "units")
        for column, cell in cells.items():
            self.rows["EP02_01f"][columns.index(column)] = cell

    def checkup(self, **options):
        rows = [casme2_row(*row) for row in self.rows.values()]
        write_casme2(self.folder / "CASME2-coding-20140508.xlsx", rows)
        return checkups("casme2/cropped", self.folder, **options)["casme2/cropped"]


KEY = "casme2/sub01/EP02_01f"


@pytest.fixture
def release(tmp_path):
    return Release(tmp_path / "release")


def test_a_sound_release_has_no_findings_on_clips(release):
    checkup = release.checkup()
    assert told(checkup) == []
    assert (checkup.clips, checkup.subjects, checkup.frames) == (3, 1, 33)
    assert checkup.annotations == ("CASME2-coding-20140508.xlsx, 3 rows",)
    assert not checkup.synthetic
    kinds = Counter(f.kind for f in checkup.findings)
    assert kinds == {"remark": 2, "faces": 1, "counts differ": 3, "annotation": 1}
    assert checkup.errors == 3  # the counts of three protocols


@pytest.mark.parametrize(
    ("cells", "kind", "text", "error"),
    [
        ({"onset": 40}, "no onset", "onset 40 has no frame: 46 taken", True),
        ({"onset": "?"}, "no onset", "onset '?' is no frame number: 46 taken", True),
        ({"apex": "/"}, "no apex", "apex '/' is no frame number: middle taken", True),
        ({"apex": 57}, "apex outside", "apex 57 outside of 46..56: middle taken", True),
        ({"apex": 46}, "apex is onset", "apex 46 is the onset", False),
        ({"apex": 56}, "apex is offset", "apex 56 is the offset", False),
        (
            {"offset": 60},
            "no offset",
            "offset 60 has no frame: 56 taken (the apex is annotated)",
            False,
        ),
        ({"onset": 57}, "onset after offset", "onset 57 after offset 56", True),
    ],
)
def test_an_odd_annotation_is_that_finding_alone(release, cells, kind, text, error):
    release.set(**cells)
    assert told(release.checkup()) == [(kind, KEY, text, error)]


def test_an_offset_counts_where_the_apex_depends_on_it(release):
    release.set(apex="/", offset="?")
    found = {(kind, error) for kind, _, _, error in told(release.checkup())}
    assert found == {("no apex", True), ("no offset", True)}


def test_a_corrupt_frame(release):
    release.frames["EP02_01f"][48].write_bytes(b"")
    (finding,) = told(release.checkup())
    assert finding[:2] == ("corrupt frame", KEY) and finding[3]
    assert finding[2].startswith("frame 48 left out: no image")


def test_a_gap(release):
    release.frames["EP02_01f"][48].unlink()
    text = "1 frame numbers between 46 and 56 absent"
    assert told(release.checkup()) == [("gap", KEY, text, True)]


def test_frames_of_two_sizes(release):
    release.frames["EP02_01f"][48].write_bytes(picture("x", size=(8, 4)))
    text = "10 of 6x4, 1 of 8x4 px"
    assert told(release.checkup()) == [("frame sizes", KEY, text, True)]


def test_a_clip_without_one_good_frame_is_refused(release):
    for path in release.frames["EP02_01f"].values():
        path.write_bytes(b"broken")
    checkup = release.checkup()
    (finding,) = told(checkup)
    assert finding[:2] == ("refused", KEY) and finding[3]
    assert finding[2].startswith("not one of 11 frames can be used (no image")
    assert checkup.clips == 2


def test_frames_of_another_clip_are_refused(release):
    release.set(onset=146, apex=150, offset=156)
    text = "annotated from 146 to 156, but frames 46..56 on disk"
    assert told(release.checkup()) == [("refused", KEY, text, True)]


@pytest.mark.parametrize(
    ("offset", "apex", "text"),
    [
        (147, 100, "0.505 s (over 0.5), from onset to apex 0.270 s (over 0.26)"),
        (147, 98, None),  # 0.26 s to the apex
        (146, 100, None),  # 0.5 s in all
        (147, "/", "0.505 s (over 0.5), from onset to apex unknown"),
    ],
)
def test_too_long_for_a_micro_expression(release, offset, apex, text):
    folder = release.folder / "Cropped/sub01/EP02_01f"
    write_frames(folder, range(57, 148), "reg_img{}.jpg")
    release.set(offset=offset, apex=apex)
    long = [finding for finding in told(release.checkup()) if finding[0] == "too long"]
    assert long == ([("too long", KEY, text, False)] if text else [])


def test_what_has_no_partner(release):
    release.rows["EP05_01"] = ["01", "EP05_01", 46, 50, 56, "disgust", 4]
    del release.rows["EP04_01"]
    rows = "2 of 3 annotated clips have frames; without: sub01/EP05_01"
    assert told(release.checkup()) == [
        ("rows without frames", "", rows, True),
        ("folders without a row", "", "folders without a row: sub01/EP04_01", False),
    ]


def test_names_that_are_not_utf8_can_be_printed(release):
    stray = release.folder / "Cropped/sub01" / os.fsdecode(b"EP\xff")
    write_frames(stray, range(3), "reg_img{}.jpg")
    ((kind, _, text, _),) = told(release.checkup())
    assert kind == "folders without a row" and text.endswith("sub01/EP\\udcff")
    text.encode()


def test_all_that_is_refused_is_told_line_by_line(release):
    release.set(subject="x")
    release.rows["again"] = release.rows["EP03_02"]
    again = release.folder / "Copy/sub01/EP04_01"
    write_frames(again, range(46, 57), "reg_img{}.jpg")
    findings = told(release.checkup())
    assert [(kind, error) for kind, _, _, error in findings] == [("refused", True)] * 3
    texts = " ".join(text for _, _, text, _ in findings)
    for part in ("subject 'x'", "ep03_02 more than once", "ep04_01 more than once"):
        assert part in texts


def test_two_clips_of_one_key(release, monkeypatch):
    builder = builder_class("casme2")
    find = builder.find

    def twice(self, root):
        found = find(self, root)
        return found._replace(films=[*found.films, found.films[0]])

    monkeypatch.setattr(builder, "find", twice)
    text = "2 clips have this key"
    assert told(release.checkup()) == [("duplicate key", KEY, text, True)]


MENDED = "casme2/sub05/EP05_03"


@pytest.mark.parametrize(
    ("units", "kind", "head"),
    [
        ("?", "repair", "made: action_units '?' -> '16+24'"),
        ("16+24", "repair", "not needed, the release says so already"),
        ("9", "repair not made", "not made, the release says '9'"),
    ],
)
def test_repairs_and_why_they_were_not_made(release, units, kind, head):
    folder = release.folder / "Cropped/sub05/EP05_03"
    write_frames(folder, range(1, 9), "reg_img{}.jpg")
    release.rows["EP05_03"] = ["05", "EP05_03", 1, 4, 8, "others", units]
    (finding,) = told(release.checkup())
    assert finding[:2] == (kind, MENDED) and finding[2].startswith(head)
    assert finding[3] == (kind == "repair not made")


def test_what_a_repair_mends_is_a_note(release):
    folder = release.folder / "Cropped/sub04/EP12_01f"
    write_frames(folder, range(261, 322), "reg_img{}.jpg")
    release.rows["EP12_01f"] = ["04", "EP12_01f", 261, "/", 321, "disgust", 4]
    apex, repair = told(release.checkup())
    text = "apex '/' is no frame number: middle taken (a repair mends it)"
    assert apex == ("no apex", "casme2/sub04/EP12_01f", text, False)
    assert repair[0] == "repair" and repair[2].startswith("made: apex '/' -> '279'")


@pytest.mark.parametrize("absent", [70, 49])
def test_a_gap_outside_of_the_mended_clip_is_a_note(tmp_path, absent):
    numbers = [n for n in range(46, 81) if n != absent]
    frames = write_frames(tmp_path, numbers)
    reading = {"onset": "46", "apex": "50", "offset": "80"}
    written = reading | {"emotion": "joy", "action_units": ""}
    film = Film("toy", "s", "c", written, frames, 200.0, "v")
    typo = Repair("toy", "s", "c", "offset", "80", "56", "a typo", "us")
    record = example(film, [typo], synthetic=False)
    gap, mended = of_clip(film, record)
    assert (gap.kind, mended.kind) == ("gap", "repair")
    assert gap.error == (absent == 49)
    assert ("none of them from onset to offset" in gap.text) == (absent == 70)


def test_a_frame_that_only_opencv_refuses(release, monkeypatch):
    def refuse(*_, **__):
        raise UserError("this frame is no picture")

    monkeypatch.setattr(doctor, "strip_of", refuse)
    found = told(release.checkup(save=lambda *_: None))
    assert [finding[0] for finding in found] == ["corrupt frame"] * 3
    assert found[0][2:] == ("this frame is no picture", True)


def face(frame):
    """Landmarks where the template has them, in a frame of any size."""
    points = np.zeros((478, 2), np.float32)
    for number, place in TEMPLATE.items():
        points[number] = np.array(place) / 224 * frame.shape[1::-1]
    return points


def test_faces_are_looked_for_only_with_a_model(release):
    (faces,) = [f for f in release.checkup().findings if f.kind == "faces"]
    assert not faces.error and "not looked for" in faces.text
    seen = release.checkup(landmarks=face)
    assert told(seen) == [] and not [f for f in seen.findings if f.kind == "faces"]
    blind = told(release.checkup(landmarks=lambda frame: None))
    assert [(kind, error) for kind, _, _, error in blind] == [("no face", True)] * 3


@pytest.mark.parametrize("landmarks", [None, face, lambda frame: None])
def test_each_subject_has_a_sheet_of_all_its_clips(release, landmarks):
    for clip in ("EP01_01", "EP01_02f"):
        release.rows[clip] = ["02", clip, 1, 2, 3, "disgust", 4]
        folder = release.folder / "Cropped/sub02" / clip
        write_frames(folder, (1, 2, 3), "reg_img{}.jpg")
    sheets = {}
    release.checkup(
        landmarks=landmarks,
        save=lambda config, subject, png: sheets.update({(config, subject): png}),
    )
    assert list(sheets) == [
        ("casme2/cropped", "casme2/sub01"),
        ("casme2/cropped", "casme2/sub02"),
    ]
    three, two = (Image.open(io.BytesIO(png)) for png in sheets.values())
    assert three.width == two.width and three.height > two.height  # two in a row


def test_a_config_without_clips_is_one_note(release):
    release.checkup()
    found = checkups("casme2", release.folder)
    assert [len(found[c].findings) for c in found][1:] == [1, 1, 1]
    nothing = {c: found[c].findings[0] for c in list(found)[1:]}
    assert {f.kind for f in nothing.values()} == {"nothing"}
    assert nothing["casme2/cropped-2019"].text == "no annotation of 2019"
    assert nothing["casme2/raw"].text == "no clip found"
    assert not any(finding.error for finding in nothing.values())


def test_a_config_that_was_asked_for_must_have_clips(release):
    release.checkup()
    for config in ("casme2/cropped-2019", "casme2/raw"):
        checkup = checkups(config, release.folder)[config]
        assert checkup.errors >= 1
        assert {f.kind for f in checkup.findings} == {"refused"}


FILMED = [n for n in names() if hasattr(builder_class(n), "find")]


@pytest.mark.parametrize("name", FILMED)
def test_an_empty_folder_is_an_error_for_every_corpus(name, tmp_path):
    found = checkups(name, tmp_path)
    assert len(found) == len(builder_class(name).BUILDER_CONFIGS)
    for checkup in found.values():
        assert checkup.errors >= 1
        # So that it becomes a note where another config has clips.
        from datasets_tfds.kinds import kind_of

        first = checkup.findings[0]
        assert first.kind == "refused"
        assert first.text == "no clip found" or kind_of(first.text) == "no annotation"


def test_other_corpora_and_folders_are_refused(tmp_path):
    with pytest.raises(
        UserError, match="no release of filmed clips; those are: .*samm"
    ):
        checkups("megc2019_flow", tmp_path)
    with pytest.raises(UserError, match="no folder .*gone"):
        checkups("casme2", tmp_path / "gone")
    with pytest.raises(UserError, match="has no config 'x'"):
        checkups("casme2/x", tmp_path)


def test_nothing_is_written(release, monkeypatch, tmp_path):
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    release.checkup()
    before = sorted(tmp_path.rglob("*"))
    release.checkup()
    assert sorted(tmp_path.rglob("*")) == before


# Counts.


def clips_of(protocol, corpus):
    listed = Protocol(name=protocol).definition().listed
    return [
        {
            "key": key,
            "corpus": corpus,
            "subject": key.rpartition("/")[0],
            "synthetic": False,
            "annotated": {"emotion": "whatever"},
        }
        for key in listed
        if key.startswith(f"{corpus}/")
    ]


def test_counts_are_held_against_the_published_ones():
    clips = clips_of("cde3", "samm")
    counts = {count.protocol: count for count in counts_of(clips, "full")}
    assert set(counts) == {"cde3", "samm_5", "samm_5_alt"}
    cde = counts["cde3"]
    assert cde.complete and not cde.differs
    assert cde.classes == cde.published == dict(negative=92, positive=26, surprise=15)
    assert str(cde) == "as published: 133 clips of 28 subjects"
    assert counts["samm_5"].differs  # not one has an emotion of its


def test_a_clip_less_is_named():
    gone = "samm/006/006_1_2"
    clips = [c for c in clips_of("cde3", "samm") if c["key"] != gone]
    (count,) = [c for c in counts_of(clips, "full") if c.protocol == "cde3"]
    assert count.missing == (gone,) and count.differs and not count.complete
    assert str(count) == (
        "132 clips: 91 of 92 negative; not in the release: samm/006/006_1_2"
    )


def test_only_protocols_of_this_config_are_asked():
    clips = clips_of("cde3", "casme2")
    later = {count.protocol for count in counts_of(clips, "cropped-2019")}
    assert later == {"casme2_5_2019"}


def test_every_kind_is_an_error_or_a_note():
    assert not ERRORS.keys() & NOTES.keys()
    assert ABOUT_ALL <= ERRORS.keys() | NOTES.keys()


# Twins: the odd rows that were published, and nothing else.

SMALL = {
    "casme2/cropped": [
        ("no apex", "sub04/EP12_01f"),
        ("repair", "sub04/EP12_01f"),
        ("repair", "sub05/EP05_03"),
        ("repair", "sub05/EP07_01"),
        ("apex is onset", "sub05/EP09_05f"),
        ("repair", "sub05/EP09_05f"),
        ("repair", "sub05/EP13_04f"),
        ("apex is offset", "sub05/EP16_04f"),
    ],
    "samm/full": [
        ("apex outside", "028/028_4_1"),
        ("repair", "028/028_4_1"),
        ("apex outside", "032/032_3_1"),
        ("repair", "032/032_3_1"),
        ("repair", "032/032_3_2"),
    ],
    "smic/hs": [],
    "smic/vis": [],
    "smic/nir": [],
}
FULL = SMALL | {
    "casme2/cropped": [
        *SMALL["casme2/cropped"],
        ("repair", "sub07/EP06_01"),
        ("apex is offset", "sub12/EP09_06"),
        ("no offset", "sub16/EP01_08"),
        ("repair", "sub19/EP11_01f"),
        ("apex is offset", "sub20/EP16_01"),
        ("too long", "sub23/EP12_03"),
        ("apex is offset", "sub25/EP18_04f"),
        ("repair", "sub26/EP13_01"),
    ],
}


def twin(corpus, folder, subjects):
    writer = importlib.import_module(f"datasets_tfds.{corpus}.fake_release")
    with tiles.instead_of_faces():
        writer.write_release(folder, subjects=subjects)
    return folder


def by_clip(checkup, corpus):
    return [
        (kind, about.removeprefix(f"{corpus}/")) for kind, about, *_ in told(checkup)
    ]


@pytest.mark.parametrize("config", SMALL)
def test_a_small_twin_has_its_odd_rows_and_no_others(config, tmp_path):
    corpus = config.partition("/")[0]
    checkup = checkups(config, twin(corpus, tmp_path / "twin", 4))[config]
    assert checkup.synthetic and by_clip(checkup, corpus) == SMALL[config]
    assert {f.kind for f in checkup.findings if f.error} == {"counts differ"}


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["casme2", "samm", "smic"])
def test_a_full_twin_has_its_odd_rows_and_the_published_counts(corpus, tmp_path):
    for config, checkup in checkups(corpus, twin(corpus, tmp_path / "t", None)).items():
        if config in FULL:
            assert by_clip(checkup, corpus) == FULL[config]
            assert all(count.complete for count in checkup.counts) and checkup.counts
        assert {f.kind for f in checkup.findings if f.error} <= {"no offset"}


def test_videos_are_examined_too(tmp_path):
    folder = twin("custom", tmp_path / "twin", 4)
    checkup = checkups("custom", folder)["custom/clips"]
    assert (checkup.clips, checkup.subjects) == (20, 4)
    kinds = Counter(kind for kind, *_ in told(checkup))
    assert kinds == {"no apex": 7, "too long": 1}


def test_a_release_of_ones_own_is_sound(tmp_path):
    checkup = checkups("custom", releases.write(tmp_path / "own"))["custom/clips"]
    assert told(checkup) == [] and checkup.errors == 0 and checkup.clips == 6


@pytest.mark.slow
@pytest.mark.skipif(VARIABLE not in os.environ, reason="no face landmarker at hand")
def test_drawn_faces_are_found_and_tiles_are_not(tmp_path):
    from datasets_tfds.custom.fake_release import write_release

    write_release(tmp_path / "faces", subjects=2)
    walls = twin("custom", tmp_path / "walls", 2)
    sheets = []
    with Landmarker() as landmarks:
        save = lambda *sheet: sheets.append(sheet)
        seen = checkups("custom", tmp_path / "faces", landmarks=landmarks, save=save)
        blind = checkups("custom", walls, landmarks=landmarks)
    assert "no face" not in {kind for kind, *_ in told(seen["custom/clips"])}
    assert len(sheets) == 2
    kinds = Counter(kind for kind, *_ in told(blind["custom/clips"]))
    assert kinds["no face"] == blind["custom/clips"].clips == 10
