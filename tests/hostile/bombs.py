"""Mutations that make small files large when they are read."""

import functools
import io
import os
import struct
import zipfile
import zlib

from tests.hostile.scene import LABELS, TABLES, Scene
from tests.hostile.worlds import IMAGES

_CHUNK = 2**20
_SHEET = "xl/worksheets/sheet1.xml"
_LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a0 "ha">
%s]><lolz><Metatag Name="Emotion" Value="4"/>&a9;</lolz>"""


def _laughing(billions: int = 10):
    """Entities of entities: 2 * 10^9 letters."""
    lines = (
        b'<!ENTITY a%d "%s">\n' % (i, b"&a%d;" % (i - 1) * 10)
        for i in range(1, billions)
    )
    return _LAUGHS % b"".join(lines)


@functools.cache
def _deflated(text: bytes, repeats: int):
    """(compressed bytes, checksum, length) of a text that comes again and again."""
    chunk = text * (_CHUNK // len(text))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    # After a full flush nothing refers back, so that the same bytes can come again.
    packed = packer.compress(chunk) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(repeats):
        checksum = zlib.crc32(chunk, checksum)
    return packed * repeats + packer.flush(), checksum, len(chunk) * repeats


def _rezipped(path, change):
    """The bytes of a workbook whose parts are changed: (name, data) -> data."""
    file = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w", 8) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return file.getvalue()


def _workbook(scene):
    path = scene.pick(scene.files(".xlsx"))
    try:
        with zipfile.ZipFile(path) as book:
            whole = book.testzip() is None and _SHEET in book.namelist()
    except Exception:  # damaged before
        whole = False
    return scene.pick([path] if whole else [])


def zip_bomb(scene: Scene):
    """A workbook of a megabyte that unpacks to more than a gigabyte of rows."""
    path = _workbook(scene)
    row = scene.pick((b"<row><c><v>1</v></c></row>", b"<c/>", b" "))
    scene.bomb = True
    packed, checksum, length = _deflated(row, 1100)
    scene.write(path, _with_entry(path, _SHEET, packed, checksum, length))


def _with_entry(path, name, packed, checksum, length):
    """A workbook's bytes, with a part in them that was compressed before."""
    file = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(file, "w", 8) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(entry := zipfile.ZipInfo(name), packed)  # as if it were stored
        entry.compress_type, entry.CRC, entry.file_size = 8, checksum, length
    data = bytearray(file.getvalue())
    at = entry.header_offset
    data[at + 8 : at + 10] = struct.pack("<H", 8)
    data[at + 14 : at + 26] = struct.pack("<III", checksum, len(packed), length)
    return bytes(data)


def many_entries(scene: Scene):
    """A workbook of twenty thousand parts."""
    path = _workbook(scene)
    file = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(file, "a") as book:
        for number in range(20_000):
            book.writestr(zipfile.ZipInfo(f"xl/media/{number}"), b"")
    scene.bomb = True
    scene.write(path, file.getvalue())


def laughing_workbook(scene: Scene):
    """Entities that expand to gigabytes, in a part of a workbook."""
    path = _workbook(scene)
    part = scene.pick(("xl/sharedStrings.xml", "xl/workbook.xml", "sheet1.xml"))
    scene.bomb = True
    change = lambda name, data: _laughing() if name.endswith(part) else data
    scene.write(path, _rezipped(path, change))


def laughing_xml(scene: Scene):
    """Entities that expand to gigabytes."""
    scene.bomb = True
    scene.write(scene.pick(scene.files(".xml")), _laughing())


def entity_of_a_file(scene: Scene):
    """An entity that is a file outside of the release."""
    path = scene.pick(scene.files(".xml"))
    outside = scene.outside / "canary.txt"
    data = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{outside}">]><a>&x;</a>'
    scene.write(path, data.encode())


def four_gigabytes(scene: Scene):
    """A file that grew, without taking any room on the disk."""
    kinds = {p.suffix.lower() for p in scene.files(*TABLES, *LABELS, *IMAGES, ".avi")}
    kind = scene.pick(sorted(kinds))
    path = scene.frame() if kind in IMAGES else scene.pick(scene.files(kind))
    scene.touch(path)
    if kind in LABELS:
        scene.garbled.append(path)
    scene.bomb = True
    os.truncate(path, 2**32)


BOMBS = (
    zip_bomb,
    many_entries,
    laughing_workbook,
    laughing_xml,
    entity_of_a_file,
    four_gigabytes,
)
