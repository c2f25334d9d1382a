"""Tests for datasets_tfds/repairs.py."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import datasets_tfds
from datasets_tfds.repairs import FIELDS, Repair, read_repairs, repair

HEADER = "corpus,subject,clip,field,old,new,reason,source"
WRITTEN = {"onset": "10", "apex": "/", "offset": "30", "emotion": "joy"} | {
    "action_units": "12"
}
APEX = Repair("toy", "s1", "a", "apex", "/", "20", "none coded", "a paper")


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Writes a repairs.csv into a package of its own, and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(*rows, header=HEADER, name=f"mended_{tmp_path.name}"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
        (tmp_path / name / "repairs.csv").write_text("\n".join([header, *rows]))
        return name

    return write


def test_repairs_are_read_by_clip(table):
    found = read_repairs(
        table(
            "toy,s1,a,apex,/,20,none coded,a paper",
            'toy,s1,a,emotion,joy,fear,"wrong, they say",a paper',
            "toy,s2,a,offset,30,31,off by one,a paper",
        )
    )
    assert found == {
        "toy/s1/a": [
            APEX,
            ("toy", "s1", "a", "emotion", "joy", "fear", "wrong, they say", "a paper"),
        ],
        "toy/s2/a": [("toy", "s2", "a", "offset", "30", "31", "off by one", "a paper")],
    }


def test_a_package_without_a_table_has_no_repairs():
    assert read_repairs("datasets_tfds.megc2019_flow") == {}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["toy,s1,a,fps,200,100,slow,me"], "row 2: field 'fps' is not one of"),
        (["toy,s1,a,apex,/,?,slow,me"], "row 2: '[?]' is no frame number"),
        (["toy,s1,a,apex,/,1,slow"], "row 2: .*expected"),
        (["toy,s1,a,apex,/,1,x,me", "toy,s1,a,apex,/,2,x,me"], "row 3: .*apex twice"),
    ],
)
def test_a_bad_row_is_named(table, rows, message):
    with pytest.raises(ValueError, match=message):
        read_repairs(table(*rows))


def test_a_table_with_other_columns_is_refused(table):
    with pytest.raises(ValueError, match="row 1: .*expected"):
        read_repairs(table(header="corpus,subject,clip,old,new"))


def test_a_repair_is_made_and_told():
    mended, told = repair(WRITTEN, [APEX], range(10, 31))
    assert mended == WRITTEN | {"apex": "20"}
    assert told == ["made: apex '/' -> '20' (none coded; a paper)"]
    assert WRITTEN["apex"] == "/"


def test_what_was_mended_already_is_told():
    written = WRITTEN | {"apex": "20"}
    mended, told = repair(written, [APEX], range(10, 31))
    assert mended == written
    assert told[0].startswith("not needed, the release says so already: apex '/'")


def test_a_repair_of_something_else_is_not_made():
    written = WRITTEN | {"apex": "19"}
    mended, told = repair(written, [APEX], range(10, 31))
    assert mended == written
    assert told[0].startswith("not made, the release says '19': apex '/' -> '20'")


def test_a_frame_that_is_not_on_disk_is_no_repair():
    mended, told = repair(WRITTEN, [APEX], range(10, 20))
    assert mended == WRITTEN
    assert told[0].startswith("not made, there is no frame 20: apex")


def test_emotions_and_action_units_need_no_frame():
    units = APEX._replace(field="action_units", old="12", new="6+12")
    mended, _ = repair(WRITTEN, [units], [])
    assert mended["action_units"] == "6+12"


@given(
    written=st.fixed_dictionaries(dict.fromkeys(FIELDS, st.sampled_from("123"))),
    changes=st.dictionaries(
        st.sampled_from(FIELDS),
        st.tuples(st.sampled_from("123"), st.sampled_from("123")),
    ),
    numbers=st.sets(st.integers(1, 3)),
)
def test_nothing_changes_but_what_is_told_as_made(written, changes, numbers):
    repairs = [
        Repair("c", "s", "k", field, old, new, "r", "s")
        for field, (old, new) in changes.items()
    ]
    mended, told = repair(written, repairs, numbers)
    assert len(told) == len(repairs)
    changed = {field for field in FIELDS if mended[field] != written[field]}
    assert changed == {
        r.field
        for r, line in zip(repairs, told, strict=True)
        if line.startswith("made: ")
    }
    assert all(mended[r.field] == r.new for r in repairs if r.field in changed)


def tables():
    return sorted(Path(datasets_tfds.__file__).parent.glob("*/repairs.csv"))


@pytest.mark.parametrize("path", tables(), ids=lambda path: path.parent.name)
def test_the_tables_of_the_builders_are_sound(path):
    corpus = path.parent.name
    found = read_repairs(f"datasets_tfds.{corpus}")
    rows = [row for repairs in found.values() for row in repairs]
    assert rows
    for row in rows:
        assert row.corpus == corpus
        assert row.old != row.new
        assert row.reason and row.source
