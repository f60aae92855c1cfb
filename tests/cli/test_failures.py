"""How a command ends when something goes wrong: one sentence, and an exit status."""

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from babelrank.cli import app, data_app
from babelrank.cli.failures import ends_in_a_sentence, finish_output
from babelrank.data.loading import load_collection
from babelrank.errors import BabelrankError
from command_line import Babelrank


@pytest.fixture
def fail(babelrank, tmp_path, monkeypatch):
    """Run `data list`, or other arguments, while listing collections raises an error."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(error, *arguments):
        def raise_it(*_):
            raise error

        monkeypatch.setattr("babelrank.api.collections.list_collections", raise_it)
        return babelrank(*(arguments or ("data", "list")))

    return run


def test_a_fault_of_ours_is_one_sentence_with_a_log(fail, tmp_path):
    outcome = fail(ZeroDivisionError("first line\nsecond line"))
    assert outcome.code == 1
    (line,) = outcome.err.splitlines()
    said = r"this is a bug: ZeroDivisionError: first line; report it at the project's issue tracker; "
    log = re.fullmatch(said + "the details are in (.+)", line)[1]
    assert Path(log).parent == tmp_path
    content = Path(log).read_text(encoding="utf-8")
    assert "Traceback" in content
    assert "second line" in content
    assert content.startswith("babelrank ")


@pytest.mark.parametrize("arguments", [("--debug", "data", "list"), ("data", "list", "--debug")])
def test_debug_shows_the_traceback(fail, tmp_path, arguments):
    outcome = fail(ZeroDivisionError("why"), *arguments)
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert "the details are above" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_debug_is_a_variable_too(fail, monkeypatch, value, shown):
    monkeypatch.setenv("BABELRANK_DEBUG", value)
    assert ("Traceback" in fail(ZeroDivisionError("why")).err) == shown


def test_a_log_that_cannot_be_written_is_not_named(fail, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert fail(ZeroDivisionError("why")).err.endswith("; --debug shows the details.\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "/data/x"), "error: /data/x: Permission denied."),
        (OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"), "error: b: Invalid cross-device link."),
        (OSError(errno.ENOSPC, "No space left on device"), "error: No space left on device."),
    ],
)
def test_errors_about_files_are_the_users(fail, error, sentence):
    outcome = fail(error)
    assert (outcome.code, outcome.err.strip()) == (2, sentence)


def test_an_error_of_the_system_that_is_about_no_file_is_ours(fail):
    assert fail(OSError(errno.EBADF, "Bad file descriptor")).code == 1


def test_the_end_of_a_file_is_no_interruption(fail):
    assert fail(EOFError("damaged")).code == 1


def test_a_deleted_working_directory_is_said(babelrank, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    outcome = babelrank("leaderboard")
    assert outcome.code == 2
    assert "working directory no longer exists" in outcome.err


def test_every_command_can_be_interrupted(fail):
    outcome = fail(KeyboardInterrupt())
    assert outcome.code == 130
    assert "run the same command again to continue" in outcome.err
    assert "Traceback" not in outcome.err


def test_an_interrupted_submission_continues(babelrank: Babelrank, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("babelrank.pipelines.evaluation.encode", interrupt)
    outcome = babelrank("submit", "use-multilingual-v3", "-c", "sample")
    assert outcome.code == 130
    assert "run the same command again to continue" in outcome.err


def test_an_unknown_command_or_option_is_a_usage_error(babelrank):
    for arguments in (("sumbit",), ("data", "list", "--dta", "x"), ("cache", "--prune", "-1")):
        outcome = babelrank(*arguments)
        assert outcome.code == 2
        assert "Usage: " in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "list", "--data", "~nobody-at-all/x"),
        ("submit", "~nobody-at-all/x", "-c", "sample"),
        ("submit", "use-multilingual-v3", "-c", "local:~nobody-at-all/x"),
        ("submit", "use-multilingual-v3", "-c", "beir:~nobody-at-all/x"),
        ("submit", "use-multilingual-v3", "-c", "miracl:~nobody-at-all/x:sw"),
        ("submit", "use-multilingual-v3", "-c", "sample", "--out", "~nobody-at-all/x"),
        ("evaluate", "~nobody-at-all/x", "-c", "sample"),
        ("rerank", "x.run", "--model", "~nobody-at-all/x", "-c", "sample:en"),
    ],
)
def test_a_home_of_nobody_is_said(babelrank, tmp_path, arguments):
    sample = load_collection("sample:en")
    (tmp_path / "x.run").write_text(f"{sample.labels[0]} Q0 {sample.qrels['passage_id'].iloc[0]} 1 1 made\n")
    outcome = babelrank(*arguments)
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1] == "error: ~nobody-at-all/x: there is no such user."


def test_a_submission_is_complete_before_it_is_printed(babelrank, tmp_path, monkeypatch):
    def fail_to_print(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("babelrank.cli.evaluation.show", fail_to_print)
    outcome = babelrank("submit", "use-multilingual-v3", "-c", "sample:en")
    assert outcome.code == 2
    assert "error: No space left on device." in outcome.err
    assert "use-multilingual-v3" in (tmp_path / "leaderboard.md").read_text(encoding="utf-8")


def test_every_command_ends_in_a_sentence():
    commands = [each.callback for each in (*app.registered_commands, *data_app.registered_commands)]
    assert len(commands) > 20
    assert {command.__code__ for command in commands} == {ends_in_a_sentence(print).__code__}


@pytest.mark.parametrize(
    ("error", "code"), [(ZeroDivisionError("why"), 1), (BabelrankError("why"), 2), (KeyboardInterrupt(), 130)]
)
def test_the_status_says_whose_error_it_is(fail, error, code):
    outcome = fail(error)
    assert outcome.code == code
    assert len(outcome.err.splitlines()) == 1
    assert "Traceback" not in outcome.err


def test_version_and_short_help(babelrank):
    assert babelrank("--version").out.startswith("babelrank 0.")
    for arguments in (("-h",), ("submit", "-h"), ("data", "-h"), ("data", "list", "-h")):
        outcome = babelrank(*arguments)
        assert outcome.code == 0
        assert "Usage: " in outcome.out


def run_program(*arguments, cwd, **more):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COV_")}
    command = [sys.executable, "-m", "babelrank", *map(str, arguments)]
    more = {"stderr": subprocess.PIPE, "env": {}, **more}
    return subprocess.run(command, cwd=cwd, check=False, **{**more, "env": environment | more["env"]})


def test_a_terminal_without_arrows_loses_nothing(tmp_path):
    done = run_program(
        *("submit", "bm25", "-c", "sample:en", "--store", tmp_path / "store"),
        cwd=tmp_path,
        env={"PYTHONIOENCODING": "cp1252"},
        stdout=subprocess.PIPE,
    )
    assert done.returncode == 0, done.stderr
    assert b"mAP ?" in done.stdout
    assert (tmp_path / "leaderboard.md").stat().st_size
    assert (tmp_path / "reports/bm25/results.json").is_file()


def test_an_output_that_is_full_at_the_end_is_said(monkeypatch, capsys):
    class Full:
        def flush(self):
            raise OSError(errno.ENOSPC, "No space left on device")

        def fileno(self):
            raise ValueError

    monkeypatch.setattr(sys, "stdout", Full())
    assert finish_output(0) == 2
    assert capsys.readouterr().err == "error: No space left on device.\n"


def test_messages_that_cannot_be_written_stop_nothing(tmp_path):
    submit = ("submit", "bm25", "-c", "sample:en", "--store", tmp_path / "store")
    wrong = ("data", "verify", "none")
    reading, writing = os.pipe()
    os.close(reading)
    with Path("/dev/full").open("wb") as full, os.fdopen(writing, "wb") as closed:
        statuses = [
            run_program(*command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=errors).returncode
            for command, errors in ((submit, full), (wrong, full), (wrong, closed))
        ]
    assert statuses == [0, 2, 2]
    assert (tmp_path / "reports/bm25/results.json").is_file()


@pytest.mark.parametrize("arguments", [("schema",), ("--help",), ("data", "list")])
def test_a_closed_pipe_ends_quietly(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = run_program(*arguments, cwd=tmp_path, stdout=writing)
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
