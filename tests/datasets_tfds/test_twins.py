import hashlib
import importlib
import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets_tfds import twins, twins_film
from datasets_tfds.custom import fake_release as custom
from datasets_tfds.synthetic.streams import stream
from mer_jax.data import builders
from tests import tiles

CORPORA = builders.twins()  # a new folder joins by itself


def writer(corpus):
    return importlib.import_module(f"datasets_tfds.{corpus}.fake_release")


def digests(root):
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """One subject, filmed for real by other processes."""
    folder = tmp_path_factory.mktemp("twins") / "filmed"
    calls = []
    twin = custom.write_release(
        folder, subjects=1, seed=3, progress=lambda *call: calls.append(call)
    )
    return folder, twin, calls


def test_same_seed_same_files(filmed, tmp_path):
    folder, _, _ = filmed
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(twins_film, "WORKERS", 1)
        custom.write_release(tmp_path / "again", subjects=1, seed=3)
    assert digests(tmp_path / "again") == digests(folder)


def test_a_smaller_twin_is_a_part_of_a_larger_one(tmp_path):
    with tiles.instead_of_faces():
        for subjects in (1, 2):
            custom.write_release(tmp_path / str(subjects), subjects=subjects)
    smaller, larger = digests(tmp_path / "1"), digests(tmp_path / "2")
    frames = {name: smaller[name] for name in smaller if "p01" in name}
    assert len(frames) > 50
    assert frames.items() <= larger.items()


def test_what_was_written_is_told(filmed):
    folder, twin, calls = filmed
    assert (twin.corpus, twin.folder, twin.subjects, twin.clips) == (
        "custom",
        folder,
        1,
        5,
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert twin.megabytes == sum(path.stat().st_size for path in files) / 1e6
    assert calls == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]


def test_frames_show_a_face_that_moves(filmed):
    frames = sorted((filmed[0] / "clips/p01/c02").glob("frame_*.jpg"))
    onset, apex = (cv2.imread(str(frames[i])).astype(float) for i in (0, 8))
    assert onset.std() > 20
    assert 0.5 < np.abs(apex - onset).mean() < 10


@pytest.mark.parametrize("corpus", CORPORA)
def test_interrupted_leaves_nothing(corpus, tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with tiles.instead_of_faces(), pytest.raises(KeyboardInterrupt):
        writer(corpus).write_release(
            tmp_path / "twin", subjects=1, seed=0, progress=interrupt
        )
    assert list(tmp_path.iterdir()) == []


def test_interrupted_between_processes_leaves_nothing(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        custom.write_release(tmp_path / "twin", subjects=1, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_folder_with_something_in_it_is_refused(corpus, tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(ValueError, match=f"{tmp_path}.* not an empty folder"):
        writer(corpus).write_release(tmp_path, subjects=1)
    assert tiles.names(tmp_path) == {"thesis.tex"}


def test_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="not an empty folder"):
        custom.write_release(tmp_path / "file", subjects=1)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "twin").mkdir()
    with tiles.instead_of_faces():
        custom.write_release(tmp_path / "twin", subjects=1)
    assert "clips.csv" in tiles.names(tmp_path / "twin")
    assert tiles.names(tmp_path) == {"twin"}


@pytest.mark.parametrize(
    ("corpus", "most"),
    [
        *(("casme2", 26), ("samm", 29), ("smic", 16), ("custom", 12)),
        *(("casme3", 94), ("mmew", 30), ("ckplus", 123), ("mmi", 32)),
    ],
)
@pytest.mark.parametrize("excess", [1, 100])
def test_more_subjects_than_there_are(corpus, most, excess, tmp_path):
    with pytest.raises(ValueError, match=f"between 1 and {most}.*{most + excess}"):
        writer(corpus).write_release(tmp_path / "twin", subjects=most + excess)
    assert list(tmp_path.iterdir()) == []


def test_no_subject_at_all(tmp_path):
    with pytest.raises(ValueError, match="between 1 and 12"):
        custom.write_release(tmp_path / "twin", subjects=0)


@pytest.mark.parametrize("corpus", CORPORA)
def test_marked_wherever_a_user_may_point(corpus, tmp_path):
    root = tmp_path / "twin"
    with tiles.instead_of_faces():
        writer(corpus).write_release(root, subjects=1, seed=7)
    folders = [root, *(child for child in root.iterdir() if child.is_dir())]
    assert len(folders) > 2
    for folder in folders:
        facts = json.loads((folder / "SYNTHETIC").read_text())
        note = facts.pop("note")
        assert "says nothing about" in note
        assert facts == {
            "corpus": corpus,
            "subjects": 1,
            "seed": 7,
            "generator_version": 1,
        }


def test_writers_know_no_reader():
    modules = [f"datasets_tfds.{corpus}.fake_release" for corpus in CORPORA]
    script = f"import {', '.join(modules)}, sys; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    ours = {name for name in ran.stdout.split() if name.startswith("datasets_tfds.")}
    shared = {
        f"datasets_tfds.{name}" for name in ("twins", "twins_film", "twins_sheet")
    }
    known = ("datasets_tfds.synthetic", *shared)
    folders = {f"datasets_tfds.{corpus}" for corpus in CORPORA}
    rest = {name for name in ours - folders if not name.startswith(known)}
    assert rest >= {*modules}
    assert {name.split(".")[2].partition("_")[0] for name in rest} == {"fake"}


def test_published_labels():
    counts = {
        corpus: list(twins.published_labels(corpus).values())
        for corpus in ("casme2", "samm", "smic")
    }
    assert {
        corpus: tuple(labels.count(label) for label in (0, 1, 2))
        for corpus, labels in counts.items()
    } == {"casme2": (88, 32, 25), "samm": (92, 26, 15), "smic": (70, 51, 43)}
    assert twins.published_labels("casme2")["sub12", "EP09_06"] == 0


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.integers(0, 9))
def test_deal_meets_the_quotas(counts, seed):
    quotas = {f"v{i}": count for i, count in enumerate(counts)}
    keys = range(sum(counts))
    dealt = twins.deal(keys, quotas, stream(seed, "test"))
    assert list(dealt) == list(keys)
    assert {name: [*dealt.values()].count(name) for name in quotas} == quotas


def test_deal_of_too_few():
    with pytest.raises(ValueError):
        twins.deal([1, 2, 3], {"a": 2}, stream(0, "test"))


def test_in_turns():
    keys = [("b", "1"), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "2")]
    assert twins.in_turns(keys) == [
        ("a", "1"),
        ("b", "1"),
        ("a", "2"),
        ("b", "2"),
        ("a", "3"),
    ]


@pytest.mark.parametrize("corpus", ["casme2", "samm", "casme3", "mmew"])
def test_lock_file_is_no_workbook(corpus, tmp_path):
    with tiles.instead_of_faces():
        writer(corpus).write_release(tmp_path / "twin", subjects=1)
    locks = list(tmp_path.rglob("~$*.xlsx"))
    assert [lock.read_bytes()[:2] == b"PK" for lock in locks] == [False]
