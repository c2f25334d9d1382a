"""Tests for mer_jax/files.py."""

import errno
import os

import pytest

from mer_jax import files
from mer_jax.errors import UserError
from mer_jax.files import write_atomic


def refuse(code):
    def fsync(descriptor):
        raise OSError(code, os.strerror(code))

    return fsync


def test_the_folder_is_made_and_the_content_is_whole(tmp_path):
    path = tmp_path / "a" / "b" / "file.bin"
    write_atomic(path, b"first")
    assert path.read_bytes() == b"first"
    write_atomic(path, memoryview(b"second"))
    assert path.read_bytes() == b"second"
    assert os.listdir(path.parent) == ["file.bin"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_an_error_for_the_user_and_leaves_no_partial_file(
    code, tmp_path, monkeypatch
):
    path = tmp_path / "runs" / "file.npz"
    monkeypatch.setattr(files.os, "fsync", refuse(code))
    with pytest.raises(UserError, match="no room for .*file.npz.* 7 bytes needed"):
        write_atomic(path, b"content")
    assert os.listdir(path.parent) == []


def test_a_refused_write_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"before")
    monkeypatch.setattr(files.os, "fsync", refuse(errno.EIO))
    with pytest.raises(UserError, match="cannot write .*file .*run the same command"):
        write_atomic(path, b"after")
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["file"]


def test_nothing_is_left_by_an_interrupted_write(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "file", b"content")
    assert os.listdir(tmp_path) == []


def test_a_file_appears_when_its_block_ends_and_only_if_it_ends_well(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(KeyError), files.appearing(path) as file:
        file.write(b"part")
        raise KeyError
    assert os.listdir(tmp_path) == []
    with files.appearing(path) as file:
        file.write(b"one")
        file.write(b"two")
        assert not path.exists()
    assert path.read_bytes() == b"onetwo"


def test_a_reader_never_sees_a_part(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"before")
    seen = []
    sync = os.fsync

    def look(descriptor):
        seen.append(path.read_bytes())
        sync(descriptor)

    monkeypatch.setattr(files.os, "fsync", look)
    write_atomic(path, b"after")
    assert seen == [b"before"]
    assert path.read_bytes() == b"after"


def test_a_folder_that_cannot_be_made_is_an_error_for_the_user(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UserError, match="cannot write"):
        write_atomic(tmp_path / "taken" / "file", b"content")


def test_the_user_reads_a_value_error_of_the_library():
    assert issubclass(UserError, ValueError)


def test_the_reason_is_told_as_it_came_and_a_full_disk_is_known_by_its_words(tmp_path):
    told = str(files.cannot_write(tmp_path, OSError("a strange medium")))
    assert told.startswith(f"cannot write {tmp_path} (a strange medium).")
    full = RuntimeError(f"array_record: {os.strerror(errno.ENOSPC)}; at byte 7")
    told = str(files.cannot_write(tmp_path, full, 12))
    assert told.startswith(
        f"no room for {tmp_path} (No space left on device), 12 bytes"
    )
