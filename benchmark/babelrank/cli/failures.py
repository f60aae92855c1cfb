"""How a command ends when something goes wrong: one sentence, and an exit status."""

import errno
import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from functools import wraps
from pathlib import Path
from typing import Any, TextIO

import typer

import babelrank
from babelrank.cli.common import show_error

DEBUG_VARIABLE = "BABELRANK_DEBUG"
DEBUG_OPTION = "--debug"
FAULT, INPUT, INTERRUPTED = 1, 2, 130  # exit statuses; the last as shells have it: 128 + SIGINT
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def ends_in_a_sentence(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that turns every error into one sentence and an exit status."""

    @wraps(command)
    def guarded(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(report(error)) from None

    return guarded


def report(error: BaseException) -> int:
    """Print what went wrong; return the exit status: 2 for bad input, 130 for an interruption, 1 for a bug."""
    if shows_tracebacks():
        traceback.print_exception(error)
    if isinstance(error, KeyboardInterrupt):
        show_error("interrupted. Finished work is kept: run the same command again to continue.")
        return INTERRUPTED
    message = str(error) if isinstance(error, babelrank.BabelrankError) else _explain_file_error(error)
    if message:
        show_error(f"error: {message}", style="red")
        return INPUT
    first_line = str(error).strip().partition("\n")[0]
    found = f"this is a bug: {type(error).__name__}: {first_line}"
    show_error(f"{found}; report it at the project's issue tracker; {_details(error)}", style="red")
    return FAULT


def shows_tracebacks() -> bool:
    """Return whether the user wants to see tracebacks."""
    return DEBUG_OPTION in sys.argv[1:] or os.environ.get(DEBUG_VARIABLE, "0") not in {"", "0"}


class _LossyStream(io.TextIOWrapper):
    """A stream that drops what it cannot write."""

    def write(self, text: str) -> int:
        """See `io.TextIOWrapper.write`."""
        with suppress(OSError):
            super().write(text)
        return len(text)

    def flush(self) -> None:
        """See `io.TextIOWrapper.flush`."""
        with suppress(OSError):
            super().flush()


@contextmanager
def lossy_errors() -> Iterator[None]:
    """Drop messages that standard error cannot take, such as on a full disk, so that they do not stop the work."""
    usual = sys.stderr
    if not isinstance(usual, io.TextIOWrapper):
        yield
        return
    lossy = _LossyStream(usual.buffer, usual.encoding, "replace", line_buffering=True)
    try:
        with redirect_stderr(lossy):
            yield
    finally:
        lossy.detach()  # the buffer stays open
        with suppress(OSError):
            _flush(usual)


def finish_output(status: int) -> int:
    """Flush standard output; return the status, or another one if that fails."""
    try:
        _flush(sys.stdout)
    except OSError as error:
        return status or (FAULT if isinstance(error, BrokenPipeError) else report(error))
    return status


def _flush(stream: TextIO | None) -> None:
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):  # Python flushes again at exit, and would print an error
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise


def _explain_file_error(error: BaseException) -> str:
    """Return a sentence about a file error of the operating system; empty for all other errors."""
    if not isinstance(error, OSError):
        return ""
    if error.filename is not None:
        return f"{error.filename2 or error.filename}: {error.strerror}."
    if error.errno in _NO_ROOM:
        return f"{error.strerror}."
    try:
        Path.cwd()
    except OSError:
        return "the working directory no longer exists. Change to another one."
    return ""


def _details(error: BaseException) -> str:
    """Write the traceback to a file, unless it is on the screen, and say where it is."""
    if shows_tracebacks():
        return "the details are above."
    version = f"babelrank {babelrank.__version__}, Python {sys.version}"
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="babelrank-", suffix=".log", delete=False, encoding="utf-8", errors="replace"
        ) as log:
            log.write(f"{version}\n\n{''.join(traceback.format_exception(error))}")
    except OSError:
        return f"{DEBUG_OPTION} shows the details."
    return f"the details are in {log.name}"
