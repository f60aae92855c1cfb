"""The command line in this process, for tests that use it like a user."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from babelrank import cli
from babelrank.cli.common import console, errors


@dataclass(frozen=True)
class Outcome:
    """Result of a command: exit code and output."""

    code: int
    out: str
    err: str


Babelrank = Callable[..., Outcome]


@pytest.fixture
def babelrank(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Babelrank:
    """Run a command line, given as arguments of any type, in an empty folder and a wide terminal."""
    monkeypatch.chdir(tmp_path)
    for variable in ("BABELRANK_DEBUG", "BABELRANK_REPORTS", "BABELRANK_STORE"):
        monkeypatch.delenv(variable, raising=False)
    for screen in (console, errors):
        monkeypatch.setattr(screen, "width", 200)

    def run(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["babelrank", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
