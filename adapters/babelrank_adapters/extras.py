"""Optional parts: imported where they are used, with the way to get them when they are not there."""

from collections.abc import Iterator
from contextlib import contextmanager

from babelrank.errors import EncoderError, requires


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Import inside what babelrank's extra `name` brings.

    Raises
    ------
    EncoderError
        A module is not installed; says how to install the extra.
    """
    with requires(name, EncoderError):
        yield
