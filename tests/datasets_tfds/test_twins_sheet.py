import zipfile

from datasets_tfds import twins_sheet
from tests import tiles


def test_sheet_has_typed_empty_and_formula_cells(tmp_path):
    path = tmp_path / "new" / "book.xlsx"
    cells = [("a", None, 3), (), ("01", "/", "=A1+1")]
    twins_sheet.write_sheets(path, {"one": cells, "two": ()}, blank_tail=2)
    empty = (None, None, None)
    assert tiles.rows(path, "one") == [*cells[:1], empty, cells[2], empty, empty]
    assert tiles.rows(path, "two") == []


def test_sheet_is_the_same_at_any_time(tmp_path, monkeypatch):
    for name, now in (("a", 1_000_000_000), ("b", 1_500_000_000)):
        monkeypatch.setattr("time.time", lambda now=now: float(now))
        twins_sheet.write_sheets(tmp_path / name, {"one": [("x",)]})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert b"2000-01-01T00:00:00Z" in _core(tmp_path / "a")


def _core(path):
    with zipfile.ZipFile(path) as file:
        return file.read("docProps/core.xml")


def test_number_or_text():
    codes = ("12", "4+L10", "?", "12+15 ")
    typed = [twins_sheet.number_or_text(code) for code in codes]
    assert typed == [12, "4+L10", "?", "12+15 "]
