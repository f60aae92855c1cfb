"""Commands in processes of their own that are killed, or run out of disk, at a chosen point of their work.

Points are changes of files in the working folder, counted by an audit hook: a seed gives the same ones every time, and
between any two of them nothing on the disk changes.
"""

import errno
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from unittest.mock import patch

from paths import TESTS

KILLS = int(os.environ.get("BABELRANK_KILLS", "0"))  # of each command; 0 for as many as its test wants
SEED = int(os.environ.get("BABELRANK_FUZZ_SEED", "0"))
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
_TAKE_SPACE = {"open", "os.mkdir"}
_PATIENCE = 300  # seconds


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status (negative: by which signal), what it said, and how often it changed files."""

    status: int
    errors: str
    changes: int


def run(
    *arguments: object,
    cwd: Path,
    kill_at: int | None = None,
    full_at: int | None = None,
    file_size: int | None = None,
    path: Sequence[Path] = (),
) -> Ended:
    """Run a command line of babelrank.

    Parameters
    ----------
    kill_at
        Kill it before this change of a file, from 1.
    full_at
        From this change on, the disk is full: files can be neither made nor written.
    file_size
        Bytes that a file may have at most.
    path
        More folders to import from.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["crash.preloaded"])
    ours, theirs = context.Pipe()
    limits = {"kill_at": kill_at, "full_at": full_at, "file_size": file_size}
    with tempfile.NamedTemporaryFile("r", encoding="utf-8", errors="replace") as output:
        given = theirs, list(map(str, arguments)), cwd, list(map(str, path)), output.name, limits
        process = context.Process(target=_child, args=given)
        with patch.dict(os.environ, {"PYTHONPATH": str(TESTS)}):  # of the server, where it is not running yet
            process.start()
        theirs.close()
        changes = 0
        with suppress(EOFError):
            if ours.poll(_PATIENCE):
                changes = ours.recv()
        process.join(_PATIENCE)
        status = process.exitcode
        process.kill()
        assert status is not None, f"{arguments} did not end"
        return Ended(status, output.read(), changes)


def points(changes: int, wanted: int) -> list[int]:
    """Return some of the changes 1 to `changes`: seeded, sorted."""
    return sorted(random.Random(SEED).sample(range(1, changes + 1), min(KILLS or wanted, changes)))


def figures(folder: Path) -> dict[str, Any]:
    """Return what reports in a folder say, without what differs from run to run: times, and what was encoded."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.name == "results.json":
            document = json.loads(path.read_bytes())
            document.pop("environment")
            document["model"].pop("training_cost")
            for collection in document["collections"].values():
                for name in ("seconds", "evaluated", "texts_encoded", "environment", "cost"):
                    collection.pop(name, None)
            found[str(path.relative_to(folder))] = document
    return found


def _child(
    connection: Connection, arguments: list[str], cwd: Path, path: list[str], output: str, limits: dict[str, Any]
) -> None:
    os.chdir(cwd)
    sys.path[:0] = path
    for stream in (1, 2):
        os.dup2(os.open(output, os.O_WRONLY | os.O_APPEND), stream)
    for name in ("BABELRANK_DEBUG", "BABELRANK_REPORTS", "BABELRANK_STORE"):
        os.environ.pop(name, None)
    os.environ |= {"XDG_CACHE_HOME": str(cwd / ".cache"), "HF_HUB_OFFLINE": "1"}
    counter = _Counter(cwd, **limits)
    sys.addaudithook(counter)
    from babelrank.cli import main

    sys.argv = ["babelrank", *arguments]
    status = 0
    try:
        main()
    except SystemExit as stop:
        status = int(stop.code or 0)
    counter.stopped = True
    connection.send(counter.changes)
    connection.close()
    sys.stdout.flush()
    os._exit(status)


class _Counter:
    """An audit hook that counts changes of files in a folder."""

    def __init__(self, folder: Path, kill_at: int | None, full_at: int | None, file_size: int | None) -> None:
        self.changes, self.stopped = 0, False
        self._folder, self._kill_at, self._full_at = folder, kill_at, full_at
        if file_size is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.stopped or not self._is_change(event, arguments):
            return
        self.changes += 1
        if self.changes == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if self._full_at is not None and self.changes >= self._full_at and event in _TAKE_SPACE:
            raise OSError(errno.ENOSPC, "No space left on device", str(arguments[0]))

    def _is_change(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return False
        elif event not in _CHANGES:
            return False
        place = arguments[0]
        if not isinstance(place, str | bytes | os.PathLike):
            return False
        return Path(os.fsdecode(place)).absolute().is_relative_to(self._folder)
