"""End cleanly on SIGTERM, and end child processes with their parent."""

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

_PR_SET_PDEATHSIG = 1  # prctl(2)
_EXIT_CODE = 128 + signal.SIGTERM  # as shells have it
# A program that outlives this process. When its standard input ends, it kills processes with open files in a folder.
_WATCH = """
import glob, os, shutil, signal, sys, time
sys.stdin.buffer.read()
folder, until = sys.argv[1], time.monotonic() + 5
while time.monotonic() < until:
    for path in glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(path).startswith(folder):
                os.kill(int(path.split("/")[2]), signal.SIGKILL)
        except OSError:
            pass
    time.sleep(0.2)
shutil.rmtree(folder, ignore_errors=True)
"""


@contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into `SystemExit` within the block, so ``finally`` clauses run.

    Only the main thread can handle signals. In another thread this has no effect.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received = []

    def leave(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        sys.exit(_EXIT_CODE)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    except SystemExit:
        if received:
            sys.exit(_EXIT_CODE)  # libraries such as Ray would exit with another code
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def end_with_parent() -> None:
    """End this process, started by `multiprocessing`, as soon as its parent ends for any reason."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()
    if sys.platform == "linux":  # works even if a library holds the interpreter lock
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(_EXIT_CODE)


@contextmanager
def folder_of_children(parent: str | None = None) -> Iterator[Path]:
    """Yield a temporary folder. Processes with open files in it end when this process ends for any reason.

    Works only on Linux: other systems do not show the open files of a process.
    """
    with TemporaryDirectory(prefix="babelrank-", dir=parent, ignore_cleanup_errors=True) as folder:
        if sys.platform != "linux":
            yield Path(folder)
            return
        command = [sys.executable, "-S", "-c", _WATCH, f"{folder}/"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as watcher:
            try:
                yield Path(folder)
            finally:
                watcher.terminate()
