"""Tests for datasets_tfds/sheet.py."""

import csv
import os

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from releases import write_workbook

from datasets_tfds import sheet
from datasets_tfds.record import ReleaseError

ROWS = [
    ("Subject", None, "Onset  Frame", "AU"),
    ("01", None, 46, 12),
    (2, "x", 47.0, "4+L10 "),
    (3.5, None, None, "/"),
]
COLUMNS = ("subject", "Onset Frame")


def cells(table):
    return [tuple(row.cells.values()) for row in table.rows]


def test_cells_are_text_as_a_person_reads_them(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", ROWS, empty=("Sheet2",))
    table = sheet.read_table(path, COLUMNS)
    assert cells(table) == [("01", "46", "12"), ("2", "47", "4+L10"), ("3.5", "", "/")]
    assert (table.path, table.sheet, table.version) == (
        path,
        "Sheet1",
        "a.xlsx, 3 rows",
    )
    assert [row.place for row in table.rows] == [f"a.xlsx, row {n}" for n in (2, 3, 4)]


def test_columns_are_found_whatever_their_case_and_spaces(tmp_path):
    table = sheet.read_table(write_workbook(tmp_path / "a.xlsx", ROWS), COLUMNS)
    row = table.rows[0]
    assert row["ONSET frame"] == row["Onset Frame"] == row.get("onset frame") == "46"
    assert row.get("Apex Frame") == ""
    with pytest.raises(ReleaseError, match=r"a\.xlsx, row 2: no column 'Apex'.*'au'"):
        row["Apex"]


@pytest.mark.parametrize("above", [0, 1, 13])
def test_the_header_is_found_wherever_it_is(above, tmp_path):
    notes = [("Subject", "a note")] * above
    path = write_workbook(tmp_path / "a.xlsx", [*notes, *ROWS])
    table = sheet.read_table(path, COLUMNS)
    assert [row["AU"] for row in table.rows] == ["12", "4+L10", "/"]
    assert table.rows[0].place == f"a.xlsx, row {above + 2}"


def test_blank_rows_and_short_rows(tmp_path):
    rows = [*ROWS[:2], (None,) * 4, (" ", None, "", "stray"), ("4",), *[(None,)] * 3]
    table = sheet.read_table(write_workbook(tmp_path / "a.xlsx", rows), COLUMNS)
    assert cells(table) == [("01", "46", "12"), ("4", "", "")]
    assert table.rows[1].place == "a.xlsx, row 5"


def test_a_formula_without_a_stored_value_is_empty(tmp_path):
    rows = [("Subject", "Duration"), ("006", "=SUM(F15-D15)+1")]
    table = sheet.read_table(write_workbook(tmp_path / "a.xlsx", rows), ["Subject"])
    assert table.rows[0]["duration"] == ""


def test_the_first_sheet_with_the_header_counts_or_the_one_named(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "notes"
    for name, subject in (("HS", "1"), ("VIS", "2")):
        book.create_sheet(name).append(["Subject"])
        book[name].append([subject])
    path = tmp_path / "a.xlsx"
    book.save(path)
    first, named = (sheet.read_table(path, ["Subject"], sheet=s) for s in (None, "VIS"))
    assert (first.sheet, first.rows[0]["Subject"]) == ("HS", "1")
    assert (named.sheet, named.rows[0]["Subject"]) == ("VIS", "2")
    with pytest.raises(ReleaseError, match=r"a\.xlsx: no sheet 'NIR'.*'HS', 'VIS'"):
        sheet.read_table(path, ["Subject"], sheet="NIR")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    rows=st.lists(
        st.tuples(*[st.text(st.characters(min_codepoint=32, codec="utf-8"))] * 2),
        max_size=5,
    )
)
def test_csv_files_read_as_the_csv_module_wrote_them(rows, tmp_path):
    path = tmp_path / "a.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("Subject", "Onset Frame"), *rows])
    stripped = [tuple(cell.strip() for cell in row) for row in rows]
    assert cells(sheet.read_table(path, COLUMNS)) == [r for r in stripped if any(r)]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a zip", b"Subject,Onset"])
@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_a_file_that_is_no_such_table_is_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReleaseError, match=f"{name}"):
        sheet.read_table(tmp_path / name, COLUMNS)


def test_a_broken_file_says_why_and_another_table_what_it_lacks(tmp_path):
    (tmp_path / "broken.csv").write_bytes(b"Subject,\xff\xfe")
    with pytest.raises(ReleaseError, match="UnicodeDecodeError.*download it again"):
        sheet.read_table(tmp_path / "broken.csv", COLUMNS)
    path = write_workbook(tmp_path / "a.xlsx", ROWS)
    with pytest.raises(ReleaseError, match=r"\['Apex'\].*'Sheet1'.*annotation file"):
        sheet.read_table(path, ["Apex"])


BY_POSITION = ("who", "start", "units")


@pytest.mark.parametrize("header", [("Person", "Anfang", "AU", "x"), None])
def test_columns_may_go_by_their_position(header, tmp_path):
    rows = [(1, 46, "4+7", "x"), (None,) * 4, ("S2", "?", None, None)]
    table = [header, *rows] if header else rows
    path = write_workbook(tmp_path / "a.xlsx", table)
    found = sheet.read_by_position(path, BY_POSITION, number="start")
    assert cells(found) == [("1", "46", "4+7"), ("S2", "?", "")]
    first = 2 if header else 1
    assert [row.place for row in found.rows] == [
        f"a.xlsx, row {n}" for n in (first, first + 2)
    ]


def test_columns_by_position_do_not_hide_two_of_one_name(tmp_path):
    header = ("Person", "Anfang", "AU", "au ")
    path = write_workbook(tmp_path / "a.xlsx", [header, (1, 46, "4", "12")])
    with pytest.raises(ReleaseError, match=r"'au' is there twice.*row 2"):
        sheet.read_by_position(path, BY_POSITION, number="start")


@pytest.mark.parametrize("rows", [[], [("a", "b", "c")], [("S1", 46), ("S2", 50)]])
def test_what_has_no_rows_or_too_few_columns_is_refused(rows, tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", rows)
    with pytest.raises(ReleaseError, match=r"a\.xlsx: no sheet with rows of the 3"):
        sheet.read_by_position(path, BY_POSITION, number="start")


def test_tables_are_found_among_other_files(tmp_path):
    one = write_workbook(tmp_path / "deep" / "er" / "one.xlsx", ROWS)
    two = tmp_path / "two.csv"
    two.write_text("Subject,Onset Frame\n01,46\n")
    other = write_workbook(tmp_path / "other.xlsx", [("Name", "Place")])
    broken = tmp_path / "broken.xlsx"
    broken.touch()
    (tmp_path / "~$one.xlsx").touch()
    (tmp_path / "notes.txt").write_text("Subject,Onset Frame\n")
    tables, others = sheet.find_tables(tmp_path, COLUMNS)
    assert [table.path for table in tables] == [two, one]
    assert set(others) == {other, broken}
    assert "cannot be read" in str(others[broken])


def test_copies_are_one_table_if_the_cells_that_count_are_equal(tmp_path):
    one = write_workbook(tmp_path / "a.xlsx", ROWS)
    reordered = [(row[3], row[0], row[2]) for row in ROWS]
    two = write_workbook(tmp_path / "b.xlsx", [("title",), *reordered])
    tables = [sheet.read_table(path, COLUMNS) for path in (one, two)]
    assert sheet.same_table(tables, COLUMNS) is tables[0]


@pytest.mark.parametrize("change", [("3.5", None, 48, "/"), None])
def test_copies_that_differ_are_named_with_the_first_difference(change, tmp_path):
    one = write_workbook(tmp_path / "a.xlsx", ROWS)
    two = write_workbook(
        tmp_path / "b.xlsx", [*ROWS[:3], *([change] if change else [])]
    )
    tables = [sheet.read_table(path, COLUMNS) for path in (one, two)]
    with pytest.raises(ReleaseError) as caught:
        sheet.same_table(tables, COLUMNS)
    message = str(caught.value)
    assert str(one) in message and str(two) in message
    assert "['3.5', '']" in message and "a.xlsx, row 4" in message
    assert ("['3.5', '48']" in message) == bool(change)


@pytest.mark.parametrize("name", ["a.xlsx", "a.csv"])
def test_two_columns_of_one_name_must_agree(name, tmp_path):
    def read(second):
        rows = [("Subject", "Onset Frame", "subject "), ("1", "46", "1")]
        rows.append(("2", "47", second))
        path = tmp_path / name
        if name == "a.csv":
            path.write_text("\n".join(map(",".join, rows)), encoding="utf-8")
        else:
            write_workbook(path, rows)
        return sheet.read_table(path, COLUMNS)

    assert cells(read("2")) == [("1", "46"), ("2", "47")]
    with pytest.raises(ReleaseError, match=r"'subject' is there twice.*row 3"):
        read("3")


def test_a_quote_that_is_never_closed_does_not_swallow_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('Subject,Onset Frame\n1,"46\n2,47\n', encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"a\.csv, line 3: .*quotes"):
        sheet.read_table(path, COLUMNS)


@pytest.mark.parametrize(
    ("limit", "most"), [("MAX_BYTES", 99), ("MAX_CELLS", 3), ("MAX_PARTS", 1)]
)
def test_what_is_larger_than_any_annotation_is_not_read(
    limit, most, tmp_path, monkeypatch
):
    monkeypatch.setattr(sheet, limit, most)
    with pytest.raises(ReleaseError, match=rf"a\.xlsx.* {most}\b"):
        sheet.read_table(write_workbook(tmp_path / "a.xlsx", ROWS), COLUMNS)


def test_a_cell_far_out_does_not_make_all_before_it(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", ROWS)
    book = openpyxl.load_workbook(path)
    book.active["XFD1048576"] = "x"
    book.save(path)
    assert len(sheet.read_table(path, COLUMNS).rows) == 3


def test_a_file_name_that_is_no_text_can_be_printed(tmp_path):
    path = write_workbook(tmp_path / os.fsdecode(b"a\xff.xlsx"), ROWS)
    assert sheet.read_table(path, COLUMNS).version == "a\\udcff.xlsx, 3 rows"
    with pytest.raises(ReleaseError, match=r"a\\udcff.xlsx"):
        sheet.read_table(path, ["Apex"])
