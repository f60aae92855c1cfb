"""What data say is shown as it is, and does nothing to the terminal."""

import io
import logging

import pytest
from rich.table import Table
from rich.text import Text

from babelrank.cli.common import Warnings, show_error
from babelrank.console import DataConsole

# Clear the screen, name the window, ring the bell, ESC as one character, turn the direction, end the line.
HOSTILE = "a\x1b[2Jb\x1b]0;title\x07c\x9bd\u202ee\u2028f"


@pytest.fixture
def screen():
    """A terminal, and what was sent to it."""
    console = DataConsole()
    console.file, console._force_terminal, console.width = io.StringIO(), True, 200
    return console


@pytest.mark.parametrize("soft_wrap", [True, False])
def test_text_does_nothing_to_the_terminal(screen, soft_wrap):
    screen.print(HOSTILE, style="red", soft_wrap=soft_wrap)
    shown = screen.file.getvalue().replace("\x1b[31m", "").replace("\x1b[0m", "")
    assert shown.splitlines() == [r"a\x1b[2Jb\x1b]0;titlec\x9bd\u202ee\u2028f"]


def test_cells_of_tables_do_not_either(screen):
    table = Table()
    table.add_column(Text(HOSTILE))
    table.add_row(Text(HOSTILE))
    screen.print(table)
    assert not {"\x07", "\x9b", "\u202e", "\u2028"} & set(screen.file.getvalue())
    assert "\x1b[2J" not in screen.file.getvalue()


def test_markup_and_emoji_are_text(screen):
    screen.print("beir:fire: [red]x[/red] :id:")
    assert screen.file.getvalue() == "beir:fire: [red]x[/red] :id:\n"


def test_errors_are_shown_so(capsys):
    show_error("error: \x1b[2J")
    assert capsys.readouterr().err == "error: \\x1b[2J\n"


def test_warnings_are_shown_so(capsys):
    Warnings().handle(logging.makeLogRecord({"msg": "%s: odd", "args": (HOSTILE,)}))
    assert r"a\x1b[2Jb" in capsys.readouterr().err
