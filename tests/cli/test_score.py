"""Tests for mer_jax/cli/score.py."""

import json

import pytest

from mer_jax.cli.score import HANDED_IN
from mer_jax.report import STAMP
from mer_jax.report.seeds import ONE_SEED
from mer_jax.report.tables import predictions_csv, report_json
from tests.report.made import row

SCORED = ("uf1", "uar", "accuracy", "intervals", "clips", "subjects", "class_counts")


@pytest.mark.parametrize("sizes", [{}, {"seeds": 1, "corpora": ("samm",)}])
def test_predictions_of_a_report_have_the_scores_that_it_printed(mer, tmp_path, sizes):
    one = row(**sizes)
    (tmp_path / "p.csv").write_text(predictions_csv(one))
    found = json.loads(mer("score", "p.csv", "--json").stdout)
    (printed,) = json.loads(report_json([one]))["results"]
    for subset in ("", *printed["per_corpus"]):
        ours, theirs = (
            x["per_corpus"][subset] if subset else x for x in (found, printed)
        )
        for name in (*SCORED, "confusion", "per_seed", "standard_deviation"):
            assert ours[name] == theirs[name], (subset, name)
    assert found["per_corpus"].keys() == printed["per_corpus"].keys()
    assert found["classes"] == ["0", "1", "2"] and found["seeds"] == printed["seeds"]
    assert printed["is_result"] and not found["is_result"]
    text = mer("score", "p.csv").stdout
    ends = printed["intervals"]["uf1"]
    assert f"{printed['uf1']:.3f} [{ends['low']:.3f}, {ends['high']:.3f}]" in text
    told = printed["standard_deviation"]
    words = f"sd {told['uf1']:.3f}" if told else ONE_SEED
    assert words in " ".join(text.split())


def test_the_floor_draws_by_the_file_and_says_so(mer, tmp_path):
    (tmp_path / "p.csv").write_text(predictions_csv(row()))
    found = json.loads(mer("score", "p.csv", "--json").stdout)
    assert 0.2 < found["random"]["uf1"] < 0.4
    # The priors of these rows are also 0.4, 0.4, 0.2: the same draws.
    assert found["random"]["uf1"] == row().cuts["all"].random.uf1
    assert "A report draws by the training clips of each fold" in found["random_how"]


def test_what_a_file_cannot_show_is_said_and_what_a_report_says_of_it_stays(
    mer, tmp_path
):
    folder = tmp_path
    (folder / "p.csv").write_text(predictions_csv(row(synthetic=True, missing=3)))
    (folder / "q.csv").write_text(predictions_csv(row()))
    text = mer("score", "p.csv").stdout
    assert STAMP in text and "INCOMPLETE: 5 of 8 folds, 25 of 40 clips" in text
    plain = mer("score", "q.csv").stdout
    assert "SYNTHETIC" not in plain and "INCOMPLETE" not in plain
    for told in (text, plain):
        assert HANDED_IN in " ".join(told.split())
    facts = [json.loads(mer("score", f, "--json").stdout) for f in ("p.csv", "q.csv")]
    assert [x["synthetic"] for x in facts] == [True, False]
    assert facts[0]["stamps"] == [STAMP, row(missing=3).warning]


def test_counts_classes_and_what_intervals_lack_are_told(mer, tmp_path):
    people = ["a,1,c,neg,neg", "a,2,c,pos,neg", "b,3,c,neg,new", "b,4,c,neg,neg"]
    table = "\n".join(("corpus,subject,clip,label,prediction", *people))
    (tmp_path / "t.csv").write_text(table)
    text = " ".join(mer("score", "t.csv").stdout.split())
    assert "4 clips, 4 subjects, 3 classes, 1 seed; 95 % intervals" in text
    assert "neg 2 1 0 new 0 0 0 pos 1 0 0" in text
    assert "class 'new' is predicted in 1 row and never true" in text
    assert "b has no pos: left out of its means." in text
    assert "all: 3" in text and "% of the resamples lack a class" in text


@pytest.mark.parametrize("path", ["x" * 300, "~nosuchuser/y.csv"])
@pytest.mark.parametrize("command", ["score", "compare"])
def test_what_cannot_be_a_path_is_one_message(mer, command, path):
    done = mer(command, *[path] * (1 + (command == "compare")), check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"mer: {path}: no path of a file or folder")


def test_a_column_of_something_else_is_not_taken_for_classes(mer, tmp_path):
    lines = [f"a,{i},c,{i},{i}" for i in range(70)]
    table = "\n".join(("corpus,subject,clip,label,prediction", *lines))
    (tmp_path / "t.csv").write_text(table)
    done = mer("score", "t.csv", check=False)
    assert done.returncode == 1 and "70 classes, 0, 1, 2, 3, 4" in done.stderr


def test_a_bad_file_is_one_message_without_a_score(mer, tmp_path):
    for table, complaint in (
        ("corpus,subject\n", "t.csv, row 1: no column 'clip', 'label', 'prediction'"),
        (None, "cannot read t.csv"),
    ):
        if table is not None:
            (tmp_path / "t.csv").write_text(table)
        else:
            (tmp_path / "t.csv").unlink()
        done = mer("score", "t.csv", check=False)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.startswith(f"mer: {complaint}")
