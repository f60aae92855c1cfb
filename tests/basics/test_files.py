"""Atomic writing: a reader sees the old content or the new, and a failure leaves the old and nothing else. TOML."""

import errno
import os
from pathlib import Path

import pytest

from babelrank.errors import BabelrankError, TrainingError
from babelrank.files import as_path, atomic_folder, atomic_write, check_printable, read_toml


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("~nobody-here/x", "there is no such user"),
        ("a\0b", "cannot hold a null character"),
        ("x" * 5000, "x: File name too long"),
        ("x/" * 5000, "File name too long"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path, problem):
    with pytest.raises(BabelrankError, match=problem) as caught:
        as_path(path)
    assert len(str(caught.value)) < 200


def test_text_is_written_as_utf_8_and_bytes_as_they_are(tmp_path):
    atomic_write(tmp_path / "text", "grüß\r\n")
    atomic_write(tmp_path / "bytes", b"\x00\r\n\xff")
    assert (tmp_path / "text").read_bytes() == "grüß\r\n".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\r\n\xff"


def test_the_folder_is_made_and_old_content_replaced_with_nothing_left_beside_it(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    atomic_write(path, "old")
    atomic_write(path, "new")
    assert path.read_text(encoding="utf-8") == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_content_and_no_temporary_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "file"
    path.write_text("old", encoding="utf-8")

    def fail(*_):
        raise error

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(type(error)):
        atomic_write(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_cannot_be_encoded_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        atomic_write(tmp_path / "file", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OSError, match="file"):
        atomic_write(tmp_path / "file" / "inside", "y")


def test_a_folder_appears_whole_when_it_is_done(tmp_path):
    path = tmp_path / "a" / "folder"
    with atomic_folder(path) as fresh:
        (fresh / "file").write_text("x", encoding="utf-8")
        assert not path.exists()
    assert (path / "file").read_text(encoding="utf-8") == "x"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_a_folder_that_was_not_done_is_gone(tmp_path, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)), atomic_folder(tmp_path / "folder") as fresh:
        (fresh / "file").write_text("x", encoding="utf-8")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_does_not_take_the_place_of_one_with_something_in_it(tmp_path):
    atomic_write(tmp_path / "folder" / "file", "old")
    with pytest.raises(OSError, match="folder"), atomic_folder(tmp_path / "folder") as fresh:
        (fresh / "file").write_text("new", encoding="utf-8")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]
    assert (tmp_path / "folder" / "file").read_text(encoding="utf-8") == "old"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a = [", "not TOML"),
        (b"a = '\xff'", "not TOML"),
        (b"a = " + b"[" * 5000, "not TOML"),
        (b"a." * 5000 + b"b = 1", "not TOML"),
        (None, "cannot be read"),
    ],
)
def test_toml_that_cannot_be_read_is_named(tmp_path, content, problem):
    path = tmp_path / "x.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TrainingError, match=rf"x\.toml: {problem} \("):
        read_toml(path, TrainingError)


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x7f", "\x9b", "\u2028"])
def test_a_name_that_nothing_can_show_is_refused(character):
    with pytest.raises(TrainingError, match=rf"folder 'a.*b' holds the control character U\+{ord(character):04X}"):
        check_printable(f"a{character}b", "folder", TrainingError)


@pytest.mark.parametrize("name", ["نمونه\u200cها", "ไทย", "日本語", "e\u0301"])
def test_names_in_any_script_can_be_shown(name):
    assert check_printable(name, "folder") is None
