"""Tests for mer_jax/cli/motion.py: `mer data motion`, as text, JSON and a picture."""

import json

import pytest

from tests.data import releases


@pytest.fixture
def fresh(monkeypatch, tmp_path, mer):
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    return mer


def prepare(mer, folder, *, kinds=("micro", "macro"), apex="2", synthetic=False):
    """Prepares clips that move alike, the first of each subject of the first kind."""
    releases.write(folder, apex=apex, synthetic=synthetic)
    header, *rows = (folder / "clips.csv").read_text().splitlines()
    rows = [f"{row},{kinds[i % len(kinds)]},50" for i, row in enumerate(rows)]
    (folder / "clips.csv").write_text("\n".join([f"{header},kind,fps", *rows]))
    mer("data", "prepare", "custom", "--release", folder)


WORDS = ("data", "motion", "custom", "--align", "center_crop", "--crop", 48)


def test_both_kinds_are_compared(fresh, tmp_path):
    prepare(fresh, tmp_path / "own")
    done = fresh(*WORDS, "--out", "motion.png")
    assert "micro-expressions of custom/clips, 50 fps\n" in done.stdout
    assert "macro-expressions of custom/clips, 50 fps\n" in done.stdout
    # All move alike, so macro-expressions reach it with the apex, the third frame.
    assert "pseudo-apex: frame 3, onset + 2; MoExt takes frame 5\n" in done.stdout
    assert "SYNTHETIC" not in done.stdout
    assert (tmp_path / "motion.png").read_bytes().startswith(b"\x89PNG")
    assert "motion of custom/clips" in done.stderr


def test_the_json_has_these_fields(fresh, tmp_path):
    prepare(fresh, tmp_path / "own", synthetic=True)
    facts = json.loads(fresh(*WORDS, "--frames", 4, "--json").stdout)
    curves = facts.pop("curves")
    at_apex = facts.pop("micro at apex")
    assert facts == {
        "corpora": "custom/clips",
        "synthetic": True,
        "without a face": [],
        "fps": {"micro": [50.0], "macro": [50.0]},
        "pseudo-apex": 3,
        "pseudo-apex of MoExt": 5,
        "missing": "",
        "crop": {"align": "center_crop", "size": 48},
    }
    assert set(curves) == {"micro", "macro"} and curves["micro"] == curves["macro"]
    micro = curves["micro"]
    assert micro["clips"] == [3] * 4 and micro["angle"][0] is None
    assert micro["magnitude"][0] == 0 < micro["magnitude"][1] < micro["magnitude"][3]
    assert at_apex == {"px": micro["magnitude"][2], "clips": 3}
    assert set(micro) == {"clips", "magnitude", "magnitude_error"} | {
        "angle",
        "angle_error",
    }


@pytest.mark.parametrize(
    ("kinds", "apex", "said"),
    [
        (["micro"], "2", "pseudo-apex: unknown, no macro-expressions here\n"),
        (["macro"], "2", "pseudo-apex: unknown, no micro-expressions here\n"),
        (["micro", "macro"], "", "no micro-expression here has an annotated apex\n"),
    ],
)
def test_what_is_missing_for_a_comparison_is_said(fresh, tmp_path, kinds, apex, said):
    prepare(fresh, tmp_path / "own", kinds=kinds, apex=apex, synthetic=True)
    done = fresh(*WORDS, "--frames", 3, "--out", "m.png")
    assert said in done.stdout
    assert done.stdout.startswith("SYNTHETIC: the motion of drawn faces")


def test_macro_expressions_that_never_move_so_far(fresh, tmp_path):
    prepare(fresh, tmp_path / "own", apex="3")
    done = fresh(*WORDS, "--frames", 3)
    assert "pseudo-apex: after frame 3; MoExt takes frame 5\n" in done.stdout


def test_a_crop_that_is_too_small_is_refused(fresh, tmp_path):
    prepare(fresh, tmp_path / "own")
    done = fresh("data", "motion", "custom", "--crop", 4, check=False)
    assert done.returncode == 1 and "a crop must be at least 16 px" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("custom",), "is not prepared"),
        (("custom", "custom"), "each once"),
        (("custom", "--frames", "1"), "--frames must be at least 2"),
    ],
)
def test_what_cannot_be_shown_is_said_without_a_traceback(fresh, words, said):
    done = fresh("data", "motion", *words, check=False)
    assert done.returncode == 1 and said in done.stderr
    assert "Traceback" not in done.stderr
