"""Tests for mer_jax/cli/doctor.py: `mer data doctor`, as text and as JSON."""

import json
import re

import pytest

from mer_jax.data.findings import ERRORS, NOTES
from mer_jax.preprocess.landmarks import VARIABLE
from tests.data import releases


@pytest.fixture
def fresh(monkeypatch, tmp_path, mer):
    """`mer` with an empty cache and no model at hand."""
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv(VARIABLE, raising=False)
    return mer


@pytest.fixture
def release(tmp_path):
    return releases.write(tmp_path / "release")


def test_a_sound_release_is_told_and_nothing_is_written(fresh, release, tmp_path):
    done = fresh("data", "doctor", "custom", "--release", release)
    assert done.returncode == 0 and not (tmp_path / "cache").exists()
    head, *lines = done.stdout.splitlines()
    assert head == "custom/clips: 6 clips, 3 subjects, 30 frames"
    assert "  note      7 remark" in lines
    assert "  note  faces: not looked for: no landmarker given" in lines
    assert any("custom/p0/c0: fps not in the table" in line for line in lines)
    assert "\x1b" not in done.stdout  # plain when piped
    assert "examining custom/clips" in done.stderr
    assert re.search(r"examined in \d+ s: 0 errors", done.stderr)


def test_an_error_is_the_exit_status_and_comes_first(fresh, release):
    (release / "frames/p1/c0/img1.png").write_bytes(b"")
    done = fresh("data", "doctor", "custom", "--release", release, check=False)
    assert done.returncode == 1
    _, first, *lines = done.stdout.splitlines()
    assert first == "  error     1 corrupt frame"
    errors = [line for line in lines if line.startswith("  error")]
    assert len(errors) == 1
    assert errors[0].startswith(
        "  error corrupt frame: custom/p1/c0: frame 1 left out: no image"
    )
    assert "1 error\n" in done.stderr


def test_the_json_has_these_fields(fresh, release):
    (release / "frames/p1/c0/img1.png").unlink()
    words = ("data", "doctor", "custom", "--release", release, "--json")
    done = fresh(*words, check=False)
    facts = json.loads(done.stdout)
    assert done.returncode == 1
    assert set(facts) == {"release", "faces", "errors", "configs"}
    assert facts["release"] == str(release) and facts["faces"] is False
    (one,) = facts["configs"]
    assert {k: type(v) for k, v in one.items()} == {
        **{"config": str, "synthetic": bool, "errors": int, "annotations": list},
        **{"clips": int, "subjects": int, "frames": int},
        **{"counts": list, "findings": list},
    }
    assert facts["errors"] == one["errors"] == 1
    (gap,) = [finding for finding in one["findings"] if finding["error"]]
    assert gap == {
        "kind": "gap",
        "about": "custom/p1/c0",
        "text": "1 frame numbers between 0 and 4 absent",
        "error": True,
    }


def test_counts_are_in_the_json(fresh, release):
    table = (release / "clips.csv").read_text().splitlines()
    rows = [f"{row},{'corpus' if i == 0 else 'samm'}" for i, row in enumerate(table)]
    (release / "clips.csv").write_text("\n".join(rows))
    words = ("data", "doctor", "custom", "--release", release, "--json")
    (one,) = json.loads(fresh(*words, check=False).stdout)["configs"]
    (count,) = [c for c in one["counts"] if c["protocol"] == "samm_5"]
    assert count == {
        "protocol": "samm_5",
        "classes": {"anger": 3, "contempt": 0, "happiness": 3} | OTHERS,
        "published": {"anger": 57, "contempt": 12, "happiness": 26}
        | {"surprise": 15, "other": 26},
        "subjects": 3,
        "published_subjects": 27,
        "missing": [],
        "complete": False,
    }


OTHERS = {"surprise": 0, "other": 0}


def test_sheets_are_written_by_config_and_subject(fresh, release, tmp_path):
    words = ("--release", release, "--sheets", "sheets")
    done = fresh("data", "doctor", "custom", *words)
    found = sorted(
        p.relative_to(tmp_path / "sheets") for p in (tmp_path / "sheets").rglob("*.png")
    )
    assert [str(path) for path in found] == [
        f"custom-clips/custom-p{n}.png" for n in range(3)
    ]
    assert "contact sheets: sheets" in done.stderr


@pytest.mark.parametrize("by", ["flag", "variable"])
def test_a_model_that_was_named_must_be_one(fresh, release, monkeypatch, tmp_path, by):
    (tmp_path / "placeholder").write_text("no model")
    words = ["data", "doctor", "custom", "--release", release]
    if by == "flag":
        words += ["--landmarker", "placeholder"]
    else:
        monkeypatch.setenv(VARIABLE, "placeholder")
    done = fresh(*words, check=False)
    assert done.returncode == 1 and "is not the face landmarker" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("casme9", "--release", "."), "no corpus 'casme9'; there are: casme2"),
        (("casme2", "--release", "gone"), "no folder"),
        (("synthetic", "--release", "."), "no release of filmed clips"),
    ],
)
def test_what_cannot_be_examined_is_said_without_a_traceback(fresh, words, said):
    done = fresh("data", "doctor", *words, check=False)
    assert done.returncode == 1 and said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_help_names_every_kind(fresh):
    done = fresh("data", "doctor", "--help")
    text = " ".join(done.stdout.split())
    errors = text.partition("Errors: ")[2].partition("Notes: ")[0]
    notes = text.partition("Notes: ")[2]
    assert not [kind for kind in ERRORS if kind not in errors]
    assert not [kind for kind in NOTES if kind not in notes]
