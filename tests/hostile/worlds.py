"""Small twins to be damaged: every image and video of them can be told from all others.

Frames are a few pixels of noise, so that bytes in a record say which file they are
from; and each twin is read once undamaged, so that one knows what its clips are.
"""

import contextlib
import functools
import importlib
import io
import shutil
import types
import warnings
import zlib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

import datasets_tfds
from datasets_tfds import twins_film
from datasets_tfds.film_builder import FilmBuilder
from datasets_tfds.record import ReleaseError
from tests import tiles
from tests.hostile.cells import Grid

IMAGES = {".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP"}
CANARY = "CANARY"  # in what lies outside of a release, as text
READINGS = ("emotion", "action_units", "onset", "apex", "offset")

_SUBJECTS = 3
_FILES = 120  # images of a twin, about
_SALT = 13  # one that leaves every config some clips


class Clip(NamedTuple):
    """What the undamaged twin says of a clip, and where its frames lie."""

    annotated: dict[str, str]
    facts: dict[str, object]  # subject, kind, modality, fps, objective class
    homes: frozenset[Path]  # folders, or the file of a still or video


class World(NamedTuple):
    """A corpus, one of its configs, and the undamaged twin."""

    name: str  # 'casme2/raw'
    root: Path
    builder: FilmBuilder
    clips: dict[str, Clip]
    lines: str
    origin: dict[bytes, frozenset[Path]]  # of the bytes of a frame, in the twin
    outside: Path  # a folder that nobody may read, to be copied beside the twin
    canaries: frozenset[bytes]  # frames of that


def corpora():
    """Corpus -> its builder, of those that are filmed and have a twin."""
    found = {}
    for folder in sorted(Path(*datasets_tfds.__path__).iterdir()):
        if folder.joinpath("fake_release.py").is_file():
            module = f"datasets_tfds.{folder.name}.{folder.name}_dataset_builder"
            builder = importlib.import_module(module).Builder
            if issubclass(builder, FilmBuilder):
                found[folder.name] = builder
    return found


class Worlds:
    """Twins and what they hold, made when they are asked for."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.builders = corpora()
        self.twin = functools.cache(self._twin)
        self.world = functools.cache(self._world)

    @functools.cached_property
    def names(self):
        """Corpora and configs of which the twins have clips."""
        return [
            name
            for corpus, builder in self.builders.items()
            for config in builder.BUILDER_CONFIGS
            if self.world(name := f"{corpus}/{config.name}").clips
        ]

    def _twin(self, corpus):
        writer = importlib.import_module(f"datasets_tfds.{corpus}.fake_release")
        root = self.folder / "twins" / corpus / f"{corpus}_release"
        root.parent.mkdir(parents=True)
        with tiles.instead_of_faces():
            writer.write_release(root, subjects=_SUBJECTS, seed=0)
        _thin_out(root)
        for path in sorted(root.rglob("*")):
            if path.suffix in IMAGES and path.stat().st_size:
                _make_unique(path, root)
            elif path.suffix == ".avi":
                _refilm(path, root)
        outside = root.with_name("outside")
        _write_outside(outside, root)
        return root, _origins(root), outside, frozenset(_origins(outside))

    def _world(self, name):
        corpus, config = name.split("/")
        root, origin, outside, canaries = self.twin(corpus)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            builder = self.builders[corpus](
                config=config, data_dir=self.folder / "data"
            )
        try:
            records, lines = read(builder, root)
        except ReleaseError as error:
            assert "no clip found" in str(error), error
            records, lines = {}, ""
        clips = {key: _clip(record, origin) for key, record in records.items()}
        return World(name, root, builder, clips, lines, origin, outside, canaries)


def read(builder, root):
    """Everything a builder does with a release, but writing: key -> record, lines."""
    manager = types.SimpleNamespace(manual_dir=str(root))
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    encode = builder.info.features.encode_example
    with contextlib.redirect_stdout(printed):
        examples = builder._split_generators(manager)["clips"]
        records = {key: _plain(encode(example)) for key, example in examples}
    return records, printed.buffer.getvalue().decode()


def _plain(value):
    """As stored, but for text and numbers; frames stay bytes."""
    if isinstance(value, dict):
        return {k: v if k == "frames" else _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return value.decode() if isinstance(value, bytes) else value


def facts(record):
    """What must not change unless somebody changed it."""
    names = ("subject", "kind", "modality", "fps", "objective_class", "synthetic")
    return {name: record[name] for name in names}


def _clip(record, origin):
    files = {path for frame in record["frames"] for path in origin[frame]}
    single = len(record["frames"]) == 1
    homes = {p if single or p.suffix == ".avi" else p.parent for p in files}
    annotated = {name: record["annotated"][name] for name in READINGS}
    return Clip(annotated, facts(record), frozenset(homes))


def _thin_out(root):
    """Removes frames and clips until few are left; which, their names alone decide."""
    images = defaultdict(list)
    for path in sorted(root.rglob("*")):
        if path.suffix in IMAGES:
            images[path.parent].append(path)
    for files in images.values():
        for path in files[2:-2]:
            if _draw(path.stem) > 0.3:
                path.unlink()
                files.remove(path)
    share = _FILES / sum(map(len, images.values()))
    for folder, files in images.items():
        named = folder if any(map(str.isdigit, folder.name)) else folder.parent
        if len(files) > 2 and _draw(named.name) > share:
            shutil.rmtree(folder)


def _draw(name):
    """A number from 0 to 1, the same for all copies of a clip."""
    return zlib.crc32(f"{_SALT}{name.lower()}".encode()) / 2**32


def _noise(path, root, shape):
    seed = zlib.crc32(path.relative_to(root).as_posix().encode())
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _make_unique(path, root):
    with Image.open(path) as image:
        mode = image.mode
    if mode.startswith("I"):
        pixels = _noise(path, root, (6, 8, 2)).view(np.uint16)[..., 0]
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    else:
        image = Image.fromarray(_noise(path, root, (6, 8, 3))).convert(mode)
        image.save(path, format=IMAGES[path.suffix])


def _refilm(path, root):
    capture = cv2.VideoCapture(str(path))
    fps = capture.get(cv2.CAP_PROP_FPS)
    count = 0
    while capture.grab():
        count += 1
    capture.release()
    path.unlink()
    twins_film.write_video(path, _noise(path, root, (count, 48, 64, 3)), fps=fps)


def _write_outside(outside, root):
    """Writes files of every kind that would be read, were they in the release."""
    outside.mkdir()
    for stem in ("canary", *map(str, range(40, 48))):
        for suffix, format in IMAGES.items():
            path = outside / f"{stem}{suffix}"
            Image.fromarray(_noise(path, outside, (6, 8, 3))).save(path, format=format)
    pixels = _noise(outside / "canary.avi", outside, (12, 48, 64, 3))
    twins_film.write_video(outside / "canary.avi", pixels, fps=25)
    outside.joinpath("canary.txt").write_text("3.0000000e+00 ", encoding="ascii")
    xml = f'<a><Metatag Name="Emotion" Value="4"/>{CANARY}</a>'
    outside.joinpath("canary.xml").write_text(xml, encoding="ascii")
    for path in sorted(root.rglob("*")):
        if path.suffix in (".xlsx", ".csv") and not path.name.startswith("~"):
            with contextlib.suppress(ValueError):  # of another table
                _falsify(path, outside)


def _falsify(path, outside):
    grid = Grid(path)
    for row in grid.body:
        for column in grid.columns("emotion", "action_units"):
            grid.lines[row][column] = CANARY
    grid.save(outside / f"canary{path.suffix}")


def _origins(root):
    origins = defaultdict(set)
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if path.suffix in IMAGES:
            origins[path.read_bytes()].add(relative)
        elif path.suffix == ".avi":
            for data in _decoded(path):
                origins[data].add(relative)
    return {data: frozenset(paths) for data, paths in origins.items()}


def _decoded(path):
    capture = cv2.VideoCapture(str(path))
    while True:
        good, image = capture.read()
        if not good:
            capture.release()
            return
        yield cv2.imencode(".png", image)[1].tobytes()
