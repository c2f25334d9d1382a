"""What came of a damaged release: a correct record, a clear error, or a fault."""

import functools
import re
import warnings

from datasets_tfds.record import ReleaseError
from tests.hostile import cells
from tests.hostile.scene import TABLES, Scene, tokens, within
from tests.hostile.watch import Late, reading, time_limit
from tests.hostile.worlds import CANARY, READINGS, World, facts, read

CORRECT, CLEAR = "correct", "clear error"
FAULTS = ("wrong label", "outside read", "crash", "unclear error", "silent loss")
SECONDS = 20


class Fault(Exception):
    """What is wrong; the first argument is one of `FAULTS`."""


def verdict(world: World, scene: Scene, attempted=None):
    """Returns (outcome, what it is about).

    Args:
      world: of the twin.
      scene: what was done to a copy of it.
      attempted: of another process; by default it is read in this one.
    """
    try:
        result, outside = attempted or attempt(world.builder, scene.root)
        if isinstance(result, Fault):
            raise result
        _check_outside(world, scene, outside, result)
        if isinstance(result, ReleaseError):
            return CLEAR, _check_error(scene, str(result))
        _check_records(world, scene, *result)
    except Fault as fault:
        return fault.args
    return CORRECT, ""


def attempt(builder, root):
    """(records and lines, or the error that a user sees, or a crash), files outside."""
    with reading(root) as outside, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are errors in tests alone
        try:
            with time_limit(SECONDS):
                return read(builder, root), outside
        except ReleaseError as error:
            if "MemoryError" in str(error):
                return Fault("crash", str(error)), outside
            return error, outside
        except (Exception, Late) as error:
            return Fault("crash", f"{type(error).__name__}: {error}"), outside


def _check_outside(world, scene, outside, result):
    if outside:
        raise Fault("outside read", str(outside))
    text = str(result) if isinstance(result, ReleaseError) else result[1]
    records = {} if isinstance(result, ReleaseError) else result[0]
    for key, record in records.items():
        text += key + str(record["annotated"])
        if world.canaries & set(record["frames"]):
            raise Fault("outside read", f"{key}: a frame from outside")
    if CANARY in text:
        raise Fault("outside read", text)


def _check_error(scene, text):
    """Raises if an error can be printed by none, or names nothing that was touched."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Fault("crash", f"an error that cannot be printed: {error}") from None
    known = {p.name for p in scene.paths()} if scene.everywhere else set()
    ends = [rf"(?<![A-Za-z0-9]){re.escape(n)}(?!\d)" for n in scene.names | known if n]
    shown = text.replace(str(scene.root.parent), "")
    whole = tokens(shown)  # 's01_ne_01' names the folder 's1_ne_01'
    spelled = (tokens(name) for name in scene.names)
    if (
        "no clip found" in shown
        or any(re.search(end, shown, re.I) for end in ends)
        or any(len(name) > 1 and within(name, whole) for name in spelled)
    ):
        return text.splitlines()[-1]
    raise Fault("unclear error", text)


def _check_records(world, scene, records, lines):
    lost = world.clips.keys() - records.keys()
    renamed = records.keys() - world.clips.keys()  # by a cell that names them
    if len(lost) > len(renamed) and lines == world.lines:
        raise Fault("silent loss", ", ".join(sorted(lost)))
    now, rows = _files(scene), functools.cache(functools.partial(_rows, scene))
    for key, record in records.items():
        try:
            _check_shape(record)
            _check_frames(world, scene, key, record, now)
            _check_labels(world, scene, key, record, now)
            if not scene.bomb:
                _check_table(key, record, rows)
        except AssertionError as error:
            raise Fault("wrong label", f"{key}: {error}") from error


def _files(scene):
    found = {}
    for path in scene.linked_images():
        if path.stat().st_size < 2**20:
            found.setdefault(path.read_bytes(), []).append(path)
    return found


def _check_shape(record):
    numbers = record["frame_numbers"]
    assert len(record["frames"]) == len(numbers) > 0
    assert numbers == sorted(set(numbers))
    for one in (record["annotated"], record["repaired"]):
        places = [int(one[f"{name}_index"]) for name in ("onset", "apex", "offset")]
        assert 0 <= places[0] <= places[1] <= places[2] < len(numbers), places


def _check_frames(world, scene, key, record, now):
    """Every frame is of this clip: as in the twin, or where it was moved to."""
    clip, folders = world.clips.get(key), set()
    for number, data in zip(record["frame_numbers"], record["frames"], strict=True):
        files = now.get(data, [])
        if files:
            named = [re.findall(r"\d+", file.stem)[-1:] for file in files]
            numbers = {int(digits) for one in named for digits in one}
            assert number in numbers, f"{files[0]} is not frame {number}"
        old = world.origin.get(data, frozenset())
        at_home = clip and any({p, p.parent} & clip.homes for p in old)
        if not at_home:
            folders.add(files[0].parent if files else None)
            assert files or not old or scene.moved, f"frames of {old}"
            assert scene.moved or not old, f"a frame of {old}"
    if len(folders) > 1:
        assert None in folders and len(folders) == 2, f"frames of {folders}"


def _check_labels(world, scene, key, record, now):
    """What differs from the twin was changed in a cell, or in the bytes of a label."""
    written = {name: record["annotated"][name] for name in READINGS}
    clip = world.clips.get(key)
    if clip is None:
        assert scene.moved or scene.edits or scene.garbled, "no such clip in the twin"
        return
    edited = {edit.new for edit in scene.edits}
    numbers = record["frame_numbers"]
    ends = {str(numbers[0]), str(numbers[-1])}
    for name, text in written.items():
        if text == clip.annotated[name] or text in edited:
            continue
        if name in ("onset", "apex", "offset") and scene.names and text in ends:
            continue  # where frames alone say where a clip ends
        if name == "emotion" and scene.moved and text in _folders(record, now):
            continue  # that are labels, alone or before those of a table
        if name == "emotion" and scene.garbled:
            known = {one.annotated["emotion"] for one in world.clips.values()}
            assert text in known, f"emotion {text!r}"
            continue
        assert name == "action_units" and scene.garbled, (
            f"{name} {text!r}, not {clip.annotated[name]!r}"
        )
    for name, value in facts(record).items():
        if value != clip.facts[name] and str(value) not in edited:
            tables = any(one.endswith(TABLES) for one in scene.names)
            assert tables and name in ("fps", "kind", "objective_class"), (
                f"{name} {value!r}, not {clip.facts[name]!r}"
            )


def _folders(record, now):
    """The folders, in lower case, around all frames of a record."""
    paths = [path for data in record["frames"] for path in now.get(data, [])]
    parts = [{part.lower() for part in path.parts} for path in paths]
    return set.intersection(*parts) if parts else set()


def _check_table(key, record, rows):
    """A row of the table that the record names has this name and these cells."""
    whole, shown = tokens(key), record["annotated"]
    told = " ".join(record["issues"])  # of labels that a folder's name overrides
    of_table = rows(record["annotation_version"])
    for row in of_table:
        if all(within(tokens(cell), whole) for cell in row.names) and all(
            shown[name] in texts or (name == "emotion" and texts[0] in told)
            for name, texts in row.cells.items()
        ):
            return
    assert not of_table, f"no row of {record['annotation_version']} says {shown}"


def _rows(scene, version):
    table = re.fullmatch(r"(.+), \d+ rows", version)
    paths = [p for p in scene.files(*TABLES) if table and p.name == table[1]]
    return [row for path in paths for row in cells.rows(path)]
