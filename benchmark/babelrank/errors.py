"""Errors that a user can act on. Each says what is wrong, where, and what is valid."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class BabelrankError(Exception):
    """Base class of all errors of babelrank. The command line prints the message and exits with 2."""


class DataError(BabelrankError):
    """A collection is missing or damaged, or differs from its pinned checksum."""


class EncoderError(BabelrankError):
    """A model cannot be loaded, or its output is not a valid representation of its input."""


class SearchError(BabelrankError):
    """A search or an index is not possible with these settings."""


class EngineError(BabelrankError):
    """Work on other processes or machines failed."""


class ReportError(BabelrankError):
    """A report cannot be written or read, or is not the expected one."""


class TrainingError(BabelrankError):
    """A training run has an invalid configuration, cannot continue, or has diverged."""


@contextmanager
def requires(extra: str, error_class: type[BabelrankError]) -> Iterator[None]:
    """Turn a failed import within the block into an error that names the extra to install.

    Raises
    ------
    BabelrankError
        A module is not installed. The error is of the given class and says how to install the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise error_class(f"{error}: install it with: pip install 'babelrank[{extra}]'") from error


def described(error: BaseException, most: int = 300) -> str:
    r"""Return another library's error in one line: its kind, and the beginning of its own words.

    Examples
    --------
    >>> described(ValueError("no such\n    model"))
    'ValueError: no such model'
    """
    words = " ".join(str(error).split()).rstrip(".")
    return f"{type(error).__name__}: {words[:most]}{'…' if len(words) > most else ''}"


def listed(names: Iterable[str], most: int = 5) -> str:
    """List the first few items, and count the rest."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def unknown_choice(kind: str, given: str, choices: Iterable[str]) -> str:
    """Return a message for an unknown name: the closest match and all known names."""
    known = sorted(map(str, choices))
    close = get_close_matches(given, known, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"unknown {kind} {given!r}.{hint} Known: {', '.join(known) or 'none'}."
