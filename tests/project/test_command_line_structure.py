"""The command line has no logic of its own: it imports the public API alone, and a console to print on."""

import ast
import sys
from pathlib import Path

from typer.testing import CliRunner

import babelrank
from babelrank import cli

FOLDER = Path(babelrank.__file__).parent / "cli"
THIRD_PARTY = {"typer", "rich"}


def test_commands_import_only_what_is_public():
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                assert is_allowed(name), f"{path.name} imports {name}"


def is_allowed(name):
    """Whether `cli` may import a name."""
    root, _, rest = name.partition(".")
    if root == "babelrank":
        return not rest or rest.split(".")[0] in {"cli", "console"} or rest in babelrank.__all__
    return root in THIRD_PARTY or root in sys.stdlib_module_names


def test_commands_use_only_what_is_public():
    """An attribute of `babelrank` could also be one of its modules."""
    for path in sorted(FOLDER.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "babelrank":
                assert node.attr in babelrank.__all__, f"{path.name} uses babelrank.{node.attr}"


def test_descriptions_of_commands_fit_on_a_line_of_help(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in ([], ["data"]):
        shown = CliRunner().invoke(cli.app, [*arguments, "--help"]).output
        assert "Commands:" in shown
        assert not [line for line in shown.partition("Commands:")[2].splitlines() if line.endswith("...")]
