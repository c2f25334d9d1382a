"""Tests for mer_jax/cli/compare.py and sides.py."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mer_jax.cli.show import report_row
from mer_jax.ensemble import sweep
from mer_jax.ensemble.ledger import MANIFEST
from mer_jax.metrics import paired_differences, paired_permutation, read_predictions
from mer_jax.report import STAMP
from mer_jax.report.tables import predictions_csv, report_json
from tests import flights
from tests.report.made import row

ROOT = Path(__file__).parents[2]
SCORES = ("uf1", "uar", "accuracy")


def named(name, system, seeds=(0, 1)):
    """A row on the toy clips, whose runs are never trained."""
    one = flights.row(system)
    return replace(one, experiment=replace(one.experiment, name=name, seeds=seeds))


ROWS = [named("one", "duel"), named("t:w:o", "relay"), named("single", "reel", (3,))]


def file_runs(ledger, of, noise, skip=()):
    """Files made-up runs of a row."""
    rng, labels = np.random.default_rng(noise), of.corpus.labels
    for run in of.runs:
        test = run.fold.test
        logits = rng.normal(size=(2, len(test), 3)) + 2 * np.eye(3)[labels[test]]
        arrays = {
            "keys": np.array([of.corpus.keys[i] for i in test]),
            "labels": labels[test],
            "epochs": np.array([1, 2]),
            "logits": logits.astype(np.float32),
            "train_counts": np.bincount(labels[run.fold.train], minlength=3),
        }
        if run.fold.name not in skip:
            ledger.write(run.id, arrays, {"seconds": 1.0, "finished": "2026-01-01"})


@pytest.fixture(scope="module")
def filed(tmp_path_factory):
    """A folder with a workdir of three rows, and files as its report has them."""
    folder = tmp_path_factory.mktemp("filed")
    ledger = sweep.claim(folder / "w", ROWS)
    for noise, of in enumerate(ROWS):
        file_runs(ledger, of, noise)
    rows = [report_row(ledger, one) for one in ledger.manifest()["rows"]]
    (folder / "report.json").write_text(report_json(rows))
    (folder / "one.csv").write_text(predictions_csv(rows[0]))
    return folder


@pytest.fixture
def compare(mer, filed):
    """Compares what lies in `filed`, as JSON."""

    def of(*words):
        words = [str(filed / word) for word in words]
        return json.loads(mer("compare", *words, "--json").stdout)

    return of


@pytest.fixture
def files(mer, tmp_path):
    """Compares two tables given as text; returns what the command left."""

    def of(a, b, *words):
        for name, text in (("a.csv", a), ("b.csv", b)):
            (tmp_path / name).write_text(text)
        return mer("compare", "a.csv", "b.csv", *words, check=False)

    return of


def test_rows_of_a_workdir_differ_as_their_report_says(compare, filed):
    found = compare("w:one", "w:t:w:o")
    report = json.loads((filed / "report.json").read_text())
    first, second, _ = report["results"]
    for side, printed in ((found["a"], first), (found["b"], second)):
        for name in (*SCORES, "intervals", "per_seed"):
            assert side[name] == printed[name]
    minus = second["minus_first_row"]
    for name in SCORES:
        assert found["b_minus_a"][name] == minus[name]
    for name in ("permutation", "distinguishable"):
        assert found[name] == minus[name]
    assert found["stamp"] == STAMP and found["a"]["is_result"]
    assert found["a"]["standard_deviation"] == first["standard_deviation"]
    assert found["seeds"] == minus["seeds"]
    assert found["seeds"]["pairs"] == [[0, 0], [1, 1]]


def test_a_row_and_the_predictions_of_its_report_are_the_same(compare):
    found = compare("w:one", "one.csv")
    assert found["permutation"]["p_value"] == 1 and not found["distinguishable"]
    assert found["b_minus_a"]["uf1"]["interval"] == {"low": 0, "high": 0}
    assert found["classes"] == ["negative", "positive", "surprise"]
    for name in (*SCORES, "intervals", "per_seed"):
        assert found["a"][name] == found["b"][name]
    assert found["a"]["is_result"] and not found["b"]["is_result"]
    assert found["b"]["synthetic"] and "as handed in" in found["b"]["how"]


def test_other_numbers_of_seeds_have_no_p_and_say_so(compare, mer, filed):
    found = compare("w:one", "w:single")
    assert found["permutation"] is None
    assert found["b"]["standard_deviation"] is None
    assert found["seeds"]["pairs"] == [[0, 3], [1, 3]]
    uf1 = found["b_minus_a"]["uf1"]
    assert found["distinguishable"] == uf1["distinguishable"]
    text = mer("compare", filed / "w:one", filed / "w:single").stdout
    assert "none, A has 2 seeds and B 1 seed; the interval alone decides" in text
    assert "(seed 3); one seed: its spread over seeds is not known" in text
    assert "Whether other seeds would agree is not known." in text
    assert " of 2 pairs of seeds, " in text
    assert text.count(STAMP) == 3  # of each, and of their difference


def found_gaps(a, b):
    """UF1 of each seed of the one above that of the other."""
    pairs = zip(a.cuts["all"].per_seed, b.cuts["all"].per_seed, strict=True)
    return [other.uf1 - one.uf1 for one, other in pairs]


def test_files_are_compared_as_their_results_are(files, tmp_path):
    a, b = row(), row(noise=1, skill=3)
    done = files(*map(predictions_csv, (a, b)), "--json")
    found = json.loads(done.stdout)
    pair = [read_predictions(tmp_path / f"{x}.csv").results for x in "ab"]
    for results in (pair, (a.results, b.results)):
        expected = paired_differences(*results)
        for name in SCORES:
            one = getattr(expected, name)
            assert found["b_minus_a"][name]["value"] == one.value
            assert found["b_minus_a"][name]["interval"] == vars(one.interval)
        p = paired_permutation(*results).p_value
        assert found["permutation"]["p_value"] == p
    assert found["stamp"] == ""
    text = files(*map(predictions_csv, (a, b))).stdout
    assert "B is above A in UF1, and distinguishable from it." in text
    assert files(*map(predictions_csv, (b, a))).stdout.count("A is above B") == 1
    assert "The seeds agree on the sign." in text
    gaps = [f"{gap:+.3f} (seed {seed})" for seed, gap in enumerate(found_gaps(a, b))]
    assert f"UF1 per seed, B - A: {', '.join(gaps)}; B above with 3 of 3 seeds" in text
    equal = files(*map(predictions_csv, (a, row(noise=1)))).stdout
    assert "A and B are not distinguishable in UF1." in equal
    assert "The seeds do not agree on the sign: another training may turn it." in equal
    assert "B above with 1 of 3 seeds, -0." in equal
    assert "SYNTHETIC" not in equal
    same = files(*map(predictions_csv, (a, a))).stdout
    assert "No seed differs in UF1." in same


def test_a_file_that_says_it_is_synthetic_stamps_the_comparison(files):
    plain, drawn = predictions_csv(row()), predictions_csv(row(synthetic=True))
    text = files(plain, drawn).stdout
    assert text.count(STAMP) == 2  # of B, and of the difference
    assert json.loads(files(drawn, plain, "--json").stdout)["stamp"] == STAMP


HEADER = "corpus,subject,clip,label,prediction\n"
A = HEADER + "c,1,x,neg,neg\nc,1,y,pos,neg\nc,2,x,neg,pos\nc,2,y,pos,pos\n"


def test_a_class_that_one_side_alone_predicts_is_no_other_class_set(files):
    done = files(A, A.replace("x,neg,pos", "x,neg,new"), "--json")
    found = json.loads(done.stdout)
    assert found["classes"] == ["neg", "pos", "new"]
    assert found["b_minus_a"]["accuracy"]["value"] == 0
    assert found["b_minus_a"]["uf1"]["value"] == pytest.approx((2 / 3 - 1 / 2) / 2)
    assert "never true" in found["b"]["notes"][1] and not found["a"]["notes"][1:]


@pytest.mark.parametrize(
    ("b", "complaints"),
    [
        (
            A.replace("c,2,y", "c,2,z").replace("c,2,x", "d,2,x"),
            ["clips: 2 only in A: c/2/x, c/2/y", "clips: 2 only in B: c/2/z, d/2/x"],
        ),
        (
            A.replace("1,x,neg", "1,x,pos"),
            ["labels: other at 1 of 4 clips: c/1/x (neg in A, pos in B)"],
        ),
        (
            A.replace("neg", "0").replace("pos", "1"),
            [
                "true classes: neg, pos in A, 0, 1 in B",
                "labels: other at 4 of 4 clips: c/1/x (neg in A, 0 in B), c/1/y "
                "(pos in A, 1 in B), c/2/x (neg in A, 0 in B), ...",
            ],
        ),
    ],
)
def test_files_of_other_clips_labels_or_classes_are_refused(files, b, complaints):
    done = files(A, b)
    assert done.returncode == 1 and not done.stdout
    told = done.stderr.splitlines()
    assert told[0] == "mer: A and B score other things and are not compared:"
    assert [line.strip() for line in told[1:-1]] == complaints
    assert told[-1].startswith("A is a.csv. B is b.csv. Compare what scores the same")


def test_clips_of_other_people_are_refused(files):
    done = files(A.replace("1,x", "1,x/7"), A.replace("1,x", "1/x,7"))
    told = "subjects: other at 1 of 4 clips: c/1/x/7 (c/1 in A, c/1/x in B)"
    assert done.returncode == 1 and told in done.stderr


def test_numbers_of_a_file_are_the_classes_of_the_protocol_beside_it(
    mer, filed, tmp_path
):
    table = (filed / "one.csv").read_text()
    swap = str.maketrans("01", "10")
    lines = [line.split(",") for line in table.splitlines()]
    other = [[*x[:3], *(y.translate(swap) for y in x[3:5]), *x[5:]] for x in lines[1:]]
    text = "\n".join(",".join(x) for x in (lines[0], *other))
    (tmp_path / "swapped.csv").write_text(text)
    done = mer("compare", "swapped.csv", filed / "w:one", check=False)
    assert done.returncode == 1 and "labels: other at" in done.stderr
    told = "numbers of classes in A: 0 is negative, 1 is positive, 2 is surprise"
    assert told in done.stderr


@pytest.fixture
def elsewhere(tmp_path):
    """Makes a workdir of the first row, some folds missing, its manifest edited."""

    def make(name, skip=(), **changes):
        ledger = sweep.claim(tmp_path / name, ROWS[:1])
        file_runs(ledger, ROWS[0], 5, skip)
        manifest = ledger.manifest()
        for field, value in changes.items():
            manifest["rows"][0][field] = value
        (ledger.workdir / MANIFEST).write_text(json.dumps(manifest))
        return tmp_path / name

    return make


def test_rows_of_other_protocols_are_refused_with_what_differs(mer, filed, elsewhere):
    manifest = json.loads((filed / "w" / MANIFEST).read_text())
    protocol = manifest["rows"][0]["protocol"]
    other = elsewhere(
        "other",
        samples="0123456789abcdef",
        reduced="reduced: two people are missing",
        rules=["left out: nobody"],
        protocol={**protocol, "division": "5fold"},
    )
    done = mer("compare", filed / "w:one", other, check=False)
    assert done.returncode == 1 and not done.stdout
    hash = manifest["rows"][0]["samples"]
    assert (
        f"protocol: toy v1, loso ({hash}) in A, toy v1, 5fold (0123456789abcdef) in B"
        in done.stderr
    )
    assert "the published sample in A, reduced: two people are missing in B" in (
        done.stderr
    )
    assert "rules: 1 only in B: left out: nobody" in done.stderr


def test_other_rules_of_the_same_clips_are_told(mer, filed, elsewhere):
    other = elsewhere("other", rules=["init_weights: from x"])
    text = mer("compare", filed / "w:one", other).stdout
    assert "Not the same: rules: 1 only in B: init_weights: from x" in text
    facts = json.loads(mer("compare", filed / "w:one", other, "--json").stdout)
    assert facts["other_in_protocols"] == ["rules: 1 only in B: init_weights: from x"]


def test_unfinished_rows_are_marked_and_compared_on_the_same_clips_alone(
    mer, filed, elsewhere
):
    fold = ROWS[0].folds[0].name
    some, same = elsewhere("some", [fold]), elsewhere("same", [fold])
    text = mer("compare", some, same).stdout
    assert text.count("INCOMPLETE: 4 of 5 folds") == 3
    assert text.count("This score is not a result.") == 2
    facts = json.loads(mer("compare", some, same, "--json").stdout)
    assert not facts["a"]["is_result"] and facts["a"]["marks"][1].startswith("INCOMP")
    done = mer("compare", filed / "w:one", some, check=False)
    assert done.returncode == 1
    clips = len(ROWS[0].folds[0].test)
    assert f"clips: {clips} only in A: " in done.stderr
    assert "INCOMPLETE: 4 of 5 folds" in done.stderr


def test_a_folder_may_have_a_colon_and_a_single_row_needs_no_name(
    mer, elsewhere, filed
):
    found = elsewhere("x:y")
    facts = json.loads(mer("compare", found, f"{found}:one", "--json").stdout)
    assert facts["a"]["name"] == facts["b"]["name"] == f"{found}:one"


def test_what_cannot_be_opened_is_one_clear_message(mer, filed, elsewhere):
    folds = [fold.name for fold in ROWS[0].folds]
    empty = elsewhere("empty", folds)
    rows = "Rows: one, t:w:o, single"
    for a, complaint in (
        (
            "nothing",
            "nothing: no such file or folder. Expected a CSV file of predictio",
        ),
        ("nothing:one", "nothing:one: no such file or folder"),
        (".", "no readable manifest.json"),
        (filed / "w", f"has several rows; name one as {filed}/w:ROW. {rows}"),
        (filed / "w:two", f"has no row 'two'. {rows}"),
        (empty, "one: no run of 10 has finished yet"),
    ):
        done = mer("compare", a, filed / "w:one", check=False)
        assert done.returncode == 1 and not done.stdout
        assert done.stderr.startswith("mer: ") and complaint in done.stderr


def test_files_need_no_jax(tmp_path):
    (tmp_path / "a.csv").write_text(A)
    lines = A.splitlines()
    seeds = [f"{line},{seed}" for seed in (0, 1) for line in lines[1:]]
    # Of other numbers of seeds, lest SciPy be imported: it takes a second.
    (tmp_path / "b.csv").write_text("\n".join((f"{lines[0]},seed", *seeds)))
    code = (
        "import sys\nfrom mer_jax.cli import main\n"
        "for words in (['score', 'a.csv'], ['compare', 'a.csv', 'b.csv']):\n"
        "    sys.argv = ['mer', *words]\n"
        "    main.main()\n"
        "assert not {'jax', 'matplotlib'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
