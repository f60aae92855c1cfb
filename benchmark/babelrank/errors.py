"""Errors that a user can act on: what was wrong, where, and what would be valid."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class BabelrankError(Exception):
    """Base of every error that babelrank raises on purpose; the command line prints it and exits with 2."""


class DataError(BabelrankError):
    """A collection is missing, damaged, or not what its pinned checksum says."""


class EncoderError(BabelrankError):
    """A model cannot be loaded, or returned something that is not a representation of its input."""


class SearchError(BabelrankError):
    """A search or an index is not possible as asked."""


class EngineError(BabelrankError):
    """Work that was given to other processes or machines cannot be done there."""


class ReportError(BabelrankError):
    """A report cannot be written or read, or is not the one that it should be."""


class TrainingError(BabelrankError):
    """A training run is not configured well, cannot go on, or has diverged."""


@contextmanager
def requires(extra: str, error_class: type[BabelrankError]) -> Iterator[None]:
    """Import inside what one of babelrank's extras brings.

    Raises
    ------
    BabelrankError
        A module is not installed; says how to install the extra. Of the class given.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise error_class(f"{error}: pip install 'babelrank[{extra}]' brings it.") from error


def listed(names: Iterable[str], most: int = 5) -> str:
    """Name the first few, and say how many more there are."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def unknown_choice(kind: str, given: str, choices: Iterable[str]) -> str:
    """Say that `given` is no known `kind`, which one may have been meant, and which there are."""
    known = sorted(map(str, choices))
    close = get_close_matches(given, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {given!r}.{hint} Known: {', '.join(known) or 'none'}."
