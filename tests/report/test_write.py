"""Tests for mer_jax/report/write.py."""

import json
import os
import re
from dataclasses import replace

import pytest

from mer_jax.errors import UserError
from mer_jax.report import write
from mer_jax.report.write import _file_names

from .made import row, with_clips, with_curves, with_embedding

SHUFFLED = "ststnet_cde3[system.order=shuffled]"


def pictured(one):
    """A row with every kind of picture."""
    return with_clips(with_curves(with_embedding(one, clips=(20, 20))))


def test_every_file_is_written_and_none_is_left_over(tmp_path):
    rows = [pictured(row()), row(SHUFFLED, synthetic=True)]
    written = write(rows, tmp_path / "new" / "report")
    files = {written.markdown, written.csv, written.json, written.side_by_side}
    files |= {*written.predictions, *written.confusions, *written.clips}
    files |= {*written.curves, *written.embeddings, *written.learning, written.seeds}
    assert set((tmp_path / "new" / "report").iterdir()) == files
    assert len(written.predictions) == 2
    assert len(written.confusions) == 2 * 3
    assert [path.name for path in written.clips] == ["clips-ststnet_cde3.png"]
    assert [path.name for path in written.curves] == ["curves-ststnet_cde3.png"]
    assert [path.name for path in written.embeddings] == ["embedding-ststnet_cde3.png"]
    assert [path.suffix for path in written.learning] == [
        ".png",
        ".png",
        ".csv",
        ".csv",
    ]
    pictures, tables = written.learning[:2], written.learning[2:]
    assert [path.stem for path in pictures] == [path.stem for path in tables]
    results = json.loads(written.json.read_text())["results"]
    assert [result["name"] for result in results] == ["ststnet_cde3", SHUFFLED]


def test_the_pictures_of_the_markdown_are_there(tmp_path):
    written = write([pictured(row()), row(SHUFFLED)], tmp_path)
    linked = re.findall(r"!\[.*?\]\((.*?)\)", written.markdown.read_text())
    assert {tmp_path / name for name in linked} == {
        *written.confusions,
        *written.clips,
        *written.curves,
        *written.embeddings,
        *written.learning[:2],
    }
    for table in written.learning[2:]:
        assert f"[{table.name}]({table.name})" in written.markdown.read_text()


def test_writing_again_gives_the_same_bytes(tmp_path):
    first = {p.name: p.read_bytes() for p in _all(write([pictured(row())], tmp_path))}
    again = _all(
        write([replace(pictured(row()))], tmp_path)
    )  # computes the numbers anew
    assert {p.name: p.read_bytes() for p in again} == first


def test_a_failure_keeps_the_old_file_and_leaves_no_partial_one(tmp_path, monkeypatch):
    write([row(seeds=1)], tmp_path)
    before = (tmp_path / "report.json").read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(UserError, match="disk full"):
        write([row(seeds=2)], tmp_path)
    assert (tmp_path / "report.json").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("names", "complaint"),
    [([], "needs a row"), (["a", "a"], "two rows are called 'a'")],
)
def test_rows_must_be_told_apart(tmp_path, names, complaint):
    with pytest.raises(ValueError, match=complaint):
        write([row(name) for name in names], tmp_path)


def test_file_names_are_portable_and_differ_where_the_rows_do():
    names = ["a[x=1]", "a(x=1)", "B", "b", "../../etc", "é"]
    files = _file_names(names)
    assert len({file.casefold() for file in files.values()}) == len(names)
    assert all(
        re.fullmatch(r"[A-Za-z0-9_=-][A-Za-z0-9._=-]*", f) for f in files.values()
    )


def _all(written):
    files = (written.markdown, written.csv, written.json)
    files += (*written.predictions, *written.confusions, *written.clips)
    files += (*written.learning, written.seeds)
    return (*files, *written.curves, *written.embeddings)
