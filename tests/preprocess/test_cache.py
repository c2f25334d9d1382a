import errno
import json
import logging
import os
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mer_jax.errors import UserError
from mer_jax.preprocess.cache import cached, content_hash

KEY = {"corpus": "synthetic", "size": 28, "limit": 4.0}


class Compute:
    """Counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return {
            "flow": np.arange(24, dtype=np.uint8).reshape(2, 3, 4),
            "key": np.array(["a/b", "ü"]),
            "empty": np.zeros((0, 3), np.float32),
        }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture
def compute():
    return Compute()


def the_file(directory):
    (file,) = directory.iterdir()
    return file


def test_what_was_computed_is_read_back(tmp_path, compute):
    expected = compute()
    for _ in range(3):
        assert_same(cached(tmp_path / "new" / "cache", "flow", KEY, compute), expected)
    assert compute.calls == 2  # one of them ours
    name = the_file(tmp_path / "new" / "cache").name
    assert name.startswith("flow-") and name.endswith(".arrays")
    assert len(name) == len("flow-.arrays") + 16


def test_the_order_of_a_key_does_not_matter_but_every_value_does(tmp_path, compute):
    cached(tmp_path, "flow", KEY, compute)
    cached(tmp_path, "flow", dict(reversed(KEY.items())), compute)
    assert compute.calls == 1
    for other in ({**KEY, "size": 32}, {**KEY, "more": None}, {}):
        cached(tmp_path, "flow", other, compute)
    cached(tmp_path, "strain", KEY, compute)
    assert compute.calls == 5
    assert len(list(tmp_path.iterdir())) == 5


def test_a_file_made_under_another_key_is_computed_again(tmp_path, compute, caplog):
    cached(tmp_path, "flow", KEY, compute)
    file = the_file(tmp_path)
    other = {**KEY, "size": 32}
    cached(tmp_path, "flow", other, compute)
    (new,) = set(tmp_path.iterdir()) - {file}
    os.replace(new, file)  # as if the hashes had collided
    with caplog.at_level(logging.INFO):
        cached(tmp_path, "flow", KEY, compute)
    assert compute.calls == 3
    assert f"{file} holds something else" in caplog.text
    assert json.dumps(other, sort_keys=True) in caplog.text
    cached(tmp_path, "flow", KEY, compute)
    assert compute.calls == 3


@pytest.mark.parametrize("damage", ["empty", "half", "foreign", "flipped"])
def test_a_broken_file_is_computed_again_and_replaced(
    tmp_path, compute, caplog, damage
):
    expected = cached(tmp_path, "flow", KEY, compute)
    file = the_file(tmp_path)
    data = file.read_bytes()
    position = data.index(expected["flow"].tobytes())
    flipped = data[:position] + b"\xff" + data[position + 1 :]
    file.write_bytes(
        {
            "empty": b"",
            "half": data[: len(data) // 2],
            "foreign": b"not arrays",
            "flipped": flipped,
        }[damage]
    )
    with caplog.at_level(logging.INFO):
        assert_same(cached(tmp_path, "flow", KEY, compute), expected)
    assert compute.calls == 2 and "computing it again" in caplog.text
    assert all(record.levelno == logging.INFO for record in caplog.records)
    assert the_file(tmp_path).read_bytes() == data


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    where=st.floats(0, 1, exclude_max=True), cut=st.booleans(), bit=st.integers(0, 7)
)
def test_no_damage_ever_shows_in_the_arrays(tmp_path, where, cut, bit):
    compute = Compute()
    expected = compute()
    cached(tmp_path, "flow", KEY, compute)
    file = the_file(tmp_path)
    data = bytearray(file.read_bytes())
    position = int(where * len(data))
    if cut:
        del data[position:]
    else:
        data[position] ^= 1 << bit
    file.write_bytes(data)
    assert_same(cached(tmp_path, "flow", KEY, compute), expected)


def test_a_failed_computation_leaves_no_file(tmp_path):
    def fail():
        raise RuntimeError("no face")

    with pytest.raises(RuntimeError, match="no face"):
        cached(tmp_path, "flow", KEY, fail)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_leaves_nothing_and_names_path_and_bytes(
    tmp_path, compute, monkeypatch, code
):
    def full(_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        UserError, match=r"no room for .*flow-\w{16}\.arrays.* \d+ bytes"
    ):
        cached(tmp_path, "flow", KEY, compute)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    cached(tmp_path, "flow", KEY, compute)  # room again
    assert compute.calls == 2


def test_a_directory_that_cannot_be_made_is_named(tmp_path, compute):
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises((UserError, NotADirectoryError), match="data"):
        cached(tmp_path / "data", "flow", KEY, compute)


def test_an_interrupted_write_leaves_nothing(tmp_path, compute, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path, "flow", KEY, compute)
    assert not list(tmp_path.iterdir())


def test_the_file_never_shows_before_it_is_whole(tmp_path, compute, monkeypatch):
    seen = []
    replace = os.replace

    def watch(source, target):
        seen.append((source.name.startswith("."), source.parent == target.parent))
        seen.append(not target.exists())
        seen.append(compute()["flow"].tobytes() in source.read_bytes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    cached(tmp_path, "flow", KEY, compute)
    assert seen == [(True, True), True, True]


def test_threads_may_race_for_one_file(tmp_path):
    barrier = threading.Barrier(4)
    results = []

    def work():
        def compute():
            barrier.wait()  # nobody has written yet
            return Compute()()

        results.append(cached(tmp_path, "flow", KEY, compute))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for result in results:
        assert_same(result, Compute()())
    assert the_file(tmp_path).suffix == ".arrays"


@pytest.mark.parametrize(
    "array", [np.array([None]), np.zeros(2, "V3")], ids=["objects", "void"]
)
def test_arrays_that_an_npz_loses_are_refused(tmp_path, array):
    with pytest.raises(TypeError, match="'what'"):
        cached(tmp_path, "flow", KEY, lambda: {"what": array})
    assert not list(tmp_path.iterdir())


def test_a_key_must_be_json(tmp_path, compute):
    with pytest.raises(TypeError, match="not JSON serializable"):
        cached(tmp_path, "flow", {"size": np.float32(28)}, compute)
    assert compute.calls == 0


def test_a_content_hash_tells_values_types_and_shapes_apart():
    base = np.arange(6, dtype=np.uint8)
    different = [
        (base,),
        (base[::-1],),
        (base.astype(np.int8),),
        (base.reshape(2, 3),),
        (base[:3], base[3:]),
    ]
    assert len({content_hash(*arrays) for arrays in different}) == 5
    assert content_hash(base[::-1]) == content_hash(base[::-1].copy())
