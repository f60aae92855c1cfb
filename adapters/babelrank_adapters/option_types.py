"""Parsers for the text of ``--option NAME=TEXT``. Each raises a ValueError that says what is valid."""

import json
from collections.abc import Callable
from math import inf
from typing import Any

_BOOLEANS = {"true": True, "false": False}


def positive_integer(text: str) -> int:
    """Parse a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("expected a whole number above 0")
    return int(text)


def boolean(text: str) -> bool:
    """Parse true or false."""
    return _BOOLEANS[one_of(*_BOOLEANS)(text)]


def json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected a JSON object ({error})") from error
    if not isinstance(value, dict):
        raise ValueError('expected a JSON object, such as {"truncate": "END"}')
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a parser that accepts only `choices`."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}")
        return text

    return read


def number(low: float = 0, high: float = inf) -> Callable[[str], float]:
    """Return a parser of finite numbers from `low` to `high`, both included."""

    def read(text: str) -> float:
        if not low <= (value := float(text)) <= high or value == inf:
            raise ValueError(f"expected a number from {low:g}" + (f" to {high:g}" if high < inf else ""))
        return value

    return read
