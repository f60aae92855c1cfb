"""Atomic writing: a reader sees the old content or the new, and a failure leaves the old and nothing else."""

import errno
import os
from pathlib import Path

import pytest

from babelrank import errors
from babelrank.files import atomic_write


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


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("bluu", "unknown colour 'bluu'. Did you mean 'blue'? Known: blue, red."),
        ("xyz", "unknown colour 'xyz'. Known: blue, red."),
        ("", "unknown colour ''. Known: blue, red."),
    ],
)
def test_an_unknown_choice_is_told_with_what_may_have_been_meant(given, message):
    assert errors.unknown_choice("colour", given, ["red", "blue"]) == message


def test_that_there_is_no_choice_is_said():
    assert errors.unknown_choice("colour", "x", []) == "unknown colour 'x'. Known: none."


def test_all_errors_on_purpose_can_be_caught_as_one():
    for kind in (errors.DataError, errors.EncoderError, errors.ReportError):
        assert issubclass(kind, errors.BabelrankError)
