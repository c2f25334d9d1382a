"""Tiny releases of filmed clips, written by hand for the tests of the builders."""

import io
import sys
import zlib
from pathlib import Path

import numpy as np
import openpyxl
import tensorflow_datasets as tfds
from PIL import Image

from datasets_tfds.record import SPLIT

CASME2_HEADER = (
    "Subject",
    "Filename",
    None,
    "OnsetFrame",
    "ApexFrame",
    "OffsetFrame",
    None,
    "Action Units",
    "Estimated Emotion",
)
SAMM_HEADER = (
    "Subject",
    "Filename",
    "Inducement Code",
    "Onset Frame",
    "Apex Frame",
    "Offset Frame",
    "Duration",
    "Micro",
    "Action Units",
    "Estimated Emotion",
    "Objective Classes",
    "Notes",
)


class Encoded(tfds.decode.SkipDecoding):
    """SkipDecoding that also knows sequences, which TFDS 4.9.10's own does not."""

    def decode_batch_example_np(self, serialized_example):
        return serialized_example


def picture(name, *, mode="RGB", size=(6, 4), format="JPEG"):
    """The bytes of an image of noise that depends on its name."""
    rng = np.random.default_rng(zlib.crc32(str(name).encode()))
    noise = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, format=format)
    return file.getvalue()


def write_frames(folder, numbers, name="img{}.jpg", **options):
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {number: folder / name.format(number) for number in numbers}
    for path in paths.values():
        path.write_bytes(picture(path.name, **options))
    return paths


def write_workbook(path, rows, *, sheet="Sheet1", empty=()):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    for name in empty:
        book.create_sheet(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    book.save(path)
    return path


def casme2_row(subject, clip, onset, apex, offset, emotion="others", units="4"):
    return (subject, clip, None, onset, apex, offset, None, units, emotion)


def write_casme2(path, rows, *, classes=None):
    """An annotation of 2014, or with objective classes one of 2019."""
    table = [CASME2_HEADER, *rows]
    if classes is not None:
        extra = ["Objective Classes", *classes]
        table = [(*row, cell) for row, cell in zip(table, extra, strict=True)]
    return write_workbook(path, table, empty=("Sheet2", "Sheet3"))


def samm_row(subject, clip, onset, apex, offset, emotion="Other", units=4, cls=7):
    duration = "=SUM(F15-D15)+1"
    micro = "Micro - 1/2"
    code = int(clip.split("_")[1]) if "_" in clip else 1
    return (
        *(subject, clip, code, onset, apex, offset),
        *(duration, micro, units, emotion, cls, None),
    )


def write_samm(path, rows, *, above=13):
    notes = [("Notes", None, "Subject")] * above
    return write_workbook(path, [*notes, SAMM_HEADER, *rows], sheet="MICRO_ONLY")


def prepare(builder, release, data_dir, config=None):
    made = builder(config=config, data_dir=data_dir, file_format="array_record")
    manual = tfds.download.DownloadConfig(manual_dir=release)
    made.download_and_prepare(download_config=manual)
    assert "tensorflow" not in sys.modules
    return made


def records(made, *, encoded=True):
    """key -> record of a prepared corpus; text as str, and frames as their bytes."""
    decoders = {"frames": Encoded()} if encoded else None
    source = made.as_data_source(SPLIT, decoders=decoders)
    return {clip["key"].decode(): text(clip) for clip in source}


def text(value):
    if isinstance(value, dict):
        return {k: v if k == "frames" else text(v) for k, v in value.items()}
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list) or getattr(value, "dtype", None) == np.object_:
        return [text(v) for v in value]
    return value


def told(stdout, name):
    """The lines a builder printed about a release."""
    lines = stdout.splitlines()
    return [line[len(name) + 2 :] for line in lines if line.startswith(f"{name}: ")]
