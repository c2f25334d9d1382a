"""Tests for mer_jax/metrics/predictions.py."""

import csv
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from mer_jax.errors import UserError
from mer_jax.metrics import evaluate, in_classes, read_predictions

from .made import make

HEADER = "corpus,subject,clip,label,prediction"
ROWS = (
    "samm,006,1,negative,negative",
    "samm,006,2,positive,negative",
    "samm,007,1,surprise,surprise",
    "smic,006,1,negative,positive",
)
FOUR = "\n".join((HEADER, *ROWS))


def with_seeds(*rows):
    return "\n".join((f"{HEADER},seed", *rows))


@pytest.fixture
def read(tmp_path):
    """Reads a table given as text or bytes."""

    def of(table):
        path = tmp_path / "table.csv"
        path.write_bytes(table if isinstance(table, bytes) else table.encode())
        return read_predictions(path)

    return of


def test_a_table_becomes_results(read):
    found = read(FOUR)
    r = found.results
    assert r.keys == ("samm/006/1", "samm/006/2", "samm/007/1", "smic/006/1")
    assert r.corpora == ("samm", "samm", "samm", "smic")
    assert r.subjects == r.folds == ("samm/006", "samm/006", "samm/007", "smic/006")
    assert r.classes == ("negative", "positive", "surprise")
    assert r.labels.tolist() == [0, 1, 2, 0]
    assert r.predictions.tolist() == [[[0, 0, 2, 1]]]
    assert r.priors.tolist() == [[0.5, 0.25, 0.25]] * 4
    assert (r.seeds, r.epochs.tolist(), r.complete) == ((0,), [1], True)
    assert not found.never_true and not found.stamps


@given(draw=st.integers(0, 2**20), seeds=st.integers(1, 3), clips=st.integers(6, 30))
@settings(max_examples=25, deadline=None)
def test_scores_are_those_of_scikit_learn_in_any_order_of_rows_and_columns(
    tmp_path_factory, draw, seeds, clips
):
    rng = np.random.default_rng(draw)
    labels = rng.permutation(np.arange(clips) % 3)
    said = np.where(
        rng.random((seeds, clips)) < 0.5, labels, rng.integers(3, size=clips)
    )
    columns = ["corpus", "subject", "clip", "label", "prediction", "seed", "note, too"]
    rows = [
        ["ab"[n % 2], str(n % 5), f"{n}.avi", labels[n], said[s, n], s - 1, 'a "b", c']
        for s in range(seeds)
        for n in range(clips)
    ]
    order = rng.permutation(len(columns))
    out = io.StringIO()
    writer = csv.writer(out)
    for row in [columns, *(rows[i] for i in rng.permutation(len(rows)))]:
        writer.writerow([row[i] for i in order])
    path = tmp_path_factory.mktemp("any") / "table.csv"
    path.write_bytes(out.getvalue().encode("utf-8-sig"))
    cut = evaluate(read_predictions(path).results, repeats=1, resamples=2)["all"]
    for seed, own in enumerate(cut.per_seed):
        expected = (
            f1_score(labels, said[seed], average="macro", labels=[0, 1, 2]),
            balanced_accuracy_score(labels, said[seed]),
            accuracy_score(labels, said[seed]),
        )
        np.testing.assert_allclose((own.uf1, own.uar, own.accuracy), expected)


def test_numbers_of_classes_are_in_their_order_and_seeds_too(read):
    rows = [f"a,{n},c,{n},{n},{seed}" for seed in (7, -1) for n in (10, 2, 9)]
    r = read(with_seeds(*rows)).results
    assert r.classes == ("2", "9", "10") and r.seeds == (-1, 7)
    assert r.labels.tolist() == [2, 0, 1]


def test_a_class_that_is_never_true_is_a_miss_and_told(read):
    other = FOUR.replace("positive,negative", "positive,disgust")
    found = read(other)
    assert found.never_true == {"disgust": 1}
    scores, plain = (
        evaluate(read(text).results, repeats=1, resamples=2)["all"].scores
        for text in (other, FOUR)
    )
    assert scores.uar == plain.uar and scores.accuracy == plain.accuracy == 0.5
    # Negative is right once of two and, other than before, never said in vain.
    assert scores.uf1 == pytest.approx((2 / 3 + 0 + 1) / 3)


@pytest.mark.parametrize(
    "table",
    [
        FOUR.encode("utf-8-sig"),
        FOUR.replace("\n", "\r\n").encode(),
        ("\n\n" + FOUR.replace("\n", "\n,,,,\n") + "\n \n").encode(),
        FOUR.replace("corpus", " Corpus ").replace("samm,", "samm , ").encode(),
        FOUR.replace("\n", ",,\n").encode(),
    ],
    ids=["mark", "windows", "blank rows", "spaces", "unnamed columns"],
)
def test_what_spreadsheets_make_of_a_table_is_read_the_same(read, table):
    expected, found = read(FOUR).results, read(table).results
    for name in ("keys", "corpora", "subjects", "classes"):
        assert getattr(found, name) == getattr(expected, name)
    assert (found.predictions == expected.predictions).all()


def test_stamps_and_warnings_of_a_report_are_kept_once(read):
    lines = [f"{row},SYNTHETIC: drawn,{'x' if n else ''}" for n, row in enumerate(ROWS)]
    found = read("\n".join((f"{HEADER},stamp,warning", *lines)))
    assert found.stamps == ["SYNTHETIC: drawn", "x"]


ONE, TWO, THREE, LAST = ROWS


@pytest.mark.parametrize(
    ("table", "complaint"),
    [
        ("", "table.csv is empty; expected the columns corpus,subject"),
        ("\n,\n", "is empty"),
        (HEADER, "table.csv has no rows below its header"),
        (
            FOUR.replace("label", "truth"),
            r"row 1: no column 'label'; there are \['corp",
        ),
        (FOUR.replace("label,pred", "pred"), "row 1: no column 'label'; there are"),
        ("\n".join(ROWS), "row 1: no column 'corpus', 'subject', 'clip', 'label', 'pr"),
        (FOUR.replace("clip,", "clip,clip,"), "row 1: column 'clip' is there twice"),
        (
            FOUR.replace(",", ";"),
            "row 1: columns are separated by semicolons, expected",
        ),
        (
            FOUR.replace(",", "\t"),
            "row 1: columns are separated by tabs, expected comm",
        ),
        (FOUR.encode("utf-16"), "row 1: not UTF-8 .* Save it again as CSV in UTF-8"),
        (FOUR.replace("007", "é").encode("latin-1"), "row 4: not UTF-8"),
        (FOUR.replace("007", '"007'), "row 4: .*Close the quotes"),
        (
            FOUR.replace("007", "0\a7"),
            r"row 4: subject '0\\x077' has characters that c",
        ),
        (
            FOUR.replace("007,", "0,07,"),
            "row 4: 6 cells for 5 columns; put a text that",
        ),
        (FOUR.replace("007", " "), "row 4: no subject; every row needs one"),
        (
            FOUR.replace(",surprise\n", "\n"),
            "row 4: no prediction; every row needs one",
        ),
        (FOUR.replace("smic", "all"), "row 5: a corpus cannot be called 'all'"),
        (
            "\n".join((HEADER, ONE, TWO, THREE, TWO)),
            "row 5: clip 'samm/006/2' is there twice with seed 0, see also row 3. Keep",
        ),
        (with_seeds(f"{ONE},"), "row 2: no seed; every row needs one"),
        (with_seeds(f"{ONE},1.0"), "row 2: seed '1.0', expected an integer"),
        (with_seeds(f"{ONE},{'9' * 5000}"), "row 2: seed '9*', expected an integer"),
        (
            with_seeds(f"{ONE},0", f"{TWO},0", f"{THREE},0", f"{ONE},1"),
            "row 3: seed 1 lacks 2 of the 3 clips of seed 0, such as 'samm/006/2'",
        ),
        (
            with_seeds(f"{ONE},0", f"{ONE},1", f"{TWO},1"),
            "row 4: seed 0 lacks 1 of the 2 clips of seed 1, such as 'samm/006/2'",
        ),
        (
            with_seeds(
                *(f"{row},0" for row in (ONE, TWO)),
                *(f"{row},1" for row in (TWO.replace("positive", "surprise"), ONE)),
            ),
            "row 4: clip 'samm/006/2' has label 'surprise', and 'positive' with seed 0 "
            r"\(row 3\). A clip has one true class",
        ),
        ("\n".join((HEADER, ONE)), "row 2: every label is 'negative'; scores need two"),
        (
            FOUR.replace("surprise,surprise", "surprise,Positive"),
            "row 4: class 'Positive' is 'positive' above; spell a class in one way",
        ),
        (
            "\n".join((HEADER, "a,1,1,0,0.0", "a,1,2,1,1.0")),
            "row 2: prediction '0.0', and every other, is none of the labels, 0, 1. Na",
        ),
    ],
)
def test_a_bad_table_is_refused_with_file_and_row(read, table, complaint):
    with pytest.raises(UserError, match=complaint) as error:
        read(table)
    assert "table.csv" in str(error.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    for path in (tmp_path, tmp_path / "none.csv"):
        with pytest.raises(
            UserError, match=f"cannot read {path} .*Expected a CSV file"
        ):
            read_predictions(path)


@given(st.integers(0, 2**20))
@settings(max_examples=15, deadline=None)
def test_other_classes_change_no_score(seed):
    before = make(seed=seed)
    after = in_classes(before, ("new", *reversed(before.classes), "last"))
    names = lambda r: np.array(r.classes)[r.predictions]
    assert (names(before) == names(after)).all()
    one, other = (evaluate(r, repeats=1, resamples=20) for r in (before, after))
    for name, cut in one.items():
        same = other[name]
        for score in ("uf1", "uar", "accuracy"):
            ends = [vars(getattr(c.intervals, score)).values() for c in (cut, same)]
            np.testing.assert_allclose(*map(list, ends), atol=1e-12)
            value = getattr(cut.scores, score)
            assert getattr(same.scores, score) == pytest.approx(value)
