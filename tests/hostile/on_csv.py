"""Mutations of CSV files as text: encodings, quotes and line ends."""

from tests.hostile.scene import Edit


def _recoded(scene, change):
    path = scene.pick(scene.files(".csv"))
    scene.write(path, change(path.read_bytes()))


def in_utf_16(scene):
    _recoded(scene, lambda data: data.decode("utf-8-sig").encode("utf-16"))


def in_latin_1(scene):
    _recoded(scene, lambda data: data.replace(b"emotion", "émotion".encode("latin-1")))


def _in_a_row(scene, characters):
    """Puts characters before a cell of a CSV file."""
    path = scene.touch(scene.pick(scene.files(".csv")))
    lines = path.read_bytes().split(b"\r\n")
    at = scene.rng.randrange(1, len(lines) - 1)
    cells = lines[at].split(b",")
    where = scene.rng.randrange(len(cells))
    cells[where] = characters + cells[where]
    lines[at] = b",".join(cells)
    path.write_bytes(b"\r\n".join(lines))
    scene.names |= {f"row {at + 1}", f"line {at + 1}"}
    new = cells[where].decode("latin-1").strip()
    scene.edits += [Edit("", "", new), Edit("", "", new.lstrip('"'))]


def null_in_a_row(scene):
    _in_a_row(scene, b"\0")


def quote_in_a_row(scene):
    _in_a_row(scene, b'"')


def huge_cell(scene):
    _in_a_row(scene, b"x" * 200_000)


def semicolons(scene):
    _recoded(scene, lambda data: data.replace(b",", b";"))


def old_line_ends(scene):
    _recoded(scene, lambda data: data.replace(b"\r\n", scene.pick((b"\r", b"\n"))))


CSV = (
    in_utf_16,
    in_latin_1,
    null_in_a_row,
    quote_in_a_row,
    huge_cell,
    semicolons,
    old_line_ends,
)
