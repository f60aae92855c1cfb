"""Shared by the public functions: reading paths and options, and showing progress."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babelrank.errors import EncoderError, unknown_choice
from babelrank.files import as_path
from babelrank.observer import Observer

if TYPE_CHECKING:
    from babelrank.encoding.protocol import EncoderOptions

REPORTS_VARIABLE = "BABELRANK_REPORTS"


def reports_folder(reports: str | Path | None = None) -> Path:
    """Return the absolute path of the reports: the folder given, ``BABELRANK_REPORTS``, or ``./reports``.

    Raises
    ------
    BabelrankError
        See `as_path`.
    """
    return as_path(reports or os.environ.get(REPORTS_VARIABLE) or "reports").resolve()


def encoder_options(options: dict[str, Any]) -> "EncoderOptions":
    """Return encoder options given by name.

    Raises
    ------
    EncoderError
        An option or the similarity is unknown.
    """
    from babelrank.encoding.protocol import EncoderOptions, parse_similarity

    known = EncoderOptions.__dataclass_fields__
    if unknown := next((each for each in options if each not in known), None):
        raise EncoderError(unknown_choice("option", unknown, known))
    similarity = parse_similarity(options.get("similarity"))
    return EncoderOptions(**{**options, "similarity": similarity})


@contextmanager
def watched_by(observer: Observer | None) -> Iterator[Observer]:
    """Yield the observer; by default one that shows progress on standard error if babelrank logs at INFO or below."""
    quiet = logging.getLogger("babelrank").level > logging.INFO
    if observer is not None or quiet:
        yield observer or Observer()
        return
    from babelrank.console import DataConsole
    from babelrank.reporting.terminal import ProgressBars

    with ProgressBars(DataConsole(stderr=True)) as bars:
        yield bars
