"""Shared by the commands: printing, and common options."""

import json
import logging
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

import babelrank
from babelrank.console import DataConsole

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Folder with the published files, in xquad-r/, ntrex/ and so on [default: BABELRANK_DATA].",
    ),
]
ReportsOption = Annotated[
    Path | None,
    typer.Option("--reports", metavar="DIR", help="Folder of reports [default: BABELRANK_REPORTS, or ./reports]."),
]
StoreOption = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Folder of stored vectors [default: BABELRANK_STORE, or the user's cache]."
    ),
]
MarginOption = Annotated[
    float,
    typer.Option(
        min=0,
        help="Smallest difference that matters in practice, such as 0.005. Tests ask whether models differ by more.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_COUNT = re.compile(r"(\d+(?:\.\d+)?) ?([KMB]?)", re.IGNORECASE)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])(i?)B?", re.IGNORECASE)

console = DataConsole()
errors = DataConsole(stderr=True)


def show(*results: object) -> None:
    """Print tables as tables and everything else as a line, without colours or wrapping."""
    for result in results:
        if hasattr(result, "__rich__"):
            console.print(result)
        else:
            console.print(str(result), soft_wrap=True)


def show_json(found: Any) -> None:
    """Print a DataFrame, dataclasses, or any other JSON value. NaN becomes null."""
    if hasattr(found, "to_json"):
        found = json.loads(found.to_json(orient="records", force_ascii=False))
    elif isinstance(found, list):
        found = [asdict(each) for each in found]
    show(json.dumps(found, indent=2, ensure_ascii=False, default=str))


def show_error(line: str, *, style: str | None = None) -> None:
    """Print a line to standard error."""
    errors.print(line, style=style, soft_wrap=True)


class Warnings(logging.Handler):
    """Show warnings of libraries and of babelrank in the same way as errors."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        show_error(self.format(record))


def parse_count(text: str | None) -> float | None:
    """Parse a number of parameters, such as ``200M`` or ``1.5B``; None stays None.

    Raises
    ------
    BabelrankError
        The text is not such a number.
    """
    if text is None:
        return None
    found = _COUNT.fullmatch(text.strip())
    if not found:
        raise babelrank.BabelrankError(f"--max-parameters {text}: expected a number such as 200M or 1.5B.")
    return float(found[1]) * 1000.0 ** " KMB".index(found[2].upper() or " ")


def parse_size(text: str | None) -> int | None:
    """Parse a size in bytes, such as ``4GB`` (10⁹ bytes each) or ``512MiB``; None stays None.

    Raises
    ------
    BabelrankError
        The text is not a size.
    """
    if text is None:
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found or not float(found[1]):
        raise babelrank.BabelrankError(f"--memory {text}: expected a size such as 4GB, 1.5GB or 512MiB.")
    return int(float(found[1]) * (1024 if found[3] else 1000) ** (1 + "KMGT".index(found[2].upper())))
