"""What the text of ``--option NAME=TEXT`` may be; each function raises ValueError, which says what would do."""

import json
from collections.abc import Callable
from math import inf
from typing import Any

_BOOLEANS = {"true": True, "false": False}


def positive_integer(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise ValueError("expected a whole number above 0")
    return int(text)


def boolean(text: str) -> bool:
    """Read true or false."""
    return _BOOLEANS[one_of(*_BOOLEANS)(text)]


def json_object(text: str) -> dict[str, Any]:
    """Read an object of JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"expected an object of JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError('expected an object of JSON, such as {"truncate": "END"}')
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """Return a function that takes nothing but `choices`."""

    def read(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected {' or '.join(choices)}")
        return text

    return read


def number(low: float = 0, high: float = inf) -> Callable[[str], float]:
    """Return a function that takes numbers from `low` to `high`, both included; never infinity or NaN."""

    def read(text: str) -> float:
        if not low <= (value := float(text)) <= high or value == inf:
            raise ValueError(f"expected a number from {low:g}" + (f" to {high:g}" if high < inf else ""))
        return value

    return read
