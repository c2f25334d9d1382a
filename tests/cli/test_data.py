"""Tests for mer_jax/cli/data.py: `mer data`, from an empty folder to a result."""

import json

import pytest

from tests.data import releases


@pytest.fixture
def own(tmp_path):
    """A release of one's own, its protocol, and an experiment that uses them."""
    release = releases.write(tmp_path / "release", subjects=3)
    protocol = releases.write_protocol(tmp_path, "subjects = 3\ncounts = [3, 3]")
    return release, protocol


@pytest.fixture
def fresh(monkeypatch, tmp_path, mer):
    """`mer` with a cache of its own: what others prepared must not be found."""
    monkeypatch.setenv("MER_CACHE", str(tmp_path / "cache"))
    return mer


def test_a_release_is_prepared_summarised_and_listed(fresh, own, tmp_path):
    release, _ = own
    done = fresh("data", "prepare", "custom", "--release", release)
    assert "custom/clips: 6 clips, 3 subjects\n" in done.stdout
    assert "3 happiness, 3 anger" in done.stdout
    assert "annotation clips.csv, 6 rows" in done.stdout
    listed = fresh("data", "list").stdout
    assert "prepared: custom/clips, 6 clips, 3 subjects, real release" in listed
    assert "cde3                 v1  MEGC2019" in listed
    told = json.loads(fresh("data", "list", "--json").stdout)
    (entry,) = [c for c in told["corpora"] if c["name"] == "custom"]
    assert entry["needs a release"] and entry["prepared"][0]["clips"] == 6
    assert told["protocols"]["casme2_5"]["version"] == 1


def test_the_summary_is_json_and_the_sheet_a_picture(fresh, own, tmp_path):
    sheet = tmp_path / "sheet.png"
    words = ("--release", own[0], "--sheet", sheet, "--json")
    facts = json.loads(fresh("data", "prepare", "custom", *words).stdout)
    assert facts["clips"] == 6 and facts["synthetic"] is False
    assert len(facts["issues"]) == 6 and "25 assumed" in facts["issues"][0]
    assert facts["without apex"] == 0 and facts["repairs"] == []
    assert sheet.read_bytes().startswith(b"\x89PNG")


def test_a_corpus_without_frames_has_no_sheet(mer, tmp_path):
    done = mer(
        "data", "prepare", "synthetic/tiny", "--sheet", tmp_path / "s.png", check=False
    )
    assert done.returncode == 0 and (tmp_path / "s.png").exists()


def test_an_experiment_runs_on_what_was_prepared(fresh, own):
    release, protocol = own
    fresh("data", "prepare", "custom", "--release", release)
    settings = (
        "data.corpora=custom",
        f"protocol.name={protocol}",
        "system.epochs=2",
        "system.size=28",
    )
    words = [word for text in settings for word in ("--set", text)]
    done = fresh("run", "ststnet_demo", *words, "--workdir", "w")
    assert "3 runs" in done.stderr
    report = json.loads(fresh("report", "w", "--json").stdout)
    (row,) = report["results"]
    assert row["synthetic"] is False and row["classes"] == ["calm", "cross"]
    assert row["protocol"]["name"] == "own2 v1, loso"
    assert row["protocol"]["rules"] == ["custom: all 6 clips"]


def test_a_leaky_division_runs_and_is_never_called_a_result(fresh, own):
    release, protocol = own
    fresh("data", "prepare", "custom", "--release", release)
    settings = (
        "data.corpora=custom",
        f"protocol.name={protocol}",
        "system.epochs=1",
        "protocol.division=5fold-leaky",
    )
    words = [word for text in settings for word in ("--set", text)]
    done = fresh("run", "ststnet_demo", *words, "--workdir", "w")
    assert "LEAKY: clips of one subject both train and test" in done.stdout
    (row,) = json.loads(fresh("report", "w", "--json").stdout)["results"]
    assert row["is_result"] is False and row["complete"] is True


def test_a_twin_is_stamped_wherever_its_scores_appear(fresh, tmp_path):
    releases.write(tmp_path / "twin", subjects=2, synthetic=True)
    protocol = releases.write_protocol(tmp_path, "subjects = 9\ncounts = [30, 30]")
    done = fresh("data", "prepare", "custom", "--release", tmp_path / "twin")
    assert "4 clips, 2 subjects, SYNTHETIC" in done.stdout
    assert "SYNTHETIC twin" in fresh("data", "list").stdout
    words = ("--set", "data.corpora=custom", "--set", f"protocol.name={protocol}")
    done = fresh("run", "ststnet_demo", *words, "--set", "system.epochs=1")
    assert "SYNTHETIC" in done.stdout
    assert "reduced: custom 4 of 60 published clips" in done.stdout


def test_a_real_release_that_is_not_the_published_one_is_refused(fresh, own, tmp_path):
    fresh("data", "prepare", "custom", "--release", own[0])
    (tmp_path / "more").mkdir()
    protocol = releases.write_protocol(tmp_path / "more", "counts = [4, 3]")
    words = ("--set", "data.corpora=custom", "--set", f"protocol.name={protocol}")
    done = fresh("plan", "ststnet_demo", *words, check=False)
    assert done.returncode == 1
    assert "does not have its published sample: custom 3 of 4 calm" in done.stderr
    assert "--set protocol.partial=true" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("prepare", "casme2"), "not free to redistribute"),
        (("prepare", "casme2", "--release", "gone"), "no folder"),
        (("prepare", "casme9"), "no corpus 'casme9'; there are: casme2"),
        (("synth", "casme9", "d"), "no twin of 'casme9'; there are: casme2"),
        (("synth", "casme2", "d", "--subjects", "99"), "between 1 and 26"),
        (("synth", "casme2", "d", "--subjects", "0"), "between 1 and 26"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(fresh, words, said):
    done = fresh("data", *words, check=False)
    assert done.returncode == 1
    assert "mer: " in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_not_empty_is_left_alone(fresh, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    done = fresh("data", "synth", "custom", "mine", "--subjects", "1", check=False)
    assert done.returncode == 1 and "mine" in done.stderr
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]
