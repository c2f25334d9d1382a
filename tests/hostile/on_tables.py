"""Mutations of annotation tables: cells, columns, rows, sheets and encodings."""

import datetime

import openpyxl

from tests.hostile.cells import Grid, role, text
from tests.hostile.scene import TABLES, Edit, NotHere, Scene

_VALUES = (
    *(12, -3, 0, 46.0, 46.5, 1e300, 10**15, True, False, None),
    *(datetime.datetime(2014, 5, 8), "46", "046", "4 6", "46.0", "1e3", "-3", "+46"),
    *("=1+1", "=SUM(A1:A2)", "#REF!", "#N/A", "NaN", "None", "/", "?", "-", " "),
    *("x" * 30_000, "9" * 5_000, "\N{ARABIC-INDIC DIGIT FOUR}6", "\N{SUPERSCRIPT TWO}"),
    *("happy\N{GRINNING FACE}", "e\u0301motion", "two\nlines", "'quoted'", '"', ","),
    *("../../outside", "..", "/", "~", "C:\\", "..\\", "\N{RIGHT-TO-LEFT OVERRIDE}abc"),
)


def grid(scene: Scene) -> Grid:
    """One of the tables that can be read."""
    path = scene.pick(scene.files(*TABLES))
    try:
        found = Grid(path)
    except Exception:  # damaged before, or no annotation of clips
        raise NotHere from None
    if not found.body:
        raise NotHere
    scene.touch(path)
    return found


def _place(scene, table, row):
    """Notes a row, so that an error may name it."""
    scene.names.add(f"row {row + 1}")
    scene.names |= {text(table.cell(row, c)) for c in table.columns("name")}


def put(scene: Scene, table: Grid, row: int, column: int, value):
    """Changes a cell."""
    line = table.lines[row]
    line += [None] * (column + 1 - len(line))
    _place(scene, table, row)
    old = text(line[column])
    line[column] = value
    _place(scene, table, row)
    is_formula = isinstance(value, str) and value.startswith("=") and table.book
    new = text(value) if table.book else str("" if value is None else value).strip()
    new = "" if is_formula else new
    name = str(table.header[column])
    if role(name) in ("name", "onset") or name == "path":
        scene.moved = True  # to another clip, as these are what tells clips apart
    scene.edits.append(Edit(name, old, new))
    scene.edits.append(Edit(name, old, new.lower()))  # as kinds are read


def _any_cell(scene, table):
    return scene.pick(table.body), scene.pick(table.columns())


def wrong_value(scene):
    table = grid(scene)
    put(scene, table, *_any_cell(scene, table), scene.pick(_VALUES))
    table.save()


def blank_cell(scene):
    table = grid(scene)
    put(scene, table, *_any_cell(scene, table), None)
    table.save()


def shuffle_columns(scene):
    table = grid(scene)
    width = max(map(len, table.lines))
    order = scene.rng.sample(range(width), width)
    for line in table.lines:
        line += [None] * (width - len(line))
        line[:] = [line[i] for i in order]
    table.save()


def shuffle_rows(scene):
    table = grid(scene)
    order = scene.rng.sample(table.body, len(table.body))
    table.lines[table.top + 1 :] = [table.lines[i] for i in order]
    table.save()


def extra_column(scene):
    table = grid(scene)
    at = scene.rng.randrange(len(table.header) + 1)
    for number, line in enumerate(table.lines):
        line.insert(at, "comment" if number == table.top else scene.rng.randrange(9))
    table.save()


def column_twice(scene):
    table = grid(scene)
    column = scene.pick(table.columns())
    scene.names.add(str(table.header[column]))
    at = scene.pick((0, len(table.header)))
    values = [table.cell(row, column) for row in table.body]
    others = dict(zip(table.body, scene.rng.sample(values, len(values)), strict=True))
    for number, line in enumerate(table.lines):
        head = table.header[column] if number == table.top else others.get(number)
        line += [None] * (at - len(line))
        line.insert(at, head)
    table.save()


def drop_a_column(scene):
    table = grid(scene)
    column = scene.pick(table.columns())
    scene.edits += [Edit(str(table.header[column]), "", "")]
    scene.names.add(str(table.header[column]))
    for line in table.lines:
        del line[column : column + 1]
    table.save()


def rename_a_column(scene):
    table = grid(scene)
    column = scene.pick(table.columns())
    name = str(table.header[column])
    new = scene.pick((name.upper(), f"{name} ", "x", name[:-1], "", name.swapcase()))
    if role(new) is None:
        scene.edits += [Edit(name, "", "")]
    table.header[column] = new
    scene.names.add(name)
    table.save()


def header_twice(scene):
    table = grid(scene)
    at = scene.pick(table.body)
    table.lines.insert(at, list(table.header))
    _place(scene, table, at)
    table.save()


def header_lower(scene):
    table = grid(scene)
    at = scene.pick(table.body)
    table.lines.insert(at, table.lines.pop(table.top))
    scene.names.add(f"row {at + 1}")
    table.save()


def row_twice(scene):
    table = grid(scene)
    at = scene.pick(table.body)
    table.lines.append(list(table.lines[at]))
    _place(scene, table, at)
    table.save()


def row_twice_with_another_label(scene):
    table = grid(scene)
    at, column = scene.pick(table.body), scene.pick(table.columns("emotion"))
    table.lines.append(list(table.lines[at]))
    put(scene, table, len(table.lines) - 1, column, "surprise")
    table.save()


def swap_two_labels(scene):
    table = grid(scene)
    column = scene.pick(table.columns("emotion"))
    one, two = scene.pick(table.body), scene.pick(table.body)
    values = table.cell(one, column), table.cell(two, column)
    put(scene, table, one, column, values[1])
    put(scene, table, two, column, values[0])
    table.save()


def second_annotation_that_differs(scene):
    table = grid(scene)
    at, column = scene.pick(table.body), scene.pick(table.columns("emotion"))
    _place(scene, table, at)
    value = "surprise" if table.cell(at, column) != "surprise" else "fear"
    table.lines[at][column] = value
    path = table.path
    name = scene.pick(("a", "zz", path.stem))
    table.save(scene.touch(path.with_name(f"{name}_new{path.suffix}")))


def merged_cells(scene):
    table = grid(scene)
    if table.book is None:
        raise NotHere
    at = scene.pick(table.body[:-1])
    for column in table.columns():
        if at + 1 in table.body:
            put(scene, table, at + 1, column, None)
    table.save()
    width = len(table.header)
    table.sheet.merge_cells(None, at + 1, 1, at + 2, width)
    table.book.save(table.path)
    for column in range(1, width):
        put(scene, table, at, column, None)


def extra_sheet(scene):
    table = grid(scene)
    if table.book is None:
        raise NotHere
    last = len(table.book.sheetnames)
    sheet = table.book.create_sheet("extra", scene.pick((0, last)))
    for line in ([], ["Subject", "Notes"], [1, "=A1"], [None, "#REF!"]):
        sheet.append(line)
    sheet.sheet_state = scene.pick(("visible", "hidden"))
    table.book.save(table.path)


def blank_tail(scene):
    table = grid(scene)
    if table.book is None:
        table.lines += [[""] * len(table.header)] * 20_000
        table.save()
        return
    last = len(table.lines) + scene.pick((1_000, 20_000))
    for row in range(len(table.lines) + 1, last):
        table.sheet.cell(row, 1).number_format = "0"
    scene.bomb = True
    table.book.save(table.path)


def far_cell(scene):
    table = grid(scene)
    if table.book is None:
        raise NotHere
    place = scene.pick(("A1048576", "XFD1", "XFD1048576"))
    table.sheet[place] = scene.pick((" ", "x", 1))
    scene.bomb = True
    table.book.save(table.path)


def path_that_climbs_out(scene):
    table = grid(scene)
    columns = [i for i, name in enumerate(table.header) if name == "path"]
    column, row = scene.pick(columns), scene.pick(table.body)
    here, out = text(table.cell(row, column)), scene.outside
    up = "../" * (len(table.path.relative_to(scene.root).parts))
    ways = (
        *(f"{up}{out.name}", str(out), f"{here}/../../../../{out.name}", "..", "."),
        *(f"{up}{out.name}".replace("/", "\\"), f"C:\\{out.name}", f"C:{out.name}"),
        *(f"~/{out.name}", f"\\\\host\\{out.name}", f"file://{out}", f"./{up}", "/"),
        *(f"{up}{out.name}/canary.avi", f"{here}\0", f"{here}/", f"{here}%02d"),
        *(f"{up}{scene.root.name}/{here}", here.upper(), f"./{here}", f"{here}/."),
        *("http://localhost/x.avi", "concat:/etc/passwd", "/etc/passwd", "."),
    )
    put(scene, table, row, column, scene.pick(ways))
    table.save()


def workbook_of_something_else(scene):
    book = openpyxl.Workbook()
    book.active.append(["Subject", "Filename", "Weight"])
    book.save(scene.touch(scene.root / "other.xlsx"))


TABLE = (
    wrong_value,
    blank_cell,
    shuffle_columns,
    shuffle_rows,
    extra_column,
    column_twice,
    drop_a_column,
    rename_a_column,
    header_twice,
    header_lower,
    row_twice,
    row_twice_with_another_label,
    swap_two_labels,
    second_annotation_that_differs,
    merged_cells,
    extra_sheet,
    blank_tail,
    far_cell,
    path_that_climbs_out,
    workbook_of_something_else,
)
